import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../lib/core/identifiers.js';
import { CoreNode, type CoreNodeInit } from '../support/core-node.js';
import { eventually } from '../support/eventually.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';
import { TcpRelay } from '../support/tcp-relay.js';

const LEASE = { beatMs: 200, leaseMs: 60_000 };
const LIMIT = { maxPerUser: 2, onLimit: 'replace-oldest' } as const;

describe('RedisConnectionRegistry', () => {
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
    return node;
  }

  const placesOf = (node: CoreNode, user: string): Promise<string[]> =>
    admin.hkeys(`ws:{0}:c:${node.hashOf(user)}`);
  const alive = (): number => nodes.reduce((sum, node) => sum + node.alive, 0);

  it('lists the connections of all nodes, and those of a node without a lease no more', async () => {
    const lease = { beatMs: 60_000, leaseMs: 120_000 };
    const [here, there] = [await startNode({ lease }), await startNode({ lease })];
    const { session } = await here.sessions.create({ userId: 'ada' });
    const [mine, other] = [await here.connect(session.id), await there.connect(session.id)];
    const list = async (): Promise<unknown[]> =>
      (await here.stores.connections.list(here.hashOf('ada'))).map(({ id, node }) => [id, node]);
    const both = [
      [mine.connection.id, here.node],
      [other.connection.id, there.node],
    ];
    expect(await list()).toEqual(both);
    await admin.zadd('ws:{0}:n', 1, there.node);
    expect(await list()).toEqual([both[0]]);
    // Whether somebody is gone for good is for those to say who need the place.
    expect(await placesOf(here, 'ada')).toHaveLength(2);
  });

  it('tells who has to make room in the step in which it takes the place away (SE-07)', async () => {
    const [here, there] = [await startNode(), await startNode()];
    const { session } = await here.sessions.create({ userId: 'ada' });
    const oldest = await there.connect(session.id, LIMIT);
    const middle = await here.connect(session.id, LIMIT);
    const youngest = await here.connect(session.id, LIMIT);
    await eventually(() => !oldest.connection.isOpen);
    expect(oldest.closes).toMatchObject([{ code: 4409 }]);
    // A connection of this node has gone before the admission is answered.
    const last = await here.connect(session.id, LIMIT);
    expect([middle, youngest, last].map(({ connection }) => connection.isOpen)).toEqual([false, true, true]);
    expect(here.errors).toEqual([]);
  });

  it.each([
    ['this node', 0],
    ['another node', 1],
  ])(
    'keeps the limit where nobody hears that a connection of %s had to make room (SE-07)',
    async (_, index) => {
      const [here, there] = [await startNode({ commandsPort: relay.port }), await startNode()];
      const { session } = await there.sessions.create({ userId: 'ada' });
      const oldest = await [here, there][index]!.connect(session.id, LIMIT);
      const other = await there.connect(session.id, LIMIT);
      // The server has the script from now on: it needs no second call.
      await here.connectPrincipal('somebody');
      relay.swallow('replies');
      await expect(here.connect(session.id, LIMIT)).rejects.toMatchObject({ code: 'store_unavailable' });
      await eventually(() => !oldest.connection.isOpen);
      expect(oldest.closes).toMatchObject([{ code: 4409 }]);
      relay.heal();
      // The place that nobody heard of is given back, and only that.
      await eventually(async () => (await placesOf(there, 'ada')).length === 1);
      expect(await placesOf(there, 'ada')).toEqual([other.connection.id]);
      for (let count = 0; count < 3; count += 1) {
        await there.connect(session.id, LIMIT);
        await eventually(() => alive() <= LIMIT.maxPerUser + 1);
        expect((await placesOf(there, 'ada')).length).toBeLessThanOrEqual(LIMIT.maxPerUser);
      }
      expect(other.connection.isOpen).toBe(false);
    },
  );

  it('says again who had to make room when a failover has lost it (RD-04)', async () => {
    const node = await startNode();
    const { session } = await node.sessions.create({ userId: 'ada' });
    for (let count = 0; count < 3; count += 1) await node.connect(session.id, LIMIT);
    const ordersIn = async (): Promise<string[]> =>
      (await admin.xrange('ws:{0}:log', '-', '+'))
        .filter(([, fields]) => fields.includes('o'))
        .map(([, f]) => f[1]!);
    const [nonce] = await ordersIn();
    await admin.flushall();
    await eventually(async () => (await ordersIn()).length === 1);
    expect(await ordersIn()).toEqual([nonce]);
  });

  it('gives many places back in a command, and what has failed later (SE-07)', async () => {
    const node = await startNode({ commandsPort: relay.port });
    const users = ['ada', 'bob', 'eve'];
    const opened = await Promise.all(users.map((user) => node.connectPrincipal(user)));
    const places = opened.map(({ connection: { id, grant } }) => ({ id, userHash: grant.userHash }));
    const left = async (): Promise<number> =>
      (await Promise.all(users.map((user) => placesOf(node, user)))).flat().length;
    relay.swallow();
    await node.stores.connections.releaseAll(places);
    expect(await left()).toBe(3);
    relay.heal();
    await eventually(async () => (await left()) === 0);
  });

  it('keeps nobody from giving a place back whose user has a key of another kind (SE-07)', async () => {
    const node = await startNode();
    const users = ['ada', 'bob', 'eve'];
    const opened = await Promise.all(users.map((user) => node.connectPrincipal(user)));
    await admin.set(`ws:{0}:c:${node.hashOf('ada')}`, 'something else');
    const places = opened.map(({ connection: { id, grant } }) => ({ id, userHash: grant.userHash }));
    await node.stores.connections.releaseAll(places);
    await eventually(
      async () => [...(await placesOf(node, 'bob')), ...(await placesOf(node, 'eve'))].length === 0,
    );
  });

  it('registers many connections anew in slices, and within a second or so (SE-07)', async () => {
    const node = await startNode();
    for (let count = 0; count < 1_100; count += 1) {
      await node.admit({
        mode: 'principal',
        principal: { id: 'ada', roles: [], scopes: [] },
        userHash: node.hashOf('ada'),
        issuedAt: Date.now(),
      });
    }
    const ids = await placesOf(node, 'ada');
    await admin.del(`ws:{0}:c:${node.hashOf('ada')}`);
    const userHash = node.hashOf('ada');
    const place = (id: string) => ({ id, userHash, sessionId: undefined, since: Date.now() });
    const started = performance.now();
    const restored = node.stores.connections.restore([...ids.map(place), place(newId())]);
    await eventually(async () => (await placesOf(node, 'ada')).length >= 500);
    expect((await placesOf(node, 'ada')).length).toBeLessThan(1_100);
    await restored;
    expect(performance.now() - started).toBeGreaterThan(95);
    expect(performance.now() - started).toBeLessThan(2_000);
    expect((await placesOf(node, 'ada')).toSorted()).toEqual(ids.toSorted());
  });
});
