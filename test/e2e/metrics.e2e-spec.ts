import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { context, metrics, propagation, trace, type TextMapPropagator } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import type { Type } from '@nestjs/common';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newNodeId } from '../../lib/core/identifiers.js';
import { WsAuth, type WsAuthOptions } from '../../lib/index.js';
import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { makeChatGateway } from '../support/gateways.js';
import { type HandshakeParts, RawClient } from '../support/raw-client.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';

const open: TestApp[] = [];
const clients: RawClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await Promise.all(open.splice(0).map((test) => test.discard()));
});

async function start(
  options: Partial<WsAuthOptions> = {},
  gateway: Type = makeChatGateway(),
): Promise<TestApp> {
  const test = await startApp({ gateways: [gateway], options });
  open.push(test);
  return test;
}

const bearer = (token: string, headers = {}): HandshakeParts => ({
  headers: { Authorization: `Bearer ${token}`, ...headers },
});

async function connect(test: TestApp, parts: HandshakeParts): Promise<RawClient> {
  const client = await RawClient.open(test.port, parts);
  clients.push(client);
  return client;
}

async function refused(test: TestApp, parts: HandshakeParts): Promise<void> {
  const client = await connect(test, parts);
  expect((await client.response()).status).toBeGreaterThanOrEqual(400);
  client.destroy();
}

/** The guide's exporter, on a port of its own. */
describe('metrics, scraped by Prometheus', () => {
  let provider: MeterProvider;
  let server: Server;
  beforeEach(async () => {
    const exporter = new PrometheusExporter({ preventServerStart: true });
    provider = new MeterProvider({ readers: [exporter] });
    metrics.setGlobalMeterProvider(provider);
    server = createServer((request, response) => exporter.getMetricsRequestHandler(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterEach(async () => {
    metrics.disable();
    await provider.shutdown();
    await new Promise((resolve) => server.close(resolve));
  });

  async function scrape(): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`);
    return response.text();
  }

  /** The value of a series, by its name and labels in any order. */
  async function valueOf(name: string, labels: Record<string, string> = {}): Promise<number | undefined> {
    const wanted = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
    const line = (await scrape())
      .split('\n')
      .find((row) => row.startsWith(`${name}{`) && wanted.every((label) => row.includes(label)));
    return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(' ') + 1));
  }

  it('count handshakes, messages, limits and closes', async () => {
    const test = await start({ throttle: { perConnection: { limit: 2, windowMs: 60_000, burst: 2 } } });
    await refused(test, { headers: { Origin: 'https://evil.example' } });
    await refused(test, bearer(test.token({ aud: 'another' })));
    const client = await connect(test, bearer(test.token()));
    await client.upgraded();
    client.send('echo', 1);
    await client.messageOf('echo');
    expect(await valueOf('ws_auth_connections')).toBe(1);
    for (let times = 0; times < 4; times += 1) client.send('echo', 1);
    await client.messageOf('rate');
    test.connections.close({ user: 'ada' });
    await client.closed();
    const handshakes = (outcome: string, reason: string) =>
      valueOf('ws_auth_handshakes_total', { outcome, reason });
    expect(await handshakes('refused', 'origin_not_allowed')).toBe(1);
    expect(await handshakes('refused', 'token_audience')).toBe(1);
    expect(await handshakes('success', 'admitted')).toBe(1);
    expect(await valueOf('ws_auth_messages_total')).toBe(2);
    expect(await valueOf('ws_auth_throttled_total', { limit: 'connection' })).toBe(3);
    expect(await valueOf('ws_auth_closes_total', { code: '4403' })).toBe(1);
    expect(await valueOf('ws_auth_connections')).toBe(0);
    expect(await valueOf('ws_auth_handshake_duration_count', { outcome: 'refused' })).toBe(2);
    expect(await valueOf('ws_auth_handshake_duration_count', { outcome: 'ok' })).toBe(1);
    expect(await valueOf('ws_auth_sweep_duration_count')).toBeGreaterThan(0);
  });

  it('count what is in progress', async () => {
    const test = await start();
    const client = await connect(test, {});
    await client.upgraded();
    await client.messageOf('auth.required');
    expect(await valueOf('ws_auth_handshakes_pending', { state: 'waiting' })).toBe(1);
    expect(await valueOf('ws_auth_handshakes_pending', { state: 'deciding' })).toBe(0);
  });

  it('LG-05: have the same series whatever clients send', async () => {
    const test = await start({
      handshake: { connectRate: { limit: 1_000_000, burst: 1_000_000 } },
      anomalies: { successAfterFailures: { threshold: Infinity } },
    });
    const seriesOf = async (): Promise<string[]> =>
      (await scrape())
        .split('\n')
        .filter((line) => line.startsWith('ws_auth'))
        .map((line) => line.slice(0, line.lastIndexOf(' ')))
        .filter((series) => !series.includes('_bucket'));
    await refused(test, { headers: { Origin: 'https://evil.example' } });
    await refused(test, { target: '/nowhere' });
    await refused(test, bearer('x.y.z'));
    const client = await connect(test, bearer(test.token()));
    await client.upgraded();
    client.write(Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x0f, 0xa1])); // Close 4001
    await client.closed();
    await eventually(() => test.engine.metrics.closes.size === 1);
    const before = await seriesOf();
    for (let times = 0; times < 40; times += 1) {
      await refused(test, { headers: { Origin: `https://${randomBytes(6).toString('hex')}.example` } });
      await refused(test, { target: `/${randomBytes(6).toString('hex')}` });
      await refused(test, bearer(`${randomBytes(6).toString('hex')}.y.z`));
      const other = await connect(test, bearer(test.token({ sub: randomBytes(6).toString('hex') })));
      await other.upgraded();
      other.write(Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x0f, 0xa2 + times])); // Close 4002 and on
      await other.closed();
    }
    await eventually(() => test.engine.connections.size === 0);
    expect((await seriesOf()).filter((series) => !before.includes(series))).toEqual([]);
    expect(await valueOf('ws_auth_closes_total', { code: 'other' })).toBe(41);
  });

  it('count audit events that a sink has lost', async () => {
    const broken = { name: 'broken', write: () => Promise.reject(new Error('disk full')) };
    const test = await start({ audit: { sinks: [broken] } });
    await refused(test, { target: '/nowhere' });
    await eventually(() => test.engine.audit.dropped > 0);
    expect(await valueOf('ws_auth_audit_dropped_total', { sink: 'broken' })).toBe(1);
    expect(test.logger.lines.filter((line) => line.startsWith('warn audit_dropped: "broken"'))).toHaveLength(
      1,
    );
  });

  it('end with the application', async () => {
    const test = await start();
    expect(await valueOf('ws_auth_connections')).toBe(0);
    await test.close();
    open.splice(0);
    let reads = 0;
    Object.defineProperty(test.engine.stores, 'breaker', { get: () => (reads += 1) });
    await scrape();
    expect(reads).toBe(0);
  });

  describe('with Redis', () => {
    let redis: RedisServer;
    beforeAll(async () => {
      redis = await startRedis();
    });
    afterAll(() => redis.stop());

    it('measure the store and the way of a revocation', async () => {
      const test = await start({
        redis: `redis://127.0.0.1:${redis.port}`,
        redisPrefix: `test-${newNodeId()}:`,
        secret: randomBytes(48).toString('base64url'),
      });
      const { session } = await test.sessions.create({ userId: 'ada' });
      await test.sessions.revoke({ session: session.id });
      expect(await valueOf('ws_auth_store_duration_count', { outcome: 'ok' })).toBeGreaterThan(0);
      expect(await valueOf('ws_auth_revocation_lag_count')).toBe(1);
      expect(await valueOf('ws_auth_revocation_lag_sum')).toBeLessThan(5);
      expect(await valueOf('ws_auth_store_breaker')).toBe(0);
      expect(await valueOf('ws_auth_revocation_staleness')).toBeLessThan(10);
    });
  });
});

/** W3C Trace Context, as far as these tests send it. */
const TRACE_CONTEXT: TextMapPropagator = {
  inject: () => {},
  fields: () => ['traceparent'],
  extract: (into, carrier, getter) => {
    const header = String(getter.get(carrier, 'traceparent') ?? '');
    const match = /^00-([0-9a-f]{32})-([0-9a-f]{16})-(0\d)$/.exec(header);
    if (!match) return into;
    const [, traceId, spanId, flags] = match as unknown as [string, string, string, string];
    return trace.setSpanContext(into, { traceId, spanId, traceFlags: Number(flags), isRemote: true });
  },
};

describe('traces', () => {
  let spans: InMemorySpanExporter;
  const TRACE = '0af7651916cd43dd8448eb211c80319c';
  const PARENT = { traceparent: `00-${TRACE}-b7ad6b7169203331-01` };
  let provider: BasicTracerProvider;
  beforeEach(() => {
    spans = new InMemorySpanExporter();
    provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] });
    trace.setGlobalTracerProvider(provider);
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    propagation.setGlobalPropagator(TRACE_CONTEXT);
  });
  afterEach(async () => {
    await provider.shutdown();
    trace.disable();
    context.disable();
    propagation.disable();
  });

  /** A gateway whose handler says in which trace it runs. */
  function makeTracedGateway() {
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class TracedGateway {
      static readonly opened: (string | undefined)[] = [];

      handleConnection() {
        TracedGateway.opened.push(trace.getActiveSpan()?.spanContext().traceId);
      }

      @SubscribeMessage('trace')
      async trace() {
        await new Promise((resolve) => setImmediate(resolve));
        return { event: 'trace', data: trace.getActiveSpan()?.spanContext() ?? null };
      }
    }
    return TracedGateway;
  }

  it('have the handshake below the span of the client, and its messages in it', async () => {
    const test = await start({}, makeTracedGateway());
    const client = await connect(test, bearer(test.token(), PARENT));
    await client.upgraded();
    for (let times = 0; times < 2; times += 1) {
      client.send('trace');
      const { data } = await client.messageOf('trace');
      expect(data).toMatchObject({ traceId: TRACE });
    }
    const [span, ...more] = spans.getFinishedSpans();
    expect(more).toEqual([]);
    expect(span!.name).toBe('ws_auth.handshake');
    expect(span!.parentSpanContext).toMatchObject({ traceId: TRACE, spanId: 'b7ad6b7169203331' });
    expect(span!.attributes).toEqual({
      'http.request.method': 'GET',
      'http.response.status_code': 101,
      'http.route': '/ws',
      'ws_auth.correlation_id': test.events[0]!.correlationId,
      'ws_auth.outcome': 'success',
      'ws_auth.reason': 'admitted',
      'ws_auth.method': 'bearer',
    });
  });

  it('have the first message in the span of its handshake', async () => {
    const gateway = makeTracedGateway();
    const test = await start({}, gateway);
    const client = await connect(test, { headers: PARENT });
    await client.upgraded();
    await client.messageOf('auth.required');
    expect(spans.getFinishedSpans()).toEqual([]);
    client.send('auth', { token: test.token() });
    await client.messageOf('auth.ok');
    client.send('trace');
    expect((await client.messageOf('trace')).data).toMatchObject({ traceId: TRACE });
    expect(gateway.opened).toEqual([TRACE]);
    expect(spans.getFinishedSpans()[0]!.attributes).toMatchObject({
      'ws_auth.method': 'first-message bearer',
    });
  });

  it('have refusals, without what was refused', async () => {
    const test = await start();
    const token = test.token({ aud: 'another' });
    await refused(test, bearer(token, PARENT));
    const [span] = spans.getFinishedSpans();
    expect(span!.attributes).toMatchObject({
      'ws_auth.outcome': 'refused',
      'ws_auth.reason': 'token_audience',
      'http.response.status_code': 401,
    });
    expect(JSON.stringify(span!.attributes)).not.toContain(token.slice(0, 20));
  });

  it('that fail cost no handshake and no node', async () => {
    propagation.disable();
    let extracted = 0;
    propagation.setGlobalPropagator({
      ...TRACE_CONTEXT,
      extract: () => {
        extracted += 1;
        throw new Error('canary-of-the-propagator');
      },
    });
    const test = await start({}, makeTracedGateway());
    const client = await connect(test, bearer(test.token(), PARENT));
    await client.upgraded();
    client.send('trace');
    expect((await client.messageOf('trace')).data).toBeNull();
    expect(extracted).toBe(1);
    expect(test.logger.lines.join('\n')).not.toContain('canary-of-the-propagator');
  });

  it('whose span cannot be ended let in who was let in', async () => {
    const broken = {
      onStart: () => {},
      onEnd: () => {
        throw new Error('no exporter');
      },
      forceFlush: async () => {},
      shutdown: async () => {},
    };
    trace.disable();
    trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [broken] }));
    const test = await start({}, makeTracedGateway());
    const client = await connect(test, bearer(test.token(), PARENT));
    await client.upgraded();
    await refused(test, bearer('x.y.z', PARENT));
    expect(test.events.map(({ reasonCode }) => reasonCode)).toEqual(['admitted', 'token_header']);
    expect(test.engine.connections.size).toBe(1);
  });

  it('begin anew where the client names none, or nonsense', async () => {
    const test = await start({}, makeTracedGateway());
    for (const headers of [{}, { traceparent: '00-zz-zz-01' }, { traceparent: 'x'.repeat(1_000) }]) {
      const client = await connect(test, bearer(test.token(), headers));
      await client.upgraded();
      client.send('trace');
      const { data } = await client.messageOf('trace');
      expect((data as { traceId: string }).traceId).toMatch(/^[0-9a-f]{32}$/);
      expect((data as { traceId: string }).traceId).not.toBe(TRACE);
    }
  });
});

describe('without an SDK', () => {
  it('there is no trace on a socket, and nothing to be done for a message', async () => {
    const test = await start();
    const client = await connect(
      test,
      bearer(test.token(), { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` }),
    );
    await client.upgraded();
    client.send('echo', 1);
    await client.messageOf('echo');
    expect(test.sockets().map((socket) => socket.trace)).toEqual([undefined]);
    expect(test.engine.metrics.messages).toBe(1);
  });

  it('not even the API is asked for where telemetry is off', async () => {
    const test = await start({ telemetry: false });
    expect(test.engine.tracing).toBeUndefined();
  });
});
