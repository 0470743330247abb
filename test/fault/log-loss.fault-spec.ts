import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CoreNode, type FakeConnection } from '../support/core-node.js';
import { eventually } from '../support/eventually.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';

const LOG = 'ws:{0}:log';
const USERS = 20;
const REVOKED = 8;

interface Row {
  readonly id: string;
  readonly fields: Readonly<Record<string, string>>;
}

describe('a log that was lost', () => {
  let server: RedisServer;
  let admin: Redis;
  let nodes: [CoreNode, CoreNode];
  beforeEach(async () => {
    server = await startRedis();
    admin = new Redis({ port: server.port, host: '127.0.0.1' });
    const init = { port: server.port };
    nodes = [await CoreNode.start(init), await CoreNode.start(init)];
  });
  afterEach(async () => {
    await Promise.all(nodes.map((node) => node.stop()));
    admin.disconnect();
    await server.stop();
  });

  const userIds = Array.from({ length: USERS }, (_, index) => `user-${index}`);
  const revokedIds = userIds.slice(0, REVOKED);

  /** A connection of each user on each node. */
  async function connectUsers(): Promise<Map<string, FakeConnection[]>> {
    const connections = new Map<string, FakeConnection[]>();
    for (const userId of userIds) {
      const { session } = await nodes[0].sessions.create({ userId });
      connections.set(userId, [await nodes[0].connect(session.id), await nodes[1].connect(session.id)]);
    }
    return connections;
  }

  const areOpen = (connections: Map<string, FakeConnection[]>, of: readonly string[]): boolean[] =>
    of.flatMap((userId) => connections.get(userId)!.map(({ connection }) => connection.isOpen));

  /** Resolves when both nodes have read the log as it is now, and done what it asks for. */
  async function settled(): Promise<void> {
    const since = Date.now() + 1_100;
    await eventually(() => nodes.every((node) => node.stores.freshAt >= since));
  }

  async function readLog(): Promise<Row[]> {
    const rows = await admin.xrange(LOG, '-', '+');
    return rows.map(([id, list]) => {
      const fields: Record<string, string> = {};
      for (let index = 0; index < list.length; index += 2) fields[list[index]!] = list[index + 1]!;
      return { id, fields };
    });
  }

  const ordersIn = (rows: readonly Row[]): string[] =>
    rows.filter(({ fields }) => fields.o !== undefined).map(({ fields }) => fields.k!);

  async function snapshot(): Promise<() => Promise<void>> {
    const keys = await admin.keys('*');
    const dumps = await Promise.all(
      keys.map(async (key) => ({ key, ttl: await admin.pttl(key), dump: (await admin.dumpBuffer(key))! })),
    );
    return async () => {
      const restore = admin.multi().flushall();
      for (const { key, ttl, dump } of dumps) restore.restore(key, Math.max(0, ttl), dump);
      await restore.exec();
    };
  }

  it('in a failover is completed again, once over both nodes, and newer logins stay (RD-04)', async () => {
    const connections = await connectUsers();
    const [first] = revokedIds;
    await nodes[0].sessions.revoke({ user: first! });
    const failOver = await snapshot();
    for (const [index, user] of revokedIds.entries()) await nodes[index % 2]!.sessions.revoke({ user });
    const lost = ordersIn(await readLog()).slice(1);
    await failOver();
    const revived = await Promise.all(revokedIds.slice(1).map((user) => nodes[0].sessions.list(user)));
    const newer = await nodes[1].sessions.create({ userId: revokedIds[1]! });
    const newerConnection = await nodes[1].connect(newer.session.id);
    await settled();
    const orders = ordersIn(await readLog());
    const alive = await Promise.all(revokedIds.map((user) => nodes[0].sessions.list(user)));
    console.log(
      `${lost.length} revocations lost, ${revived.flat().length} sessions revived: ` +
        `${orders.filter((nonce) => lost.includes(nonce)).length} asserted again, ${alive.flat().length - 1} left alive`,
    );
    expect(revived.flat()).toHaveLength(REVOKED - 1);
    expect(orders.filter((nonce) => lost.includes(nonce)).toSorted()).toEqual(lost.toSorted());
    expect(alive.flat().map(({ id }) => id)).toEqual([newer.session.id]);
    expect(newerConnection.connection.isOpen).toBe(true);
    expect(areOpen(connections, revokedIds)).not.toContain(true);
    expect(areOpen(connections, userIds.slice(REVOKED))).not.toContain(false);
  });

  it('is noticed where another order has taken the id of the last one (RD-04)', async () => {
    const connections = await connectUsers();
    const failOver = await snapshot();
    const [revoked, other] = userIds as [string, string];
    await nodes[0].sessions.revoke({ user: revoked });
    const lost = (await readLog()).at(-1)!;
    await failOver();
    const [otherSession] = await nodes[0].sessions.list(other);
    const order = { kind: 'session', sessionId: otherSession!.id, userHash: nodes[0].hashOf(other) };
    await admin.xadd(LOG, lost.id, 'k', 'another-nonce', 'o', JSON.stringify(order), 'y', 'test', 'n', '');
    await settled();
    const orders = ordersIn(await readLog());
    console.log(
      `1 of 1 id taken by another order: ${orders.filter((nonce) => nonce === lost.fields.k).length} asserted again`,
    );
    expect(orders).toEqual(['another-nonce', lost.fields.k]);
    expect(await nodes[0].sessions.list(revoked)).toEqual([]);
    expect(areOpen(connections, [revoked, other])).not.toContain(true);
    expect(areOpen(connections, userIds.slice(2))).not.toContain(false);
  });

  it('with everything else ends the sessions that are gone, registers the rest anew, and keeps the cuts (SE-04)', async () => {
    const connections = await connectUsers();
    const machines = await Promise.all(nodes.map((node) => node.connectPrincipal('machine')));
    for (const user of revokedIds) await nodes[0].sessions.revoke({ user });
    const before = ordersIn(await readLog());
    await admin.flushall();
    const newer = await nodes[0].sessions.create({ userId: revokedIds[0]! });
    const newerConnection = await nodes[1].connect(newer.session.id);
    await settled();
    const after = ordersIn(await readLog());
    const issuedBefore = { userHash: nodes[0].hashOf(revokedIds[1]!), issuedAt: 1, tokenHash: undefined };
    console.log(
      `FLUSHALL: ${areOpen(connections, userIds).filter(Boolean).length} of ${2 * USERS} connections left, ` +
        `${after.length} of ${before.length} revocations asserted again`,
    );
    expect(areOpen(connections, userIds)).not.toContain(true);
    expect(machines.map(({ connection }) => connection.isOpen)).toEqual([true, true]);
    expect(await nodes[0].stores.connections.countOf(nodes[0].hashOf('machine'))).toBe(2);
    expect(after.toSorted()).toEqual(before.toSorted());
    expect(await nodes[1].stores.revocations.isRevoked(issuedBefore)).toBe(true);
    expect(newerConnection.connection.isOpen).toBe(true);
  });

  it('in which nothing was ordered yet is missed too (SE-04)', async () => {
    const connections = await connectUsers();
    await admin.flushall();
    await eventually(() => nodes.every((node) => node.alive === 0));
    console.log(`FLUSHALL before the first revocation: 0 of ${2 * USERS} connections left`);
    expect(areOpen(connections, userIds)).not.toContain(true);
  });

  it('alone ends nobody and orders nothing twice, and what came after is carried out (SE-04)', async () => {
    const connections = await connectUsers();
    const kept = userIds.slice(REVOKED);
    for (const user of revokedIds) await nodes[0].sessions.revoke({ user });
    const [next, ...others] = kept as [string, ...string[]];
    const [session] = await nodes[0].sessions.list(next);
    const order = { kind: 'session', sessionId: session!.id, userHash: nodes[0].hashOf(next) };
    await admin
      .multi()
      .del(LOG)
      .xadd(LOG, '*', 'k', 'new-nonce', 'o', JSON.stringify(order), 'y', 'test', 'n', '')
      .exec();
    await settled();
    const orders = ordersIn(await readLog());
    console.log(
      `DEL of a log with ${REVOKED} orders: ${orders.length - 1} given twice, 1 new one carried out`,
    );
    expect(orders).toEqual(['new-nonce']);
    expect(areOpen(connections, [next])).not.toContain(true);
    expect(areOpen(connections, others)).not.toContain(false);
  });

  it('asserts rights again for the sessions that they were meant for, and for no newer one (SE-09)', async () => {
    const { session } = await nodes[0].sessions.create({ userId: 'ada', roles: ['member'] });
    const old = await nodes[1].connect(session.id);
    const failOver = await snapshot();
    await nodes[0].sessions.setRoles({ user: 'ada' }, { roles: ['admin'] });
    await failOver();
    const newer = await nodes[0].sessions.create({ userId: 'ada', roles: ['guest'] });
    const newerConnection = await nodes[1].connect(newer.session.id);
    await settled();
    const roles = (await nodes[0].sessions.list('ada')).map((live) => live.roles);
    console.log(`rights asserted again: sessions have ${JSON.stringify(roles)}`);
    expect(roles).toEqual([['admin'], ['guest']]);
    expect(old.connection.principal.roles).toEqual(['admin']);
    expect(newerConnection.connection.principal.roles).toEqual(['guest']);
  });
});
