import { once } from 'node:events';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { afterEach, beforeAll, afterAll, describe, expect, it } from 'vitest';
import type { Server, WebSocket } from 'ws';
import { userHashOf } from '../../lib/core/identifiers.js';
import { WsAuth, type WsAuthOptions } from '../../lib/index.js';
import { UNTHROTTLED, startApp, type TestApp, type TestAppParts } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { makeChatGateway, type Seen } from '../support/gateways.js';
import { HeldVerifier } from '../support/held-verifier.js';
import { holdCalls, interpose } from '../support/interpose.js';
import {
  closeBytes,
  frameBytes,
  handshakeBytes,
  type HandshakeParts,
  messageBytes,
  OPCODE,
  RawClient,
} from '../support/raw-client.js';
import { expectNothingLeft, expectRefusal } from '../support/refusal.js';

const REQUIRED = '{"event":"auth.required","data":{"timeoutMs":5000,"methods":["bearer","ticket"]}}';

/** Small numbers that stand for nothing but their order. */
function numbered(count: number): Buffer[] {
  return Array.from({ length: count }, (_, index) => messageBytes('echo', index));
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

const NOTHING = { connected: 0, disconnected: 0, messages: 0 };

/** How much a gateway was shown. */
function countsOf(seen: Seen): typeof NOTHING {
  const { connected, disconnected, messages } = seen;
  return {
    connected: connected.length,
    disconnected: disconnected.length,
    messages: messages.length,
  };
}

/** How many connections of a user the store knows. */
function registered(test: TestApp, userId: string): Promise<number> {
  return test.engine.stores.connections.countOf(userHashOf(test.engine.keys.userHash, userId));
}

/** A seeded generator (mulberry32): a failing cut can be made again. */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The header of a masked text frame that declares more than it will ever send. */
function declaredFrame(length: number): Buffer {
  const head = Buffer.alloc(14);
  head[0] = 0x81;
  head[1] = 0x80 | 127;
  head.writeBigUInt64BE(BigInt(length), 2);
  return head;
}

describe('authentication by the first message', () => {
  const open: TestApp[] = [];
  const clients: RawClient[] = [];
  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    for (const test of open.splice(0)) await test.discard();
  });

  async function connect(
    test: TestApp,
    parts: HandshakeParts = {},
    ...more: (string | Buffer)[]
  ): Promise<RawClient> {
    const client = await RawClient.open(test.port, parts, ...more);
    clients.push(client);
    return client;
  }

  async function start(parts: Partial<TestAppParts> = {}) {
    const Gateway = makeChatGateway();
    const test = await startApp({ gateways: [Gateway], ...parts });
    open.push(test);
    return { test, seen: Gateway.seen, Gateway };
  }

  /** An application whose tokens are decided on by the test. */
  async function startHeld(options: Partial<WsAuthOptions> = {}) {
    const verifier = new HeldVerifier();
    return { ...(await start({ options, engine: { verifier } })), verifier };
  }

  /** Connects and reads the 101 and `auth.required`. */
  async function connectWaiting(test: TestApp, ...more: (string | Buffer)[]): Promise<RawClient> {
    const client = await connect(test, {}, ...more);
    await client.upgraded();
    expect((await client.frame()).payload.toString()).toContain('"event":"auth.required"');
    return client;
  }

  describe('the exchange', () => {
    const Gateway = makeChatGateway();
    let test: TestApp;
    beforeAll(async () => {
      test = await startApp({
        gateways: [Gateway],
        options: { firstMessage: { maxWaitingPerAddress: 1_000 } },
      });
    });
    afterAll(() => test.discard());

    it('asks at once, byte for byte as PROTOCOL.md says', async () => {
      const client = await connect(test);
      await client.upgraded();
      const frame = await client.frame();
      expect(frame).toMatchObject({ fin: true, opcode: OPCODE.text });
      expect(frame.payload.toString()).toBe(REQUIRED);
    });

    it('names only the methods that the gateway takes', async () => {
      const OnlyTickets = makeChatGateway('/ws', { credentials: ['ticket', 'first-message'] });
      const { test } = await start({
        gateways: [OnlyTickets],
        options: { firstMessage: { timeoutMs: 1_234 } },
      });
      const client = await connect(test);
      await client.upgraded();
      expect((await client.frame()).payload.toString()).toBe(
        '{"event":"auth.required","data":{"timeoutMs":1234,"methods":["ticket"]}}',
      );
      client.send('auth', { token: test.token() });
      expect(await client.closed()).toMatchObject({ code: 4401 });
    });

    it('admits a token, and says until when', async () => {
      const client = await connectWaiting(test);
      const exp = Math.floor(Date.now() / 1_000) + 300;
      const before = Date.now();
      client.send('auth', { token: test.token({ exp }) });
      const text = (await client.frame()).payload.toString();
      const { connectionId, expiresAt, serverTime } = JSON.parse(text).data;
      expect(text).toBe(
        `{"event":"auth.ok","data":{"connectionId":"${connectionId}","expiresAt":${expiresAt},"serverTime":${serverTime}}}`,
      );
      expect(connectionId).toMatch(/^[\w-]{12}$/);
      expect(expiresAt).toBe((exp + 30) * 1_000);
      expect(serverTime).toBeGreaterThanOrEqual(before);
      expect(serverTime).toBeLessThanOrEqual(Date.now());
      client.send('whoami');
      expect(await client.message()).toMatchObject({ event: 'whoami', data: { id: 'ada' } });
    });

    it('admits a ticket, names its session, and burns it', async () => {
      const { session } = await test.sessions.create({ userId: 'bob', roles: ['admin'] });
      const { ticket } = await test.tickets.issue({ session: session.id });
      const client = await connectWaiting(test, messageBytes('auth', { ticket }));
      expect(await client.message()).toEqual({
        event: 'auth.ok',
        data: {
          connectionId: expect.any(String),
          sessionId: session.id,
          expiresAt: session.absoluteEndsAt,
          serverTime: expect.any(Number),
        },
      });
      client.send('admin');
      expect(await client.message()).toEqual({ event: 'admin', data: 'bob' });
      const second = await connectWaiting(test, messageBytes('auth', { ticket }));
      expect(await second.closed()).toMatchObject({ code: 4401, before: [] });
    });

    it('holds a ticket to its path and origin, as in a handshake', async () => {
      const { session } = await test.sessions.create({ userId: 'bob' });
      for (const binding of [{ path: '/other' }, { origin: 'https://other.example' }]) {
        const { ticket } = await test.tickets.issue({ session: session.id, ...binding });
        const client = await connectWaiting(test, messageBytes('auth', { ticket }));
        expect(await client.closed()).toMatchObject({ code: 4401, before: [] });
      }
    });

    it('FM-03: refuses binary before anything else is looked at, with 1003', async () => {
      const client = await connectWaiting(test);
      client.write(
        frameBytes(JSON.stringify({ event: 'auth', data: { token: test.token() } }), OPCODE.binary),
      );
      const close = await client.closed();
      expect(close).toMatchObject({ code: 1003, before: [] });
      expect(close.reason).toMatch(/^text_only;id=[\w-]{12}$/);
    });

    it('FM-01: closes 4401 when the first frame is another event, and runs no handler', async () => {
      const known = Gateway.seen.messages.length;
      const client = await connectWaiting(test, messageBytes('echo', 'early'));
      expect(await client.closed()).toMatchObject({ code: 4401, before: [] });
      expect(Gateway.seen.messages).toHaveLength(known);
    });

    it.each([
      ['no JSON', 'nonsense'],
      ['nothing', ''],
      ['null', 'null'],
      ['a list', '[]'],
      ['an envelope without event', '{"data":{"token":"x"}}'],
      ['auth without data', '{"event":"auth"}'],
      ['auth with two credentials', '{"event":"auth","data":{"token":"a","ticket":"b"}}'],
      ['auth with another field', '{"event":"auth","data":{"token":"a","admin":true}}'],
      ['auth with a list', '{"event":"auth","data":["token"]}'],
      ['auth with an inherited token', '{"event":"auth","data":{"__proto__":{"token":"a"}}}'],
    ])('closes 4400 on %s', async (_, text) => {
      const client = await connectWaiting(test, frameBytes(text));
      const close = await client.closed();
      expect(close).toMatchObject({ code: 4400, before: [] });
      expect(close.reason).toMatch(/^bad_message;id=[\w-]{12}$/);
    });

    it.each([
      ['a list', ['a', 'b']],
      ['an object', {}],
      ['null', null],
      ['a number', 1],
      ['true', true],
      ['an empty text', ''],
      ['a text that is no ticket', 'wst_short'],
      ['a text with a glob', 'wst_*'],
    ])('TK-09: closes 4401 for a ticket that is %s, and asks no store', async (_, ticket) => {
      let asked = 0;
      const restore = interpose(test.engine.stores.connections, 'admit', (admit) => {
        return (request) => {
          asked += 1;
          return admit(request);
        };
      });
      try {
        for (const name of ['ticket', 'token']) {
          const client = await connectWaiting(test, messageBytes('auth', { [name]: ticket }));
          expect(await client.closed()).toMatchObject({ code: 4401, before: [] });
        }
        expect(asked).toBe(0);
      } finally {
        restore();
      }
    });

    it('TK-09: cuts a ticket of 5 MB off at its header', async () => {
      const client = await connectWaiting(test);
      client.write(messageBytes('auth', { ticket: 'a'.repeat(5_000_000) }));
      expect(await client.closed()).toMatchObject({ code: 1009, before: [] });
    });

    it('admits by cookie at once where the gateway takes both, and still greets', async () => {
      const { token, session } = await test.sessions.create({ userId: 'eve' });
      const client = await connect(test, { headers: { Cookie: `__Host-sid=${token}` } });
      await client.upgraded();
      expect(await client.message()).toMatchObject({ event: 'auth.ok', data: { sessionId: session.id } });
    });
  });

  describe('FM-01: nothing is dispatched before authentication has finished', () => {
    it('delivers 100 messages behind the auth message of one write, in order, after 200 ms of verification', async () => {
      const { test, seen } = await start();
      interpose(test.engine.verifier!, 'verify', (verify) => async (token, signal) => {
        await new Promise((resolve) => setTimeout(resolve, 200));
        expect(countsOf(seen)).toEqual(NOTHING);
        return verify(token, signal);
      });
      const client = await connect(test, {}, messageBytes('auth', { token: test.token() }), ...numbered(100));
      await client.upgraded();
      expect(await client.message()).toMatchObject({ event: 'auth.required' });
      expect(await client.message()).toMatchObject({ event: 'auth.ok' });
      for (const index of upTo(100)) expect(await client.message()).toEqual({ event: 'echo', data: index });
      expect(seen.messages).toEqual(upTo(100));
      expect(seen.connected).toHaveLength(1);
    });

    it('loses and reorders nothing, however the bytes are cut', async () => {
      const { test } = await start({ options: { throttle: UNTHROTTLED } });
      const random = seededRandom(20_260_801);
      interpose(test.engine.verifier!, 'verify', (verify) => async (token, signal) => {
        for (let turns = Math.floor(random() * 8); turns > 0; turns -= 1)
          await new Promise((resolve) => setImmediate(resolve));
        return verify(token, signal);
      });
      const converse = async (): Promise<number[]> => {
        const bytes = Buffer.concat([
          Buffer.from(handshakeBytes()),
          messageBytes('auth', { token: test.token() }),
          ...numbered(40),
        ]);
        const client = await RawClient.connect(test.port);
        for (let at = 0; at < bytes.length;) {
          const end = at + 1 + Math.floor(random() * random() * 900);
          client.write(bytes.subarray(at, end));
          at = end;
          if (random() < 0.7) await new Promise((resolve) => setImmediate(resolve));
        }
        await client.upgraded();
        await client.messageOf('auth.ok');
        const echoed: number[] = [];
        while (echoed.length < 40) echoed.push((await client.message()).data);
        client.destroy();
        return echoed;
      };
      for (let round = 0; round < 10; round += 1) {
        const echoed = await Promise.all(upTo(15).map(converse));
        for (const numbers of echoed) expect(numbers).toEqual(upTo(40));
      }
    });

    it("reads frames of the upgrade's own segment", async () => {
      const { test, verifier, seen } = await startHeld();
      const client = await connect(
        test,
        {},
        messageBytes('auth', { token: 'good' }),
        messageBytes('echo', 'held'),
      );
      const held = await verifier.call();
      expect(held.token).toBe('good');
      expect(countsOf(seen)).toEqual(NOTHING);
      held.accept();
      await client.upgraded();
      await client.messageOf('auth.ok');
      expect(await client.message()).toEqual({ event: 'echo', data: 'held' });
    });

    it('delivers what stood before a Close in the same write, then the disconnect', async () => {
      const order: unknown[] = [];
      @WsAuth()
      @WebSocketGateway({ path: '/ws' })
      class OrderGateway {
        handleConnection() {
          order.push('connect');
        }
        handleDisconnect() {
          order.push('disconnect');
        }
        @SubscribeMessage('echo')
        echo(@MessageBody() data: unknown) {
          order.push(data);
        }
      }
      const verifier = new HeldVerifier();
      const { test } = await start({ gateways: [OrderGateway], engine: { verifier } });
      const client = await connect(
        test,
        {},
        messageBytes('auth', { token: 'good' }),
        ...numbered(20),
        closeBytes(1000, 'bye'),
      );
      const held = await verifier.call();
      await client.upgraded();
      expect(await client.closed()).toMatchObject({ code: 1000 });
      client.finish();
      expect(order).toEqual([]);
      held.accept();
      await eventually(() => order.includes('disconnect'));
      expect(order).toEqual(['connect', ...upTo(20), 'disconnect']);
      await expectNothingLeft(test);
      expect(await registered(test, 'ada')).toBe(0);
    });

    it('shows nobody a client that left while its only frame was verified', async () => {
      const { test, verifier, seen } = await startHeld();
      const client = await connectWaiting(test, messageBytes('auth', { token: 'good' }), closeBytes());
      const held = await verifier.call();
      await client.closed();
      client.finish();
      await eventually(() => held.signal.aborted);
      held.accept();
      await expectNothingLeft(test);
      expect(countsOf(seen)).toEqual(NOTHING);
    });

    it.each(['reset', 'finish'] as const)(
      'HS-04: shows nobody a client that is gone (%s) before its verification ends',
      async (how) => {
        const { test, verifier, seen } = await startHeld();
        const gone = await Promise.all(
          upTo(10).map(() => connectWaiting(test, messageBytes('auth', { token: 'good' }))),
        );
        await verifier.call(9);
        for (const client of gone) client[how]();
        await eventually(() => verifier.calls.every(({ signal }) => signal.aborted), 1_000);
        for (const held of verifier.calls) held.accept('gone');
        await expectNothingLeft(test);
        expect(countsOf(seen)).toEqual(NOTHING);
        expect(test.events.filter(({ outcome }) => outcome === 'success')).toEqual([]);
        expect(await registered(test, 'gone')).toBe(0);
      },
    );

    it('gives everything back when a client resets with messages held', async () => {
      const { test, verifier, seen } = await startHeld();
      const client = await connectWaiting(test, messageBytes('auth', { token: 'good' }), ...numbered(3));
      const held = await verifier.call();
      client.reset();
      await once(client.socket, 'close');
      held.accept('gone');
      await eventually(() => seen.connected.length === seen.disconnected.length);
      await expectNothingLeft(test);
      expect(await registered(test, 'gone')).toBe(0);
    });
  });

  describe('FM-02: the deadline counts from 101, and nothing restarts it', () => {
    it.each([
      ['silence', () => undefined],
      ['pings', (client: RawClient) => client.write(frameBytes('x', OPCODE.ping))],
      ['pongs', (client: RawClient) => client.write(frameBytes('x', OPCODE.pong))],
    ])('through %s', async (_, disturb) => {
      const { test } = await start({
        options: { firstMessage: { timeoutMs: 400 }, lifetime: { closeGraceMs: 300 } },
      });
      const client = await connectWaiting(test);
      const start101 = performance.now();
      const timer = setInterval(() => disturb(client), 40);
      const close = await client.closed();
      clearInterval(timer);
      const closedAfter = performance.now() - start101;
      expect(close.code).toBe(4408);
      expect(close.reason).toMatch(/^auth_timeout;id=[\w-]{12}$/);
      expect(closedAfter).toBeGreaterThan(350);
      expect(closedAfter).toBeLessThan(400 + 250);
      // The client answers nothing: the socket is cut after the grace.
      await client.end();
      expect(performance.now() - start101).toBeLessThan(400 + 300 + 400);
      await expectNothingLeft(test);
    });

    it('through an auth frame that drips in', async () => {
      const { test } = await start({ options: { firstMessage: { timeoutMs: 300 } } });
      const client = await connectWaiting(test);
      const start101 = performance.now();
      const bytes = messageBytes('auth', { token: test.token() });
      let at = 0;
      const timer = setInterval(() => client.write(bytes.subarray(at, (at += 1))), 20);
      expect(await client.closed()).toMatchObject({ code: 4408 });
      clearInterval(timer);
      expect(performance.now() - start101).toBeLessThan(300 + 250);
    });

    it('through a verification that does not end', async () => {
      const { test, verifier, seen } = await startHeld({ firstMessage: { timeoutMs: 300 } });
      const client = await connectWaiting(
        test,
        messageBytes('auth', { token: 'slow' }),
        messageBytes('echo', 'held'),
      );
      const held = await verifier.call();
      expect(await client.closed()).toMatchObject({ code: 4408 });
      expect(held.signal.aborted).toBe(true);
      held.accept();
      client.destroy();
      await expectNothingLeft(test);
      expect(countsOf(seen)).toEqual(NOTHING);
    });
  });

  describe('FM-03: what comes before authentication is small', () => {
    it('closes 1009 on 9 KiB, and verifies nothing', async () => {
      const { test, verifier } = await startHeld();
      const client = await connectWaiting(test, messageBytes('auth', { token: 'a'.repeat(9 * 1_024) }));
      const close = await client.closed();
      expect(close).toMatchObject({ code: 1009, before: [] });
      expect(close.reason).toMatch(/^too_big;id=[\w-]{12}$/);
      expect(verifier.calls).toEqual([]);
    });

    it('takes an auth frame of exactly 8 KiB', async () => {
      const { test, verifier } = await startHeld();
      const frame = '{"event":"auth","data":{"token":"?"}}';
      const token = 'a'.repeat(8_192 - frame.length + 1);
      const client = await connectWaiting(test, frameBytes(frame.replace('?', token)));
      (await verifier.call()).accept();
      expect(await client.message()).toMatchObject({ event: 'auth.ok' });
    });

    it('counts a fragmented auth frame as a whole', async () => {
      const { test, verifier } = await startHeld();
      const text = JSON.stringify({ event: 'auth', data: { token: 'a'.repeat(9 * 1_024) } });
      const client = await connectWaiting(
        test,
        frameBytes(text.slice(0, 5_000), OPCODE.text, false),
        frameBytes(text.slice(5_000), OPCODE.continuation),
      );
      expect(await client.closed()).toMatchObject({ code: 1009 });
      expect(verifier.calls).toEqual([]);
    });

    it('closes 1009 on a declared GiB before its first byte', async () => {
      const { test } = await start();
      const client = await connectWaiting(test, declaredFrame(2 ** 30));
      expect(await client.closed()).toMatchObject({ code: 1009, before: [] });
      client.destroy();
      await expectNothingLeft(test);
    });
  });

  describe('FM-04: one attempt, and one verification', () => {
    it('closes 4400 on two auth frames of one write, and never admits', async () => {
      const { test, verifier, seen } = await startHeld();
      const client = await connectWaiting(
        test,
        messageBytes('auth', { token: 'bad' }),
        messageBytes('auth', { token: 'good' }),
      );
      expect(await client.closed()).toMatchObject({ code: 4400, before: [] });
      for (const held of verifier.calls) held.accept();
      client.destroy();
      await expectNothingLeft(test);
      expect(verifier.calls).toHaveLength(1);
      expect(countsOf(seen)).toEqual(NOTHING);
    });

    it.each(['bad', 'good'])(
      'takes a second auth frame of a later segment for no second attempt (%s first)',
      async (first) => {
        const { test, verifier, seen } = await startHeld();
        const client = await connectWaiting(test, messageBytes('auth', { token: first }));
        const held = await verifier.call();
        client.send('auth', { token: 'second' });
        if (first === 'bad') {
          held.reject();
          expect(await client.closed()).toMatchObject({ code: 4401, before: [] });
          client.write(closeBytes());
          await client.end();
          expect(verifier.calls).toHaveLength(1);
          expect(countsOf(seen)).toEqual(NOTHING);
          return;
        }
        // Behind an admission it is a refresh, and no refresh changes the principal.
        held.accept('ada');
        await client.messageOf('auth.ok');
        (await verifier.call(1)).accept('eve');
        expect(await client.closed()).toMatchObject({ code: 4403, before: [] });
      },
    );

    it('closes 4400 on a second auth frame whose event is written with escapes', async () => {
      const { test, verifier } = await startHeld();
      const client = await connectWaiting(
        test,
        messageBytes('auth', { token: 'first' }),
        frameBytes('{"event":"\\u0061\\u0075th","data":{"token":"second"}}'),
      );
      await verifier.call();
      expect(await client.closed()).toMatchObject({ code: 4400, before: [] });
    });

    it('ends after one failed attempt', async () => {
      const { test, verifier, seen } = await startHeld();
      const client = await connectWaiting(
        test,
        messageBytes('auth', { token: 'bad' }),
        messageBytes('echo', 'held'),
      );
      (await verifier.call()).reject();
      const close = await client.closed();
      expect(close).toMatchObject({ code: 4401, before: [] });
      expect(close.reason).toMatch(/^unauthorized;id=[\w-]{12}$/);
      client.send('auth', { token: 'good' });
      client.write(closeBytes());
      await client.end();
      expect(verifier.calls).toHaveLength(1);
      expect(countsOf(seen)).toEqual(NOTHING);
    });

    it('closes 1013 when nobody can tell, never 4401', async () => {
      const { test, verifier } = await startHeld();
      const client = await connectWaiting(test, messageBytes('auth', { token: 'any' }));
      (await verifier.call()).reject(new Error('the key server is away'));
      expect(await client.closed()).toMatchObject({ code: 1013, before: [] });
    });

    it('closes 4409 when the principal has all the connections it may have', async () => {
      const { test } = await start({ options: { connections: { maxPerUser: 1 } } });
      const first = await connectWaiting(test, messageBytes('auth', { token: test.token() }));
      await first.messageOf('auth.ok');
      const second = await connectWaiting(test, messageBytes('auth', { token: test.token() }));
      expect(await second.closed()).toMatchObject({ code: 4409, before: [] });
    });
  });

  describe('holds what arrives during verification', () => {
    it('256 frames, and delivers them in order', async () => {
      const { test, verifier } = await startHeld();
      const client = await connectWaiting(test, messageBytes('auth', { token: 'good' }), ...numbered(256));
      (await verifier.call()).accept();
      await client.messageOf('auth.ok');
      for (const index of upTo(256)) expect((await client.message()).data).toBe(index);
    });

    it('and closes 4400 on the 257th', async () => {
      const { test, verifier, seen } = await startHeld();
      const client = await connectWaiting(test, messageBytes('auth', { token: 'good' }), ...numbered(257));
      const held = await verifier.call();
      expect(await client.closed()).toMatchObject({ code: 4400, before: [] });
      held.accept();
      client.destroy();
      await expectNothingLeft(test);
      expect(countsOf(seen)).toEqual(NOTHING);
    });

    it('no more bytes than it may, and closes 4400 beyond them', async () => {
      const { test, verifier, seen } = await startHeld({ firstMessage: { maxHeldBytes: 1_000 } });
      const exact = frameBytes(`{"event":"echo","data":"${'x'.repeat(1_000 - 26)}"}`);
      const full = await connectWaiting(test, messageBytes('auth', { token: 'good' }), exact);
      (await verifier.call(0)).accept();
      await full.messageOf('echo');
      const over = await connectWaiting(
        test,
        messageBytes('auth', { token: 'good' }),
        exact,
        frameBytes('{"event":"echo"}'),
      );
      const held = await verifier.call(1);
      expect(await over.closed()).toMatchObject({ code: 4400, before: [] });
      held.accept();
      expect(seen.connected).toHaveLength(1);
    });

    it('nothing of what it has not read: a flood stays in the network, and is delivered whole', async () => {
      const { test, verifier, seen } = await startHeld({ throttle: UNTHROTTLED });
      const client = await connectWaiting(test, messageBytes('auth', { token: 'good' }));
      const held = await verifier.call();
      const messages = upTo(40).map((index) => messageBytes('echo', `${index}:${'x'.repeat(60_000)}`));
      client.write(...messages);
      await new Promise((resolve) => setImmediate(resolve));
      held.accept();
      await client.messageOf('auth.ok');
      await eventually(() => seen.messages.length === 40);
      expect(seen.messages.map((data) => Number.parseInt(String(data), 10))).toEqual(upTo(40));
    });
  });

  describe('FM-06: sockets that wait have caps of their own', () => {
    it('of one address: 429, while another address is let in', async () => {
      const { test } = await start({
        options: {
          firstMessage: { maxWaitingPerAddress: 3 },
          proxy: { trusted: ['127.0.0.1'] },
        },
      });
      const from = (ip: string) => connect(test, { headers: { 'X-Forwarded-For': ip } });
      const silent = await Promise.all(upTo(3).map(() => from('192.0.2.1')));
      for (const client of silent) await client.upgraded();
      await expectRefusal(await from('192.0.2.1'), 'rate_limited');
      await (await from('192.0.2.2')).upgraded();
      silent[0]!.destroy();
      await eventually(() => test.engine.authenticator.counts.waiting === 3);
      await (await from('192.0.2.1')).upgraded();
    });

    it('of the node: 503, who is in stays in, and after the deadline there is room again', async () => {
      const { test } = await start({
        options: { firstMessage: { maxWaiting: 4, timeoutMs: 500 } },
      });
      const member = await connectWaiting(test, messageBytes('auth', { token: test.token() }));
      await member.messageOf('auth.ok');
      const silent = await Promise.all(upTo(4).map(() => connectWaiting(test)));
      await expectRefusal(await connect(test), 'overloaded');
      member.send('echo', 'still here');
      expect(await member.message()).toEqual({ event: 'echo', data: 'still here' });
      const bearer = await connect(test, { headers: { Authorization: `Bearer ${test.token()}` } });
      await bearer.upgraded();
      for (const client of silent) {
        expect(await client.closed()).toMatchObject({ code: 4408 });
        client.destroy();
      }
      await eventually(() => test.engine.authenticator.counts.waiting === 0);
      const late = await connectWaiting(test, messageBytes('auth', { token: test.token() }));
      expect(await late.message()).toMatchObject({ event: 'auth.ok' });
      member.send('echo', 'and here');
      expect(await member.message()).toEqual({ event: 'echo', data: 'and here' });
    });

    it('and give a place back once the client is in', async () => {
      const { test } = await start({ options: { firstMessage: { maxWaiting: 1 } } });
      for (let round = 0; round < 3; round += 1) {
        const client = await connectWaiting(test, messageBytes('auth', { token: test.token() }));
        await client.messageOf('auth.ok');
        expect(test.engine.authenticator.counts).toEqual({ pending: 0, waiting: 0 });
      }
    });
  });

  describe('FM-05: nothing reaches a socket that waits', () => {
    it('no broadcast over server.clients, no raw connection listener', async () => {
      const emitted: WebSocket[] = [];
      @WsAuth()
      @WebSocketGateway({ path: '/ws' })
      class BroadcastGateway {
        static server: Server;
        afterInit(server: Server) {
          BroadcastGateway.server = server;
          server.on('connection', (client) => emitted.push(client));
        }
        @SubscribeMessage('all')
        all(@MessageBody() data: unknown) {
          for (const client of BroadcastGateway.server.clients)
            client.send(JSON.stringify({ event: 'news', data }));
        }
      }
      const verifier = new HeldVerifier();
      const { test } = await start({ gateways: [BroadcastGateway], engine: { verifier } });
      const silent = await connectWaiting(test);
      const undecided = await connectWaiting(test, messageBytes('auth', { token: 'later' }));
      const later = await verifier.call(0);
      const member = await connectWaiting(test, messageBytes('auth', { token: 'member' }));
      (await verifier.call(1)).accept('bob');
      await member.messageOf('auth.ok');
      expect(BroadcastGateway.server.clients.size).toBe(1);
      expect(emitted).toHaveLength(1);

      member.send('all', 'first');
      expect(await member.message()).toEqual({ event: 'news', data: 'first' });
      later.accept('eve');
      expect(await undecided.message()).toMatchObject({ event: 'auth.ok' });
      expect(BroadcastGateway.server.clients.size).toBe(2);
      member.send('all', 'second');
      // The news before its time is not among what the newcomer was sent.
      expect(await undecided.message()).toEqual({ event: 'news', data: 'second' });
      expect(await member.message()).toEqual({ event: 'news', data: 'second' });
      expect(silent.unread).toBe('');
      member.write(closeBytes());
      await member.closed();
      member.finish();
      await eventually(() => BroadcastGateway.server.clients.size === 1);
    });
  });

  describe('a shutdown', () => {
    it('does not wait for sockets that wait, silent or undecided', async () => {
      const verifier = new HeldVerifier();
      const Gateway = makeChatGateway();
      const test = await startApp({ gateways: [Gateway], engine: { verifier } });
      const silent = await connectWaiting(test);
      const undecided = await connectWaiting(test, messageBytes('auth', { token: 'a' }));
      const pipelined = await connectWaiting(
        test,
        messageBytes('auth', { token: 'b' }),
        messageBytes('echo', 'held'),
      );
      await verifier.call(1);
      const start = performance.now();
      await test.close();
      expect(performance.now() - start).toBeLessThan(2_000);
      for (const client of [silent, undecided, pipelined]) await client.end();
      for (const held of verifier.calls) held.accept();
      await new Promise((resolve) => setImmediate(resolve));
      expect(countsOf(Gateway.seen)).toEqual(NOTHING);
      expect(test.engine.authenticator.counts).toEqual({ pending: 0, waiting: 0 });
      expect(test.engine.connections.local()).toEqual([]);
    });
  });

  describe('auth after admission is a refresh', () => {
    async function admitted(test: TestApp, claims: Record<string, unknown> = {}) {
      const client = await connectWaiting(test, messageBytes('auth', { token: test.token(claims) }));
      return { client, ok: await client.messageOf('auth.ok') };
    }

    it.each(['auth', 'auth.refresh'])('"%s" of the same principal moves the end', async (event) => {
      const { test } = await start();
      const exp = Math.floor(Date.now() / 1_000) + 100;
      const { client, ok } = await admitted(test, { exp });
      client.send(event, { token: test.token({ exp: exp + 400, roles: ['admin'] }) });
      const again = await client.message();
      expect(again.event).toBe('auth.ok');
      expect(again.data.connectionId).toBe(ok.data.connectionId);
      expect(again.data.expiresAt).toBe(ok.data.expiresAt + 400_000);
      // The rights are those of the fresh credential, for the very next message.
      client.send('admin');
      expect(await client.message()).toMatchObject({ event: 'auth.changed', data: { added: ['admin'] } });
      expect(await client.message()).toEqual({ event: 'admin', data: 'ada' });
      expect(test.connections.ofUser('ada')).toHaveLength(1);
      expect(test.connections.ofUser('ada')[0]!.expiresAt).toBe(again.data.expiresAt);
    });

    it('takes no second place, so that it works at the limit', async () => {
      const { test } = await start({ options: { connections: { maxPerUser: 1 } } });
      const { client } = await admitted(test);
      for (let round = 0; round < 3; round += 1) {
        client.send('auth', { token: test.token() });
        expect(await client.message()).toMatchObject({ event: 'auth.ok' });
      }
      expect(await registered(test, 'ada')).toBe(1);
    });

    it('takes a ticket of the same session too', async () => {
      const { test } = await start();
      const { session } = await test.sessions.create({ userId: 'bob' });
      const first = await test.tickets.issue({ session: session.id });
      const client = await connectWaiting(test, messageBytes('auth', { ticket: first.ticket }));
      await client.messageOf('auth.ok');
      const second = await test.tickets.issue({ session: session.id });
      client.send('auth.refresh', { ticket: second.ticket });
      expect(await client.message()).toMatchObject({ event: 'auth.ok', data: { sessionId: session.id } });
    });

    it('FM-04: closes 4403 on another principal, whose token is good', async () => {
      const { test } = await start();
      const { client } = await admitted(test);
      client.send('auth', { token: test.token({ sub: 'eve' }) });
      const close = await client.closed();
      expect(close).toMatchObject({ code: 4403, before: [] });
      expect(close.reason).toMatch(/^forbidden;id=[\w-]{12}$/);
      expect(test.connections.local()).toEqual([]);
    });

    it('FM-04: closes 4403 on another session of the same user', async () => {
      const { test } = await start();
      const mine = await test.sessions.create({ userId: 'bob' });
      const other = await test.sessions.create({ userId: 'bob' });
      const { ticket } = await test.tickets.issue({ session: mine.session.id });
      const client = await connectWaiting(test, messageBytes('auth', { ticket }));
      await client.messageOf('auth.ok');
      client.send('auth.refresh', {
        ticket: (await test.tickets.issue({ session: other.session.id })).ticket,
      });
      expect(await client.closed()).toMatchObject({
        code: expect.toSatisfy((code) => [4401, 4403].includes(code)),
      });
    });

    it('closes 4401 on a bad credential', async () => {
      const { test } = await start();
      for (const data of [{ token: 'nonsense' }, { ticket: `wst_${'a'.repeat(16)}.${'b'.repeat(43)}` }]) {
        const { client } = await admitted(test);
        client.send('auth', data);
        const code = (await client.closed()).code;
        expect([4401, 4403]).toContain(code);
      }
    });

    it.each([
      ['no credential', {}],
      ['two', { token: 'a', ticket: 'b' }],
      ['null', null],
    ])('closes 4400 on %s', async (_, data) => {
      const { test } = await start();
      const { client } = await admitted(test);
      client.send('auth', data);
      expect(await client.closed()).toMatchObject({ code: 4400 });
    });

    it('answers another event of the reserved prefix, and stays', async () => {
      const { test } = await start();
      const { client } = await admitted(test);
      client.send('auth.ok', { connectionId: 'x' });
      expect(await client.message()).toEqual({
        event: 'exception',
        data: {
          status: 'error',
          code: 'unknown_event',
          message: 'events that begin with "auth" are reserved',
        },
      });
      client.send('echo', 1);
      expect(await client.message()).toEqual({ event: 'echo', data: 1 });
    });

    it('keeps the connection when nobody can tell', async () => {
      const { test, verifier } = await startHeld();
      const client = await connectWaiting(test, messageBytes('auth', { token: 'a' }));
      (await verifier.call(0)).accept();
      await client.messageOf('auth.ok');
      client.send('auth', { token: 'b' });
      (await verifier.call(1)).reject(new Error('the key server is away'));
      expect(await client.message()).toMatchObject({ event: 'exception', data: { code: 'try_later' } });
      client.send('echo', 1);
      expect(await client.message()).toEqual({ event: 'echo', data: 1 });
    });

    it('closes 4400 on a second refresh while one is verified', async () => {
      const { test, verifier } = await startHeld();
      const client = await connectWaiting(test, messageBytes('auth', { token: 'a' }));
      (await verifier.call(0)).accept();
      await client.messageOf('auth.ok');
      client.write(messageBytes('auth', { token: 'b' }), messageBytes('auth', { token: 'c' }));
      expect(await client.closed()).toMatchObject({ code: 4400, before: [] });
      expect(verifier.calls).toHaveLength(2);
    });

    it('leaves no place taken by a client that left while its refresh was verified', async () => {
      const { test, verifier } = await startHeld();
      const client = await connectWaiting(test, messageBytes('auth', { token: 'a' }));
      (await verifier.call(0)).accept('ada');
      await client.messageOf('auth.ok');
      client.send('auth', { token: 'b' });
      const held = await verifier.call(1);
      client.reset();
      await eventually(() => test.engine.connections.local().length === 0);
      held.accept('ada');
      await expectNothingLeft(test);
      expect(await registered(test, 'ada')).toBe(0);
    });

    it('refuses a refresh of a session that was revoked while it was verified', async () => {
      const { test } = await start();
      const { session } = await test.sessions.create({ userId: 'ada' });
      const client = await connectWaiting(
        test,
        messageBytes('auth', { token: test.token({ sid: session.id }) }),
      );
      await client.messageOf('auth.ok');
      const held = holdCalls(test.engine.stores.connections, 'admit', 'after');
      client.send('auth', { token: test.token({ sid: session.id }) });
      await held.arrived();
      await test.sessions.revoke({ session: session.id });
      held.release();
      expect(await client.closed()).toMatchObject({ code: 4410, before: [] });
      client.destroy();
      expect(test.connections.local()).toEqual([]);
      expect(await registered(test, 'ada')).toBe(0);
    });
  });

  it('LG-02: shows the auth payload to no handler, no raw listener and no log', async () => {
    const shown: string[] = [];
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class CuriousGateway {
      handleConnection(client: WebSocket) {
        client.on('message', (data) => shown.push(String(data)));
        client.addEventListener('message', ({ data }) => shown.push(String(data)));
      }
      @SubscribeMessage('echo')
      echo(@MessageBody() data: unknown) {
        return { event: 'echo', data };
      }
    }
    const { test } = await start({ gateways: [CuriousGateway] });
    const first = test.token();
    const second = test.token();
    const broken = `{"event":"auth","data":{"token":"${second}"}`;
    const client = await connectWaiting(
      test,
      messageBytes('auth', { token: first }),
      messageBytes('echo', 'a'),
    );
    await client.messageOf('echo');
    client.send('auth.refresh', { token: second });
    await client.messageOf('auth.ok');
    client.write(frameBytes(broken), messageBytes('echo', 'b'));
    await client.messageOf('echo');
    client.send('auth', { token: `${first}x` });
    expect(await client.closed()).toMatchObject({ code: 4401 });
    const refused = await connectWaiting(test, messageBytes('auth', { token: `${first}x` }));
    await refused.closed();
    const everything = [...shown, ...test.logger.lines, ...test.events.map((event) => JSON.stringify(event))];
    expect(shown.length).toBeGreaterThan(0);
    for (const secret of [first, second, first.split('.')[2]!, second.split('.')[2]!]) {
      expect(everything.filter((text) => text.includes(secret))).toEqual([]);
    }
  });
});
