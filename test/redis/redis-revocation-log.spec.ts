import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../lib/core/errors.js';
import type { RevocationSelector } from '../../lib/core/revocation/revocation-service.js';
import type { IssuedSession } from '../../lib/core/session/session-service.js';
import { CoreNode, type CoreNodeInit, type FakeConnection } from '../support/core-node.js';
import { settle } from '../support/core-harness.js';
import { eventually } from '../support/eventually.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';
import { TcpRelay } from '../support/tcp-relay.js';

const LEASE = { beatMs: 200, leaseMs: 60_000 };

describe('RedisRevocationLog', () => {
  let server: RedisServer;
  let admin: Redis;
  let relay: TcpRelay;
  const nodes: CoreNode[] = [];
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
    // The server has the script from now on: it needs no second call.
    await node.sessions.revoke({ user: 'nobody' });
    return node;
  }

  /** Kinds of the orders that stand in the log, but for those of the start. */
  async function ordersInLog(): Promise<string[]> {
    const rows = await admin.xrange('ws:{0}:log', '-', '+');
    const texts = rows.flatMap(([, fields]) =>
      fields.includes('o') ? [fields[fields.indexOf('o') + 1]!] : [],
    );
    const orders = texts.map((text) => JSON.parse(text) as { kind: string; userHash?: string });
    const nobody = nodes[0]!.hashOf('nobody');
    return orders.filter(({ userHash }) => userHash !== nobody).map(({ kind }) => kind);
  }

  interface Login extends FakeConnection, Pick<IssuedSession, 'token'> {
    readonly session: IssuedSession['session'];
  }

  async function login(node: CoreNode, userId: string): Promise<Login> {
    const { session, token } = await node.sessions.create({ userId });
    return { ...(await node.connect(session.id)), session, token };
  }

  describe('a revocation whose store hangs', () => {
    it.each<[string, (ada: Login) => RevocationSelector]>([
      ['a session', (ada) => ({ session: ada.session.id })],
      ['a user', () => ({ user: 'ada' })],
      ['everyone', () => ({ everyone: true })],
    ])('of %s closes the sockets of this node at once (SE-01, SE-02)', async (_, selector) => {
      const node = await startNode({ revocationsPort: relay.port });
      const ada = await login(node, 'ada');
      // What is known of the server's clock may be as old as an answer takes.
      await new Promise((resolve) => setTimeout(resolve, 20));
      relay.swallow();
      const revocation = node.revocations.revoke(selector(ada));
      revocation.catch(() => {});
      await settle();
      expect(ada.connection.isOpen).toBe(false);
      expect(ada.closes.map(({ code }) => code)).toEqual([4410]);
      await expect(revocation).rejects.toBeInstanceOf(StoreUnavailable);
      expect(await node.sessions.list('ada')).toHaveLength(1);
      relay.heal();
      await eventually(async () => (await node.sessions.list('ada')).length === 0);
      expect(await ordersInLog()).toHaveLength(1);
    });

    it('of all sessions but one closes the others at once, and leaves that one (SE-06)', async () => {
      const node = await startNode({ revocationsPort: relay.port });
      const [kept, other] = [await login(node, 'ada'), await login(node, 'ada')];
      await new Promise((resolve) => setTimeout(resolve, 20));
      relay.swallow();
      const revocation = node.revocations.revoke({ user: 'ada', except: kept.session.id });
      revocation.catch(() => {});
      await settle();
      expect([kept.connection.isOpen, other.connection.isOpen]).toEqual([true, false]);
      await expect(revocation).rejects.toBeInstanceOf(StoreUnavailable);
      relay.heal();
      await eventually(async () => (await node.sessions.list('ada')).length === 1);
      expect(kept.connection.isOpen).toBe(true);
      // The one that was kept is no newer than the server says: the next revocation hits it.
      await node.revocations.revoke({ user: 'ada' });
      expect(kept.connection.isOpen).toBe(false);
    });

    it('closes nobody else', async () => {
      const node = await startNode({ revocationsPort: relay.port });
      const [ada, eve] = [await login(node, 'ada'), await login(node, 'eve')];
      relay.swallow();
      await expect(node.revocations.revoke({ user: 'ada' })).rejects.toBeInstanceOf(StoreUnavailable);
      expect([ada.connection.isOpen, eve.connection.isOpen]).toEqual([false, true]);
    });
  });

  it('gives a revocation again that the store refuses, until it takes it, once (SE-01)', async () => {
    const node = await startNode();
    const ada = await login(node, 'ada');
    const scripts = ['eval', 'evalsha'];
    await admin.call('ACL', 'SETUSER', 'default', ...scripts.map((name) => `-${name}`));
    await expect(node.revocations.revoke({ user: 'ada' })).rejects.toThrow(/NOPERM/);
    expect(ada.connection.isOpen).toBe(false);
    expect(await admin.exists(`ws:{0}:s:${ada.session.id}`)).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    await admin.call('ACL', 'SETUSER', 'default', ...scripts.map((name) => `+${name}`));
    await eventually(async () => (await admin.exists(`ws:{0}:s:${ada.session.id}`)) === 0);
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    expect(await ordersInLog()).toEqual(['user']);
  });

  it('counts each socket once, also those of this node that were closed before the store was asked (SE-01)', async () => {
    const [here, there] = [await startNode(), await startNode()];
    const { session } = await here.sessions.create({ userId: 'ada' });
    for (const node of [here, here, there]) await node.connect(session.id);
    const machine = await here.connectPrincipal('machine');
    expect(await here.revocations.revoke({ user: 'ada' })).toEqual({ sockets: 3, nodes: 2, pending: 0 });
    expect(await there.revocations.revoke({ everyone: true })).toEqual({ sockets: 1, nodes: 2, pending: 0 });
    expect(await here.revocations.revoke({ everyone: true })).toEqual({ sockets: 0, nodes: 2, pending: 0 });
    expect(machine.connection.isOpen).toBe(false);
  });

  it('does not hit what comes after a revocation, however soon (SE-06)', async () => {
    const node = await startNode();
    for (const selector of [{ user: 'ada' }, { everyone: true as const }]) {
      for (let round = 0; round < 20; round += 1) {
        await node.revocations.revoke(selector);
        expect((await login(node, 'ada')).connection.isOpen).toBe(true);
      }
    }
  });

  describe('a change whose outcome is not heard', () => {
    it('of rights is asked for again, done once, and answered (SE-09)', async () => {
      const node = await startNode({ revocationsPort: relay.port });
      const ada = await login(node, 'ada');
      relay.swallow('replies');
      const change = node.sessions.setRoles({ user: 'ada' }, { roles: ['admin'] });
      await eventually(async () => (await ordersInLog()).length === 1);
      relay.heal();
      expect(await change).toBe(1);
      expect(await node.sessions.get(ada.token)).toMatchObject({ roles: ['admin'], version: 2 });
      expect(ada.connection.principal.roles).toEqual(['admin']);
      expect(await ordersInLog()).toEqual(['rights']);
    });

    it('of a token is asked for again, done once, and the caller has the new token (CK-04)', async () => {
      const node = await startNode({ revocationsPort: relay.port });
      const ada = await login(node, 'ada');
      relay.swallow('replies');
      const rotation = node.sessions.rotate(ada.token);
      await eventually(async () => (await ordersInLog()).length === 1);
      relay.heal();
      const { session, token } = await rotation;
      expect(await node.sessions.get(ada.token)).toBeNull();
      expect(await node.sessions.get(token)).toMatchObject({ id: session.id, userId: 'ada' });
      expect(ada.connection).toMatchObject({ isOpen: true, session: { id: session.id } });
      expect(await ordersInLog()).toEqual(['rotate']);
    });

    it('is refused with an error when it stays so, and not made later behind the back of its caller (SE-09)', async () => {
      const node = await startNode();
      const ada = await login(node, 'ada');
      server.process.kill('SIGSTOP');
      const outcomes = await Promise.allSettled([
        node.sessions.setRoles({ user: 'ada' }, { roles: ['admin'] }),
        node.stores.revocations.append(
          {
            kind: 'rotate',
            userHash: node.hashOf('ada'),
            sessionId: ada.session.id,
            newSessionId: `${node.hashOf('ada')}.another`,
          },
          'rotated',
        ),
      ]);
      server.process.kill('SIGCONT');
      expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
      for (const outcome of outcomes) expect(outcome).toMatchObject({ reason: expect.any(StoreUnavailable) });
      const since = Date.now() + 2_100;
      await eventually(() => node.stores.freshAt >= since);
      expect(await node.sessions.get(ada.token)).toMatchObject({ roles: [], version: 1 });
      expect(await ordersInLog()).toEqual([]);
      expect(ada.connection.isOpen).toBe(true);
    });
  });

  it('writes the number of partitions again where a flush has taken it (RD-04)', async () => {
    const node = await startNode();
    await admin.flushall();
    await eventually(async () => (await admin.get('ws:cfg')) === '1');
    expect(node.errors).toEqual([]);
  });

  it('says so when a node with another number of partitions has started meanwhile (RD-04)', async () => {
    const node = await startNode();
    await admin.multi().flushall().set('ws:cfg', '16').exec();
    await eventually(() => node.errors.length > 0);
    expect(String(node.errors[0])).toMatch(/redisPartitions.*16/);
    expect(await admin.get('ws:cfg')).toBe('16');
  });
});
