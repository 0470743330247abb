import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CLOSE } from '../../lib/core/close-code.js';
import { startApp, type TestApp } from '../support/app.js';
import { CoreNode } from '../support/core-node.js';
import { eventually } from '../support/eventually.js';
import { makeChatGateway } from '../support/gateways.js';
import { RawClient } from '../support/raw-client.js';
import { answered, startRedis, type RedisServer } from '../support/redis-server.js';

const GRACE_MS = 4_000;
const HANDSHAKES = 12;
/** How long a machine that has other things to do may take. */
const PATIENCE_MS = 30_000;

describe('a node whose Redis fails', () => {
  let server: RedisServer;
  const apps: TestApp[] = [];
  const cores: CoreNode[] = [];
  beforeEach(async () => {
    server = await startRedis();
  });
  afterEach(async () => {
    await Promise.all([
      ...apps.splice(0).map((app) => app.discard()),
      ...cores.splice(0).map((core) => core.stop()),
    ]);
    await server.stop();
  });

  async function startNode(): Promise<TestApp> {
    const app = await startApp({
      gateways: [makeChatGateway()],
      options: {
        redis: `redis://127.0.0.1:${server.port}`,
        secret: randomBytes(32).toString('hex'),
        storeOutage: { graceMs: GRACE_MS },
        ticket: { ttlMs: 60_000 },
      },
    });
    apps.push(app);
    return app;
  }

  async function startCore(): Promise<CoreNode> {
    const core = await CoreNode.start({ port: server.port });
    cores.push(core);
    return core;
  }

  const issue = async (app: TestApp, session: string): Promise<string> =>
    (await answered(() => app.tickets.issue({ session }))).ticket;

  async function shake(
    app: TestApp,
    ticket: string,
  ): Promise<{ client: RawClient; status: number; ms: number }> {
    const started = performance.now();
    const client = await RawClient.open(app.port, { target: `/ws?ticket=${ticket}` });
    const { status } = await client.response();
    return { client, status, ms: performance.now() - started };
  }

  it('that is stalled refuses quickly, does nothing late, and lets sockets go at the end of the grace (RD-01, LT-05)', async () => {
    const app = await startNode();
    const { session } = await app.sessions.create({ userId: 'ada' });
    const live = await shake(app, await issue(app, session.id));
    await live.client.messageOf('auth.ok');
    const tickets = await Promise.all(Array.from({ length: HANDSHAKES }, () => issue(app, session.id)));
    server.process.kill('SIGSTOP');
    const first = await Promise.all(tickets.map((ticket) => shake(app, ticket)));
    // The breaker has seen them all fail: what comes now does not even wait, but for one now and then that tries.
    const later = [];
    for (const ticket of tickets) later.push(await shake(app, ticket));
    live.client.send('echo', 'during the stall');
    const echo = await live.client.messageOf('echo');
    const slowest = Math.max(...first.map(({ ms }) => ms));
    const { code } = await live.client.closed();
    const closedAfter = Date.now() - app.engine.stores.freshAt;
    server.process.kill('SIGCONT');
    expect(await answered(() => app.sessions.list('ada'))).toHaveLength(1);
    const userHash = session.id.slice(0, session.id.indexOf('.'));
    const places = (): Promise<number> => answered(() => app.engine.stores.connections.countOf(userHash));
    await eventually(async () => (await places()) === 0, PATIENCE_MS);
    const again = [];
    for (const ticket of tickets) again.push(await shake(app, ticket));
    const quickest = Math.min(...later.map(({ ms }) => ms));
    console.log(
      `store stalled: ${first.filter(({ status }) => status === 503).length} of ${HANDSHAKES} answered 503, slowest ${Math.round(slowest)} ms, ` +
        `with the breaker open ${Math.round(quickest)} ms; socket closed ${code} ${Math.round(closedAfter)} ms after the last news; ` +
        `${again.filter(({ status }) => status === 101).length} of ${HANDSHAKES} tickets good afterwards`,
    );
    expect(first.map(({ status }) => status)).toEqual(Array(HANDSHAKES).fill(503));
    expect(slowest).toBeLessThan(2_000);
    expect(later.map(({ status }) => status)).toEqual(Array(HANDSHAKES).fill(503));
    expect(quickest).toBeLessThan(150);
    expect(echo.data).toBe('during the stall');
    expect(code).toBe(1013);
    expect(closedAfter).toBeGreaterThanOrEqual(GRACE_MS);
    expect(closedAfter).toBeLessThan(GRACE_MS + 6_000);
    expect(again.map(({ status }) => status)).toEqual(Array(HANDSHAKES).fill(101));
    expect(await places()).toBe(HANDSHAKES);
  });

  it('that is stalled lets no commands pile up, and answers each of them soon (RD-01)', async () => {
    const core = await startCore();
    const clients = Object.values(core.clients) as unknown as Queued[];
    server.process.kill('SIGSTOP');
    let slowest = 0;
    let longest = 0;
    let refused = 0;
    const ask = async (user: number): Promise<void> => {
      const started = performance.now();
      const wasRefused = await core.stores.connections.countOf(core.hashOf(`user-${user}`)).then(
        () => false,
        () => true,
      );
      slowest = Math.max(slowest, performance.now() - started);
      if (wasRefused) refused += 1;
    };
    for (let round = 0; round < 50; round += 1) {
      await Promise.all(Array.from({ length: 20 }, (_, index) => ask(index)));
      for (const { commandQueue, offlineQueue } of clients)
        longest = Math.max(longest, commandQueue.length + offlineQueue.length);
    }
    server.process.kill('SIGCONT');
    await answered(() => core.sessions.create({ userId: 'ada' }));
    console.log(
      `store stalled: ${refused} of 1000 commands refused, slowest ${Math.round(slowest)} ms, longest queue ${longest}`,
    );
    expect(refused).toBe(1_000);
    expect(slowest).toBeLessThan(2_000);
    // Those of the first round were sent: the breaker had not seen any of them fail.
    expect(longest).toBeLessThan(40);
  });

  it('and comes back empty closes the sockets of all sessions, and goes on without a restart (SE-04, RD-01)', async () => {
    const app = await startNode();
    const core = await startCore();
    const clients: RawClient[] = [];
    for (let user = 0; user < 10; user += 1) {
      const { session } = await app.sessions.create({ userId: `user-${user}` });
      clients.push((await shake(app, await issue(app, session.id))).client);
    }
    for (let user = 0; user < 100; user += 1) {
      const { session } = await core.sessions.create({ userId: `core-${user}` });
      await core.connect(session.id);
    }
    const { port } = server;
    await server.stop();
    await expect(core.sessions.create({ userId: 'meanwhile' })).rejects.toMatchObject({
      code: 'store_unavailable',
    });
    server = await startRedis('--port', `${port}`);
    const backAt = performance.now();
    const closes = await Promise.all(clients.map((client) => client.closed()));
    await eventually(() => core.alive === 0, PATIENCE_MS);
    const took = Math.round(performance.now() - backAt);
    // What a node has in the store it puts there before it looks what it has lost.
    const admin = new Redis(port, '127.0.0.1');
    const leases = await admin.zcard('ws:{0}:n');
    const { session } = await answered(() => app.sessions.create({ userId: 'user-0' }));
    const { client, status } = await shake(app, await issue(app, session.id));
    await client.messageOf('auth.ok');
    client.send('echo', 1);
    const echo = await client.messageOf('echo');
    // Each connection of a node comes back by itself; the one that listens, and the one that revokes, maybe later.
    await eventually(async () => (await listeners(admin)) === 2, PATIENCE_MS);
    await eventually(() => core.clients.revocations.status === 'ready', PATIENCE_MS);
    admin.disconnect();
    const result = await core.sessions.revoke({ session: session.id });
    console.log(
      `store back empty: ${closes.length} sockets and 100 connections closed after ${took} ms; new handshake ${status}`,
    );
    expect(closes.map(({ code }) => code)).toEqual(Array(10).fill(CLOSE.expired.code));
    expect(took).toBeLessThan(10_000);
    expect(leases).toBe(2);
    expect(status).toBe(101);
    expect(echo.data).toBe(1);
    expect(result).toEqual({ sockets: 1, nodes: 2, pending: 0 });
    expect(await client.closed()).toMatchObject({ code: 4410 });
  });

  it('and comes back with what it had takes no ticket of its earlier run, and keeps the sessions (TK-02, RD-04)', async () => {
    const core = await startCore();
    const { session } = await core.sessions.create({ userId: 'ada' });
    const live = await core.connect(session.id);
    const old = await Promise.all(
      Array.from({ length: 10 }, () => core.tickets.issue({ session: session.id })),
    );
    const admin = new Redis(server.port, '127.0.0.1');
    const keys = await admin.keys('*');
    const dumps = await Promise.all(keys.map((key) => admin.dumpBuffer(key)));
    const ttls = await Promise.all(keys.map((key) => admin.pttl(key)));
    admin.disconnect();
    const { port } = server;
    await server.stop();
    server = await startRedis('--port', `${port}`);
    const restorer = new Redis(port, '127.0.0.1');
    const restore = restorer.multi();
    keys.forEach((key, index) => restore.restore(key, Math.max(0, ttls[index]!), dumps[index]!));
    await restore.exec();
    restorer.disconnect();
    const issueAgain = (): Promise<{ ticket: string } | undefined> =>
      core.tickets.issue({ session: session.id }).catch(() => undefined);
    let fresh: { ticket: string } | undefined;
    await eventually(async () => (fresh = await issueAgain()) !== undefined, PATIENCE_MS);
    const outcomes = await Promise.all(
      old.map(async ({ ticket }) => (await core.admitTicket(ticket)).outcome),
    );
    const { outcome } = await core.admitTicket(fresh!.ticket);
    console.log(
      `store back with its data: ${outcomes.filter((word) => word === 'ticket_unknown').length} of ${old.length} old tickets unknown, a new one ${outcome}`,
    );
    expect(outcomes).toEqual(Array(10).fill('ticket_unknown'));
    expect(outcome).toBe('admitted');
    expect(live.connection.isOpen).toBe(true);
  });
});

/** The connections that listen for revocations. */
async function listeners(admin: Redis): Promise<number> {
  const [, count] = (await admin.call('PUBSUB', 'NUMSUB', 'ws:entries')) as [string, number];
  return count;
}

/** What an ioredis client has sent without an answer, and what it keeps for later. */
interface Queued {
  readonly commandQueue: { readonly length: number };
  readonly offlineQueue: { readonly length: number };
}
