import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CLOSE } from '../../lib/core/close-code.js';
import { startApp, type TestApp } from '../support/app.js';
import { CoreNode } from '../support/core-node.js';
import { eventually } from '../support/eventually.js';
import { makeChatGateway } from '../support/gateways.js';
import { RawClient } from '../support/raw-client.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';

const GRACE_MS = 4_000;
const HANDSHAKES = 12;

describe('a node whose Redis fails', () => {
  let server: RedisServer;
  const apps: TestApp[] = [];
  const cores: CoreNode[] = [];
  beforeEach(async () => {
    server = await startRedis();
  });
  afterEach(async () => {
    await Promise.all([
      ...apps.splice(0).map((app) => app.close()),
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
    (await app.tickets.issue({ session })).ticket;

  async function shake(
    app: TestApp,
    ticket: string,
  ): Promise<{ client: RawClient; status: number; ms: number }> {
    const started = performance.now();
    const client = await RawClient.open(app.port, { target: `/ws?ticket=${ticket}` });
    const { status } = await client.response();
    return { client, status, ms: performance.now() - started };
  }

  it('that is stalled refuses quickly, does nothing late, and lets sockets go at the end of the grace (RD-01)', async () => {
    const app = await startNode();
    const { session } = await app.sessions.create({ userId: 'ada' });
    const live = await shake(app, await issue(app, session.id));
    await live.client.messageOf('auth.ok');
    const tickets = await Promise.all(Array.from({ length: HANDSHAKES }, () => issue(app, session.id)));
    server.process.kill('SIGSTOP');
    const stalledAt = performance.now();
    const first = await Promise.all(tickets.map((ticket) => shake(app, ticket)));
    // The breaker has seen them all fail: what comes now does not even wait.
    const breaker = await shake(app, tickets[0]!);
    live.client.send('echo', 'during the stall');
    const echo = await live.client.messageOf('echo');
    const slowest = Math.max(...first.map(({ ms }) => ms));
    const { code } = await live.client.closed();
    const closedAfter = performance.now() - stalledAt;
    server.process.kill('SIGCONT');
    await eventually(async () => (await app.sessions.list('ada').catch(() => [])).length === 1);
    const userHash = session.id.slice(0, session.id.indexOf('.'));
    await eventually(async () => (await app.engine.stores.connections.countOf(userHash)) === 0);
    const again = [];
    for (const ticket of tickets) again.push(await shake(app, ticket));
    const places = await app.engine.stores.connections.countOf(userHash);
    console.log(
      `store stalled: ${first.filter(({ status }) => status === 503).length} of ${HANDSHAKES} answered 503, slowest ${Math.round(slowest)} ms, ` +
        `with the breaker open ${Math.round(breaker.ms)} ms; socket closed ${code} after ${Math.round(closedAfter)} ms; ` +
        `${again.filter(({ status }) => status === 101).length} of ${HANDSHAKES} tickets good afterwards`,
    );
    expect(first.map(({ status }) => status)).toEqual(Array(HANDSHAKES).fill(503));
    expect(slowest).toBeLessThan(2_000);
    expect(breaker.status).toBe(503);
    expect(breaker.ms).toBeLessThan(150);
    expect(echo.data).toBe('during the stall');
    expect(code).toBe(1013);
    expect(closedAfter).toBeGreaterThan(GRACE_MS - 1_100);
    expect(closedAfter).toBeLessThan(GRACE_MS + 3_000);
    expect(again.map(({ status }) => status)).toEqual(Array(HANDSHAKES).fill(101));
    expect(places).toBe(HANDSHAKES);
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
    await eventually(() => core.alive === 0);
    const took = Math.round(performance.now() - backAt);
    const { session } = await app.sessions.create({ userId: 'user-0' });
    const { client, status } = await shake(app, await issue(app, session.id));
    await client.messageOf('auth.ok');
    client.send('echo', 1);
    const echo = await client.messageOf('echo');
    const result = await core.sessions.revoke({ session: session.id });
    console.log(
      `store back empty: ${closes.length} sockets and 100 connections closed after ${took} ms; new handshake ${status}`,
    );
    expect(closes.map(({ code }) => code)).toEqual(Array(10).fill(CLOSE.expired.code));
    expect(took).toBeLessThan(5_000);
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
    await eventually(async () => (fresh = await issueAgain()) !== undefined);
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
