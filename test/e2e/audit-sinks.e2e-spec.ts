import { randomBytes } from 'node:crypto';
import { Writable } from 'node:stream';
import { HealthCheckService, TerminusModule } from '@nestjs/terminus';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  type AuditEvent,
  type AuditSink,
  redisStreamSink,
  WsAuthEvents,
  WsAuthHealth,
  type WsAuthOptions,
} from '../../lib/index.js';
import { newNodeId } from '../../lib/core/identifiers.js';
import { ISSUER, startApp, type TestApp, type TestAppParts } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { makeChatGateway } from '../support/gateways.js';
import { frameBytes, type HandshakeParts, messageBytes, RawClient } from '../support/raw-client.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';

const open: TestApp[] = [];
const clients: RawClient[] = [];
let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await Promise.all(open.splice(0).map((test) => test.discard()));
});

async function start(
  options: Partial<WsAuthOptions> = {},
  parts: Partial<TestAppParts> = {},
): Promise<TestApp> {
  const test = await startApp({ gateways: [makeChatGateway()], ...parts, options });
  open.push(test);
  return test;
}

async function connect(test: TestApp, parts: HandshakeParts, ...more: Buffer[]): Promise<RawClient> {
  const client = await RawClient.open(test.port, parts, ...more);
  clients.push(client);
  return client;
}

async function refused(test: TestApp, parts: HandshakeParts): Promise<void> {
  const client = await RawClient.open(test.port, parts);
  await client.response();
  client.destroy();
}

const bearer = (token: string): HandshakeParts => ({ headers: { Authorization: `Bearer ${token}` } });
const evil = (index: number): HandshakeParts => ({ headers: { Origin: `https://evil-${index}.example` } });
const EASY = { connectRate: { limit: 1_000_000, burst: 1_000_000 }, maxPendingPerAddress: 1_000 };

/** An event as Nest's logger was given it, between its level and its context. */
function readLine(line: string): unknown {
  return JSON.parse(line.slice(line.indexOf('{'), line.lastIndexOf('}') + 1));
}

describe('a flood of refusals (LG-05)', () => {
  it('10,000 bad Origins in seconds write fewer than 50 lines, with the right total', async () => {
    const written: AuditEvent[] = [];
    const test = await start({
      handshake: EASY,
      audit: { sinks: [{ name: 'list', write: (events) => void written.push(...events) }] },
    });
    const before = test.logger.lines.length;
    for (let batch = 0; batch < 100; batch += 1)
      await Promise.all(Array.from({ length: 100 }, (_, index) => refused(test, evil(batch * 100 + index))));
    expect(test.events).toHaveLength(10_000);
    await test.close();
    open.splice(0);
    const lines = test.logger.lines.slice(before).filter((line) => line.includes('origin_not_allowed'));
    expect(lines.length).toBeGreaterThan(1);
    expect(lines.length).toBeLessThan(50);
    const totalOf = (events: readonly AuditEvent[]) =>
      events.reduce((sum, { count }) => sum + (count ?? 1), 0);
    expect(totalOf(lines.map((line) => readLine(line) as AuditEvent))).toBe(10_000);
    expect(totalOf(written)).toBe(10_000);
  });
});

describe('a sink (LG-05)', () => {
  it.each<[string, AuditSink['write']]>([
    [
      'throws',
      () => {
        throw new Error('canary-of-the-sink');
      },
    ],
    ['rejects', () => Promise.reject(new Error('canary-of-the-sink'))],
    ['never answers', () => new Promise(() => {})],
  ])('that %s holds up no handshake and no shutdown', async (_, write) => {
    const heard: AuditEvent[] = [];
    const good: AuditSink = { name: 'good', write: (events) => void heard.push(...events) };
    const test = await start({ credentials: ['bearer'], audit: { sinks: [{ name: 'bad', write }, good] } });
    for (let times = 0; times < 20; times += 1) {
      const client = await connect(test, bearer(test.token()));
      await client.upgraded();
      client.send('echo', times);
      expect(await client.message()).toEqual({ event: 'echo', data: times });
    }
    await eventually(() => heard.length >= 20);
    const started = performance.now();
    await test.close();
    open.splice(0);
    expect(performance.now() - started).toBeLessThan(6_000);
    expect(test.logger.lines.join('\n')).not.toContain('canary-of-the-sink');
  });

  it('of pino gets one line for each event, in one direction', async () => {
    const lines: string[] = [];
    const log = pino(
      { level: 'info' },
      new Writable({ write: (chunk, _, done) => (lines.push(String(chunk)), done()) }),
    );
    const test = await start({
      audit: {
        log: false,
        sinks: [
          {
            name: 'pino',
            write: (events) => {
              for (const event of events) log.info(event);
            },
          },
        ],
      },
    });
    await refused(test, { headers: { Origin: `https://evil.example\u0085FAKE\u009b31m` } });
    await eventually(() => lines.length === 1);
    expect(lines[0]).toMatch(/^[^\u0000-\u001f\u007f-\u009f]+\n$/);
    const event = JSON.parse(lines[0]!) as AuditEvent;
    expect(event).toMatchObject({ level: 30, event: 'malicious_csrf' });
    expect(event.origin).toContain('\\u0085FAKE');
    expect(test.logger.lines.filter((line) => line.includes('malicious_csrf'))).toEqual([]);
  });

  it('of Redis appends each event to a stream, and loses them while the server is away', async () => {
    const client = new Redis(redis.port, '127.0.0.1', {
      enableOfflineQueue: false,
      commandTimeout: 500,
      lazyConnect: true,
    });
    await client.connect();
    const stream = `audit-${newNodeId()}`;
    const test = await start({ audit: { sinks: [redisStreamSink(client, { stream, maxLength: 1_000 })] } });
    await refused(test, evil(1));
    await eventually(async () => (await client.xlen(stream)) === 1);
    const [[, fields]] = (await client.xrange(stream, '-', '+')) as [[string, string[]]];
    expect(fields[0]).toBe('event');
    expect(JSON.parse(fields[1]!)).toEqual(test.events[0]);
    client.disconnect();
    await refused(test, { target: '/nowhere' });
    await eventually(() => test.engine.audit.droppedOf.get('redis-stream') === 1);
  });

  it('needs a name and a function, and a name of its own', async () => {
    await expect(start({ audit: { sinks: [{ name: 'a b', write: () => {} }] } })).rejects.toThrow(
      /"audit.sinks": a sink has a "name"/,
    );
    await expect(start({ audit: { sinks: [{ name: 'a' } as never] } })).rejects.toThrow(/a function "write"/);
    const sink: AuditSink = { name: 'a', write: () => {} };
    await expect(start({ audit: { sinks: [sink, { ...sink }] } })).rejects.toThrow(
      /two sinks have the same "name"/,
    );
  });
});

describe('LG-02: canaries', () => {
  it('stand in no line of any level, no sink, no explanation and no metric, wherever a client puts them', async () => {
    const canaries: string[] = [];
    const canary = (prefix = ''): string => {
      const made = `${prefix}${randomBytes(24).toString('hex')}`;
      canaries.push(made.slice(-20));
      return made;
    };
    const written: AuditEvent[] = [];
    const test = await start({
      credentials: ['ticket', 'bearer', 'cookie', 'basic', 'first-message'],
      basic: {
        verify: (_, password) => {
          throw new Error(`the database said no to ${password}`);
        },
      },
      handshake: EASY,
      audit: { sinks: [{ name: 'list', write: (events) => void written.push(...events) }] },
    });
    const session = () => `${'a'.repeat(16)}.${canary().slice(0, 43)}`;
    const ticket = () => `wst_${'a'.repeat(16)}.${canary().slice(0, 43)}`;
    const jwt = () => `eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.${canary()}`;
    const attempts: HandshakeParts[] = [
      bearer(jwt()),
      bearer(canary()),
      {
        headers: {
          Authorization: `Basic ${Buffer.from(`ada:${canary()}`).toString('base64')}`,
          Origin: undefined,
        },
      },
      { headers: { Cookie: `__Host-sid=${session()}; sid=${canary()}` } },
      { target: `/ws?ticket=${ticket()}` },
      { target: `/ws?token=${jwt()}` },
      { target: `/ws?x=${canary()}` },
      { target: `/${ticket()}` },
      { target: `/ws/${jwt()}` },
      { target: `/token-${jwt()}` },
      { target: `/ws;ticket=${ticket()}` },
      { target: `/ws?TICKET=${canary()}&x=1` },
      { target: `/ws?%74oken=${canary()}` },
      { headers: { Origin: `https://ada:${canary()}@app.example` } },
      { headers: { Origin: `https://${canary()}@app.example` } },
      { headers: { Host: `ada:${canary()}@app.example` } },
      // A password that was typed where the user name belongs.
      {
        headers: {
          Authorization: `Basic ${Buffer.from(`${canary()}:x`).toString('base64')}`,
          Origin: undefined,
        },
      },
      { headers: { Origin: `https://${jwt()}` } },
      { headers: { 'Sec-WebSocket-Protocol': `ticket.ws-auth.${ticket()}, ws-auth.v1` } },
      {
        headers: {
          'Sec-WebSocket-Protocol': `base64url.bearer.ws-auth.${Buffer.from(jwt()).toString('base64url')}, ws-auth.v1`,
        },
      },
      {
        headers: {
          'User-Agent': canary(),
          Referer: `https://x.example/${canary()}`,
          Origin: 'https://evil.example',
        },
      },
      { headers: { 'Proxy-Authorization': canary(), 'X-Api-Key': canary() } },
      bearer(test.token({ aud: `wst_${'a'.repeat(16)}.${canary()}` })),
    ];
    for (const parts of attempts) await refused(test, parts);
    const gated = await connect(test, {}, messageBytes('auth', { token: jwt() }));
    await gated.closed();
    const live = await connect(test, bearer(test.token()));
    await live.upgraded();
    live.write(
      messageBytes('echo', canary()),
      messageBytes(`x${canary()}`, 1),
      frameBytes(canary()),
      messageBytes('admin', canary()),
    );
    live.send('auth.refresh', { token: jwt() });
    await live.closed();
    const ids = test.events.flatMap(({ correlationId }) => correlationId ?? []);
    const events = test.app.get(WsAuthEvents);
    const explained = await Promise.all([...new Set(ids)].map((id) => events.explain(id)));
    expect(explained.filter((explanation) => explanation !== null).length).toBeGreaterThan(14);
    await test.close();
    open.splice(0);
    const everything = JSON.stringify([
      test.logger.lines,
      test.events,
      written,
      explained,
      [...test.engine.metrics.handshakes],
    ]);
    expect(canaries.length).toBeGreaterThan(20);
    expect(canaries.filter((secret) => everything.includes(secret))).toEqual([]);
    expect(everything).not.toContain(ISSUER.repeat(2));
  });
});

describe('WsAuthHealth', () => {
  it('is up on a node that lets people in, and down when it drains', async () => {
    const test = await start();
    const health = test.app.get(WsAuthHealth);
    expect(health.check()).toEqual({
      status: 'up',
      store: 'memory',
      breaker: 'closed',
      staleMs: 0,
      node: 'running',
      connections: 0,
      pending: 0,
    });
    await test.engine.drain();
    expect(health.check()).toMatchObject({ status: 'down', node: 'draining' });
  });

  it('is an indicator of terminus, which answers 503 for it when Redis is away', async () => {
    const server = await startRedis();
    const test = await start(
      { redis: `redis://127.0.0.1:${server.port}`, secret: randomBytes(48).toString('base64url') },
      { module: { imports: [TerminusModule.forRoot({ logger: false })] } },
    );
    const check = () =>
      test.app.get(HealthCheckService).check([() => test.app.get(WsAuthHealth).isHealthy()]);
    expect(await check()).toMatchObject({
      status: 'ok',
      details: { wsAuth: { status: 'up', store: 'redis', node: 'running' } },
    });
    await server.stop();
    await eventually(() => test.app.get(WsAuthHealth).check().status === 'down', 15_000);
    await expect(check()).rejects.toMatchObject({ status: 503 });
  });
});
