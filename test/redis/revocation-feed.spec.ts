import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../lib/core/clock.js';
import { newNodeId } from '../../lib/core/identifiers.js';
import type { RedisClient } from '../../lib/redis/redis-client.js';
import { Partitions } from '../../lib/redis/partitions.js';
import { RedisStores } from '../../lib/redis/redis-stores.js';
import { newUserHash } from '../contract/store-harness.js';
import { CoreNode, type CoreNodeInit } from '../support/core-node.js';
import { eventually } from '../support/eventually.js';
import { connectClients, startRedis, type RedisServer } from '../support/redis-server.js';
import { TcpRelay } from '../support/tcp-relay.js';

const LOG = 'ws:{0}:log';
const LEASE = { beatMs: 200, leaseMs: 60_000 };

describe('RevocationFeed', () => {
  let server: RedisServer;
  let admin: Redis;
  let relay: TcpRelay;
  const nodes: { stop(): Promise<void> }[] = [];
  beforeEach(async () => {
    server = await startRedis();
    admin = new Redis(server.port, '127.0.0.1');
    relay = await TcpRelay.start(server.port);
  });
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
    admin.disconnect();
    await relay.stop();
    await server.stop();
  });

  async function startNode(init: Partial<CoreNodeInit> = {}): Promise<CoreNode> {
    const node = await CoreNode.start({ port: server.port, lease: LEASE, ...init });
    nodes.push(node);
    return node;
  }

  /** What the server holds. @returns what makes another server of the same address that holds it */
  async function snapshot(): Promise<() => Promise<void>> {
    const keys = await admin.keys('*');
    const dumps = await Promise.all(
      keys.map(async (key) => ({ key, ttl: await admin.pttl(key), dump: (await admin.dumpBuffer(key))! })),
    );
    return async () => {
      admin.disconnect();
      const { port } = server;
      await server.stop();
      server = await startRedis('--port', `${port}`);
      admin = new Redis(port, '127.0.0.1');
      const restore = admin.multi();
      for (const { key, ttl, dump } of dumps) restore.restore(key, Math.max(0, ttl), dump);
      await restore.exec();
    };
  }

  describe('an entry that is known by its message alone', () => {
    it('over a gap, and that a failover has lost together with who ordered it, is asserted again (RD-04, SE-01)', async () => {
      const node = await startNode({ commandsPort: relay.port });
      const issuer = await CoreNode.start({ port: server.port, lease: LEASE });
      const { session } = await issuer.sessions.create({ userId: 'ada' });
      const other = await issuer.sessions.create({ userId: 'eve' });
      const live = await node.connect(session.id);
      await issuer.sessions.revoke({ user: 'nobody' });
      const failOver = await snapshot();
      relay.swallow();
      // What is published of this one is lost.
      await admin.xadd(LOG, '*', 'k', 'a-nonce-that-nobody-heard-of');
      await issuer.sessions.revoke({ user: 'ada' });
      await eventually(() => !live.connection.isOpen);
      await issuer.stop();
      await failOver();
      expect(await admin.exists(`ws:{0}:s:${session.id}`)).toBe(1);
      relay.heal();
      await eventually(async () => (await admin.exists(`ws:{0}:s:${session.id}`)) === 0);
      expect(await node.sessions.list('eve')).toMatchObject([{ id: other.session.id }]);
    });

    it('and that is in the log after all is not carried out again', async () => {
      const node = await startNode({ commandsPort: relay.port });
      const issuer = await startNode();
      const { session } = await issuer.sessions.create({ userId: 'ada' });
      const live = await node.connect(session.id);
      relay.swallow();
      await admin.xadd(LOG, '*', 'k', 'a-nonce-that-nobody-heard-of');
      await issuer.sessions.revoke({ user: 'ada' });
      await eventually(() => !live.connection.isOpen);
      const length = await admin.xlen(LOG);
      const failOver = await snapshot();
      await failOver();
      relay.heal();
      const since = Date.now() + 2_100;
      await eventually(() => node.stores.freshAt >= since, 10_000);
      expect(await admin.xlen(LOG)).toBe(length);
    });

    it('and that nobody has ever written is not asserted, while the server stays the same (SE-05)', async () => {
      const node = await startNode();
      const { session } = await node.sessions.create({ userId: 'ada' });
      const order = { kind: 'session', sessionId: session.id, userHash: node.hashOf('ada') };
      const id = `${Date.now() + 1_000}-0`;
      const message = ['0', id, 'no|entry', 'forged', JSON.stringify(order), '', '', 'test', ''];
      await admin.publish('ws:entries', JSON.stringify(message));
      const since = Date.now() + 2_100;
      await eventually(() => node.stores.freshAt >= since);
      expect(await node.sessions.list('ada')).toHaveLength(1);
    });
  });

  describe('freshness', () => {
    /** A user of a partition. */
    function userIn(partition: string): string {
      const partitions = new Partitions(16);
      for (;;) {
        const userHash = newUserHash();
        if (partitions.of(userHash) === partition) return userHash;
      }
    }

    /** A node of which the keys of one partition can be put out of reach. */
    async function startStores(): Promise<{ stores: RedisStores; away: Set<string> }> {
      const clients = await connectClients(server.port);
      const away = new Set<string>();
      const commands: RedisClient = new Proxy(clients.commands, {
        get: (target, name) => {
          const value: unknown = Reflect.get(target, name);
          if (name !== 'call') return typeof value === 'function' ? value.bind(target) : value;
          return (command: string, ...args: (string | number)[]): Promise<unknown> => {
            const isAway = [...away].some((partition) =>
              args.some((arg) => `${arg}`.includes(`{${partition}}`)),
            );
            return isAway ? Promise.reject(new Error('Command timed out')) : target.call(command, ...args);
          };
        },
      });
      const stores = new RedisStores({
        clients: { ...clients, commands },
        node: newNodeId(),
        clock: systemClock,
        rememberRevocationsMs: 3_600_000,
        onError: () => {},
        partitions: 16,
        prefix: `test-${newNodeId()}:`,
      });
      nodes.push(stores);
      await stores.start();
      return { stores, away };
    }

    it('of users whose partition is out of reach stands still, and that of others goes on (RD-01)', async () => {
      const { stores, away } = await startStores();
      const [lost, well] = [userIn('3'), userIn('4')];
      expect(stores.freshAtOf(lost)).toBeGreaterThan(Date.now() - 1_000);
      // As of a single server: one breaker for all of it would shut out the others.
      away.add('3');
      const since = Date.now();
      await eventually(() => stores.freshAtOf(well) > since + 1_500);
      expect(stores.freshAtOf(lost)).toBeLessThanOrEqual(since);
      expect(stores.freshAt).toBe(stores.freshAtOf(lost));
      away.clear();
      const back = Date.now();
      await eventually(() => stores.freshAt > back);
      expect(stores.freshAtOf(lost)).toBeGreaterThan(back);
    });

    it('after a loss begins again when everything local was held against the store, and not before (SE-04)', async () => {
      const { stores } = await startStores();
      let letGo = (): void => {};
      const held = new Promise<void>((resolve) => (letGo = resolve));
      let checks = 0;
      stores.revocations.follow(
        () => 0,
        () => {
          checks += 1;
          return held;
        },
      );
      await admin.flushall();
      await eventually(() => checks === 1);
      const since = Date.now();
      await new Promise((resolve) => setTimeout(resolve, 1_200));
      expect(stores.freshAt).toBeLessThan(since);
      letGo();
      await eventually(() => stores.freshAt > since + 1_200);
      expect(checks).toBe(1);
    });
  });
});
