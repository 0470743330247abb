import {
  createHmac,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  randomUUID,
  sign,
} from 'node:crypto';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { CredentialKind, JwtOptions, WsAuthOptions } from '../../lib/index.js';
import { AUDIENCE, ISSUER, JWT_SECRET, ORIGIN, startApp, type TestApp } from '../support/app.js';
import { fakeClock } from '../support/fake-clock.js';
import { makeChatGateway } from '../support/gateways.js';
import { type HandshakeParts, messageBytes, RawClient } from '../support/raw-client.js';
import { CHALLENGE, expectNobodyLeft, expectRefusal } from '../support/refusal.js';

const NO_RATE = { connectRate: { limit: 1_000_000, windowMs: 60_000, burst: 1_000_000 } };
const LOOSE = {
  handshake: NO_RATE,
  connections: { maxPerUser: 10_000, maxPerSession: 10_000 },
  session: { maxPerUser: 10_000 },
  ticket: { maxPerMinute: 10_000 },
} satisfies Partial<WsAuthOptions>;

type Json = Record<string, unknown>;

function base64url(value: unknown): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
}

/** A token made by hand, so that it can be anything. */
function craft(header: unknown, claims: unknown, signer: (input: string) => Buffer | string): string {
  const input = `${base64url(header)}.${base64url(claims)}`;
  const signature = signer(input);
  return `${input}.${typeof signature === 'string' ? signature : signature.toString('base64url')}`;
}

const hs256 =
  (secret: string | Buffer = JWT_SECRET) =>
  (input: string): Buffer =>
    createHmac('sha256', secret).update(input).digest();
const rs256 =
  (key: KeyObject) =>
  (input: string): Buffer =>
    sign('sha256', Buffer.from(input), key);
const es256 =
  (key: KeyObject) =>
  (input: string): Buffer =>
    sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' });

/** The claims of a good token, with a test's changes. */
function goodClaims(changes: Json = {}): Json {
  const now = Math.floor(Date.now() / 1_000);
  const claims: Json = {
    iss: ISSUER,
    aud: AUDIENCE,
    sub: 'ada',
    iat: now,
    exp: now + 600,
    jti: randomUUID(),
    ...changes,
  };
  return Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined));
}

function bearer(token: string, more: Json = {}): HandshakeParts {
  return { headers: { Authorization: `Bearer ${token}`, ...(more as Record<string, string>) } };
}

function cookie(...pairs: string[]): HandshakeParts {
  return { headers: { Cookie: pairs.join('; ') } };
}

/** A bearer token as a subprotocol, beside one that can be chosen. */
function asProtocol(token: string): string {
  return `ws-auth.v1, base64url.bearer.ws-auth.${Buffer.from(token).toString('base64url')}`;
}

async function admitted(test: TestApp, parts: HandshakeParts): Promise<Json> {
  const client = await RawClient.open(test.port, parts);
  await client.upgraded();
  client.send('whoami');
  const { data } = await client.messageOf('whoami');
  client.destroy();
  return data as Json;
}

async function unauthorized(
  test: TestApp,
  parts: HandshakeParts,
  challenge: keyof typeof CHALLENGE = 'invalid',
): Promise<void> {
  const client = await RawClient.open(test.port, parts);
  await expectRefusal(client, 'unauthorized', { 'www-authenticate': CHALLENGE[challenge] });
}

/** The reason that the audit log has for the last refusal. */
function lastReason(test: TestApp): string | undefined {
  return test.events.findLast(({ outcome }) => outcome === 'refused')?.reasonCode;
}

const running: TestApp[] = [];
/** An application of one test. */
async function boot(
  options: Partial<WsAuthOptions> = {},
  parts: Partial<Parameters<typeof startApp>[0]> = {},
) {
  const handshake = { ...LOOSE.handshake, ...options.handshake };
  const test = await startApp({
    gateways: [makeChatGateway('/ws', { credentials: ['ticket', 'bearer', 'cookie'] })],
    ...parts,
    options: { ...LOOSE, ...options, handshake },
  });
  running.push(test);
  return test;
}
afterEach(async () => {
  for (const test of running.splice(0)) await test.discard();
});

describe('credentials', () => {
  const Gateway = makeChatGateway('/ws', { credentials: ['ticket', 'bearer', 'cookie'] });
  let test: TestApp;
  beforeAll(async () => {
    test = await startApp({ gateways: [Gateway], options: LOOSE });
  });
  afterAll(() => test.discard());
  afterEach(() => expectNobodyLeft(test));

  async function newTicket(userId = 'ada', more: Json = {}): Promise<string> {
    const { session } = await test.sessions.create({ userId });
    return (await test.tickets.issue({ session: session.id, ...more })).ticket;
  }

  async function newSession(userId = 'ada'): Promise<{ id: string; token: string }> {
    const { session, token } = await test.sessions.create({ userId });
    return { id: session.id, token };
  }

  it('that are missing get 401 without an error code (RFC 6750 §3)', async () => {
    await unauthorized(test, {}, 'missing');
    await unauthorized(test, cookie('theme=dark'), 'missing');
    await unauthorized(test, { target: '/ws?x=1' }, 'missing');
    await unauthorized(test, { headers: { 'Sec-WebSocket-Protocol': 'ws-auth.v1' } }, 'missing');
  });

  describe('by ticket', () => {
    it('are taken from the query, wherever in it, and shown to nobody', async () => {
      for (const [before, after] of [
        ['', ''],
        ['a=1&', ''],
        ['', '&b=2'],
        ['a=1&', '&b=2'],
      ]) {
        const ticket = await newTicket('bob');
        expect(await admitted(test, { target: `/ws?${before}ticket=${ticket}${after}` })).toMatchObject({
          id: 'bob',
        });
        expect(test.logger.lines.join('\n')).not.toContain(ticket);
      }
    });

    it('are taken from the subprotocols, and never echoed', async () => {
      const ticket = await newTicket();
      const headers = { 'Sec-WebSocket-Protocol': `ticket.ws-auth.${ticket}, ws-auth.v1` };
      const client = await RawClient.open(test.port, { headers });
      const { headerLines, headers: answered } = await client.upgraded();
      expect(answered['sec-websocket-protocol']).toBe('ws-auth.v1');
      expect(headerLines.join('\n')).not.toContain(ticket);
      client.destroy();
    });

    it('alone among the subprotocols are refused, and not spent', async () => {
      const ticket = await newTicket();
      const headers = { 'Sec-WebSocket-Protocol': `ticket.ws-auth.${ticket}` };
      const { body } = await expectRefusal(
        await RawClient.open(test.port, { headers }),
        'subprotocol_required',
      );
      expect(body).not.toContain(ticket);
      await admitted(test, { target: `/ws?ticket=${ticket}` });
    });

    it.each([
      ['empty', ''],
      ['without its prefix', 'x'.repeat(64)],
      ['a prefix alone', 'wst_'],
      ['unknown', `wst_${'a'.repeat(16)}.${'b'.repeat(43)}`],
      ['8 KiB long', `wst_${'a'.repeat(8_192)}`],
      ['an escape', '%00'],
      ['a broken escape', '%E0%A4%A'],
      ['a JWT', 'eyJhbGciOiJIUzI1NiJ9.e30.x'],
    ])('are refused when they are %s', async (_, value) => {
      await unauthorized(test, { target: `/ws?ticket=${value}` });
    });

    it('are refused in every other spelling, and not spent', async () => {
      const ticket = await newTicket();
      for (const value of [
        ` ${ticket}`.replace(' ', '%20'),
        `${ticket}%20`,
        `${ticket}%00`,
        ticket.replace('.', '%2e'),
        ticket.replace('wst_', 'WST_'),
        `${ticket}=`,
        `${ticket}A`,
        ticket.slice(0, -1),
        `"${ticket}"`,
      ]) {
        await unauthorized(test, { target: `/ws?ticket=${value}` });
      }
      await admitted(test, { target: `/ws?ticket=${ticket}` });
    });

    it.each([
      ['an array', (ticket: string) => `ticket[]=${ticket}`, 'credential_in_url'],
      ['an escaped array', (ticket: string) => `ticket%5B%5D=${ticket}`, 'credential_in_url'],
      ['a field', (ticket: string) => `ticket[a]=${ticket}`, 'credential_in_url'],
      ['twice', (ticket: string) => `ticket=${ticket}&ticket=${ticket}`, 'multiple_credentials'],
      ['twice, once empty', (ticket: string) => `ticket=${ticket}&ticket=`, 'multiple_credentials'],
      ['twice, once in capitals', (ticket: string) => `ticket=${ticket}&TICKET=x`, 'multiple_credentials'],
      ['twice, once escaped', (ticket: string) => `%74icket=x&ticket=${ticket}`, 'multiple_credentials'],
    ] as const)('are refused as %s with 400, and not spent (CR-02)', async (_, write, code) => {
      const ticket = await newTicket();
      await expectRefusal(await RawClient.open(test.port, { target: `/ws?${write(ticket)}` }), code);
      expect(test.logger.lines.join('\n')).not.toContain(ticket);
      await admitted(test, { target: `/ws?ticket=${ticket}` });
    });

    it('are refused when they have expired or are for another path', async () => {
      const elsewhere = await newTicket('ada', { path: '/other' });
      await unauthorized(test, { target: `/ws?ticket=${elsewhere}` });
      expect(lastReason(test)).toBe('ticket_mismatch_path');
      const clock = fakeClock(Date.now());
      const late = await boot({}, { engine: { clock: clock } });
      const { ticket } = await late.tickets.issue({ principal: { id: 'ada' } });
      clock.advance(30_001);
      await unauthorized(late, { target: `/ws?ticket=${ticket}` });
      expect(lastReason(late)).toBe('ticket_unknown');
    });

    it('admit one of twenty that race for one ticket', async () => {
      const ticket = await newTicket();
      const clients = await Promise.all(
        Array.from({ length: 20 }, () => RawClient.open(test.port, { target: `/ws?ticket=${ticket}` })),
      );
      const statuses = await Promise.all(clients.map(async (client) => (await client.response()).status));
      expect(statuses.filter((status) => status === 101)).toHaveLength(1);
      expect(statuses.filter((status) => status === 401)).toHaveLength(19);
      for (const client of clients) client.destroy();
    });
  });

  describe('by bearer token', () => {
    it('are taken with the scheme in any case (CR-03)', async () => {
      for (const scheme of ['Bearer', 'bearer', 'BEARER', 'bEaReR']) {
        const headers = { Authorization: `${scheme} ${test.token({ sub: scheme })}` };
        expect(await admitted(test, { headers })).toMatchObject({ id: scheme });
      }
    });

    it.each([
      ['no token', 'Bearer'],
      ['two spaces', 'Bearer  TOKEN'],
      ['a tab', 'Bearer\tTOKEN'],
      ['no space', 'BearerTOKEN'],
      ['two tokens', 'Bearer TOKEN TOKEN'],
      ['two in a list', 'Bearer TOKEN, Bearer TOKEN'],
      ['a comma behind', 'Bearer TOKEN,'],
      ['quotes', 'Bearer "TOKEN"'],
      ['a parameter', 'Bearer token=TOKEN'],
      ['no scheme', 'TOKEN'],
      ['another scheme', 'Token TOKEN'],
      ['DPoP', 'DPoP TOKEN'],
      ['a padded token', 'Bearer TOKEN='],
      ['one character', 'bearer x'],
      ['bytes above ASCII', 'Bearer TOKEN\u00e9'],
      ['an empty header', ''],
    ])('are refused when the header has %s (CR-03)', async (_, header) => {
      const headers = { Authorization: header.replaceAll('TOKEN', test.token()) };
      await unauthorized(test, { headers });
    });

    it('are refused when they are long, by us or by Node (CR-03)', async () => {
      await unauthorized(test, bearer('x'.repeat(9_000)));
      const tooLong = await RawClient.open(test.port, bearer('x'.repeat(20_480)));
      expect((await tooLong.response()).status).toBe(431);
      await tooLong.end();
    });

    it('are taken from the subprotocols, never echoed and never logged (HS-13)', async () => {
      const token = test.token({ sub: 'carol' });
      const encoded = Buffer.from(token).toString('base64url');
      const client = await RawClient.open(test.port, {
        headers: { 'Sec-WebSocket-Protocol': asProtocol(token) },
      });
      const { headers } = await client.upgraded();
      expect(headers['sec-websocket-protocol']).toBe('ws-auth.v1');
      client.send('whoami');
      expect((await client.messageOf('whoami')).data).toMatchObject({ id: 'carol' });
      const alone = await RawClient.open(test.port, {
        headers: { 'Sec-WebSocket-Protocol': `base64url.bearer.ws-auth.${encoded}` },
      });
      await expectRefusal(alone, 'subprotocol_required');
      for (const secret of [token, encoded]) {
        expect(client.received.toString()).not.toContain(secret);
        expect(alone.received.toString()).not.toContain(secret);
        expect(test.logger.lines.join('\n')).not.toContain(secret);
        expect(JSON.stringify(test.events)).not.toContain(secret);
      }
      client.destroy();
    });

    it.each([
      ['empty', ''],
      ['no base64url', '+/+/'],
      ['a token that is not encoded', 'a.b.c'],
      ['trailing bits that are not zero', 'eB'],
      ['no b64token', Buffer.from('a b').toString('base64url')],
      ['a line break', Buffer.from('a\r\nb').toString('base64url')],
      ['NUL', Buffer.from('a\u0000').toString('base64url')],
      ['above ASCII', Buffer.from([0xe9]).toString('base64url')],
    ])('are refused as a subprotocol that is %s', async (_, encoded) => {
      const protocol = `base64url.bearer.ws-auth.${encoded}, ws-auth.v1`;
      const client = await RawClient.open(test.port, { headers: { 'Sec-WebSocket-Protocol': protocol } });
      // A slash makes it no subprotocol at all.
      if (encoded.includes('/')) await expectRefusal(client, 'malformed_handshake');
      else await expectRefusal(client, 'unauthorized', { 'www-authenticate': CHALLENGE.invalid });
    });
  });

  it('are refused as a subprotocol with trailing bits that are not zero, good as the token is', async () => {
    const tokens = ['a', 'ab', 'abc'].map((sub) => test.token({ sub }));
    // A length that is no multiple of three leaves bits over in the last character.
    const token = tokens.find(({ length }) => length % 3 !== 0)!;
    const encoded = Buffer.from(token).toString('base64url');
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const altered = `${encoded.slice(0, -1)}${alphabet[alphabet.indexOf(encoded.at(-1)!) + 1]}`;
    expect(Buffer.from(altered, 'base64url').toString()).toBe(token);
    const headers = { 'Sec-WebSocket-Protocol': `ws-auth.v1, base64url.bearer.ws-auth.${altered}` };
    await unauthorized(test, { headers });
    expect(lastReason(test)).toBe('bearer_subprotocol_syntax');
    await admitted(test, { headers: { 'Sec-WebSocket-Protocol': asProtocol(token) } });
  });

  describe('in the URL', () => {
    it.each([
      'token',
      'access_token',
      'jwt',
      'auth',
      'Token',
      'TOKEN',
      'ToKeN',
      'Access_Token',
      '%74oken',
      'to%6ben',
      'to%6Ben',
      '%54%4F%4b%45%4E',
      'access%5ftoken',
      'access_token[]',
      'access_token%5b%5d',
      'token[0]',
      'token[a][b]',
      'auth[token]',
      'j%77t',
    ])('are refused with 400 when the parameter is %s, and logged nowhere (CR-02)', async (name) => {
      const token = test.token();
      for (const target of [`/ws?${name}=${token}`, `/ws?a=1&${name}=${token}&b=2`]) {
        const client = await RawClient.open(test.port, { target });
        const { body } = await expectRefusal(client, 'credential_in_url');
        const { correlationId } = JSON.parse(body);
        const event = await test.eventOf((candidate) => candidate.correlationId === correlationId);
        expect(event).toMatchObject({ event: 'authn_login_fail', reasonCode: 'credential_in_url' });
      }
      for (const part of [token, token.split('.')[1]!]) {
        expect(test.logger.lines.join('\n')).not.toContain(part);
        expect(JSON.stringify(test.events)).not.toContain(part);
      }
    });

    it('are refused beside a good credential, and though they are empty (CR-02)', async () => {
      for (const query of ['token=', 'token', 'jwt=x', 'auth=']) {
        const client = await RawClient.open(test.port, {
          target: `/ws?${query}`,
          headers: { Authorization: `Bearer ${test.token()}` },
        });
        await expectRefusal(client, 'credential_in_url');
      }
    });

    it('are not seen in parameters that only begin or end like one', async () => {
      const target = '/ws?tokens=1&xtoken=2&token_type=3&mytoken=4&author=5&a=token&b=%74oken';
      await admitted(test, { target, ...bearer(test.token()) });
      expect(Gateway.seen.connected).not.toEqual([]);
    });

    it('are cut out of what the application sees of the request', async () => {
      const ticket = await newTicket();
      const client = await RawClient.open(test.port, { target: `/ws?room=1&ticket=${ticket}&x=%74` });
      await client.upgraded();
      expect(test.connections.local().map(({ handshake }) => handshake.query)).toEqual(['room=1&x=%74']);
      client.destroy();
    });
  });

  describe('by cookie', () => {
    it('are taken by the exact name, among others', async () => {
      const { token } = await newSession('dora');
      for (const pairs of [
        [`__Host-sid=${token}`],
        ['a=1', `__Host-sid=${token}`, 'b=2'],
        ['sid=evil', `__Host-sid=${token}`],
        [`__Host-sid2=evil`, `__Host-sid=${token}`],
        [`\t__Host-sid \t= \t${token}\t`],
        ['', '=', '==', `__Host-sid=${token}`, ''],
      ]) {
        expect(await admitted(test, cookie(...pairs))).toMatchObject({ id: 'dora' });
      }
    });

    it('are refused twice, in every order and in two headers (CK-02)', async () => {
      const { token } = await newSession();
      const good = `__Host-sid=${token}`;
      for (const value of [
        `__Host-sid=evil; ${good}`,
        `${good}; __Host-sid=evil`,
        `${good}; ${good}`,
        `${good}; __Host-sid=`,
        [good, '__Host-sid=evil'],
        ['__Host-sid=evil', good],
      ]) {
        const client = await RawClient.open(test.port, { headers: { Cookie: value } });
        await expectRefusal(client, 'multiple_credentials');
        expect(lastReason(test)).toBe('cookie_tossing_suspected');
      }
    });

    it.each([
      ['the plain name', 'sid=TOKEN'],
      ['another prefix', '__Secure-sid=TOKEN'],
      ['capitals', '__HOST-sid=TOKEN'],
      ['capitals at the end', '__Host-SID=TOKEN'],
      ['lower case', '__host-sid=TOKEN'],
      ['a typo', 'Host__sid=TOKEN'],
      ['a no-break space', '\u00a0__Host-sid=TOKEN'],
      ['a no-break space behind', '__Host-sid\u00a0=TOKEN'],
      ['quotes around the name', '"__Host-sid"=TOKEN'],
      ['an escape', '__Host%2dsid=TOKEN'],
      ['an index', '__Host-sid[]=TOKEN'],
      ['no equals sign', '__Host-sid'],
      ['a longer name', 'x__Host-sid=TOKEN'],
      ['an empty name', '=__Host-sid=TOKEN'],
      ['a comma', 'a=1, __Host-sid=TOKEN'],
    ])('are not read under a name with %s (CK-03)', async (_, pair) => {
      const { token } = await newSession();
      await unauthorized(test, cookie(pair.replace('TOKEN', token)), 'missing');
    });

    it.each([
      ['empty', ''],
      ['no token', 'x'],
      ['undecodable', '%E0%A4%A'],
      ['escaped', 'ESCAPED'],
      ['in quotes', '"TOKEN"'],
      ['cut short', 'CUT'],
      ['too long', 'TOKENx'],
      ['a session id', 'ID'],
      ['above ASCII', '\u00e9\u00ff'],
      ['8 KiB long', 'x'.repeat(8_192)],
    ])('are no credential when the value is %s (CK-03)', async (_, value) => {
      const { token, id } = await newSession();
      const written = value
        .replace('TOKEN', token)
        .replace('ESCAPED', token.replace('.', '%2E'))
        .replace('CUT', token.slice(0, -1))
        .replace('ID', id);
      await unauthorized(test, cookie(`__Host-sid=${written}`), 'missing');
    });

    it('of a form that the client chose are refused, and make no session (CK-04)', async () => {
      const { token } = await newSession();
      const userHash = token.split('.')[0]!;
      const chosen = `${userHash}.${randomBytes(32).toString('base64url')}`;
      await unauthorized(test, cookie(`__Host-sid=${chosen}`));
      expect(await test.sessions.get(chosen)).toBeNull();
      // Who logs in now gets another session, and the chosen one stays dead.
      const fresh = await newSession();
      expect(fresh.token).not.toBe(chosen);
      await admitted(test, cookie(`__Host-sid=${fresh.token}`));
      await unauthorized(test, cookie(`__Host-sid=${chosen}`));
    });

    it('of a rotated or revoked session are refused (CK-04)', async () => {
      const { token } = await newSession();
      const rotated = await test.sessions.rotate(token);
      await unauthorized(test, cookie(`__Host-sid=${token}`));
      await admitted(test, cookie(`__Host-sid=${rotated.token}`));
      await test.sessions.revoke({ session: rotated.session.id });
      await unauthorized(test, cookie(`__Host-sid=${rotated.token}`));
      expect(lastReason(test)).toBe('session_unknown');
    });
  });

  describe('that are more than one', () => {
    const kinds = ['Authorization', 'ticket', 'ticket subprotocol', 'bearer subprotocol'] as const;
    const pairs = kinds.flatMap((one, index) => kinds.slice(index + 1).map((other) => [one, other] as const));

    async function both(one: string, other: string): Promise<{ parts: HandshakeParts; tickets: string[] }> {
      const headers: Record<string, string> = {};
      const protocols = ['ws-auth.v1'];
      const tickets: string[] = [];
      const query: string[] = [];
      for (const kind of [one, other]) {
        if (kind.startsWith('ticket')) tickets.push(await newTicket());
        if (kind === 'Authorization') headers.Authorization = `Bearer ${test.token()}`;
        else if (kind === 'ticket') query.push(`ticket=${tickets.at(-1)}`);
        else if (kind === 'ticket subprotocol') protocols.push(`ticket.ws-auth.${tickets.at(-1)}`);
        else protocols.push(asProtocol(test.token()).split(', ')[1]!);
      }
      headers['Sec-WebSocket-Protocol'] = protocols.join(', ');
      return { parts: { target: `/ws?${query.join('&')}`, headers }, tickets };
    }

    it.each([
      ...pairs,
      ['ticket', 'ticket'],
      ['ticket subprotocol', 'ticket subprotocol'],
      ['bearer subprotocol', 'bearer subprotocol'],
    ] as const)('are refused with 400, %s beside %s, and no ticket is spent (CR-01)', async (one, other) => {
      const { parts, tickets } = await both(one, other);
      await expectRefusal(await RawClient.open(test.port, parts), 'multiple_credentials');
      for (const ticket of tickets) await admitted(test, { target: `/ws?ticket=${ticket}` });
    });

    it('are one when the other is a cookie of the same session (CR-01)', async () => {
      const { id, token } = await newSession('eve');
      const withCookie = { Cookie: `__Host-sid=${token}` };
      const { ticket } = await test.tickets.issue({ session: id });
      expect(await admitted(test, { target: `/ws?ticket=${ticket}`, headers: withCookie })).toMatchObject({
        id: 'eve',
      });
      expect(await admitted(test, bearer(test.token({ sub: 'eve', sid: id }), withCookie))).toMatchObject({
        id: 'eve',
      });
      expect(await admitted(test, bearer(test.token({ sub: 'eve' }), withCookie))).toMatchObject({
        id: 'eve',
      });
    });

    it('are refused when the cookie is of another session, and the ticket is spent (CR-01)', async () => {
      const mine = await newSession('ada');
      for (const other of [await newSession('mallory'), await newSession('ada')]) {
        const { ticket } = await test.tickets.issue({ session: mine.id });
        const headers = { Cookie: `__Host-sid=${other.token}` };
        await unauthorized(test, { target: `/ws?ticket=${ticket}`, headers });
        expect(lastReason(test)).toBe('ticket_mismatch_session');
        await unauthorized(test, { target: `/ws?ticket=${ticket}` });
        expect(lastReason(test)).toBe('ticket_replayed');
      }
    });

    it('are refused when the cookie is of another user or session than the token (CR-01)', async () => {
      const mine = await newSession('ada');
      const cookieOf = ({ token }: { token: string }): Json => ({ Cookie: `__Host-sid=${token}` });
      await unauthorized(test, bearer(test.token({ sub: 'ada' }), cookieOf(await newSession('mallory'))));
      expect(lastReason(test)).toBe('credential_conflict');
      const token = test.token({ sub: 'ada', sid: mine.id });
      await unauthorized(test, bearer(token, cookieOf(await newSession('ada'))));
      expect(lastReason(test)).toBe('credential_conflict');
      await admitted(test, bearer(token));
    });

    it('are refused when a token names the session of somebody else', async () => {
      const { id } = await newSession('mallory');
      await unauthorized(test, bearer(test.token({ sub: 'ada', sid: id })));
      expect(lastReason(test)).toBe('session_of_another_user');
    });

    it('are one when the other is Basic that a browser adds by itself', async () => {
      const ticket = await newTicket();
      const headers = { Authorization: 'Basic YTpi' };
      await admitted(test, { target: `/ws?ticket=${ticket}`, headers });
      await unauthorized(test, { headers }, 'missing');
    });
  });
});

describe('a kind of credential', () => {
  const kinds = ['ticket', 'bearer', 'cookie'] as const;
  it.each(kinds)('is refused with 401 on a gateway that does not list it: %s', async (missing) => {
    const credentials: CredentialKind[] = kinds.filter((kind) => kind !== missing);
    const test = await boot({}, { gateways: [makeChatGateway('/ws', { credentials })] });
    const { session, token } = await test.sessions.create({ userId: 'ada' });
    const parts: Record<string, () => Promise<HandshakeParts[]>> = {
      ticket: async () => {
        const { ticket } = await test.tickets.issue({ session: session.id });
        const headers = { 'Sec-WebSocket-Protocol': `ticket.ws-auth.${ticket}, ws-auth.v1` };
        return [{ target: `/ws?ticket=${ticket}` }, { headers }];
      },
      bearer: async () => [
        bearer(test.token()),
        { headers: { 'Sec-WebSocket-Protocol': asProtocol(test.token()) } },
      ],
      cookie: async () => [cookie(`__Host-sid=${token}`)],
    };
    for (const refused of await parts[missing]!()) {
      await unauthorized(test, refused, missing === 'cookie' ? 'missing' : 'invalid');
    }
    for (const kind of credentials) await admitted(test, (await parts[kind]!())[0]!);
  });

  it('is not looked at on a public path of the same application', async () => {
    const test = await boot();
    const { ticket } = await test.tickets.issue({ principal: { id: 'ada' } });
    await expectRefusal(await RawClient.open(test.port, { target: `/?ticket=${ticket}` }), 'not_found');
    await admitted(test, { target: `/ws?ticket=${ticket}` });
  });
});

describe('the session cookie', () => {
  it('is plain where neither TLS nor loopback is, and each name is read in its own place (CK-01)', async () => {
    const test = await boot({ hosts: ['app.example', 'localhost'] });
    const { token } = await test.sessions.create({ userId: 'ada' });
    const at = (host: string, name: string): HandshakeParts => ({
      headers: { Host: host, Cookie: `${name}=${token}` },
    });
    await admitted(test, at('app.example', 'sid'));
    await unauthorized(test, at('app.example', '__Host-sid'), 'missing');
    await admitted(test, at('localhost', '__Host-sid'));
    await unauthorized(test, at('localhost', 'sid'), 'missing');
  });

  it('has its prefix behind a trusted proxy that says https (CK-01)', async () => {
    const test = await boot({ hosts: ['app.example'], proxy: { trusted: ['127.0.0.1'] } });
    const { token } = await test.sessions.create({ userId: 'ada' });
    const at = (proto: string | undefined, name: string): HandshakeParts => ({
      headers: { Host: 'app.example', 'X-Forwarded-Proto': proto, Cookie: `${name}=${token}` },
    });
    await admitted(test, at('https', '__Host-sid'));
    await unauthorized(test, at('https', 'sid'), 'missing');
    await admitted(test, at('http', 'sid'));
    await unauthorized(test, at(undefined, '__Host-sid'), 'missing');
  });

  it('always has its prefix when it is always Secure (CK-01)', async () => {
    const test = await boot({ hosts: ['app.example'], cookie: { secure: true, name: 'chat' } });
    const { token } = await test.sessions.create({ userId: 'ada' });
    const headers = { Host: 'app.example' };
    await admitted(test, { headers: { ...headers, Cookie: `__Host-chat=${token}` } });
    await unauthorized(test, { headers: { ...headers, Cookie: `chat=${token}` } }, 'missing');
  });

  it('that is dead is no credential: a first message may follow', async () => {
    const test = await boot({}, { gateways: [makeChatGateway()] });
    const { session, token } = await test.sessions.create({ userId: 'ada' });
    await test.sessions.revoke({ session: session.id });
    const client = await RawClient.open(
      test.port,
      cookie(`__Host-sid=${token}`),
      messageBytes('auth', { token: test.token({ sub: 'ada' }) }),
    );
    await client.upgraded();
    expect((await client.message()).event).toBe('auth.required');
    expect((await client.message()).event).toBe('auth.ok');
  });
});

describe('a token', () => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startApp({
      gateways: [makeChatGateway('/ws', { credentials: ['bearer'] })],
      options: LOOSE,
    });
  });
  afterAll(() => test.discard());

  /** Changes that are about the time are made when it has come. */
  const changed = (changes: Json | ((now: number) => Json)): Json =>
    typeof changes === 'function' ? changes(Math.floor(Date.now() / 1_000)) : changes;
  const header = { alg: 'HS256', typ: 'JWT' };

  it('that is made by hand is accepted when it is good', async () => {
    expect(await admitted(test, bearer(craft(header, goodClaims({ sub: 'hand' }), hs256())))).toEqual({
      id: 'hand',
      roles: [],
      scopes: [],
    });
  });

  it.each([
    ['none', () => ''],
    ['None', () => ''],
    ['nOnE', () => ''],
    ['NONE', hs256()],
    ['', hs256()],
    ['hs256', hs256()],
    ['HS384', (input: string) => createHmac('sha384', JWT_SECRET).update(input).digest()],
    ['HS512', (input: string) => createHmac('sha512', JWT_SECRET).update(input).digest()],
    ['RS256', hs256()],
    [['HS256'], hs256()],
    [['none'], () => ''],
    [{ toString: 'HS256' }, hs256()],
    [null, hs256()],
    [undefined, hs256()],
    [256, hs256()],
  ])('is refused with alg %j (JW-01)', async (alg, signer) => {
    const unsigned = craft({ typ: 'JWT', alg }, goodClaims(), signer);
    await unauthorized(test, bearer(unsigned));
    // An unsigned token with a signature of nothing has an empty third part.
    await unauthorized(test, bearer(unsigned.replace(/\.$/, '.AA')));
  });

  it.each<[string, Json | ((now: number) => Json)]>([
    ['no iss', { iss: undefined }],
    ['another iss', { iss: 'https://evil.example' }],
    ['iss with a slash', { iss: `${ISSUER}/` }],
    ['iss in a list', { iss: [ISSUER] }],
    ['no aud', { aud: undefined }],
    ['another aud', { aud: 'mail' }],
    ['an empty aud list', { aud: [] }],
    ['an aud list without ours', { aud: ['mail', 'files'] }],
    ['aud in a list in a list', { aud: [[AUDIENCE]] }],
    ['aud in capitals', { aud: AUDIENCE.toUpperCase() }],
    ['no exp', { exp: undefined }],
    ['exp 1e308', { exp: 1e308 }],
    ['exp as text', { exp: '99999999999' }],
    ['exp null', { exp: null }],
    ['exp in a list', { exp: [9_999_999_999] }],
    ['exp below zero', { exp: -1 }],
    ['exp past', (now) => ({ exp: now - 31, iat: now - 100 })],
    ['exp in milliseconds', () => ({ exp: Date.now() + 600_000 })],
    ['too long a life', (now) => ({ exp: now + 3_700 })],
    ['no iat', { iat: undefined }],
    ['iat in the future', (now) => ({ iat: now + 60 })],
    ['iat as text', (now) => ({ iat: String(now) })],
    ['iat long ago', { iat: 1 }],
    ['nbf in the future', (now) => ({ nbf: now + 60 })],
    ['nbf as text', { nbf: 'soon' }],
    ['nbf null', { nbf: null }],
    ['no sub', { sub: undefined }],
    ['sub as a number', { sub: 1 }],
    ['sub null', { sub: null }],
    ['jti as a number', { jti: 1 }],
    ['jti of 257 characters', { jti: 'x'.repeat(257) }],
    ['roles as text', { roles: 'admin' }],
    ['roles with a number', { roles: [1] }],
    ['roles as an object', { roles: { length: 1, 0: 'admin' } }],
    ['scope as a number', { scope: 1 }],
  ])('is refused with %s (JW-02)', async (_, changes) => {
    await unauthorized(test, bearer(craft(header, goodClaims(changed(changes)), hs256())));
  });

  it.each<[string, Json | ((now: number) => Json)]>([
    ['our aud among others', { aud: ['mail', AUDIENCE] }],
    ['nbf past', (now) => ({ nbf: now - 10 })],
    ['no jti', { jti: undefined }],
    ['a sid of somebody else’s making', { sid: 'an-identity-provider-session' }],
  ])('is accepted with %s (JW-02)', async (_, changes) => {
    await admitted(test, bearer(craft(header, goodClaims(changed(changes)), hs256())));
  });

  it.each([
    ['text', '"ada"'],
    ['a list', '[]'],
    ['null', 'null'],
    ['a number', '1'],
    ['no JSON', '{'],
    ['nothing', ''],
  ])('is refused with claims that are %s', async (_, claims) => {
    await unauthorized(test, bearer(craft(header, claims, hs256())));
  });

  it.each([
    ['text', '"HS256"'],
    ['a list', '[{"alg":"HS256"}]'],
    ['null', 'null'],
    ['no JSON', '{"alg":"HS256"'],
    ['nothing', ''],
  ])('is refused with a header that is %s', async (_, text) => {
    await unauthorized(test, bearer(craft(text, goodClaims(), hs256())));
  });

  it.each([
    ['another secret', (token: string) => craft(header, goodClaims(), hs256(`${token}x`))],
    [
      'claims that were changed',
      (token: string) => token.replace(/\.[^.]+\./, `.${base64url(goodClaims())}.`),
    ],
    ['its signature cut', (token: string) => token.slice(0, -1)],
    ['no signature', (token: string) => `${token.split('.').slice(0, 2).join('.')}.`],
    ['two parts', (token: string) => token.split('.').slice(0, 2).join('.')],
    ['four parts', (token: string) => `${token}.x`],
    ['five parts', (token: string) => `${token}.x.y`],
    ['padding', (token: string) => `${token}=`],
    ['padding twice', (token: string) => `${token}==`],
    ['characters of plain base64', (token: string) => `${token.slice(0, -1)}+`],
    ['dots alone', () => '..'],
  ])('is refused with %s', async (_, change) => {
    await unauthorized(test, bearer(change(craft(header, goodClaims(), hs256()))));
  });

  it.each([
    'refresh+jwt',
    'id+jwt',
    'logout+jwt',
    'dpop+jwt',
    'JWE',
    '',
    'at+jwt ',
    ['JWT'],
    null,
    undefined,
    1,
  ])('is refused with typ %j (JW-03)', async (typ) => {
    await unauthorized(test, bearer(craft({ alg: 'HS256', typ }, goodClaims(), hs256())));
  });

  it.each(['JWT', 'jwt', 'at+jwt', 'AT+JWT', 'application/at+jwt', 'Application/JWT'])(
    'is accepted with typ %s (JW-03)',
    async (typ) => {
      await admitted(test, bearer(craft({ alg: 'HS256', typ }, goodClaims(), hs256())));
    },
  );

  it('of another type of the same issuer is refused where only access tokens are taken (JW-03)', async () => {
    const jwt = { secret: JWT_SECRET, algorithms: ['HS256'], issuer: ISSUER, audience: AUDIENCE } as const;
    const strict = await boot({ jwt: { ...jwt, types: ['at+jwt'] } });
    await unauthorized(strict, bearer(craft(header, goodClaims({ nonce: 'x' }), hs256())));
    expect(lastReason(strict)).toBe('token_token_type');
    await admitted(strict, bearer(craft({ alg: 'HS256', typ: 'at+jwt' }, goodClaims(), hs256())));
  });

  it.each([[['x']], [[]], ['x'], [null], [['exp']], [{}]])(
    'is refused with crit %j (JW-04)',
    async (crit) => {
      await unauthorized(test, bearer(craft({ ...header, crit }, goodClaims(), hs256())));
    },
  );

  it('cannot make the server fetch or take a key (JW-04)', async () => {
    let connections = 0;
    const listener = createServer(() => (connections += 1)).listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}/keys`;
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const jwk = publicKey.export({ format: 'jwk' });
    try {
      for (const extra of [{ jku: url }, { x5u: url }, { jwk }, { x5c: ['AA=='] }, { kid: url }]) {
        const evil = craft({ alg: 'RS256', typ: 'JWT', ...extra }, goodClaims(), rs256(privateKey));
        await unauthorized(test, bearer(evil));
        // They are no reason to refuse a token that is good without them, and are not followed there either.
        await admitted(test, bearer(craft({ ...header, ...extra }, goodClaims(), hs256())));
      }
      const oct = { kty: 'oct', k: base64url('secret'.repeat(8)) };
      const own = craft({ ...header, jwk: oct }, goodClaims(), hs256('secret'.repeat(8)));
      await unauthorized(test, bearer(own));
      expect(connections).toBe(0);
    } finally {
      listener.close();
    }
  });

  it.each<[string, unknown]>([
    ['a list', ['a', 'b']],
    ['an object', {}],
    ['empty', ''],
    ['a space', ' '],
    ['with a space', 'a b'],
    ['129 characters long', 'x'.repeat(129)],
    ['with a line break', 'a\nFAKE: line'],
    ['with NUL', 'a\u0000'],
    ['with DEL', 'a\u007f'],
    ['no ASCII', 'ad\u00e4'],
    ['true', true],
  ])('is refused when its subject is %s (CR-06)', async (_, sub) => {
    await unauthorized(test, bearer(craft(header, goodClaims({ sub }), hs256())));
    expect(test.logger.lines.some((line) => /^FAKE/m.test(line))).toBe(false);
  });

  it.each(['a:b*', '__proto__', 'constructor', 'x'.repeat(128), '~', '{}', '*', '../..', '%00'])(
    'is accepted when its subject is the plain text %s (CR-06)',
    async (sub) => {
      expect(await admitted(test, bearer(craft(header, goodClaims({ sub }), hs256())))).toEqual({
        id: sub,
        roles: [],
        scopes: [],
      });
    },
  );

  it('gives the roles and scopes that it names, and nothing that it hides', async () => {
    const claims = '{"__proto__":{"roles":["admin"]},"constructor":1,';
    const rest = JSON.stringify(goodClaims({ roles: ['a'], scope: 'read  write' })).slice(1);
    expect(await admitted(test, bearer(craft(header, claims + rest, hs256())))).toEqual({
      id: 'ada',
      roles: ['a'],
      scopes: ['read', 'write'],
    });
    const hidden = JSON.stringify(goodClaims()).slice(1);
    expect(await admitted(test, bearer(craft(header, claims + hidden, hs256())))).toEqual({
      id: 'ada',
      roles: [],
      scopes: [],
    });
  });

  it('is refused once its id was revoked, whatever its spelling (JW-05)', async () => {
    const token = test.token();
    const other = test.token();
    await admitted(test, bearer(token));
    await test.sessions.revoke({ token });
    const [head, claims] = token.split('.') as [string, string];
    const last = token.at(-1)!;
    for (const spelling of [token, `${token}=`, `${token.slice(0, -1)}${last === 'A' ? 'B' : 'A'}`]) {
      await unauthorized(test, bearer(spelling));
    }
    await unauthorized(test, { headers: { 'Sec-WebSocket-Protocol': asProtocol(token) } });
    // Signed anew, by who can: another text with the same id.
    const again = craft(
      { typ: 'JWT', alg: 'HS256', x: 1 },
      JSON.parse(Buffer.from(claims, 'base64url').toString()),
      hs256(),
    );
    expect(again.startsWith(head)).toBe(false);
    await unauthorized(test, bearer(again));
    expect(lastReason(test)).toBe('revoked');
    await admitted(test, bearer(other));
  });

  it('of before a revocation of its user is refused, and one of a later second is not', async () => {
    const clock = fakeClock(Date.UTC(2030, 0, 1));
    const own = await boot({}, { engine: { clock: clock } });
    const at = (seconds: number): string => {
      const iat = Math.floor(clock() / 1_000) + seconds;
      return craft(header, goodClaims({ iat, exp: iat + 600 }), hs256());
    };
    await own.sessions.revoke({ user: 'ada' });
    await unauthorized(own, bearer(at(-10)));
    clock.advance(2_000);
    await admitted(own, bearer(at(0)));
  });

  it('is accepted within 30 seconds of its end, and its socket is closed then (JW-06)', async () => {
    const clock = fakeClock(Date.UTC(2030, 0, 1));
    const own = await boot({}, { engine: { clock: clock, monotonic: clock } });
    const seconds = clock() / 1_000;
    const endingAt = (exp: number): string => craft(header, goodClaims({ iat: seconds - 600, exp }), hs256());
    await unauthorized(own, bearer(endingAt(seconds - 31)));
    await unauthorized(own, bearer(endingAt(seconds - 30)));
    const client = await RawClient.open(own.port, bearer(endingAt(seconds - 29)));
    await client.upgraded();
    clock.advance(900);
    own.engine.wheel.sweep();
    expect(own.connections.local()).toHaveLength(1);
    clock.advance(1_100);
    own.engine.wheel.sweep();
    expect(await client.closed()).toMatchObject({
      code: 4419,
      reason: expect.stringMatching(/^expired;id=/),
    });
  });

  it.each([
    ['iat', 29, true],
    ['iat', 31, false],
    ['nbf', 29, true],
    ['nbf', 31, false],
  ])('has an %s at most 30 seconds ahead: %i (JW-06)', async (claim, ahead, isGood) => {
    const clock = fakeClock(Date.UTC(2030, 0, 1));
    const own = await boot({}, { engine: { clock: clock } });
    const seconds = clock() / 1_000;
    const claims = goodClaims({ iat: seconds, exp: seconds + 600, [claim]: seconds + ahead });
    const token = craft(header, claims, hs256());
    if (isGood) await admitted(own, bearer(token));
    else await unauthorized(own, bearer(token));
  });
});

describe('public keys', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const otherRsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const otherEc = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const base = { issuer: ISSUER, audience: AUDIENCE };
  const rsaPem = rsa.publicKey.export({ type: 'spki', format: 'pem' }) as string;
  const typ = 'JWT';

  async function withKeys(jwt: Omit<JwtOptions, 'issuer' | 'audience'>): Promise<TestApp> {
    return boot({ jwt: { ...base, ...jwt } });
  }

  it('verify RS256, and are never taken for a secret (JW-01)', async () => {
    const test = await withKeys({ publicKey: rsaPem, algorithms: ['RS256'] });
    await admitted(test, bearer(craft({ alg: 'RS256', typ }, goodClaims(), rs256(rsa.privateKey))));
    const der = rsa.publicKey.export({ type: 'spki', format: 'der' });
    for (const secret of [rsaPem, rsaPem.trim(), rsaPem.replaceAll('\n', '\r\n'), der]) {
      for (const alg of ['HS256', 'RS256'])
        await unauthorized(test, bearer(craft({ alg, typ }, goodClaims(), hs256(secret))));
    }
    await unauthorized(test, bearer(craft({ alg: 'RS256', typ }, goodClaims(), rs256(otherRsa.privateKey))));
    await unauthorized(test, bearer(craft({ alg: 'none', typ }, goodClaims(), () => '')));
    await unauthorized(test, bearer(craft({ alg: 'ES256', typ }, goodClaims(), es256(ec.privateKey))));
    const pss = (input: string): Buffer =>
      sign('sha256', Buffer.from(input), { key: rsa.privateKey, padding: 6, saltLength: 32 });
    await unauthorized(test, bearer(craft({ alg: 'PS256', typ }, goodClaims(), pss)));
  });

  it('verify ES256, with a signature of the right form only (JW-01)', async () => {
    const test = await withKeys({ publicKey: ec.publicKey, algorithms: ['ES256'] });
    await admitted(test, bearer(craft({ alg: 'ES256', typ }, goodClaims(), es256(ec.privateKey))));
    const der = (input: string): Buffer => sign('sha256', Buffer.from(input), ec.privateKey);
    for (const signer of [
      es256(otherEc.privateKey),
      der,
      () => Buffer.alloc(64),
      () => Buffer.alloc(0),
      () => Buffer.alloc(1_000, 1),
    ])
      await unauthorized(test, bearer(craft({ alg: 'ES256', typ }, goodClaims(), signer)));
  });

  it('are revoked by id where one signature has several spellings (JW-05)', async () => {
    const test = await withKeys({ publicKey: rsaPem, algorithms: ['RS256'] });
    const token = craft({ alg: 'RS256', typ }, goodClaims(), rs256(rsa.privateKey));
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    // 256 bytes end in a character with four bits that mean nothing.
    const last = alphabet.indexOf(token.at(-1)!);
    const spellings = Array.from(
      { length: 15 },
      (_, index) => `${token.slice(0, -1)}${alphabet[last + index + 1]}`,
    );
    await admitted(test, bearer(token));
    await test.sessions.revoke({ token });
    for (const spelling of [token, ...spellings, `${token}=`, `${token}==`])
      await unauthorized(test, bearer(spelling));
  });

  it('are found by kid, which a token must name, and can be replaced (JW-04)', async () => {
    const keys = { 'key-1': rsaPem, 'key-2': otherRsa.publicKey };
    const test = await withKeys({ keys, algorithms: ['RS256'] });
    const signed = (kid: unknown, key: KeyObject): string =>
      craft({ alg: 'RS256', typ, kid }, goodClaims(), rs256(key));
    await admitted(test, bearer(signed('key-1', rsa.privateKey)));
    await admitted(test, bearer(signed('key-2', otherRsa.privateKey)));
    for (const kid of [
      'key-2',
      'key-3',
      'KEY-1',
      ' key-1',
      '',
      undefined,
      null,
      1,
      ['key-1'],
      {},
      '__proto__',
      'constructor',
      'toString',
      '../../../dev/null',
      "key-1' OR 1=1",
      'x'.repeat(129),
    ]) {
      await unauthorized(test, bearer(signed(kid, rsa.privateKey)));
    }
    const rotated = await withKeys({ keys: { 'key-2': otherRsa.publicKey }, algorithms: ['RS256'] });
    await unauthorized(rotated, bearer(signed('key-1', rsa.privateKey)));
    expect(lastReason(rotated)).toBe('token_key_unknown');
    await admitted(rotated, bearer(signed('key-2', otherRsa.privateKey)));
  });

  it.each<[string, Omit<JwtOptions, 'issuer' | 'audience'>]>([
    ['no algorithm', { secret: JWT_SECRET, algorithms: [] }],
    ['none', { secret: JWT_SECRET, algorithms: ['none' as never] }],
    ['two families', { publicKey: rsaPem, algorithms: ['RS256', 'HS256'] }],
    ['a PEM as the secret of HS256, mixed', { secret: rsaPem, algorithms: ['HS256', 'RS256'] }],
    ['a public key for HS256', { publicKey: rsaPem, algorithms: ['HS256'] }],
    ['a short secret', { secret: 'secret', algorithms: ['HS256'] }],
    ['EdDSA', { publicKey: rsaPem, algorithms: ['EdDSA' as never] }],
  ])('stop the boot with %s (JW-01, JW-04)', async (_, jwt) => {
    await expect(withKeys(jwt)).rejects.toMatchObject({ code: 'invalid_options' });
  });

  it('may be given as the private key, of which only the public half is kept', async () => {
    const test = await withKeys({
      publicKey: createPrivateKey(rsa.privateKey.export({ type: 'pkcs8', format: 'pem' })),
      algorithms: ['RS256'],
    });
    await admitted(test, bearer(craft({ alg: 'RS256', typ }, goodClaims(), rs256(rsa.privateKey))));
  });
});

describe('the principal of a token', () => {
  const jwt = { secret: JWT_SECRET, algorithms: ['HS256' as const], issuer: ISSUER, audience: AUDIENCE };

  it.each<[string, () => unknown]>([
    ['nothing', () => undefined],
    ['null', () => null],
    ['false', () => false],
    ['true', () => true],
    ['a text', () => 'ada'],
    ['an object without an id', () => ({})],
    ['an empty id', () => ({ id: '' })],
    ['an id that is a number', () => ({ id: 1 })],
    ['a list', () => ['ada']],
    ['a promise', () => Promise.resolve({ id: 'ada' })],
    ['roles that are none', () => ({ id: 'ada', roles: 'admin' })],
    [
      'an error',
      () => {
        throw new Error('secret reason');
      },
    ],
  ])('refuses the token when the application makes %s of it (CR-06)', async (_, principal) => {
    const test = await boot({ jwt: { ...jwt, principal: principal as never } });
    await unauthorized(test, bearer(test.token()));
    expect(test.events.filter(({ event }) => event === 'authn_login_success')).toEqual([]);
  });

  it('is what the application makes of it (CR-06)', async () => {
    const principal = (claims: Readonly<Json>) => ({ id: `user-${claims.uid}`, tenant: 'acme' });
    const test = await boot({ jwt: { ...jwt, principal } });
    expect(await admitted(test, bearer(test.token({ uid: 7, sub: undefined })))).toEqual({
      id: 'user-7',
      roles: [],
      scopes: [],
      tenant: 'acme',
    });
  });

  it('has an id of the form that the application wants (CR-06)', async () => {
    const test = await boot({ principalIdPattern: /^[a-z]{1,8}$/ });
    await admitted(test, bearer(test.token({ sub: 'ada' })));
    for (const sub of ['Ada', 'ada1', 'ada\n', 'abcdefghi'])
      await unauthorized(test, bearer(test.token({ sub })));
  });
});

describe('an Origin', () => {
  it('that is good makes no difference to what credentials must be', async () => {
    const test = await boot();
    await unauthorized(test, { headers: { Origin: ORIGIN } }, 'missing');
    await admitted(test, { headers: { Origin: undefined, Authorization: `Bearer ${test.token()}` } });
  });
});
