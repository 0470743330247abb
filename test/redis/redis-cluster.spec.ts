import { Cluster, Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../lib/core/clock.js';
import { WsAuthOptionsError } from '../../lib/core/errors.js';
import { newId, newNodeId } from '../../lib/core/identifiers.js';
import type { RevocationEntry } from '../../lib/core/revocation/revocation-log.js';
import { connectRedis } from '../../lib/redis/connect-redis.js';
import { Partitions } from '../../lib/redis/partitions.js';
import { RedisStores } from '../../lib/redis/redis-stores.js';
import { describeAnomalyStore } from '../contract/anomaly-store.contract.js';
import { describeConnectionRegistry } from '../contract/connection-registry.contract.js';
import { describeRevocationLog } from '../contract/revocation-log.contract.js';
import { describeSessionStore } from '../contract/session-store.contract.js';
import {
  admission,
  byPrincipal,
  bySession,
  byTicket,
  createSession,
  issueTicket,
  newUserHash,
  revokeUser,
  sessionOrder,
  newSessionId,
  type StoresUnderTest,
} from '../contract/store-harness.js';
import { describeThrottleStore } from '../contract/throttle-store.contract.js';
import { describeTicketStore } from '../contract/ticket-store.contract.js';
import { startCluster, type RedisCluster } from '../support/redis-cluster.js';

let cluster: RedisCluster;
beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster.stop());

async function startNode({
  option,
  prefix = `test-${newNodeId()}:`,
  partitions,
}: { option?: object; prefix?: string; partitions?: number } = {}): Promise<StoresUnderTest> {
  const stores = new RedisStores({
    clients: await connectRedis(option ?? { cluster: cluster.startupNodes }),
    node: newNodeId(),
    prefix,
    partitions,
    clock: systemClock,
    rememberRevocationsMs: 3_600_000,
    onError: () => {},
  });
  try {
    await stores.start();
  } catch (error) {
    await stores.stop();
    throw error;
  }
  return { stores, now: systemClock, stop: () => stores.stop() };
}

describeTicketStore('cluster', startNode);
describeSessionStore('cluster', startNode);
describeConnectionRegistry('cluster', startNode);
describeRevocationLog('cluster', startNode);
describeThrottleStore('cluster', startNode);
describeAnomalyStore('cluster', startNode);

describe('RedisStores on a cluster', () => {
  const started: StoresUnderTest[] = [];
  const start = async (options: Parameters<typeof startNode>[0] = {}): Promise<StoresUnderTest> => {
    const node = await startNode(options);
    started.push(node);
    return node;
  };
  afterEach(async () => {
    await Promise.all(started.splice(0).map((node) => node.stop()));
  });

  /** A user in each partition. */
  function usersOf(partitions: Partitions): string[] {
    const found = new Map<string, string>();
    while (found.size < partitions.names.length) {
      const userHash = newUserHash();
      found.set(partitions.of(userHash), userHash);
    }
    return partitions.names.map((name) => found.get(name)!);
  }

  async function keysOf(prefix: string): Promise<string[]> {
    const masters = await cluster.masters();
    return (await Promise.all(masters.map(({ admin }) => admin.keys(`${prefix}*`)))).flat();
  }

  it('serves users of every partition, which lie on all masters (RD-04)', async () => {
    const prefix = `test-${newNodeId()}:`;
    const node = await start({ prefix });
    const users = usersOf(new Partitions(16));
    for (const userHash of users) {
      const session = await createSession(node, userHash);
      const ticket = await issueTicket(node, userHash, { record: { sessionId: session.id } });
      const rate = { key: `address-${userHash}`, limit: 60, windowMs: 60_000, burst: 2 };
      const admitted = await node.stores.connections.admit(admission(node, byTicket(ticket), { rate }));
      expect(admitted.outcome).toBe('admitted');
      await revokeUser(node, userHash);
      expect((await node.stores.sessions.list(userHash)).length).toBe(0);
    }
    const masters = await cluster.masters();
    const loads = await Promise.all(
      masters.map(async ({ admin }) => (await admin.keys(`${prefix}{*}:log`)).length),
    );
    expect(loads).toHaveLength(3);
    expect(loads.every((logs) => logs > 0)).toBe(true);
    expect(loads.reduce((sum, logs) => sum + logs, 0)).toBe(16);
  });

  it('gives every key a time to live but for the few that are documented (RD-04)', async () => {
    const prefix = `test-${newNodeId()}:`;
    const node = await start({ prefix });
    const userHash = newUserHash();
    const session = await createSession(node, userHash);
    const ticket = await issueTicket(node, userHash, { record: { sessionId: session.id } });
    const rate = { key: 'some-address', limit: 60, windowMs: 60_000, burst: 2 };
    await node.stores.connections.admit(admission(node, byTicket(ticket), { rate }));
    await node.stores.throttle.take(newId(), { limit: 1, windowMs: 60_000, burst: 2 }, 1);
    await revokeUser(node, userHash);
    await node.stores.revocations.append({ kind: 'everyone', issuedBefore: 1 }, 'test');
    const lasting: string[] = [];
    for (const { admin } of await cluster.masters()) {
      for (const key of await admin.keys(`${prefix}*`)) {
        if ((await admin.pttl(key)) === -1) lasting.push(key.slice(prefix.length).replace(/^\{.+\}:/, ''));
      }
    }
    expect((await keysOf(prefix)).length).toBeGreaterThan(40);
    expect([...new Set(lasting)].toSorted()).toEqual(['cfg', 'log', 'n']);
  });

  it('asks the rate of an address before anything else: what it refuses is not spent, and pushes nobody out (TH-01)', async () => {
    const node = await start();
    const userHash = newUserHash();
    const session = await createSession(node, userHash);
    const oldest = newId();
    const rate = { key: `address-${userHash}`, limit: 1, windowMs: 3_600_000, burst: 1 };
    const change = { rate, maxPerUser: 1, onLimit: 'replace-oldest' as const };
    const basis = bySession(userHash, session.id);
    const first = await node.stores.connections.admit(
      admission(node, basis, { ...change, connectionId: oldest }),
    );
    expect(first.outcome).toBe('admitted');
    const ticket = await issueTicket(node, userHash, { record: { sessionId: session.id } });
    expect((await node.stores.connections.admit(admission(node, byTicket(ticket), change))).outcome).toBe(
      'rate',
    );
    expect(await node.stores.connections.countOf(userHash)).toBe(1);
    const later = await node.stores.connections.admit(
      admission(node, byTicket(ticket), { ...change, rate: undefined }),
    );
    expect(later).toMatchObject({ outcome: 'admitted', evicted: { connectionId: oldest } });
  });

  it('revokes everyone in every partition, and tells a node that is far away of each once (SE-04)', async () => {
    const prefix = `test-${newNodeId()}:`;
    const [here, there] = [await start({ prefix }), await start({ prefix })];
    const users = usersOf(new Partitions(16));
    const heard: RevocationEntry[] = [];
    there.stores.revocations.follow((entry) => {
      if (entry.order.kind === 'everyone') heard.push(entry);
      return 1;
    });
    here.stores.revocations.follow(() => 2);
    const sessions = await Promise.all(users.map((userHash) => createSession(here, userHash)));
    const { entry } = await here.stores.revocations.append(
      { kind: 'everyone', issuedBefore: undefined },
      'test',
    );
    const result = await here.stores.revocations.acknowledgements(entry, 5_000);
    expect(result).toEqual({ sockets: 16 * 3, nodes: 2, pending: 0 });
    expect(heard.map(({ partition }) => partition).toSorted()).toEqual(new Partitions(16).names);
    const left = await there.stores.sessions.get(sessions.map(({ id }) => id));
    expect(left).toEqual(Array(16).fill(null));
    // Each partition has a cut of its own: none of them waits for the others.
    const cuts = new Map(heard.map(({ partition, cut }) => [partition, cut!]));
    const outcomes = await Promise.all(
      users.map((userHash) => {
        const issuedAt = cuts.get(here.stores.revocations.partitionOf(userHash))! - 1;
        return there.stores.connections.admit(admission(there, byPrincipal(there, userHash, { issuedAt })));
      }),
    );
    expect(outcomes).toEqual(users.map(() => ({ outcome: 'revoked' })));
  });

  it("answers a log tail of the partition of the user, in which that user's entries stand (SE-03)", async () => {
    const node = await start();
    const [one, two] = usersOf(new Partitions(16));
    const mine = await revokeUser(node, one!);
    await revokeUser(node, two!);
    const issuedAt = node.now() + 2_000;
    const admitted = await node.stores.connections.admit(
      admission(node, byPrincipal(node, one!, { issuedAt })),
    );
    expect(admitted).toMatchObject({ outcome: 'admitted', logTail: mine.entry.id });
    expect(mine.entry.partition).toBe(node.stores.revocations.partitionOf(one!));
  });

  it('hears of revocations from a node with a connection of its own, and from another when that is cut (SE-04)', async () => {
    const prefix = `test-${newNodeId()}:`;
    const [here, there] = [await start({ prefix }), await start({ prefix })];
    const heard = new Set<string>();
    there.stores.revocations.follow((entry) => {
      if (entry.order.kind === 'session') heard.add(entry.order.sessionId);
      return 0;
    });
    const subscribers = async (): Promise<number> => {
      const counts = await Promise.all(
        cluster.nodes.map(({ admin }) => admin.call('PUBSUB', 'NUMSUB', `${prefix}entries`)),
      );
      return counts.reduce<number>((sum, reply) => sum + Number((reply as [string, number])[1]), 0);
    };
    for (let round = 0; round < 3; round += 1) {
      await Promise.all(cluster.nodes.map(({ admin }) => admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')));
      await expect.poll(subscribers, { timeout: 20_000 }).toBe(2);
      const id = newSessionId(newUserHash());
      await here.stores.revocations.append(sessionOrder(id), 'test');
      await expect.poll(() => heard.has(id), { timeout: 20_000 }).toBe(true);
    }
  });

  describe('option "redis"', () => {
    it('takes a cluster client, of which it makes copies and leaves it as it is', async () => {
      const own = new Cluster([...cluster.startupNodes], { lazyConnect: true });
      const node = await start({ option: own });
      const userHash = newUserHash();
      const session = await createSession(node, userHash);
      expect(await node.stores.sessions.get([session.id])).toMatchObject([{ id: session.id }]);
      expect(own.status).toBe('wait');
      expect(own.options.enableOfflineQueue).toBe(true);
    });

    it.each([
      ['a client', () => new Cluster([...cluster.startupNodes], { lazyConnect: true, keyPrefix: 'x:' })],
      [
        'a client through redisOptions',
        () =>
          new Cluster([...cluster.startupNodes], { lazyConnect: true, redisOptions: { keyPrefix: 'x:' } }),
      ],
      ['a single client', () => new Redis({ lazyConnect: true, keyPrefix: 'x:' })],
      ['options', () => ({ cluster: cluster.startupNodes, options: { keyPrefix: 'x:' } })],
      [
        'redisOptions',
        () => ({ cluster: cluster.startupNodes, options: { redisOptions: { keyPrefix: 'x:' } } }),
      ],
      ['single options', () => ({ keyPrefix: 'x:' })],
    ])('refuses a keyPrefix of %s', async (_, make) => {
      await expect(connectRedis(make())).rejects.toThrow(
        /a keyPrefix is not for this library.*"redisPrefix"/,
      );
    });

    it('refuses a keyPrefix in a URL', async () => {
      await expect(connectRedis('redis://127.0.0.1:1/?keyPrefix=x')).rejects.toThrow(WsAuthOptionsError);
    });

    it.each([[{ cluster: [] }], [{ cluster: 'localhost' }]])('refuses %j', async (option) => {
      await expect(connectRedis(option)).rejects.toThrow(/"cluster" must be a list of one or more nodes/);
    });
  });

  describe('option "redisPartitions"', () => {
    it.each([
      [1, 1],
      [64, 64],
      [256, 256],
      [undefined, 16],
    ])('splits the users into %s', async (partitions, expected) => {
      const prefix = `test-${newNodeId()}:`;
      const node = await start({ prefix, ...(partitions ? { partitions } : {}) });
      const userHash = newUserHash();
      const session = await createSession(node, userHash);
      const partition = new Partitions(expected).of(userHash);
      expect(await keysOf(prefix)).toContain(`${prefix}{${partition}}:s:${session.id}`);
    });

    it('refuses the boot of a node with another number than the others have, and says which (RD-04)', async () => {
      const prefix = `test-${newNodeId()}:`;
      await start({ prefix });
      const other = start({ prefix, partitions: 64 });
      await expect(other).rejects.toThrow(WsAuthOptionsError);
      await expect(other).rejects.toThrow(
        /this node has 64, and "test-.*cfg" says .* 16: set redisPartitions: 16/,
      );
      await start({ prefix, partitions: 16 });
    });
  });
});
