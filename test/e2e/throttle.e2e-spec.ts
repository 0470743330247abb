import { randomBytes } from 'node:crypto';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { SkipWsThrottle, WsAuth, type WsAuthOptions, WsPublic, WsThrottle } from '../../lib/index.js';
import { newNodeId } from '../../lib/core/identifiers.js';
import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { interpose } from '../support/interpose.js';
import { frameBytes, messageBytes, OPCODE, RawClient } from '../support/raw-client.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';

/** Nothing comes back while a test looks. */
const HOUR = 3_600_000;

const open: TestApp[] = [];
const clients: RawClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await Promise.all(open.splice(0).map((test) => test.discard()));
});

function makeGateway() {
  const seen: unknown[] = [];

  @WsAuth()
  @WsThrottle({ name: 'gateway', limit: 8, windowMs: HOUR })
  @WebSocketGateway({ path: '/ws' })
  class LimitedGateway {
    static readonly seen = seen;
    @SubscribeMessage('echo')
    echo(@MessageBody() data: unknown) {
      seen.push(data);
      return { event: 'echo', data };
    }
    @WsThrottle({ limit: 2, windowMs: HOUR })
    @SubscribeMessage('rare')
    rare() {
      return { event: 'rare' };
    }
    @WsThrottle({ name: 'gateway', limit: 3, windowMs: HOUR, per: 'connection' })
    @SubscribeMessage('own')
    own() {
      return { event: 'own' };
    }
    @SkipWsThrottle()
    @SubscribeMessage('free')
    free() {
      return { event: 'free' };
    }
    @SkipWsThrottle({ gateway: true })
    @WsThrottle({ name: 'size', bytes: 1_000, windowMs: HOUR })
    @SubscribeMessage('upload')
    upload() {
      return { event: 'upload' };
    }
    @SkipWsThrottle()
    @WsThrottle({ name: 'cost', limit: 10, windowMs: HOUR, cost: ({ data }) => Number(data), shared: true })
    @SubscribeMessage('dear')
    dear() {
      return { event: 'dear' };
    }
  }
  return LimitedGateway;
}

async function start(options: Partial<WsAuthOptions> = {}, gateway: new () => object = makeGateway()) {
  const test = await startApp({ gateways: [gateway], options });
  open.push(test);
  return test;
}

async function admitted(test: TestApp, claims: Record<string, unknown> = {}): Promise<RawClient> {
  const client = await RawClient.open(test.port, {
    headers: { Authorization: `Bearer ${test.token(claims)}` },
  });
  clients.push(client);
  await client.upgraded();
  await client.messageOf('auth.ok');
  return client;
}

/** Sends so many of an event, and says what each was answered with. */
async function answers(client: RawClient, event: string, count: number, data?: unknown): Promise<string[]> {
  client.write(...Array.from({ length: count }, () => messageBytes(event, data)));
  const events: string[] = [];
  while (events.length < count) events.push((await client.message()).event);
  return events;
}

const countOf = (events: readonly string[], event: string): number =>
  events.filter((other) => other === event).length;

describe('the limits of every connection', () => {
  it('answer what is over the rate with a rate notice, exactly, and handle it not (TH-02)', async () => {
    const Gateway = makeGateway();
    const test = await start(
      { throttle: { perConnection: { limit: 1, windowMs: HOUR, burst: 5 } } },
      Gateway,
    );
    const client = await admitted(test);
    client.write(...[1, 2, 3, 4, 5, 6].map((data) => messageBytes('echo', data)));
    for (const data of [1, 2, 3, 4, 5]) expect(await client.message()).toEqual({ event: 'echo', data });
    expect(await client.message()).toEqual({
      event: 'rate',
      data: { name: 'connection', limit: 1, remaining: 0, retryAfterMs: expect.any(Number) },
    });
    expect(Gateway.seen).toEqual([1, 2, 3, 4, 5]);
  });

  it('let it through when the client has waited as long as it was told', async () => {
    const test = await start({ throttle: { perConnection: { limit: 10, windowMs: 1_000, burst: 2 } } });
    const client = await admitted(test);
    expect(await answers(client, 'free', 2)).toEqual(['free', 'free']);
    client.send('free');
    const { data } = await client.messageOf('rate');
    expect(data.retryAfterMs).toBeLessThanOrEqual(100);
    await new Promise((resolve) => setTimeout(resolve, data.retryAfterMs));
    expect(await answers(client, 'free', 1)).toEqual(['free']);
  });

  it('close 4429 with a time to come back after 20 violations, and tell the log once (TH-02)', async () => {
    const test = await start({ throttle: { perConnection: { limit: 60, windowMs: 60_000, burst: 1 } } });
    const client = await admitted(test);
    client.write(...Array.from({ length: 40 }, () => messageBytes('free')));
    const { code, reason, before } = await client.closed();
    expect(code).toBe(4429);
    expect(reason).toMatch(/^rate_limited;retry=\d+;id=[\w-]{12}$/);
    expect(before.filter((text) => text.startsWith('{"event":"rate"'))).toHaveLength(20);
    const told = test.events.filter(({ event }) => event === 'excess_rate_limit_exceeded');
    expect(told.map(({ reasonCode }) => reasonCode)).toEqual(['message_rate:connection', 'rate_limited']);
  });

  it('count 10,000 malformed frames: 20 answers, 20 notices, 4429, and no more parsing (TH-02)', async () => {
    const test = await start();
    const client = await admitted(test);
    const parse = JSON.parse;
    let parsed = 0;
    const bad = frameBytes('{bad');
    JSON.parse = (text: string, ...rest: []) => {
      if (text === '{bad') parsed += 1;
      return parse(text, ...rest);
    };
    try {
      client.write(...Array.from({ length: 10_000 }, () => bad));
      const { code, before } = await client.closed();
      expect(code).toBe(4429);
      expect(before.map((text) => parse(text).event)).toEqual([
        ...Array(20).fill('exception'),
        ...Array(20).fill('rate'),
      ]);
      expect(parsed).toBeLessThanOrEqual(41);
    } finally {
      JSON.parse = parse;
    }
  });

  it('count unknown events as malformed ones (MS-03)', async () => {
    const test = await start({ throttle: { malformed: { limit: 3, windowMs: HOUR, burst: 3 } } });
    const client = await admitted(test);
    expect(await answers(client, 'nobody', 5)).toEqual([
      'exception',
      'exception',
      'exception',
      'rate',
      'rate',
    ]);
    const told = test.events.filter(({ event }) => event === 'input_validation_fail');
    expect(told.map(({ reasonCode }) => reasonCode)).toEqual(Array(3).fill('unknown_event'));
  });

  it('count bytes', async () => {
    const test = await start({
      throttle: { perConnectionBytes: { limit: 1, windowMs: 1_000, burst: 3_000 } },
    });
    const client = await admitted(test);
    const replies = await answers(client, 'free', 4, 'x'.repeat(900));
    expect(replies.toSorted()).toEqual(['free', 'free', 'free', 'rate']);
  });
});

describe('fresh credentials and odd frames', () => {
  it('count: ten refreshes in a minute, each also as a message of its user', async () => {
    const test = await start({ throttle: { perUser: { limit: 1, windowMs: HOUR, burst: 11 } } });
    const client = await admitted(test);
    const events: string[] = [];
    for (let count = 0; count < 12; count += 1) {
      client.send('auth.refresh', { token: test.token() });
      events.push((await client.message()).event);
    }
    expect(countOf(events, 'auth.ok')).toBe(10);
    expect(countOf(events, 'rate')).toBe(2);
    expect(await answers(client, 'free', 1)).toEqual(['rate']);
  });

  it('count in bytes, whatever form the application wants them in', async () => {
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class BinaryGateway {
      handleConnection(client: { binaryType: string }) {
        client.binaryType = 'arraybuffer';
      }
      @SubscribeMessage('m')
      m() {
        return { event: 'm' };
      }
    }
    const test = await startApp({
      gateways: [BinaryGateway],
      adapter: { messageParser: () => ({ event: 'm', data: undefined }) },
      options: { throttle: { perConnectionBytes: { limit: 1, windowMs: 1_000, burst: 3_000 } } },
    });
    open.push(test);
    const client = await admitted(test);
    client.write(...Array.from({ length: 6 }, () => frameBytes('x'.repeat(1_000), OPCODE.binary)));
    const events: string[] = [];
    while (events.length < 6) events.push((await client.message()).event);
    expect(countOf(events, 'm')).toBe(3);
  });
});

describe('the limit of a user', () => {
  const perUser = { limit: 1, windowMs: HOUR, burst: 12 };

  it('holds for all connections together, for no other user, and is not reset by a reconnect (TH-02)', async () => {
    const test = await start({ throttle: { perUser } });
    const many = await Promise.all(Array.from({ length: 10 }, () => admitted(test)));
    const replies = await Promise.all(many.map((client) => answers(client, 'free', 2)));
    expect(countOf(replies.flat(), 'free')).toBe(12);
    for (const client of many) client.destroy();
    expect(await answers(await admitted(test), 'free', 2)).toEqual(['rate', 'rate']);
    expect(await answers(await admitted(test, { sub: 'bob' }), 'free', 2)).toEqual(['free', 'free']);
  });

  it('is charged for frames that end their connection (TH-02)', async () => {
    const test = await start({ throttle: { perUser: { ...perUser, burst: 2 } } });
    for (const bad of [frameBytes('{"event":"free"}', OPCODE.binary), frameBytes('x'.repeat(65_537))]) {
      const client = await admitted(test);
      client.write(bad);
      expect([1003, 1009]).toContain((await client.closed()).code);
      client.destroy();
    }
    expect(await answers(await admitted(test), 'free', 1)).toEqual(['rate']);
  });

  it('is held for the address where there is no user', async () => {
    @WsPublic()
    @WebSocketGateway({ path: '/public' })
    class PublicGateway {
      @SubscribeMessage('free')
      free() {
        return { event: 'free' };
      }
    }
    const test = await start({ throttle: { perUser } }, PublicGateway);
    const replies: string[] = [];
    for (let index = 0; index < 7; index += 1) {
      const client = await RawClient.open(test.port, { target: '/public' });
      clients.push(client);
      await client.upgraded();
      replies.push(...(await answers(client, 'free', 2)));
    }
    expect(countOf(replies, 'free')).toBe(12);
  });

  it('closes a client of a public gateway that goes on and on (TH-02)', async () => {
    @WsPublic()
    @WebSocketGateway({ path: '/public' })
    class PublicGateway {
      @SubscribeMessage('free')
      free() {
        return { event: 'free' };
      }
    }
    const test = await start({ throttle: { perUser } }, PublicGateway);
    const client = await RawClient.open(test.port, { target: '/public' });
    clients.push(client);
    await client.upgraded();
    client.write(...Array.from({ length: 100 }, () => messageBytes('free')));
    expect(await client.closed()).toMatchObject({ code: 4429 });
    expect(test.events.at(-1)).toMatchObject({
      reasonCode: 'rate_limited',
      method: 'public',
      closeCode: 4429,
    });
  });
});

describe('@WsThrottle() and @SkipWsThrottle()', () => {
  it('count all messages of a gateway together, and those of a handler apart', async () => {
    const test = await start();
    const client = await admitted(test);
    expect(await answers(client, 'rare', 3)).toEqual(['rare', 'rare', 'rate']);
    // Three of the gateway's eight are gone: the one that the handler's own limit refused has been counted by the gateway's.
    expect(countOf(await answers(client, 'echo', 8), 'echo')).toBe(5);
    client.send('echo');
    expect((await client.messageOf('rate')).data).toMatchObject({ event: 'echo', name: 'gateway', limit: 8 });
  });

  it("take a handler's limit in place of the gateway's of the same name", async () => {
    const test = await start();
    const [one, other] = [await admitted(test), await admitted(test)];
    expect(countOf(await answers(one, 'own', 5), 'own')).toBe(3);
    expect(countOf(await answers(other, 'own', 5), 'own')).toBe(3);
    expect(countOf(await answers(other, 'echo', 8), 'echo')).toBe(8);
  });

  it('leave out what is skipped', async () => {
    const test = await start({ throttle: { limits: [{ name: 'all', limit: 4, windowMs: HOUR }] } });
    const client = await admitted(test);
    expect(countOf(await answers(client, 'free', 15), 'free')).toBe(15);
    expect(countOf(await answers(client, 'upload', 5), 'upload')).toBe(4);
  });

  it('count bytes and cost', async () => {
    const test = await start();
    const client = await admitted(test);
    const size = JSON.stringify({ event: 'upload', data: '' }).length;
    expect(await answers(client, 'upload', 3, 'x'.repeat(500 - size))).toEqual(['upload', 'upload', 'rate']);
    expect(await answers(client, 'dear', 4, 4)).toEqual(['dear', 'dear', 'rate', 'rate']);
    expect(await answers(client, 'dear', 2, 2)).toEqual(['dear', 'rate']);
  });

  it('stop the boot when a limit cannot be used, and say where it stands', async () => {
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class WrongGateway {
      @WsThrottle({ limit: 0, windowMs: 1_000 })
      @SubscribeMessage('x')
      x() {}
    }
    await expect(startApp({ gateways: [WrongGateway] })).rejects.toThrow(
      '@WsThrottle() on WrongGateway.x(): "limit" must be a whole number above 0, received 0',
    );
  });
});

describe('limits on two nodes', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());

  async function startNodes(options: Partial<WsAuthOptions> = {}): Promise<[TestApp, TestApp]> {
    const shared = {
      redis: `redis://127.0.0.1:${server.port}`,
      redisPrefix: `test-${newNodeId()}:`,
      secret: randomBytes(48).toString('base64url'),
      ...options,
    };
    return [await start(shared), await start(shared)];
  }

  it('hold the sockets of a user on both to one limit (TH-02)', async () => {
    const nodes = await startNodes({ throttle: { perUser: { limit: 1, windowMs: HOUR, burst: 60 } } });
    const sockets = await Promise.all(Array.from({ length: 10 }, (_, index) => admitted(nodes[index % 2]!)));
    const replies = await Promise.all(sockets.map((socket) => answers(socket, 'free', 12)));
    const handled = countOf(replies.flat(), 'free');
    expect(handled).toBeLessThanOrEqual(60);
    // What a node has in hand when the other one asks is all that may be missing.
    expect(handled).toBeGreaterThanOrEqual(60 - 30);
  });

  it('hold a shared limit of a handler exactly, one by one', async () => {
    const [a, b] = await startNodes();
    const [one, other] = [await admitted(a), await admitted(b)];
    expect(await answers(one, 'dear', 1, 6)).toEqual(['dear']);
    expect(await answers(other, 'dear', 1, 6)).toEqual(['rate']);
    expect(await answers(other, 'dear', 1, 4)).toEqual(['dear']);
    expect(await answers(one, 'dear', 1, 1)).toEqual(['rate']);
  });

  it('ask the store for few of many messages, and keep their order (TH-02)', async () => {
    const [node] = await startNodes();
    let questions = 0;
    interpose(node.engine.stores.throttle, 'takeUpTo', (takeUpTo) => (...args) => {
      questions += 1;
      return takeUpTo(...args);
    });
    const client = await admitted(node);
    const replies: unknown[] = [];
    client.write(...Array.from({ length: 150 }, (_, index) => messageBytes('free', index)));
    while (replies.length < 150) replies.push((await client.message()).event);
    expect(countOf(replies as string[], 'free')).toBe(150);
    expect(questions).toBeLessThan(20);
  });

  it('bite while the store is away: this node holds its share (TH-09)', async () => {
    const redis = await startRedis();
    const test = await start({
      redis: `redis://127.0.0.1:${redis.port}`,
      secret: randomBytes(48).toString('base64url'),
      throttle: { perUser: { limit: 1, windowMs: HOUR, burst: 20 } },
    });
    const client = await admitted(test);
    expect(await answers(client, 'free', 1)).toEqual(['free']);
    await redis.stop();
    const replies = await answers(client, 'free', 20);
    expect(countOf(replies, 'free')).toBeGreaterThanOrEqual(1);
    expect(countOf(replies, 'free')).toBeLessThanOrEqual(20);
    expect(countOf(replies, 'rate')).toBeGreaterThanOrEqual(1);
    await eventually(() => test.logger.lines.some((line) => line.includes('shared message limits')));
  });
});
