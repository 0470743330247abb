import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CoreNode, type CoreNodeInit } from '../support/core-node.js';
import { eventually } from '../support/eventually.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';
import { TcpRelay } from '../support/tcp-relay.js';

const LEASE = { beatMs: 200, leaseMs: 60_000 };

describe('a node that does not hear what became of its commands', () => {
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

  const places = async (): Promise<number> => {
    const keys = await admin.keys('ws:{0}:c:*');
    const counts = await Promise.all(keys.map((key) => admin.hlen(key)));
    return counts.reduce((sum, count) => sum + count, 0);
  };

  it('gives back the places of handshakes that were decided without it, and of no live connection (SE-07)', async () => {
    const node = await startNode({ commandsPort: relay.port });
    const { session } = await node.sessions.create({ userId: 'ada' });
    const live = await node.connect(session.id);
    relay.swallow('replies');
    // Of a renewal too nobody hears; what it renews goes on.
    const renewal = node.connect(session.id, { connectionId: live.connection.id });
    const tries = [renewal, ...Array.from({ length: 9 }, () => node.connect(session.id))];
    const outcomes = await Promise.allSettled(tries);
    const unheard = await places();
    relay.heal();
    await eventually(async () => (await places()) === 1);
    console.log(`${unheard - 1} places taken unheard, ${(await places()) - 1} left`);
    expect(outcomes.map(({ status }) => status)).toEqual(Array(10).fill('rejected'));
    expect(unheard).toBe(10);
    expect(await admin.hkeys(`ws:{0}:c:${node.hashOf('ada')}`)).toEqual([live.connection.id]);
  });

  it('gives back the places of connections that ended meanwhile (SE-07)', async () => {
    const node = await startNode({ commandsPort: relay.port });
    const { session } = await node.sessions.create({ userId: 'ada' });
    const connections = [];
    for (let index = 0; index < 500; index += 1)
      connections.push((await node.connect(session.id)).connection);
    relay.swallow();
    for (const connection of connections) node.connections.closed(connection, 1001);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const kept = await places();
    relay.heal();
    await eventually(async () => (await places()) === 0);
    console.log(
      `${kept} places could not be given back, ${await places()} left when the store is there again`,
    );
    expect(kept).toBe(500);
    expect(node.errors.filter((error) => !/lease|did not answer/.test(String(error)))).toEqual([]);
  });

  it('registers its connections anew when its lease has lapsed and others have thrown them out (SE-07)', async () => {
    const lease = { beatMs: 200, leaseMs: 600 };
    const [lapsed, other] = [
      await startNode({ commandsPort: relay.port, lease }),
      await startNode({ lease }),
    ];
    const { session } = await other.sessions.create({ userId: 'ada' });
    for (let index = 0; index < 20; index += 1) await lapsed.connect(session.id);
    relay.swallow();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await other.connect(session.id);
    const thrownOut = 21 - (await places());
    relay.heal();
    await eventually(async () => (await places()) === 21);
    console.log(`lease lapsed: ${thrownOut} places thrown out, ${(await places()) - 1} registered anew`);
    expect(thrownOut).toBe(20);
    expect(lapsed.alive).toBe(20);
  });

  it.each(['replies', 'everything'] as const)(
    'applies a revocation here, and gives it again until the store has it, once, when %s is lost (SE-01)',
    async (what) => {
      const [a, b] = [await startNode({ revocationsPort: relay.port }), await startNode()];
      const users = Array.from({ length: 20 }, (_, index) => `user-${index}`);
      for (const userId of users) {
        const { session } = await b.sessions.create({ userId });
        await a.connect(session.id);
        await b.connect(session.id);
      }
      // The server has the script from now on: it needs no second call.
      await a.sessions.revoke({ user: 'nobody' });
      relay.swallow(what);
      const outcomes = await Promise.allSettled(users.map((user) => a.sessions.revoke({ user })));
      const aliveHere = a.alive;
      const aliveThere = b.alive;
      const newer = await b.sessions.create({ userId: users[0]! });
      const newerConnection = await b.connect(newer.session.id);
      relay.heal();
      await eventually(() => b.alive === 1, 10_000);
      await eventually(async () => (await b.sessions.list(users[1]!)).length === 0);
      // Given again once more than is needed, it is still done once.
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      const rows = (await admin.xrange('ws:{0}:log', '-', '+')).filter(([, fields]) => fields.includes('o'));
      console.log(
        `${outcomes.length} revocations, ${what} lost: ${aliveHere} alive here and ${aliveThere} there, then ${b.alive - 1}; carried out ${rows.length - 1} times`,
      );
      expect(outcomes.map((outcome) => outcome.status)).toEqual(Array(20).fill('rejected'));
      expect(aliveHere).toBe(0);
      expect(aliveThere).toBe(what === 'replies' ? 0 : 20);
      expect(rows).toHaveLength(21);
      expect(newerConnection.connection.isOpen).toBe(true);
      expect((await b.sessions.list(users[0]!)).map(({ id }) => id)).toEqual([newer.session.id]);
    },
  );
});
