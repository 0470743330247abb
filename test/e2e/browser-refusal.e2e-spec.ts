import { WebSocketGateway } from '@nestjs/websockets';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  type CloseCodeScheme,
  StoreUnavailable,
  WsAuth,
  type WsAuthOptions,
  WsRoles,
} from '../../lib/index.js';
import type { RefusalCode } from '../../lib/core/handshake/refusal.js';
import { ORIGIN, startApp, type TestApp, type TestAppParts } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { makeChatGateway, makePublicGateway } from '../support/gateways.js';
import { HeldVerifier } from '../support/held-verifier.js';
import {
  closeBytes,
  frameBytes,
  type HandshakeParts,
  messageBytes,
  OPCODE,
  RawClient,
} from '../support/raw-client.js';
import { CHALLENGE, expectNobodyLeft, expectRefusal } from '../support/refusal.js';

const EVIL = 'https://evil.example';
const NO_RATE = { connectRate: { limit: 1_000_000, windowMs: 60_000, burst: 1_000_000 } };
const CLOSE_CODE = { ...NO_RATE, refuseBrowsersWith: 'close-code' as const };
const CREDENTIALS = ['ticket', 'bearer', 'cookie'] as const;

/** A token as a subprotocol: the way in which a page presents one. */
function asProtocol(token: string, more: Record<string, string> = {}): HandshakeParts {
  const encoded = Buffer.from(token).toString('base64url');
  return {
    headers: { 'Sec-WebSocket-Protocol': `ws-auth.v1, base64url.bearer.ws-auth.${encoded}`, ...more },
  };
}

/** A refused credential, and the Close that tells of it. */
interface RefusedCredential {
  readonly name: string;
  readonly code: number;
  readonly word: string;
  /** True where the reason says how long to wait. */
  readonly waits?: boolean;
  readonly make: (test: TestApp) => HandshakeParts | Promise<HandshakeParts>;
}

const unauthorized = { code: 4401, word: 'unauthorized' };
const badMessage = { code: 4400, word: 'bad_message' };

const REFUSED: readonly RefusedCredential[] = [
  { name: 'no credential', ...unauthorized, make: () => ({}) },
  { name: 'an empty ticket', ...unauthorized, make: () => ({ target: '/ws?ticket=' }) },
  { name: 'a malformed ticket', ...unauthorized, make: () => ({ target: '/ws?ticket=wst_x' }) },
  {
    name: 'an unknown ticket',
    ...unauthorized,
    make: () => ({ target: `/ws?ticket=wst_${'a'.repeat(16)}.${'b'.repeat(43)}` }),
  },
  {
    name: 'a spent ticket',
    ...unauthorized,
    make: async ({ tickets }) => {
      const { ticket } = await tickets.issue({ principal: { id: 'ada' } });
      await tickets.consume(ticket);
      return { target: `/ws?ticket=${ticket}` };
    },
  },
  {
    name: 'a ticket for another path',
    ...unauthorized,
    make: async ({ tickets }) => {
      const { ticket } = await tickets.issue({ principal: { id: 'ada' }, path: '/roles' });
      return { target: `/ws?ticket=${ticket}` };
    },
  },
  {
    name: 'a ticket for another origin',
    ...unauthorized,
    make: async ({ tickets }) => {
      const { ticket } = await tickets.issue({ principal: { id: 'ada' }, origin: 'https://x.example' });
      return { target: `/ws?ticket=${ticket}` };
    },
  },
  {
    name: 'a ticket beside the cookie of somebody else',
    ...unauthorized,
    make: async ({ tickets, sessions }) => {
      const { token } = await sessions.create({ userId: 'mallory' });
      const { ticket } = await tickets.issue({ principal: { id: 'ada' } });
      return { target: `/ws?ticket=${ticket}`, headers: { Cookie: `__Host-sid=${token}` } };
    },
  },
  {
    name: 'a ticket in a subprotocol, unknown',
    ...unauthorized,
    make: () => ({ headers: { 'Sec-WebSocket-Protocol': 'ticket.ws-auth.wst_x, ws-auth.v1' } }),
  },
  { name: 'a token that is none', ...unauthorized, make: () => asProtocol('x.y.z') },
  {
    name: 'a token that is not encoded',
    ...unauthorized,
    make: () => ({
      headers: { 'Sec-WebSocket-Protocol': 'base64url.bearer.ws-auth.a.b.c, ws-auth.v1' },
    }),
  },
  {
    name: 'a token of another issuer',
    ...unauthorized,
    make: (test) => asProtocol(test.token({ iss: EVIL })),
  },
  {
    name: 'an expired token',
    ...unauthorized,
    make: (test) => asProtocol(test.token({ iat: 1_000, exp: 2_000 })),
  },
  {
    name: 'a revoked token',
    ...unauthorized,
    make: async (test) => {
      const token = test.token();
      await test.sessions.revoke({ token });
      return asProtocol(token);
    },
  },
  {
    name: 'a token beside the cookie of somebody else',
    ...unauthorized,
    make: async (test) => {
      const { token } = await test.sessions.create({ userId: 'mallory' });
      return asProtocol(test.token({ sub: 'ada' }), { Cookie: `__Host-sid=${token}` });
    },
  },
  {
    name: 'a token that names the session of somebody else',
    ...unauthorized,
    make: async (test) => {
      const { session } = await test.sessions.create({ userId: 'mallory' });
      return asProtocol(test.token({ sub: 'ada', sid: session.id }));
    },
  },
  {
    name: 'the cookie of a dead session',
    ...unauthorized,
    make: async ({ sessions }) => {
      const { session, token } = await sessions.create({ userId: 'ada' });
      await sessions.revoke({ session: session.id });
      return { headers: { Cookie: `__Host-sid=${token}` } };
    },
  },
  {
    name: 'a cookie that is no session',
    ...unauthorized,
    make: () => ({ headers: { Cookie: '__Host-sid=%E0%A4%A' } }),
  },
  {
    name: 'a kind that the gateway does not list',
    ...unauthorized,
    make: async ({ tickets }) => {
      const { ticket } = await tickets.issue({ principal: { id: 'ada' } });
      return { target: `/cookie?ticket=${ticket}` };
    },
  },
  {
    name: 'a bad token on a gateway that takes the first message',
    ...unauthorized,
    make: () => ({ ...asProtocol('x.y.z'), target: '/first' }),
  },
  { name: 'a token in the URL', ...badMessage, make: (test) => ({ target: `/ws?token=${test.token()}` }) },
  { name: 'a ticket in a list', ...badMessage, make: () => ({ target: '/ws?ticket[]=wst_x' }) },
  { name: 'two tickets', ...badMessage, make: () => ({ target: '/ws?ticket=wst_x&ticket=wst_y' }) },
  {
    name: 'a ticket beside a token',
    ...badMessage,
    make: (test) => ({ ...asProtocol(test.token()), target: '/ws?ticket=wst_x' }),
  },
  {
    name: 'two session cookies',
    ...badMessage,
    make: () => ({ headers: { Cookie: '__Host-sid=a; __Host-sid=b' } }),
  },
  {
    name: 'a principal without the roles of the gateway',
    code: 4403,
    word: 'forbidden',
    make: (test) => ({ ...asProtocol(test.token()), target: '/roles' }),
  },
  {
    name: 'one connection too many',
    code: 4409,
    word: 'too_many_connections',
    waits: true,
    make: (test) => asProtocol(test.token({ sub: 'busy' })),
  },
];

const running: TestApp[] = [];
/** An application of one test. */
async function boot(
  options: Partial<WsAuthOptions> = {},
  parts: Partial<TestAppParts> = {},
): Promise<TestApp> {
  const test = await startApp({
    gateways: [makeChatGateway('/ws', { credentials: CREDENTIALS })],
    ...parts,
    options: { ...options, handshake: { ...CLOSE_CODE, ...options.handshake } },
  });
  running.push(test);
  return test;
}
afterEach(async () => {
  for (const test of running.splice(0)) await test.discard();
});

function makeGateways() {
  @WsRoles('admin')
  @WsAuth({ credentials: CREDENTIALS })
  @WebSocketGateway({ path: '/roles' })
  class RolesGateway {
    static connected = 0;

    handleConnection() {
      RolesGateway.connected += 1;
    }
  }

  return {
    ws: makeChatGateway('/ws', { credentials: CREDENTIALS }),
    cookie: makeChatGateway('/cookie', { credentials: ['cookie'] }),
    first: makeChatGateway('/first'),
    roles: RolesGateway,
    http: makeChatGateway('/http', { credentials: CREDENTIALS, refuseBrowsersWith: 'http-status' }),
  };
}

/** Reads 101 and the one Close frame behind it, answers it, and waits for the end. */
async function expectClose(
  client: RawClient,
  { code, word, waits }: Pick<RefusedCredential, 'code' | 'word' | 'waits'>,
): Promise<string> {
  const { headers } = await client.upgraded();
  expect(headers).not.toHaveProperty('www-authenticate');
  expect(headers['sec-websocket-protocol'] ?? 'ws-auth.v1').toBe('ws-auth.v1');
  const close = await client.closed();
  const form = new RegExp(`^${word}${waits ? ';retry=([1-9]\\d{2,4})' : ''};id=([\\w-]{12})$`);
  expect(close).toEqual({ code, reason: expect.stringMatching(form), before: [] });
  client.write(closeBytes(code));
  await client.end();
  expect(client.unread).toBe('');
  client.finish();
  return close.reason.slice(-12);
}

describe.each<[CloseCodeScheme, (code: number) => number]>([
  ['project', (code) => code],
  ['iana', (code) => ({ 4401: 3000, 4403: 3003, 4408: 3008 })[code] ?? code],
  ['policy-violation', (code) => (code >= 4400 && code < 4500 ? 1008 : code)],
])('a browser, with the close codes "%s"', (closeCodes, onWire) => {
  const gateways = makeGateways();
  let test: TestApp;
  let busy: RawClient;
  beforeAll(async () => {
    test = await startApp({
      gateways: Object.values(gateways),
      options: { closeCodes, connections: { maxPerUser: 1 }, handshake: CLOSE_CODE },
    });
    busy = await RawClient.open(test.port, asProtocol(test.token({ sub: 'busy' })));
    await busy.upgraded();
    await eventually(() => gateways.ws.seen.connected.length === 1);
  });
  afterAll(() => test.discard());

  it.each(REFUSED)('is upgraded and closed for $name ($code $word)', async (row) => {
    const parts = await row.make(test);
    const client = await RawClient.open(test.port, parts, messageBytes('echo', 1), messageBytes('echo', 2));
    const id = await expectClose(client, { ...row, code: onWire(row.code) });
    const event = await test.eventOf(({ correlationId }) => correlationId === id);
    expect(event).toMatchObject({ outcome: 'refused', closeCode: onWire(row.code) });
    expect(event).not.toHaveProperty('status');
    // One address with so many bad tickets is told of too, under the id of the last.
    const told = test.events.filter(({ event }) => event !== 'anomaly_detected');
    expect(told.filter(({ correlationId }) => correlationId === id)).toHaveLength(1);
    await eventually(() => test.engine.authenticator.counts.pending === 0);
    expect(gateways.ws.seen).toMatchObject({
      connected: [expect.anything()],
      disconnected: [],
      messages: [],
    });
    expect([...gateways.cookie.seen.connected, ...gateways.first.seen.connected]).toEqual([]);
    expect(gateways.roles.connected).toBe(0);
    expect(test.connections.local()).toHaveLength(1);
  });

  it.each(REFUSED)('puts no credential into the Close for $name', async (row) => {
    const { target = '', headers = {} } = await row.make(test);
    const client = await RawClient.open(test.port, { target: target || '/ws', headers });
    await client.upgraded();
    const { reason } = await client.closed();
    client.destroy();
    const presented = `${target} ${Object.values(headers).join(' ')}`;
    for (const secret of presented.match(/[\w-]{20,}/g) ?? []) {
      expect(client.received.toString('latin1')).not.toContain(secret);
      expect(reason).not.toContain(secret);
    }
    expect(Buffer.byteLength(reason)).toBeLessThanOrEqual(123);
  });
});

describe('a browser that is refused by close code', () => {
  it.each([
    ['fails', () => Promise.reject(new Error('secret reason'))],
    ['is down', () => Promise.reject(new StoreUnavailable('secret reason'))],
    ['takes too long', () => new Promise<never>(() => {})],
  ])('is told to try later when the verifier %s', async (_, verify) => {
    const options = { handshake: { timeoutMs: 400, verifyTimeoutMs: 200 } };
    const test = await boot(options, { engine: { verifier: { verify } } });
    const client = await RawClient.open(test.port, asProtocol(test.token()));
    await expectClose(client, { code: 1013, word: 'try_later', waits: true });
    expect(client.received.toString()).not.toContain('secret');
    await expectNobodyLeft(test);
  });

  it.each([
    ['fails', () => Promise.reject(new StoreUnavailable('secret reason'))],
    ['takes too long', () => new Promise<never>(() => {})],
    ['answers too late', () => Promise.resolve({ outcome: 'late' as const })],
  ])('is told to try later when the store %s', async (_, admit) => {
    const test = await boot({ handshake: { timeoutMs: 400, verifyTimeoutMs: 200 } });
    test.engine.stores.connections.admit = admit;
    const client = await RawClient.open(test.port, asProtocol(test.token()));
    await expectClose(client, { code: 1013, word: 'try_later', waits: true });
    await expectNobodyLeft(test);
  });

  it('keeps its place among the handshakes in progress until it has gone', async () => {
    const test = await boot({ handshake: { maxPendingPerAddress: 2 } });
    const refused = [await RawClient.open(test.port), await RawClient.open(test.port)];
    for (const client of refused) {
      await client.upgraded();
      await client.closed();
    }
    expect(test.engine.authenticator.counts.pending).toBe(2);
    await expectRefusal(await RawClient.open(test.port), 'rate_limited');
    refused[0]!.write(closeBytes(4401));
    await refused[0]!.end();
    refused[0]!.finish();
    await eventually(() => test.engine.authenticator.counts.pending === 1);
    await expectClose(await RawClient.open(test.port), { code: 4401, word: 'unauthorized' });
    refused[1]!.reset();
    await expectNobodyLeft(test);
  });

  it('is cut when it does not answer the Close', async () => {
    const test = await boot({ lifetime: { closeGraceMs: 200 } });
    const client = await RawClient.open(test.port);
    await client.upgraded();
    await client.closed();
    const start = performance.now();
    await client.end();
    await expectNobodyLeft(test);
    expect(performance.now() - start).toBeLessThan(1_500);
  });

  it('hears nothing but the Close, whatever it sends', async () => {
    const test = await boot();
    const client = await RawClient.open(
      test.port,
      {},
      frameBytes('ping', OPCODE.ping),
      messageBytes('auth', { token: test.token() }),
      messageBytes('echo', 1),
    );
    const close = await client.upgraded().then(() => client.closed());
    expect(close).toMatchObject({ code: 4401, before: [] });
    client.write(messageBytes('echo', 2), closeBytes(4401));
    await client.end();
    expect(client.unread).toBe('');
    client.finish();
  });

  it('harms nobody when it resets instead of reading the Close', async () => {
    const test = await boot();
    for (let index = 0; index < 20; index += 1) {
      const client = await RawClient.open(test.port);
      if (index % 2) await client.upgraded();
      client.reset();
    }
    await expectNobodyLeft(test);
    await (await RawClient.open(test.port, asProtocol(test.token()))).upgraded();
  });

  it('is the default', async () => {
    const test = await boot({ handshake: { ...NO_RATE, refuseBrowsersWith: undefined } });
    await expectClose(await RawClient.open(test.port), { code: 4401, word: 'unauthorized' });
  });
});

describe('HTTP stays the answer', () => {
  const gateways = makeGateways();
  let test: TestApp;
  beforeAll(async () => {
    test = await startApp({
      gateways: [...Object.values(gateways), makePublicGateway('/public')],
      options: { handshake: CLOSE_CODE },
    });
  });
  afterAll(() => test.discard());
  afterEach(() => expectNobodyLeft(test));

  it.each<[string, HandshakeParts, RefusalCode, Record<string, string>?]>([
    ['a method', { method: 'POST' }, 'method_not_allowed', { allow: 'GET' }],
    ['an HTTP version', { version: '1.0' }, 'malformed_handshake'],
    ['a key', { headers: { 'Sec-WebSocket-Key': 'x' } }, 'malformed_handshake'],
    ['a body', { headers: { 'Content-Length': '1' } }, 'malformed_handshake'],
    ['two Origins', { headers: { Origin: [ORIGIN, EVIL] } }, 'malformed_handshake'],
    ['a target', { target: '/ws/../ws' }, 'malformed_handshake'],
    [
      'a WebSocket version',
      { headers: { 'Sec-WebSocket-Version': '8' } },
      'upgrade_required',
      { upgrade: 'websocket', 'sec-websocket-version': '13' },
    ],
    ['a Host', { headers: { Host: 'evil.example' } }, 'host_not_allowed'],
    ['a path', { target: '/nowhere' }, 'not_found'],
    ['an Origin', { headers: { Origin: EVIL } }, 'origin_not_allowed'],
    ['an empty Origin', { headers: { Origin: '' } }, 'origin_not_allowed'],
    ['an Origin on a public path', { target: '/public', headers: { Origin: EVIL } }, 'origin_not_allowed'],
    ['a missing Origin', { headers: { Origin: undefined } }, 'origin_not_allowed'],
    ['its subprotocols', { headers: { 'Sec-WebSocket-Protocol': 'chat' } }, 'subprotocol_required'],
  ])('for %s, which comes before the credential', async (_, parts, code, extra) => {
    await expectRefusal(await RawClient.open(test.port, parts), code, extra);
  });

  it.each<[string, HandshakeParts, RefusalCode, Record<string, string>?]>([
    [
      'a bad token in the Authorization header',
      { headers: { Authorization: 'Bearer x' } },
      'unauthorized',
      { 'www-authenticate': CHALLENGE.invalid },
    ],
    [
      'an Authorization header that is none',
      { headers: { Authorization: '' } },
      'unauthorized',
      { 'www-authenticate': CHALLENGE.invalid },
    ],
    [
      'Basic that the browser added',
      { headers: { Authorization: 'Basic YTpi' } },
      'unauthorized',
      { 'www-authenticate': CHALLENGE.missing },
    ],
    [
      'a bad ticket without an Origin',
      { target: '/ws?ticket=x', headers: { Origin: undefined } },
      'unauthorized',
      { 'www-authenticate': CHALLENGE.invalid },
    ],
    [
      'a token in the URL without an Origin',
      { target: '/first?token=x', headers: { Origin: undefined } },
      'credential_in_url',
    ],
    [
      'a ticket beside an Authorization header',
      { target: '/ws?ticket=x', headers: { Authorization: 'Bearer x' } },
      'multiple_credentials',
    ],
    [
      'a bad ticket from another origin',
      { target: '/ws?ticket=x', headers: { Origin: EVIL } },
      'origin_not_allowed',
    ],
    [
      'a missing credential where the gateway says so',
      { target: '/http' },
      'unauthorized',
      { 'www-authenticate': CHALLENGE.missing },
    ],
    ['a token in the URL where the gateway says so', { target: '/http?token=x' }, 'credential_in_url'],
  ])('for %s, which no script of a page could be told otherwise', async (_, parts, code, extra) => {
    await expectRefusal(await RawClient.open(test.port, parts), code, extra);
  });

  it('for a principal without the roles of the gateway, with an Authorization header', async () => {
    const parts = { target: '/roles', headers: { Authorization: `Bearer ${test.token()}` } };
    await expectRefusal(await RawClient.open(test.port, parts), 'forbidden');
    const admin = { Authorization: `Bearer ${test.token({ roles: ['admin'] })}` };
    const client = await RawClient.open(test.port, { target: '/roles', headers: admin });
    await client.upgraded();
    client.destroy();
  });

  it('for the connect rate', async () => {
    const rate = { connectRate: { limit: 1, windowMs: 60_000, burst: 1 } };
    const own = await boot({ handshake: rate });
    await expectClose(await RawClient.open(own.port), { code: 4401, word: 'unauthorized' });
    await expectRefusal(await RawClient.open(own.port), 'rate_limited');
  });

  it('for a missing TLS', async () => {
    const own = await boot({ handshake: { requireTls: true } });
    await expectRefusal(await RawClient.open(own.port), 'insecure_transport');
  });

  it('for a node that drains, in the middle of a verification too', async () => {
    const verifier = new HeldVerifier();
    const own = await boot({}, { engine: { verifier } });
    const client = await RawClient.open(own.port, asProtocol(own.token()));
    await verifier.call();
    own.engine.drain();
    await expectRefusal(client, 'draining');
    await expectRefusal(await RawClient.open(own.port), 'draining');
  });

  it.each([
    ['the node', { maxWaiting: 2 }, 'overloaded'],
    ['an address', { maxWaitingPerAddress: 2 }, 'rate_limited'],
  ] as const)('for too many of %s that wait for their first message', async (_, firstMessage, code) => {
    const own = await boot({ firstMessage }, { gateways: [makeChatGateway('/ws')] });
    const waiting = [await RawClient.open(own.port), await RawClient.open(own.port)];
    for (const client of waiting) await client.upgraded();
    await expectRefusal(await RawClient.open(own.port), code);
    waiting[0]!.reset();
    await eventually(() => own.engine.authenticator.counts.waiting === 1);
    const next = await RawClient.open(own.port);
    await next.upgraded();
    expect((await next.message()).event).toBe('auth.required');
  });
});
