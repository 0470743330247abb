import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import type { INestApplication } from '@nestjs/common';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WsAuth } from '../../lib/index.js';
import type { RefusalCode } from '../../lib/core/handshake/refusal.js';
import { userHashOf } from '../../lib/core/identifiers.js';
import { JWT_SECRET, startApp, type TestApp, type TestAppParts } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { makeChatGateway } from '../support/gateways.js';
import { HeldVerifier, verifiedToken } from '../support/held-verifier.js';
import {
  closeBytes,
  handshakeBytes,
  type HandshakeParts,
  messageBytes,
  RawClient,
  SAMPLE_ACCEPT,
  SAMPLE_KEY,
} from '../support/raw-client.js';
import { CHALLENGE, expectNothingLeft, expectRefusal } from '../support/refusal.js';

const EVIL = 'https://evil.example';
/** Loopback is one address: tests that knock often must not be told to slow down. */
const NO_RATE = { connectRate: { limit: 1_000_000, windowMs: 60_000, burst: 1_000_000 } };
const UPGRADE_EXTRA = { upgrade: 'websocket', 'sec-websocket-version': '13' };

/** What went wrong in this process, unheard by anybody. */
const accidents: unknown[] = [];
const onAccident = (error: unknown): void => void accidents.push(error);
beforeAll(() => {
  process.on('unhandledRejection', onAccident);
  process.on('uncaughtExceptionMonitor', onAccident);
});
afterAll(() => {
  process.off('unhandledRejection', onAccident);
  process.off('uncaughtExceptionMonitor', onAccident);
});
afterEach(() => expect(accidents.splice(0)).toEqual([]));

const running: TestApp[] = [];
/** An application of one test. */
async function boot(parts: Partial<TestAppParts> = {}): Promise<TestApp> {
  const { handshake, ...options } = parts.options ?? {};
  const test = await startApp({
    gateways: [makeChatGateway()],
    ...parts,
    options: { ...options, handshake: { ...NO_RATE, ...handshake } },
  });
  running.push(test);
  return test;
}
afterEach(async () => {
  for (const test of running.splice(0)) await test.discard();
});

/** The headers of a handshake with a credential that is good but for what the test breaks. */
function withBearer(test: TestApp, headers: HandshakeParts['headers'] = {}): HandshakeParts {
  return { headers: { Authorization: `Bearer ${test.token()}`, ...headers } };
}

/** Resolves when nothing is left of the socket, by FIN or RST. */
function gone({ socket }: RawClient): Promise<void> {
  return new Promise((resolve) => (socket.closed ? resolve() : socket.once('close', () => resolve())));
}

describe('a handshake that is not one', () => {
  const Gateway = makeChatGateway();
  let test: TestApp;
  beforeAll(async () => {
    test = await startApp({ gateways: [Gateway], options: { handshake: NO_RATE } });
  });
  afterAll(() => test.discard());
  afterEach(async () => {
    await expectNothingLeft(test);
    expect(Gateway.seen.connected).toEqual([]);
    expect(Gateway.seen.messages).toEqual([]);
  });

  async function refuse(
    parts: HandshakeParts,
    code: RefusalCode,
    extra: Record<string, string> = {},
  ): Promise<void> {
    const client = await RawClient.open(test.port, { ...parts, ...withBearer(test, parts.headers) });
    await expectRefusal(client, code, extra);
  }

  it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'PROPFIND'])(
    'refuses %s with 405 (HS-06)',
    async (method) => {
      await refuse({ method }, 'method_not_allowed', { allow: 'GET' });
    },
  );

  it('refuses HTTP/1.0 (HS-06)', async () => {
    await refuse({ version: '1.0' }, 'malformed_handshake');
  });

  it.each(['8', '7', '0', '14', '13, 8', '8, 13', '013', '13.0', '0x0d', '+13', '"13"', ''])(
    'refuses version %j with 426 (HS-05)',
    async (version) => {
      await refuse({ headers: { 'Sec-WebSocket-Version': version } }, 'upgrade_required', UPGRADE_EXTRA);
    },
  );

  it('refuses a handshake without a version with 426 (HS-05)', async () => {
    await refuse({ headers: { 'Sec-WebSocket-Version': undefined } }, 'upgrade_required', UPGRADE_EXTRA);
  });

  it('refuses version 8 with the Origin header of that version (HS-05)', async () => {
    const headers = {
      'Sec-WebSocket-Version': '8',
      Origin: undefined,
      'Sec-WebSocket-Origin': 'https://app.example',
    };
    await refuse({ headers }, 'upgrade_required', UPGRADE_EXTRA);
  });

  it.each([
    ['h2c'],
    ['h2c, websocket'],
    ['websocket, h2c'],
    ['websocket/13'],
    ['"websocket"'],
    ['websocket2'],
    ['TLS/1.0'],
    [['h2c', 'websocket']],
    [['websocket', 'h2c']],
    [['websocket', 'websocket']],
  ])('refuses Upgrade: %j with 426 (HS-06)', async (upgrade) => {
    const headers = { Upgrade: upgrade, 'HTTP2-Settings': 'AAMAAABkAAQAAP__' };
    await refuse({ headers }, 'upgrade_required', UPGRADE_EXTRA);
  });

  it('leaves requests without an Upgrade to the application, and never to the gateway (HS-06)', async () => {
    for (const headers of [{ Upgrade: undefined }, { Connection: 'close' }]) {
      const client = await RawClient.open(test.port, withBearer(test, { Connection: 'close', ...headers }));
      expect((await client.response()).status).toBe(404);
      await client.end();
    }
  });

  it('takes Upgrade and Connection in any case and among other tokens (HS-06)', async () => {
    const other = await boot();
    const headers = { Upgrade: 'WebSocket', Connection: 'keep-alive, UPGRADE' };
    const client = await RawClient.open(other.port, withBearer(other, headers));
    expect((await client.upgraded()).headers['sec-websocket-accept']).toBe(SAMPLE_ACCEPT);
  });

  it.each([
    ['absent', undefined],
    ['empty', ''],
    ['too short', 'dGhlIHNhbXBsZQ=='],
    ['too long', `${SAMPLE_KEY}AAAA`],
    ['not base64', '!!!!!!!!!!!!!!!!!!!!!!=='],
    ['without padding', 'dGhlIHNhbXBsZSBub25jZQAA'],
    ['two in one line', `${SAMPLE_KEY}, ${SAMPLE_KEY}`],
  ])('refuses a key that is %s', async (_, key) => {
    await refuse({ headers: { 'Sec-WebSocket-Key': key } }, 'malformed_handshake');
  });

  it.each([
    ['absent', undefined],
    ['empty', ''],
    ['two names', 'a b'],
    ['an open bracket', '['],
    ['a closed bracket', 'localhost]'],
    ['a port that is none', 'x:99999'],
    ['port 0', 'localhost:0'],
    ['two ports', 'localhost:1:2'],
    ['with user information', 'user@localhost'],
    ['with a path', 'localhost/ws'],
    ['with a query', 'localhost?x'],
    ['a list', 'localhost, localhost'],
    ['with an escape', 'local%68ost'],
    ['no ASCII', 'l\u00f6calhost'],
    ['empty labels', 'localhost..'],
    ['255 characters long', `${'a'.repeat(63)}.`.repeat(4)],
  ])('refuses a Host that is %s (HS-08)', async (_, host) => {
    await refuse({ headers: { Host: host } }, 'malformed_handshake');
  });

  it.each(['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', '0.0.0.0', '[::2]', '127.1'])(
    'answers 421 to Host %s on loopback, whatever the Origin (HS-08)',
    async (host) => {
      await refuse({ headers: { Host: host } }, 'host_not_allowed');
    },
  );

  it.each([
    'http://evil.example/ws',
    'ws://localhost/ws',
    '//evil.example/ws',
    '//ws',
    '/ws#x',
    '/ws?a#x',
    '/public/../ws',
    '/./ws',
    '/..',
    '/ws/.',
    '/%2e%2e/ws',
    '/public/%2E./ws',
    '/ws%2f',
    '/%2fws',
    '/ws%5c',
    '/ws%00',
    '/\\ws',
    '/ws?a\\b',
    '*',
  ])('refuses the target %s (HS-09)', async (target) => {
    await refuse({ target }, 'malformed_handshake');
  });

  it.each([
    '/%77s',
    '/w%73',
    '/WS',
    '/ws/',
    '/ws/x',
    '/ws;x=1',
    '/wsx',
    '/',
    '/public',
    '/constructor',
    '/__proto__',
  ])('answers 404 to the target %s, which no gateway has (HS-09, HS-10)', async (target) => {
    await refuse({ target }, 'not_found');
  });

  describe.each(['the good one first', 'the good one last'])('with %s', (order) => {
    it.each([
      ['Host', 'localhost', 'evil.example'],
      ['Origin', 'https://app.example', EVIL],
      ['Authorization', '', 'Bearer x'],
      ['Sec-WebSocket-Key', SAMPLE_KEY, 'AAAAAAAAAAAAAAAAAAAAAA=='],
      ['Sec-WebSocket-Version', '13', '8'],
    ])('refuses %s twice (HS-11)', async (name, good, bad) => {
      const values = [name === 'Authorization' ? `Bearer ${test.token()}` : good, bad];
      if (order === 'the good one last') values.reverse();
      await refuse({ headers: { [name]: values } }, 'malformed_handshake');
    });
  });

  it.each([
    ['origin', 'https://app.example'],
    ['host', 'localhost'],
    ['SEC-WEBSOCKET-VERSION', '13'],
  ])('refuses %s twice, though both are good and spelt otherwise (HS-11)', async (name, value) => {
    await refuse({ headers: { [name]: value } }, 'malformed_handshake');
  });

  it.each([
    ['Content-Length', { 'Content-Length': '15' }],
    ['Transfer-Encoding', { 'Transfer-Encoding': 'chunked' }],
    ['Content-Length 00', { 'Content-Length': '00' }],
  ])('refuses a body on the upgrade, by %s, and never reads it as a frame (HS-07)', async (_, headers) => {
    const body = messageBytes('echo', 1);
    const client = await RawClient.open(
      test.port,
      withBearer(test, { 'Sec-WebSocket-Protocol': 'ws-auth.v1', ...headers }),
      'Transfer-Encoding' in headers ? `${body.length.toString(16)}\r\n` : '',
      body,
      'Transfer-Encoding' in headers ? '\r\n0\r\n\r\n' : '',
    );
    await expectRefusal(client, 'malformed_handshake');
  });

  it('refuses more than 100 header lines with 431 (HS-12)', async () => {
    const headers = Object.fromEntries(Array.from({ length: 96 }, (_, index) => [`x${index}`, '1']));
    await refuse({ headers }, 'header_too_large');
  });

  it.each(['before', 'behind'])(
    'refuses 2,100 one-letter headers %s the others, though Node hides some (HS-12)',
    async (place) => {
      const many = 'a:b\r\n'.repeat(2_100);
      const good = handshakeBytes(withBearer(test));
      const start = good.indexOf('\r\n') + 2;
      const client = await RawClient.connect(test.port);
      if (place === 'before') client.write(good.slice(0, start), many, good.slice(start));
      else client.write(good.slice(0, -2), many, '\r\n');
      const { status, headers, body } = await client.response();
      expect({ status, headers }).toMatchObject({ status: 431, headers: { connection: 'close' } });
      // Node that hides none, as 22.23 and 24.21, refuses them itself, without a body.
      if (headers['content-type']) expect(JSON.parse(body)).toMatchObject({ code: 'header_too_large' });
      await client.end();
    },
  );

  it('lets Node answer 431 to a header of more than 16 KiB (HS-12)', async () => {
    const client = await RawClient.open(test.port, withBearer(test, { 'X-Big': 'x'.repeat(20_000) }));
    const response = await client.response();
    expect(response).toMatchObject({ status: 431, headers: { connection: 'close' } });
    await client.end();
  });

  it.each([
    ['8 KiB of spaces and a bad end', `${' '.repeat(8_192)},\u0001`.replace('\u0001', '(')],
    ['8 KiB of commas', `x${','.repeat(8_192)}x`],
    ['8 KiB of quotes', '"'.repeat(8_192)],
    ['8 KiB of parameters', `x${';a="\\"'.repeat(1_200)}`],
  ])('refuses %s as extensions and subprotocols, and at once (HS-12)', async (_, value) => {
    for (const name of ['Sec-WebSocket-Extensions', 'Sec-WebSocket-Protocol']) {
      const start = performance.now();
      // A trailing comma keeps the parser from trimming the value.
      await refuse({ headers: { [name]: `x,${value},x` } }, 'malformed_handshake');
      expect(performance.now() - start).toBeLessThan(1_000);
    }
  });

  it.each(['a b', 'a,', ',a', 'a,,b', 'a;b', 'a/b', 'a,a', '"a"', 'a\u00a0', 'a, a', '(', ''])(
    'refuses the subprotocol header %j',
    async (protocol) => {
      await refuse({ headers: { 'Sec-WebSocket-Protocol': protocol } }, 'malformed_handshake');
    },
  );

  it.each(['__proto__', 'constructor', 'prototype, hasOwnProperty', 'chat.v1'])(
    'refuses the subprotocols %s, of which it speaks none (HS-12, HS-13)',
    async (protocol) => {
      await refuse({ headers: { 'Sec-WebSocket-Protocol': protocol } }, 'subprotocol_required');
    },
  );

  it('lets Node refuse what is no HTTP at all', async () => {
    for (const bytes of [
      'GET\r\n\r\n',
      'GET /ws HTTP/9.9\r\nHost: localhost\r\n\r\n',
      '\u0000\u0001\u0002\r\n\r\n',
      handshakeBytes({ headers: { Origin: 'a\u0000b' } }),
      handshakeBytes({ headers: { 'Content-Length': ['0', '5'] } }),
    ]) {
      const client = await RawClient.connect(test.port);
      client.write(bytes);
      expect(await client.response()).toMatchObject({ status: 400, headers: { connection: 'close' } });
      await client.end();
    }
  });
});

describe('a refusal', () => {
  it.each([
    ['a request', 'GET /internal HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['a good handshake', handshakeBytes()],
    ['a message', messageBytes('echo', 1)],
  ])('is the only answer, though %s is pipelined behind it (HS-14)', async (_, more) => {
    const Gateway = makeChatGateway();
    const test = await boot({ gateways: [Gateway] });
    const parts = { headers: { Origin: EVIL } };
    const client = await RawClient.open(test.port, parts, more, more);
    await expectRefusal(client, 'origin_not_allowed');
    await expectNothingLeft(test);
    expect(Gateway.seen).toEqual({ connected: [], disconnected: [], messages: [] });
  });

  it('ends the socket within a second, though the peer never does (HS-14)', async () => {
    const test = await boot();
    const client = await RawClient.open(test.port, { headers: { Origin: EVIL } });
    const start = performance.now();
    expect((await client.response()).status).toBe(403);
    await client.end();
    expect(performance.now() - start).toBeLessThan(900);
    // Our half stays open, and says so again and again until there is nobody to hear it.
    const drip = setInterval(() => client.write('x'), 20);
    await gone(client);
    clearInterval(drip);
    expect(performance.now() - start).toBeGreaterThan(900);
    expect(performance.now() - start).toBeLessThan(2_500);
    await expectNothingLeft(test);
  });

  it('ends at once when the peer does, with unread bytes behind a handshake that took time (HS-14)', async () => {
    const verifier = new HeldVerifier();
    const test = await boot({ engine: { verifier } });
    const client = await RawClient.open(test.port, withBearer(test));
    const held = await verifier.call();
    client.write('x'.repeat(4_096));
    // The bytes have arrived when a later handshake was decided.
    await expectRefusal(await RawClient.open(test.port, { target: '/x' }), 'not_found');
    const start = performance.now();
    held.reject();
    await expectRefusal(client, 'unauthorized', { 'www-authenticate': CHALLENGE.invalid });
    await gone(client);
    await expectNothingLeft(test);
    expect(performance.now() - start).toBeLessThan(600);
  });

  it('harms nobody when the peer has gone before it is written (HS-01)', async () => {
    const test = await boot();
    for (let index = 0; index < 20; index += 1) {
      const client = await RawClient.open(test.port, { headers: { Origin: EVIL } });
      client.reset();
    }
    await expectNothingLeft(test);
    expect((await RawClient.open(test.port, withBearer(test)).then((c) => c.upgraded())).status).toBe(101);
  });

  it('carries the id by which the audit log has it, and none of the input', async () => {
    const test = await boot();
    const client = await RawClient.open(test.port, {
      target: '/secret-path?secret-query',
      headers: { Origin: 'https://secret-origin.example', Cookie: 'secret-cookie=1' },
    });
    const { body, headerLines } = await expectRefusal(client, 'not_found');
    expect(`${headerLines.join()} ${body}`).not.toContain('secret');
    const { correlationId } = JSON.parse(body);
    const event = await test.eventOf((candidate) => candidate.correlationId === correlationId);
    expect(event).toMatchObject({ outcome: 'refused', reasonCode: 'no_gateway_on_path', status: 404 });
  });

  it('looks the same for every bad token (HS-14)', async () => {
    const test = await boot();
    const { session } = await test.sessions.create({ userId: 'ada' });
    await test.sessions.revoke({ session: session.id });
    const revoked = test.token();
    await test.sessions.revoke({ token: revoked });
    const good = test.token();
    const { ticket: spent } = await test.tickets.issue({ principal: { id: 'ada' } });
    await test.tickets.consume(spent);
    const { ticket: bound } = await test.tickets.issue({ principal: { id: 'ada' }, path: '/other' });
    const past = Math.floor(Date.now() / 1_000) - 1_000;
    const bearers = {
      'no token': 'x',
      'a bad signature': `${good.slice(0, -4)}${good.endsWith('AAAA') ? 'BBBB' : 'AAAA'}`,
      expired: test.token({ iat: past - 60, exp: past }),
      revoked,
      'another issuer': test.token({ iss: EVIL }),
      'a dead session': test.token({ sid: session.id }),
    };
    const tickets = { unknown: `wst_${'a'.repeat(16)}.${'b'.repeat(43)}`, malformed: 'wst_', spent, bound };
    const seen = new Map<string, unknown>();
    for (const [name, token] of Object.entries(bearers)) {
      const client = await RawClient.open(test.port, { headers: { Authorization: `Bearer ${token}` } });
      seen.set(name, await expectRefusal(client, 'unauthorized', { 'www-authenticate': CHALLENGE.invalid }));
    }
    for (const [name, ticket] of Object.entries(tickets)) {
      const client = await RawClient.open(test.port, { target: `/ws?ticket=${ticket}` });
      seen.set(name, await expectRefusal(client, 'unauthorized', { 'www-authenticate': CHALLENGE.invalid }));
    }
    const withoutId = [...seen.values()].map((response) =>
      JSON.stringify(response).replace(/correlationId\\":\\"[\w-]{12}/, ''),
    );
    expect(withoutId).toHaveLength(10);
    expect(new Set(withoutId).size).toBe(1);
  });

  it('takes the same time for a bad signature, an expired and a revoked token (HS-14)', async () => {
    const test = await boot();
    const past = Math.floor(Date.now() / 1_000) - 1_000;
    const good = test.token();
    const [header, claims] = good.split('.') as [string, string];
    const classes = {
      signature: `${header}.${claims}.${createHmac('sha256', 'x').update('x').digest('base64url')}`,
      expired: test.token({ iat: past - 60, exp: past }),
      revoked: test.token(),
    };
    await test.sessions.revoke({ token: classes.revoked });
    const times: Record<string, number[]> = { signature: [], expired: [], revoked: [] };
    for (let round = 0; round < 100; round += 1) {
      for (const [name, token] of Object.entries(classes)) {
        const client = await RawClient.connect(test.port);
        const start = performance.now();
        client.write(handshakeBytes({ headers: { Authorization: `Bearer ${token}` } }));
        expect((await client.response()).status).toBe(401);
        times[name]!.push(performance.now() - start);
        client.destroy();
      }
    }
    const medians = Object.values(times).map((list) => list.sort((a, b) => a - b)[50]!);
    expect(Math.max(...medians) - Math.min(...medians)).toBeLessThan(2);
  });
});

describe('a client that goes while its token is verified', () => {
  const Gateway = makeChatGateway();
  let verifier: HeldVerifier;
  let test: TestApp;
  beforeAll(async () => {
    verifier = new HeldVerifier();
    test = await startApp({ gateways: [Gateway], engine: { verifier }, options: { handshake: NO_RATE } });
  });
  afterAll(() => test.discard());
  afterEach(async () => {
    await expectNothingLeft(test);
    expect(Gateway.seen.connected).toEqual([]);
    expect(await test.engine.stores.connections.countOf(userHashOf(test.engine.keys.userHash, 'ada'))).toBe(
      0,
    );
  });

  it.each([
    ['RST', 'accepted'],
    ['RST', 'refused'],
    ['RST', 'failed'],
    ['FIN', 'accepted'],
    ['FIN', 'refused'],
    ['FIN', 'failed'],
  ])('is given up after %s, though the token is %s later (HS-01, HS-04)', async (end, verdict) => {
    const index = verifier.calls.length;
    const client = await RawClient.open(test.port, withBearer(test));
    const held = await verifier.call(index);
    expect(test.engine.authenticator.counts.pending).toBe(1);
    const aborted = once(held.signal, 'abort');
    if (end === 'RST') client.reset();
    else client.finish();
    await aborted;
    expect(held.signal.reason).toBe('client_gone');
    const refused = test.eventOf((event) => event.reasonCode === 'client_gone');
    if (verdict === 'accepted') held.accept();
    else held.reject(verdict === 'failed' ? new Error('verifier is down') : undefined);
    expect(await refused).toMatchObject({ outcome: 'refused' });
    if (end === 'FIN') {
      await client.end();
      expect(client.received).toHaveLength(0);
    }
  });

  it('is given up after RST behind a message that nobody reads any more (HS-04)', async () => {
    const index = verifier.calls.length;
    const client = await RawClient.open(test.port, withBearer(test), messageBytes('echo', 'late'));
    const held = await verifier.call(index);
    client.reset();
    await eventually(() => held.signal.aborted);
    held.accept();
    await expectNothingLeft(test);
    expect(Gateway.seen.messages).toEqual([]);
  });
});

describe('a handshake that takes its time', () => {
  it('keeps what the client sends while its token is verified, in order', async () => {
    const verifier = new HeldVerifier();
    const test = await boot({ engine: { verifier } });
    const client = await RawClient.open(test.port, withBearer(test), messageBytes('echo', 0));
    const held = await verifier.call();
    const padding = 'x'.repeat(3_000);
    for (let index = 1; index <= 20; index += 1) client.write(messageBytes('echo', [index, padding]));
    await expectRefusal(await RawClient.open(test.port, { target: '/x' }), 'not_found');
    held.accept();
    await client.upgraded();
    expect((await client.message()).event).toBe('auth.ok');
    expect(await client.message()).toEqual({ event: 'echo', data: 0 });
    for (let index = 1; index <= 20; index += 1) {
      expect(await client.message()).toEqual({ event: 'echo', data: [index, padding] });
    }
    client.write(closeBytes());
    expect((await client.closed()).code).toBe(1000);
  });

  it.each([
    ['handshake.timeoutMs', { timeoutMs: 300, verifyTimeoutMs: 300 }],
    ['handshake.verifyTimeoutMs', { timeoutMs: 5_000, verifyTimeoutMs: 300 }],
  ])('is answered 503 when %s is over, and the verifier is told (HS-02)', async (_, handshake) => {
    const Gateway = makeChatGateway();
    const verifier = new HeldVerifier();
    const test = await boot({ gateways: [Gateway], engine: { verifier }, options: { handshake } });
    const client = await RawClient.open(test.port, withBearer(test));
    const held = await verifier.call();
    const start = performance.now();
    await expectRefusal(client, 'unavailable');
    expect(performance.now() - start).toBeGreaterThan(200);
    expect(performance.now() - start).toBeLessThan(550 + 250);
    expect(held.signal).toMatchObject({ aborted: true, reason: 'timeout' });
    client.destroy();
    await expectNothingLeft(test);
    held.accept();
    await expectNothingLeft(test);
    expect(Gateway.seen.connected).toEqual([]);
    expect(await test.eventOf((event) => event.reasonCode === 'timeout')).toMatchObject({ status: 503 });
  });

  it('warns at boot of a deadline of more than 15 seconds (HS-02)', async () => {
    const test = await boot({ options: { handshake: { timeoutMs: 16_000 } } });
    expect(test.logger.lines.join('\n')).toContain('handshake.timeoutMs is above 15 seconds');
  });

  it.each(['GE', 'GET /ws HTTP/1.1\r\nHo', handshakeBytes().slice(0, -2)])(
    'is answered 408 when its header stops after %j on a port of its own (HS-02)',
    async (bytes) => {
      const port = await freePort();
      @WsAuth()
      @WebSocketGateway(port, { path: '/ws' })
      class OwnPortGateway {}
      await boot({ gateways: [OwnPortGateway], options: { handshake: { headersTimeoutMs: 400 } } });
      const client = await RawClient.connect(port);
      const start = performance.now();
      client.write(bytes);
      expect(await client.response()).toMatchObject({ status: 408, headers: { connection: 'close' } });
      await client.end();
      expect(performance.now() - start).toBeLessThan(2_500);
    },
  );

  it('tightens the header timeout of the application, and does not loosen it (HS-02)', async () => {
    const tightened = await boot({ options: { handshake: { headersTimeoutMs: 4_000 } } });
    expect(tightened.app.getHttpServer().headersTimeout).toBe(4_000);
    const tighter = await boot({ before: (app) => void (app.getHttpServer().headersTimeout = 2_000) });
    expect(tighter.app.getHttpServer().headersTimeout).toBe(2_000);
  });
});

describe('handshakes in progress', () => {
  it('are capped for each address with 429, before the verifier is asked (HS-03)', async () => {
    const verifier = new HeldVerifier();
    const test = await boot({ engine: { verifier } });
    const clients = await Promise.all(
      Array.from({ length: 70 }, () => RawClient.open(test.port, withBearer(test))),
    );
    const refused = clients.map(async (client) => (await client.response()).status);
    await eventually(() => clients.filter((client) => client.ended).length === 20);
    expect(verifier.calls).toHaveLength(50);
    expect(test.engine.authenticator.counts.pending).toBe(50);
    for (const held of verifier.calls) held.reject();
    const statuses = await Promise.all(refused);
    expect(statuses.filter((status) => status === 429)).toHaveLength(20);
    expect(statuses.filter((status) => status === 401)).toHaveLength(50);
    for (const client of clients) client.destroy();
    await expectNothingLeft(test);
  });

  it('are capped for the node with 503, whatever their addresses (HS-03)', async () => {
    const verifier = new HeldVerifier();
    const test = await boot({
      engine: { verifier },
      options: {
        proxy: { trusted: ['127.0.0.1'] },
        handshake: { maxPending: 12, maxPendingPerAddress: 10 },
      },
    });
    const open = (address: string): Promise<RawClient> =>
      RawClient.open(test.port, withBearer(test, { 'X-Forwarded-For': address }));
    const first = await Promise.all(Array.from({ length: 10 }, () => open('192.0.2.1')));
    await verifier.call(9);
    await expectRefusal(await open('192.0.2.1'), 'rate_limited');
    const second = await Promise.all([open('192.0.2.2'), open('192.0.2.3')]);
    await verifier.call(11);
    await expectRefusal(await open('192.0.2.4'), 'overloaded');
    expect(verifier.calls).toHaveLength(12);
    for (const client of [...first, ...second]) client.reset();
    await expectNothingLeft(test);
    const next = await open('192.0.2.4');
    (await verifier.call(12)).accept();
    await next.upgraded();
  });

  it('are rated for each address with 429 and the time to wait', async () => {
    const test = await boot({
      options: { handshake: { connectRate: { limit: 2, windowMs: 60_000, burst: 2 } } },
    });
    for (let index = 0; index < 2; index += 1) {
      const client = await RawClient.open(test.port, withBearer(test));
      await client.upgraded();
    }
    const { headers } = await expectRefusal(
      await RawClient.open(test.port, withBearer(test)),
      'rate_limited',
    );
    expect(Number(headers['retry-after'])).toBeGreaterThan(20);
    expect(Number(headers['retry-after'])).toBeLessThanOrEqual(30);
  });

  it('leave nothing behind when 1,200 of them are broken off in every way (HS-04)', async () => {
    const Gateway = makeChatGateway();
    const verifier = {
      verify: () => new Promise<never>((_, reject) => setImmediate(() => reject(new Error('down')))),
    };
    const test = await boot({ gateways: [Gateway], engine: { verifier } });
    const server = test.app.getHttpServer();
    const good = (): string => handshakeBytes({ headers: { Authorization: 'Bearer x' } });
    const ways: ((client: RawClient) => void)[] = [
      (client) => client.write(handshakeBytes({ headers: { 'Sec-WebSocket-Key': 'x' } })),
      (client) => (client.write(good()), client.reset()),
      (client) => (client.write(good()), client.finish()),
      (client) => client.write(good().slice(0, 60)),
      (client) => (client.write(good().slice(0, 60)), client.reset()),
      (client) => (client.write(good(), messageBytes('echo', 1)), client.finish()),
      (client) => (client.write(good(), good()), client.destroy()),
      (client) => client.write(good()),
      (client) => (client.write(handshakeBytes()), client.reset()),
      (client) => (client.write(handshakeBytes({ headers: { Origin: EVIL } })), client.finish()),
    ];
    for (let round = 0; round < 30; round += 1) {
      const clients = await Promise.all(Array.from({ length: 40 }, () => RawClient.connect(test.port)));
      clients.forEach((client, index) => ways[index % ways.length]!(client));
      await eventually(() => test.engine.authenticator.counts.pending <= 40);
      for (const client of clients) client.destroy();
    }
    await expectNothingLeft(test);
    await eventually(
      () =>
        new Promise<boolean>((resolve) =>
          server.getConnections((_error: unknown, count: number) => resolve(count === 0)),
        ),
    );
    expect(Gateway.seen.connected).toEqual([]);
  });
});

describe('a node', () => {
  it('refuses with 503 while it drains, what it verifies included', async () => {
    const verifier = new HeldVerifier();
    const test = await boot({ engine: { verifier } });
    const pending = await RawClient.open(test.port, withBearer(test));
    const held = await verifier.call();
    test.engine.drain();
    await expectRefusal(pending, 'draining');
    expect(held.signal.reason).toBe('shutdown');
    await expectRefusal(await RawClient.open(test.port, withBearer(test)), 'draining');
    expect(verifier.calls).toHaveLength(1);
  });

  it('refuses with 503 until it has started', async () => {
    const test = await boot();
    test.engine.authenticator.setState('starting');
    await expectRefusal(await RawClient.open(test.port, withBearer(test)), 'unavailable');
    test.engine.authenticator.setState(undefined);
    await (await RawClient.open(test.port, withBearer(test))).upgraded();
  });

  it('refuses with 503 when its verifier fails, and not with 401 (CR-06)', async () => {
    const verifier = {
      verify: () => {
        throw new Error('secret reason');
      },
    };
    const test = await boot({ engine: { verifier } });
    const { body } = await expectRefusal(await RawClient.open(test.port, withBearer(test)), 'unavailable');
    expect(body).not.toContain('secret');
  });

  it.each([undefined, null, false, {}])(
    'refuses with 503 when its verifier answers %j, and lets nobody in (CR-06)',
    async (answer) => {
      const test = await boot({ engine: { verifier: { verify: () => answer as never } } });
      await expectRefusal(await RawClient.open(test.port, withBearer(test)), 'unavailable');
    },
  );

  it('refuses a connection beyond the limit of its user with 429', async () => {
    const test = await boot({ options: { connections: { maxPerUser: 1 } } });
    const first = await RawClient.open(test.port, withBearer(test));
    await first.upgraded();
    await expectRefusal(await RawClient.open(test.port, withBearer(test)), 'too_many_connections');
    first.write(closeBytes());
    await first.closed();
    first.destroy();
    await expectNothingLeft(test);
    await (await RawClient.open(test.port, withBearer(test))).upgraded();
  });

  it('answers to the hosts that are listed, in any case and with a trailing dot (HS-08)', async () => {
    const test = await boot({ options: { hosts: ['app.example', 'other.example:8443'] } });
    for (const host of [
      'app.example',
      'APP.EXAMPLE',
      'app.example.',
      'app.example:1234',
      'other.example:8443',
    ]) {
      await (await RawClient.open(test.port, withBearer(test, { Host: host }))).upgraded();
    }
    for (const host of [
      'localhost',
      '127.0.0.1',
      'app.example.evil.example',
      'xapp.example',
      'other.example',
    ]) {
      const client = await RawClient.open(test.port, withBearer(test, { Host: host }));
      await expectRefusal(client, 'host_not_allowed');
    }
  });

  it('answers to the names of loopback when it is bound to it (HS-08)', async () => {
    const test = await boot();
    for (const host of [
      'localhost',
      'LOCALHOST:3000',
      'localhost.',
      '127.0.0.1:80',
      '[::1]:80',
      'a.localhost',
    ]) {
      await (await RawClient.open(test.port, withBearer(test, { Host: host }))).upgraded();
    }
  });

  it('demands TLS where it is told to, and believes trusted proxies only (HS-15)', async () => {
    const untrusting = await boot({ options: { handshake: { requireTls: true } } });
    for (const headers of [{}, { 'X-Forwarded-Proto': 'https' }, { Forwarded: 'proto=https' }]) {
      const client = await RawClient.open(untrusting.port, withBearer(untrusting, headers));
      await expectRefusal(client, 'insecure_transport');
    }
    expect(
      untrusting.events.map(({ event, reasonCode, method }) => ({ event, reasonCode, method })),
    ).toContainEqual({ event: 'authn_login_fail', reasonCode: 'insecure_transport', method: undefined });
    const trusting = await boot({
      options: { handshake: { requireTls: true }, proxy: { trusted: ['127.0.0.1/32'] } },
    });
    const { ticket } = await trusting.tickets.issue({ principal: { id: 'ada' } });
    const target = `/ws?ticket=${ticket}`;
    for (const proto of [undefined, 'http', 'https, http', 'ftp', '']) {
      const headers = { 'X-Forwarded-Proto': proto };
      await expectRefusal(await RawClient.open(trusting.port, { target, headers }), 'insecure_transport');
    }
    const headers = { 'X-Forwarded-Proto': 'https' };
    await (await RawClient.open(trusting.port, { target, headers })).upgraded();
  });

  it('checks the transport before the Origin, the path before the transport, the Host before the path', async () => {
    const test = await boot({ options: { handshake: { requireTls: true } } });
    const parts = { target: '/x', headers: { Host: 'evil.example', Origin: EVIL } };
    await expectRefusal(await RawClient.open(test.port, parts), 'host_not_allowed');
    await expectRefusal(
      await RawClient.open(test.port, { ...parts, headers: { Origin: EVIL } }),
      'not_found',
    );
    await expectRefusal(await RawClient.open(test.port, { headers: { Origin: EVIL } }), 'insecure_transport');
  });
});

describe('subprotocols', () => {
  it('are chosen from the list, by its own preference (HS-13)', async () => {
    const test = await boot({ options: { handshake: { protocols: ['chat.v2', 'chat.v1'] } } });
    for (const [offered, chosen] of [
      ['chat.v1', 'chat.v1'],
      ['chat.v1, chat.v2', 'chat.v2'],
      ['other, ws-auth.v1, chat.v1', 'chat.v1'],
      ['other,ws-auth.v1', 'ws-auth.v1'],
      [['other', 'chat.v1'], 'chat.v1'],
    ] as const) {
      const headers = { 'Sec-WebSocket-Protocol': offered };
      const response = await (await RawClient.open(test.port, withBearer(test, headers))).upgraded();
      expect(response.headers['sec-websocket-protocol']).toBe(chosen);
    }
    const plain = await (await RawClient.open(test.port, withBearer(test))).upgraded();
    expect(plain.headers).not.toHaveProperty('sec-websocket-protocol');
  });

  it('that somebody put a secret in are never answered or logged (HS-13)', async () => {
    const test = await boot({ options: { handshake: { protocols: ['app.v1'] } } });
    const headers = { 'Sec-WebSocket-Protocol': 'bearer.SECRET, app.v1' };
    const client = await RawClient.open(test.port, withBearer(test, headers));
    const response = await client.upgraded();
    expect(response.headers['sec-websocket-protocol']).toBe('app.v1');
    const alone = await RawClient.open(
      test.port,
      withBearer(test, { 'Sec-WebSocket-Protocol': 'bearer.SECRET' }),
    );
    const refusal = await expectRefusal(alone, 'subprotocol_required');
    const heard = [...response.headerLines, ...refusal.headerLines, refusal.body, ...test.logger.lines];
    expect(heard.join('\n')).not.toContain('SECRET');
  });
});

describe('extensions', () => {
  it.each([
    ['constructor', 'ignored'],
    ['__proto__; __proto__=1', 'ignored'],
    [' ; ', 'refused'],
    [', ,', 'refused'],
    ['permessage-deflate; constructor; __proto__', 'refused'],
    ['permessage-deflate; server_max_window_bits=99', 'refused'],
    ['permessage-deflate; client_max_window_bits=8; client_max_window_bits=9', 'refused'],
    ['permessage-deflate; a="\\', 'refused'],
    [`permessage-deflate${'; a'.repeat(300)}`, 'refused'],
  ])(
    'that are hostile harm nobody where compression is on: %s is %s (HS-12)',
    async (extensions, outcome) => {
      @WsAuth()
      @WebSocketGateway({ path: '/ws' })
      class DeflateGateway {
        @SubscribeMessage('echo')
        echo() {
          return { event: 'echo' };
        }
      }
      const test = await boot({ gateways: [DeflateGateway], options: { message: { compression: true } } });
      const headers = { 'Sec-WebSocket-Extensions': extensions };
      const client = await RawClient.open(test.port, withBearer(test, headers));
      if (outcome === 'refused') await expectRefusal(client, 'malformed_handshake');
      else expect((await client.upgraded()).headers).not.toHaveProperty('sec-websocket-extensions');
      client.destroy();
      await expectNothingLeft(test);
      await (await RawClient.open(test.port, withBearer(test))).upgraded();
    },
  );
});

describe('one HTTP connection', () => {
  it('is upgraded after other requests on it', async () => {
    const test = await boot();
    const client = await RawClient.connect(test.port);
    for (let index = 0; index < 2; index += 1) {
      client.write('GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n');
      expect((await client.response()).status).toBe(404);
    }
    client.write(handshakeBytes(withBearer(test)));
    expect((await client.upgraded()).headers['sec-websocket-accept']).toBe(SAMPLE_ACCEPT);
    client.write(messageBytes('echo', 1));
    expect(await client.messageOf('echo')).toEqual({ event: 'echo', data: 1 });
  });
});

describe('an application', () => {
  /** Boots what must not boot, and leaves nothing of it behind. */
  async function failure(parts: TestAppParts): Promise<string> {
    let app: INestApplication | undefined;
    const before = async (made: INestApplication): Promise<void> => {
      app = made;
      await parts.before?.(made);
    };
    const error: unknown = await startApp({ ...parts, before }).then(
      (test) => test.close(),
      (reason: unknown) => reason,
    );
    await app?.close();
    expect(error).toMatchObject({ code: 'invalid_options' });
    return (error as Error).message;
  }

  it('does not boot with a gateway that nobody declared, when it is strict (HS-10)', async () => {
    @WebSocketGateway({ path: '/undeclared' })
    class UndeclaredGateway {}
    const message = await failure({
      gateways: [makeChatGateway(), UndeclaredGateway],
      options: { strict: true },
    });
    expect(message).toContain('UndeclaredGateway has neither @WsAuth() nor @WsPublic()');
  });

  it('names the gateway that nobody declared in a warning otherwise (HS-10)', async () => {
    @WebSocketGateway({ path: '/undeclared' })
    class UndeclaredGateway {}
    const test = await boot({ gateways: [makeChatGateway(), UndeclaredGateway] });
    expect(test.logger.lines.filter((line) => line.includes('UndeclaredGateway'))).toHaveLength(1);
    // Steps 1 to 9 are there for it all the same.
    const parts = { target: '/undeclared', headers: { Origin: EVIL } };
    await expectRefusal(await RawClient.open(test.port, parts), 'origin_not_allowed');
  });

  it('does not boot with another upgrade listener that nobody named (HS-10)', async () => {
    const message = await failure({
      gateways: [makeChatGateway()],
      before: (app) => void app.getHttpServer().on('upgrade', () => {}),
    });
    expect(message).toContain('handshake.foreignPaths');
  });

  it('needs no HTTP guard and no middleware to know who connects (CR-07)', async () => {
    const test = await boot({ engine: { verifier: { verify: () => verifiedToken('ada') } } });
    const client = await RawClient.open(test.port, withBearer(test));
    await client.upgraded();
    client.send('whoami');
    expect((await client.messageOf('whoami')).data).toMatchObject({ id: 'ada' });
    const [connection] = test.connections.local();
    expect(connection!.handshake).toMatchObject({ address: '127.0.0.1', addressSource: 'socket' });
    expect(Object.isFrozen(connection!.handshake)).toBe(true);
  });

  it('does not boot with a secret that is too short for its algorithm (JW-04)', async () => {
    const jwt = {
      secret: JWT_SECRET.slice(0, 20),
      algorithms: ['HS256' as const],
      issuer: 'a',
      audience: 'b',
    };
    expect(await failure({ gateways: [makeChatGateway()], options: { jwt } })).toContain('jwt.secret');
  });
});
