import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { afterEach, describe, expect, it } from 'vitest';
import type { WebSocket } from 'ws';
import { WsAuth, type WsAuthOptions } from '../../lib/index.js';
import { baseOptions, startApp, type TestApp } from '../support/app.js';
import { latch } from '../support/core-harness.js';
import { eventually } from '../support/eventually.js';
import { makeChatGateway, makePublicGateway } from '../support/gateways.js';
import { frameBytes, messageBytes, OPCODE, RawClient } from '../support/raw-client.js';
import { expectNobodyLeft, expectNothingLeft, expectRefusal } from '../support/refusal.js';

const running: TestApp[] = [];
const clients: RawClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const test of running.splice(0)) await test.discard();
});

const HEARTBEAT = { pingIntervalMs: 200, pongTimeoutMs: 200 };
/** For peers that answer: this process may stand still for a while, as long as other tests run. */
const PATIENT = { pingIntervalMs: 200, pongTimeoutMs: 2_000 };

async function start(
  lifetime: WsAuthOptions['lifetime'],
  gateway: new () => object = makeChatGateway(),
  options: Partial<WsAuthOptions> = {},
): Promise<TestApp> {
  const test = await startApp({ gateways: [gateway], options: { lifetime, ...options } });
  running.push(test);
  return test;
}

/** A client with a token, upgraded and greeted. It answers nothing by itself. */
async function admitted(test: TestApp, claims: Record<string, unknown> = {}): Promise<RawClient> {
  const client = await RawClient.open(test.port, {
    headers: { Authorization: `Bearer ${test.token(claims)}` },
  });
  clients.push(client);
  await client.upgraded();
  await client.messageOf('auth.ok');
  return client;
}

async function openPublic(test: TestApp): Promise<RawClient> {
  const client = await RawClient.open(test.port, { target: '/public' });
  clients.push(client);
  await client.upgraded();
  return client;
}

const pong = (payload: Buffer): Buffer => frameBytes(payload, OPCODE.pong);

/** Answers the pings that come until something else does, and hands that on. @returns the pings too */
async function answerPings(client: RawClient, onPing: (payload: Buffer) => void = () => {}) {
  const pings: Buffer[] = [];
  for (;;) {
    const frame = await client.frame();
    if (frame.opcode !== OPCODE.ping) return { frame, pings };
    pings.push(frame.payload);
    client.write(pong(frame.payload));
    onPing(frame.payload);
  }
}

const closeOf = ({ payload }: { payload: Buffer }) =>
  `${payload.readUInt16BE()} ${payload.toString('utf8', 2)}`;

const wait = (ms: number): Promise<void> => {
  const end = performance.now() + ms;
  return eventually(() => performance.now() >= end, ms + 5_000);
};

describe('a peer that gives no sign of life', () => {
  it('is cut without a Close, and told of (LT-04)', async () => {
    const Chat = makeChatGateway();
    const test = await start(HEARTBEAT, Chat);
    const client = await admitted(test);
    const begun = performance.now();
    const ping = await client.frame();
    expect([ping.opcode, ping.payload.length]).toEqual([OPCODE.ping, 8]);
    await client.end();
    expect(performance.now() - begun).toBeLessThan(400 + 500);
    expect(client.unread).toBe('');
    expect(await test.eventOf(({ outcome }) => outcome === 'closed')).toMatchObject({
      event: 'connection_closed',
      reasonCode: 'heartbeat_timeout',
      closeCode: 1006,
      principal: 'ada',
    });
    await eventually(() => Chat.seen.disconnected.length === 1);
    await expectNothingLeft(test);
  });

  it('is cut though it sends pongs that nobody asked for (LT-04)', async () => {
    const test = await start(HEARTBEAT);
    const client = await admitted(test);
    for (let round = 0; round < 3; round += 1)
      client.write(pong(Buffer.alloc(8, round)), pong(Buffer.alloc(0)));
    const { payload } = await client.frame();
    client.write(pong(payload.subarray(0, 7)), pong(Buffer.concat([payload, payload])));
    await client.end();
    expect(await test.eventOf(({ outcome }) => outcome === 'closed')).toMatchObject({
      reasonCode: 'heartbeat_timeout',
    });
  });

  it('is cut though it goes on sending messages (LT-04)', async () => {
    const Chat = makeChatGateway();
    const test = await start(HEARTBEAT, Chat);
    const client = await admitted(test);
    const sending = setInterval(() => client.send('echo', 'x'), 20);
    await client.end();
    clearInterval(sending);
    expect(Chat.seen.messages.length).toBeGreaterThan(3);
    expect(await test.eventOf(({ outcome }) => outcome === 'closed')).toMatchObject({
      reasonCode: 'heartbeat_timeout',
    });
  });

  it('is cut on a public gateway too (LT-04)', async () => {
    const Public = makePublicGateway('/public');
    const test = await start(HEARTBEAT, Public);
    const client = await openPublic(test);
    expect((await client.frame()).opcode).toBe(OPCODE.ping);
    await client.end();
    await eventually(() => Public.seen.disconnected.length === 1);
    expect(await test.eventOf(({ outcome }) => outcome === 'closed')).toMatchObject({
      reasonCode: 'heartbeat_timeout',
      method: 'public',
      path: '/public',
    });
    await expectNothingLeft(test);
  });
});

describe('a peer that answers its pings', () => {
  it.each(['guarded', 'public'])('lives on, on a %s gateway (LT-04)', async (kind) => {
    const isPublic = kind === 'public';
    const test = await start(PATIENT, isPublic ? makePublicGateway('/public') : makeChatGateway());
    const client = isPublic ? await openPublic(test) : await admitted(test);
    let answered = 0;
    const { frame, pings } = await answerPings(client, () => {
      answered += 1;
      if (answered === 4) client.send('echo', 'alive');
    });
    expect(JSON.parse(frame.payload.toString())).toEqual({ event: 'echo', data: 'alive' });
    expect(new Set(pings.map((payload) => payload.toString('hex'))).size).toBe(pings.length);
  });

  it('lives on while this side does not read its answers, and after that (LT-04)', async () => {
    const held = latch();
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class BusyGateway {
      @SubscribeMessage('hold')
      hold(client: WebSocket) {
        client.pause();
        void held.opened.then(() => client.resume());
      }

      @SubscribeMessage('echo')
      echo(@MessageBody() data: unknown) {
        return { event: 'echo', data };
      }
    }
    const pongTimeoutMs = 700;
    const test = await start({ pingIntervalMs: 200, pongTimeoutMs }, BusyGateway);
    const client = await admitted(test);
    client.send('hold');
    const { opcode, payload } = await client.frame();
    expect(opcode).toBe(OPCODE.ping);
    client.write(pong(payload), messageBytes('echo', 'unread'));
    await wait(2.5 * pongTimeoutMs);
    expect(test.events.map(({ reasonCode }) => reasonCode)).toEqual(['admitted']);
    held.open();
    expect(await client.message()).toEqual({ event: 'echo', data: 'unread' });
    let answered = 0;
    const { frame } = await answerPings(client, () => {
      answered += 1;
      if (answered === 4) client.send('echo', 'alive');
    });
    expect(JSON.parse(frame.payload.toString())).toEqual({ event: 'echo', data: 'alive' });
  });
});

describe('a client that sends no message', () => {
  const IDLE_MS = 900;

  it('is closed 4408, its pongs notwithstanding (LT-03)', async () => {
    const test = await start({ ...PATIENT, idleMs: IDLE_MS });
    const begun = performance.now();
    const { frame, pings } = await answerPings(await admitted(test));
    expect(frame.opcode).toBe(OPCODE.close);
    expect(closeOf(frame)).toMatch(/^4408 idle_timeout;id=[\w-]{12}$/);
    expect(performance.now() - begun).toBeGreaterThan(IDLE_MS - 50);
    expect(pings.length).toBeGreaterThan(2);
    expect(await test.eventOf(({ outcome }) => outcome === 'closed')).toMatchObject({
      event: 'connection_closed',
      reasonCode: 'idle_timeout',
      closeCode: 4408,
    });
  });

  it.each([
    ['malformed ones', (client: RawClient) => client.write(frameBytes('{"event"'))],
    ['ones that nobody handles', (client: RawClient) => client.send('nobody')],
    ['pings', (client: RawClient) => client.write(frameBytes('x', OPCODE.ping))],
  ])('but %s is closed 4408 (LT-03, SE-08)', async (_, send) => {
    const test = await start({ idleMs: IDLE_MS });
    const client = await admitted(test);
    const sending = setInterval(() => send(client), 150);
    const { code } = await client.closed();
    clearInterval(sending);
    expect(code).toBe(4408);
  });

  it('is kept by messages, and closed when they stop (LT-03)', async () => {
    const test = await start({ idleMs: IDLE_MS });
    const client = await admitted(test);
    const begun = performance.now();
    while (performance.now() - begun < 2 * IDLE_MS) {
      client.send('echo', 1);
      await client.messageOf('echo');
      await wait(100);
    }
    const { code, before } = await client.closed();
    expect([code, before]).toEqual([4408, []]);
  });

  it('is closed on a public gateway too, and kept there by messages (LT-03)', async () => {
    const test = await start({ idleMs: IDLE_MS }, makePublicGateway('/public'));
    const [silent, talking] = [await openPublic(test), await openPublic(test)];
    const sending = setInterval(() => talking.send('echo', 1), 100);
    expect(await silent.closed()).toMatchObject({ code: 4408, before: [] });
    await wait(IDLE_MS);
    clearInterval(sending);
    const { code, before } = await talking.closed();
    expect(code).toBe(4408);
    expect(before.length).toBeGreaterThan((IDLE_MS / 100) * 1.2);
  });

  it('stays where it may (LT-03)', async () => {
    const test = await start({ ...PATIENT, idleMs: false });
    const client = await admitted(test);
    let answered = 0;
    const { frame } = await answerPings(client, () => {
      answered += 1;
      if (answered === 4) client.send('echo', 1);
    });
    expect(frame.opcode).toBe(OPCODE.text);
  });
});

describe('a credential', () => {
  /** Clocks may differ by this much: the default tolerance of `exp`. */
  const TOLERANCE_S = 30;

  it('closes its socket when it ends, and nothing is dispatched after that (LT-01)', async () => {
    const times: number[] = [];
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class TimedGateway {
      @SubscribeMessage('time')
      time() {
        times.push(Date.now());
      }
    }
    const test = await start({}, TimedGateway);
    const endsAt = Math.floor(Date.now() / 1_000) + 2;
    const exp = endsAt - TOLERANCE_S;
    const client = await admitted(test, { iat: exp - 60, exp });
    const sending = setInterval(() => client.send('time'), 20);
    const { code, reason } = await client.closed();
    client.write(...Array.from({ length: 20 }, () => messageBytes('time')));
    const dispatched = times.length;
    await expectNobodyLeft(test);
    await client.end();
    clearInterval(sending);
    expect([code, times.length]).toEqual([4419, dispatched]);
    expect(reason).toMatch(/^expired;id=/);
    expect(times.length).toBeGreaterThan(20);
    // A busy machine may stop between the check and the handler.
    expect(Math.max(...times)).toBeLessThan(endsAt * 1_000 + 500);
    expect(Date.now()).toBeLessThan(endsAt * 1_000 + 2_000 + 500);
  });

  it('of 30 days leaves its socket open, through pings and re-validations (LT-02)', async () => {
    const month = 30 * 86_400;
    const lifetime = { ...PATIENT, maxMs: 2 ** 31 - 1, revalidateMs: 150, idleMs: 2 ** 31 - 1 };
    const jwt = { ...baseOptions().jwt!, maxAgeSeconds: month };
    const test = await start(lifetime, makeChatGateway(), { jwt });
    const client = await admitted(test, { exp: Math.floor(Date.now() / 1_000) + month });
    let answered = 0;
    const { frame } = await answerPings(client, () => {
      answered += 1;
      if (answered === 4) client.send('echo', 'open');
    });
    expect(JSON.parse(frame.payload.toString())).toEqual({ event: 'echo', data: 'open' });
  });

  it.each([1e308, Number.MAX_VALUE, 1e300])('of exp %d is refused (LT-02, JW-02)', async (exp) => {
    const test = await start({});
    const headers = { Authorization: `Bearer ${test.token({ exp })}` };
    await expectRefusal(await RawClient.open(test.port, { headers }), 'unauthorized', {
      'www-authenticate': expect.anything() as unknown as string,
    });
  });

  it('does not outlast the longest life, on a public gateway neither (LT-01)', async () => {
    const test = await start({ maxMs: 400 }, makePublicGateway('/public'));
    expect(await (await openPublic(test)).closed()).toMatchObject({ code: 4419, before: [] });
  });
});

describe('a client that reads nothing', () => {
  it('is gone within the grace after it was told to close (SE-02)', async () => {
    const closeGraceMs = 300;
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class FloodGateway {
      readonly gone: number[] = [];
      hasFlooded = false;

      handleDisconnect() {
        this.gone.push(performance.now());
      }

      @SubscribeMessage('flood')
      flood(client: WebSocket) {
        for (let index = 0; index < 800; index += 1) client.send('x'.repeat(20_000));
        this.hasFlooded = true;
      }
    }
    const outbound = { highWaterBytes: 2 ** 26, maxBytes: 2 ** 26 };
    const test = await start({ closeGraceMs }, FloodGateway, { message: { outbound } });
    const client = await admitted(test);
    client.socket.pause();
    client.send('flood');
    const gateway = test.app.get(FloodGateway);
    const { gone } = gateway;
    await eventually(() => gateway.hasFlooded);
    const begun = performance.now();
    await test.sessions.revoke({ user: 'ada' });
    await eventually(() => gone.length === 1);
    expect(gone[0]! - begun).toBeLessThan(closeGraceMs + 1_500);
    await expectNothingLeft(test);
  });
});
