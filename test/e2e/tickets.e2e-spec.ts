import { ConsoleLogger } from '@nestjs/common';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import type { IncomingMessage } from 'node:http';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { StoreUnavailable, WsAuth } from '../../lib/index.js';
import { ISSUER, ORIGIN, startApp, type TestApp, type TestAppParts } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { makeChatGateway } from '../support/gateways.js';
import { post, request } from '../support/http.js';
import { interpose } from '../support/interpose.js';
import { type HandshakeParts, RawClient } from '../support/raw-client.js';
import { CHALLENGE, expectRefusal } from '../support/refusal.js';

const INVALID = { 'www-authenticate': CHALLENGE.invalid };

const open: TestApp[] = [];
const clients: RawClient[] = [];

afterEach(async () => {
  vi.restoreAllMocks();
  for (const client of clients.splice(0)) client.destroy();
  for (const test of open.splice(0)) await test.discard();
});

async function start({ options, ...parts }: Partial<TestAppParts> = {}): Promise<TestApp> {
  const test = await startApp({
    gateways: [makeChatGateway()],
    ...parts,
    options: { credentials: ['ticket', 'bearer', 'cookie'], controller: true, ...options },
  });
  open.push(test);
  return test;
}

async function connect(test: TestApp, parts: HandshakeParts, ...more: Buffer[]): Promise<RawClient> {
  const client = await RawClient.open(test.port, parts, ...more);
  clients.push(client);
  return client;
}

const withTicket = (ticket: string, parts: HandshakeParts = {}): HandshakeParts => ({
  target: `/ws?ticket=${ticket}`,
  ...parts,
});

/** What the audit log says of refused handshakes, in order. */
function refusals(test: TestApp): string[] {
  return test.events
    .filter(({ outcome }) => outcome === 'refused')
    .map(({ event, reasonCode }) => `${event} ${reasonCode}`);
}

async function loggedIn(test: TestApp, userId = 'ada') {
  const { session, token } = await test.sessions.create({ userId, scopes: ['read', 'write'] });
  const issue = async (init: object = {}): Promise<string> =>
    (await test.tickets.issue({ session: session.id, ...init })).ticket;
  return { session, token, issue, cookie: `__Host-sid=${token}` };
}

describe('TK-01: a ticket', () => {
  it('is 256 random bits behind a prefix and a user hash', async () => {
    const test = await start({ options: { ticket: { maxPerMinute: 2_000, maxOutstanding: 1_000 } } });
    const { issue } = await loggedIn(test);
    const tickets = new Set<string>();
    for (let count = 0; count < 1_000; count += 1) tickets.add(await issue());
    expect(tickets.size).toBe(1_000);
    const secrets = [...tickets].map((ticket) => {
      expect(ticket).toMatch(/^wst_[\w-]{16}\.[\w-]{43}$/);
      expect(ticket.length).toBeLessThanOrEqual(120);
      return Buffer.from(ticket.split('.')[1]!, 'base64url');
    });
    for (let bit = 0; bit < 256; bit += 1) {
      const set = secrets.filter((secret) => secret[bit >> 3]! & (1 << (bit & 7))).length;
      expect(set).toBeGreaterThan(350);
      expect(set).toBeLessThan(650);
    }
  });
});

describe('TK-02: consumption', () => {
  it('lets one of two through that come at once, in 500 rounds, and audits the other', async () => {
    const test = await start({
      options: {
        handshake: { connectRate: { limit: 100_000, burst: 5_000 } },
        ticket: { maxPerMinute: 1_000, maxOutstanding: 1_000 },
      },
    });
    const { issue } = await loggedIn(test);
    for (let round = 0; round < 500; round += 1) {
      const ticket = await issue();
      const pair = await Promise.all([
        RawClient.open(test.port, withTicket(ticket)),
        RawClient.open(test.port, withTicket(ticket)),
      ]);
      const statuses = await Promise.all(pair.map(async (client) => (await client.response()).status));
      for (const client of pair) client.destroy();
      expect(statuses.sort()).toEqual([101, 401]);
      await eventually(() => test.connections.local().length === 0);
    }
    expect(refusals(test)).toEqual(Array(500).fill('authn_token_reuse ticket_replayed'));
  });

  it('tells a replay from an unknown ticket in the audit log alone', async () => {
    const test = await start();
    const { issue } = await loggedIn(test);
    const ticket = await issue();
    await (await connect(test, withTicket(ticket))).upgraded();
    const unknown = `${ticket.slice(0, -43)}${'A'.repeat(43)}`;
    const bodies = [];
    for (const presented of [ticket, unknown, 'wst_nonsense', `${ticket}=`]) {
      const { body } = await expectRefusal(
        await connect(test, withTicket(presented)),
        'unauthorized',
        INVALID,
      );
      bodies.push({ ...JSON.parse(body), correlationId: '' });
    }
    expect(new Set(bodies.map((body) => JSON.stringify(body))).size).toBe(1);
    expect(refusals(test)).toEqual([
      'authn_token_reuse ticket_replayed',
      'authn_login_fail ticket_unknown',
      'authn_login_fail ticket_malformed',
      'authn_login_fail ticket_malformed',
    ]);
  });
});

describe('TK-03: a ticket that is too old', () => {
  it('is refused', async () => {
    const test = await start();
    const { issue } = await loggedIn(test);
    const ticket = await issue({ ttlMs: 60 });
    const expired = Date.now() + 60;
    await eventually(() => Date.now() > expired);
    await expectRefusal(await connect(test, withTicket(ticket)), 'unauthorized', INVALID);
    expect(refusals(test)).toEqual(['authn_login_fail ticket_unknown']);
  });
});

describe('TK-04: a ticket is burnt', () => {
  const wrong: [what: string, init: object, parts: HandshakeParts, reason: string][] = [
    ['the wrong path', { path: '/other' }, {}, 'ticket_mismatch_path'],
    ['the wrong origin', { origin: 'https://two.example' }, {}, 'ticket_mismatch_origin'],
    [
      'no origin where it has one',
      { origin: ORIGIN },
      { headers: { Origin: undefined } },
      'ticket_mismatch_origin',
    ],
  ];

  it.each(wrong)('by %s', async (_, init, parts, reason) => {
    const Other = makeChatGateway('/other');
    const test = await start({
      gateways: [makeChatGateway(), Other],
      options: { origins: [ORIGIN, 'https://two.example'] },
    });
    const { issue } = await loggedIn(test);
    const ticket = await issue(init);
    await expectRefusal(await connect(test, withTicket(ticket, parts)), 'unauthorized', INVALID);
    const right: HandshakeParts = {
      target: `${'path' in init ? '/other' : '/ws'}?ticket=${ticket}`,
      headers: { Origin: 'origin' in init ? String(init.origin) : ORIGIN },
    };
    await expectRefusal(await connect(test, right), 'unauthorized', INVALID);
    expect(refusals(test)).toEqual([`authn_login_fail ${reason}`, 'authn_token_reuse ticket_replayed']);
  });

  it.each(['user', 'session'])(
    'by the cookie of another %s (TK-05: a ticket that was slipped in)',
    async (other) => {
      const test = await start();
      const { issue } = await loggedIn(test);
      const victim = await loggedIn(test, other === 'user' ? 'bob' : 'ada');
      const ticket = await issue();
      const parts = withTicket(ticket, { headers: { Cookie: victim.cookie } });
      await expectRefusal(await connect(test, parts), 'unauthorized', INVALID);
      await expectRefusal(await connect(test, withTicket(ticket)), 'unauthorized', INVALID);
      expect(refusals(test)).toEqual([
        'authn_login_fail ticket_mismatch_session',
        'authn_token_reuse ticket_replayed',
      ]);
    },
  );

  it('by a use that it was not issued for', async () => {
    const test = await start();
    const { cookie } = await loggedIn(test);
    const answer = await post(test, '/ws-auth/ticket', { Cookie: cookie }, { use: 'cookie' });
    const { ticket } = (await answer.json()) as { ticket: string };
    await expectRefusal(await connect(test, withTicket(ticket)), 'unauthorized', INVALID);
    expect((await post(test, '/ws-auth/cookie', {}, { ticket })).status).toBe(401);
    expect(refusals(test)).toEqual([
      'authn_login_fail ticket_mismatch_use',
      'authn_token_reuse ticket_replayed',
    ]);
  });

  it('by a connection limit', async () => {
    const test = await start({ options: { connections: { maxPerSession: 1 } } });
    const { issue } = await loggedIn(test);
    const first = await connect(test, withTicket(await issue()));
    await first.upgraded();
    const ticket = await issue();
    await expectRefusal(await connect(test, withTicket(ticket)), 'too_many_connections');
    first.destroy();
    await eventually(() => test.connections.local().length === 0);
    await expectRefusal(await connect(test, withTicket(ticket)), 'unauthorized', INVALID);
  });

  const early: [what: string, parts: HandshakeParts, status: number][] = [
    ['a bad Origin', { headers: { Origin: 'https://evil.example' } }, 403],
    ['an empty Origin', { headers: { Origin: '' } }, 403],
    ['a bad Host', { headers: { Host: 'evil.example' } }, 421],
    ['another version', { headers: { 'Sec-WebSocket-Version': '8' } }, 426],
    ['no key', { headers: { 'Sec-WebSocket-Key': undefined } }, 400],
    ['a body', { headers: { 'Content-Length': '5' } }, 400],
    ['a duplicate Origin', { headers: { Origin: [ORIGIN, ORIGIN] } }, 400],
    ['a POST', { method: 'POST' }, 405],
    ['a subprotocol nobody speaks', { headers: { 'Sec-WebSocket-Protocol': 'unknown' } }, 400],
  ];

  it.each(early)('not by %s, which comes first', async (_, parts, status) => {
    const test = await start({ options: { hosts: ['localhost'] } });
    const { issue } = await loggedIn(test);
    const ticket = await issue({ origin: ORIGIN, path: '/ws' });
    expect(await (await connect(test, withTicket(ticket, parts))).response()).toMatchObject({ status });
    await (await connect(test, withTicket(ticket))).upgraded();
  });

  it('not by an unknown path, a second credential, or a connect rate', async () => {
    const test = await start({
      options: { handshake: { connectRate: { limit: 60, windowMs: 60_000, burst: 3 } } },
    });
    const { issue } = await loggedIn(test);
    const ticket = await issue({ path: '/ws' });
    await expectRefusal(await connect(test, { target: `/nowhere?ticket=${ticket}` }), 'not_found');
    const twice = withTicket(ticket, { headers: { Authorization: `Bearer ${test.token()}` } });
    await expectRefusal(await connect(test, twice), 'multiple_credentials');
    await expectRefusal(
      await connect(test, withTicket(`${ticket}&ticket=${ticket}`)),
      'multiple_credentials',
    );
    await (await connect(test, withTicket(await issue()))).upgraded();
    await expectRefusal(await connect(test, withTicket(ticket)), 'rate_limited');
    await eventually(async () => {
      const client = await connect(test, withTicket(ticket));
      return (await client.response()).status === 101;
    });
  });

  it('not by a store that does not answer', async () => {
    const test = await start();
    const { issue } = await loggedIn(test);
    const ticket = await issue();
    const restore = interpose(test.engine.stores.connections, 'admit', () => async () => {
      throw new StoreUnavailable('away');
    });
    await expectRefusal(await connect(test, withTicket(ticket)), 'unavailable');
    restore();
    await (await connect(test, withTicket(ticket))).upgraded();
  });
});

describe('TK-05: bindings', () => {
  it('hold for what they name, and a cookie of the same session may come along', async () => {
    const test = await start();
    const { issue, cookie, session } = await loggedIn(test);
    const ticket = await issue({ origin: ORIGIN, path: '/ws' });
    await (await connect(test, withTicket(ticket, { headers: { Cookie: cookie } }))).upgraded();
    expect(test.connections.local().map((connection) => connection.session?.id)).toEqual([session.id]);
  });

  it('ticket.requiresCookie: a ticket issued beside a cookie arrives with it, or is burnt', async () => {
    const test = await start({ options: { ticket: { requiresCookie: true } } });
    const { cookie } = await loggedIn(test);
    const issued = async (headers: Record<string, string>): Promise<string> => {
      const answer = await post(test, '/ws-auth/ticket', headers);
      return ((await answer.json()) as { ticket: string }).ticket;
    };
    const first = await issued({ Cookie: cookie, Origin: ORIGIN });
    await expectRefusal(await connect(test, withTicket(first)), 'unauthorized', INVALID);
    const withCookie = (ticket: string) => withTicket(ticket, { headers: { Cookie: cookie } });
    await expectRefusal(await connect(test, withCookie(first)), 'unauthorized', INVALID);
    await (await connect(test, withCookie(await issued({ Cookie: cookie, Origin: ORIGIN })))).upgraded();
    // One that a machine asked for has no cookie to bring.
    const machine = await issued({ Authorization: `Bearer ${test.token()}` });
    await (await connect(test, withTicket(machine, { headers: { Origin: undefined } }))).upgraded();
    expect(refusals(test)).toEqual([
      'authn_login_fail ticket_mismatch_cookie',
      'authn_token_reuse ticket_replayed',
    ]);
  });

  it('the subprotocol that carries a ticket is never the one that is chosen', async () => {
    const test = await start();
    const { issue } = await loggedIn(test);
    const ticket = await issue();
    const client = await connect(test, {
      headers: { 'Sec-WebSocket-Protocol': `ticket.ws-auth.${ticket}, ws-auth.v1` },
    });
    const { headers } = await client.upgraded();
    expect(headers['sec-websocket-protocol']).toBe('ws-auth.v1');
    expect(client.received.toString('latin1')).not.toContain(ticket);
    await client.messageOf('auth.ok');
  });
});

describe('TK-06: a ticket dies', () => {
  it('with its session: revoked, rotated, or idle for too long', async () => {
    const test = await start({ options: { session: { idleMs: 150 } } });
    const revoked = await loggedIn(test);
    const rotated = await loggedIn(test);
    const idle = await loggedIn(test);
    const tickets = [await revoked.issue(), await rotated.issue(), await idle.issue()];
    await test.sessions.revoke({ session: revoked.session.id });
    await test.sessions.rotate(rotated.token);
    await eventually(async () => (await test.sessions.get(idle.session.id)) === null);
    for (const ticket of tickets) {
      await expectRefusal(await connect(test, withTicket(ticket)), 'unauthorized', INVALID);
    }
    expect(test.connections.local()).toEqual([]);
  });

  it('with the user, when it was issued for a principal', async () => {
    const test = await start();
    const { ticket } = await test.tickets.issue({ principal: { id: 'ada' } });
    await test.sessions.revoke({ user: 'ada' });
    await expectRefusal(await connect(test, withTicket(ticket)), 'unauthorized', INVALID);
    // The epoch is the user's, and a later ticket is of a later time.
    const revokedAt = Date.now();
    await eventually(() => Date.now() > revokedAt);
    const later = await test.tickets.issue({ principal: { id: 'ada' } });
    await (await connect(test, withTicket(later.ticket))).upgraded();
  });

  it('with the bearer token that asked for it, and its socket does not outlive the token either', async () => {
    const test = await start();
    const exp = Math.floor(Date.now() / 1_000) + 100;
    const reference = { issuer: ISSUER, jti: 'issuer-token', subject: 'ada', expiresAt: exp * 1_000 };
    const { session } = await test.sessions.create({ userId: 'ada' });
    for (const claims of [{ sid: session.id }, { sid: undefined }]) {
      const jti = `issuer-token-${String(claims.sid)}`;
      const token = test.token({ jti, exp, ...claims });
      const issued = async (): Promise<string> => {
        const answer = await post(test, '/ws-auth/ticket', { Authorization: `Bearer ${token}` });
        expect(answer.status).toBe(201);
        return ((await answer.json()) as { ticket: string }).ticket;
      };
      const used = await issued();
      const unused = await issued();
      const client = await connect(test, withTicket(used));
      await client.upgraded();
      expect(test.connections.local()[0]).toMatchObject({
        credential: 'ticket',
        expiresAt: (exp + 30) * 1_000,
      });
      expect(await test.sessions.revoke({ token: { ...reference, jti } })).toMatchObject({ sockets: 1 });
      expect(await client.closed()).toMatchObject({ code: 4410 });
      await expectRefusal(await connect(test, withTicket(unused)), 'unauthorized', INVALID);
      const again = await post(test, '/ws-auth/ticket', { Authorization: `Bearer ${token}` });
      expect(again.status).toBe(401);
    }
  });

  it('no later than the bearer token that asked for it', async () => {
    const test = await start();
    // It is good for less than two more seconds of the tolerance.
    const exp = Math.floor(Date.now() / 1_000) - 28;
    const token = test.token({ iat: exp - 60, exp });
    const answer = await post(test, '/ws-auth/ticket', { Authorization: `Bearer ${token}` });
    const { ticket, expiresInMs } = (await answer.json()) as { ticket: string; expiresInMs: number };
    expect(expiresInMs).toBeLessThanOrEqual(2_000);
    const client = await connect(test, withTicket(ticket));
    await client.upgraded();
    expect(test.connections.local()[0]!.expiresAt).toBe((exp + 30) * 1_000);
    expect(await client.closed()).toMatchObject({ code: 4419 });
  });
});

describe('TK-07: issue', () => {
  it('drops the oldest beyond what may be outstanding', async () => {
    const test = await start({ options: { ticket: { maxOutstanding: 5 } } });
    const { issue } = await loggedIn(test);
    const tickets: string[] = [];
    while (tickets.length < 6) tickets.push(await issue());
    await expectRefusal(await connect(test, withTicket(tickets[0]!)), 'unauthorized', INVALID);
    for (const ticket of tickets.slice(1)) await (await connect(test, withTicket(ticket))).upgraded();
    // What was used is not outstanding: five more fit.
    const more: string[] = [];
    while (more.length < 5) more.push(await issue());
    for (const ticket of more) await (await connect(test, withTicket(ticket))).upgraded();
  });

  it('narrows scopes, and never widens them', async () => {
    const test = await start();
    const { issue, session } = await loggedIn(test);
    const scopesOf = async (ticket: string): Promise<unknown> => {
      const client = await connect(test, withTicket(ticket));
      await client.upgraded();
      client.send('whoami');
      return (await client.message()).data.scopes;
    };
    expect(await scopesOf(await issue())).toEqual(['read', 'write']);
    expect(await scopesOf(await issue({ scopes: ['read'] }))).toEqual(['read']);
    expect(await scopesOf(await issue({ scopes: ['read', 'root'] }))).toEqual(['read']);
    expect(await scopesOf(await issue({ scopes: [] }))).toEqual([]);
    const narrowToken = test.token({ sid: session.id, scope: 'read' });
    const answer = await post(test, '/ws-auth/ticket', { Authorization: `Bearer ${narrowToken}` });
    expect(await scopesOf(((await answer.json()) as { ticket: string }).ticket)).toEqual(['read']);
  });
});

describe('TK-08, LG-02: no secret', () => {
  const LEVELS = ['log', 'error', 'warn', 'debug', 'verbose', 'fatal'] as const;

  it.each(['a logger that takes everything', 'the console at every level'])(
    'appears in audit events, console, stdout or %s, in 30 scenarios',
    async (how) => {
      const written: string[] = [];
      const keep = (...args: unknown[]): boolean => written.push(args.map(String).join(' ')) > 0;
      vi.spyOn(process.stdout, 'write').mockImplementation(keep as never);
      vi.spyOn(process.stderr, 'write').mockImplementation(keep as never);
      for (const method of ['log', 'info', 'warn', 'error', 'debug', 'trace'] as const)
        vi.spyOn(console, method).mockImplementation(keep as never);
      const shown: IncomingMessage[] = [];

      @WsAuth()
      @WebSocketGateway({ path: '/ws' })
      class WitnessGateway {
        handleConnection(_: object, request: IncomingMessage) {
          shown.push(request);
        }
        @SubscribeMessage('echo')
        echo(@MessageBody() data: unknown) {
          return { event: 'echo', data };
        }
      }
      const test = await start({
        gateways: [WitnessGateway],
        options: {
          credentials: ['ticket', 'bearer', 'cookie', 'first-message'],
          ticket: { maxOutstanding: 100 },
        },
        before: (app) => {
          if (how.startsWith('the console')) app.useLogger(new ConsoleLogger({ logLevels: [...LEVELS] }));
        },
      });
      const secrets: string[] = [];
      const secret = <T extends string>(value: T): T => {
        secrets.push(value, ...value.split('.').filter((part) => part.length > 40));
        return value;
      };
      const ada = await loggedIn(test);
      const bob = await loggedIn(test, 'bob');
      secret(ada.token);
      secret(bob.token);
      const ticket = async (init: object = {}): Promise<string> => secret(await ada.issue(init));
      const token = (claims: object = {}): string => secret(test.token({ ...claims }));
      const bad = (): string => secret(`${test.token()}bad`);
      const authorization = (value: string) => ({ Authorization: `Bearer ${value}` });
      const base64 = (value: string) => secret(Buffer.from(value).toString('base64url'));

      const used = await ticket();
      const handshakes: HandshakeParts[] = [
        withTicket(used),
        withTicket(used),
        withTicket(await ticket({ path: '/other' })),
        withTicket(await ticket({ origin: 'https://two.example' })),
        withTicket(await ticket(), { headers: { Origin: 'https://evil.example' } }),
        withTicket(await ticket(), { headers: { Cookie: bob.cookie } }),
        withTicket(await ticket(), { headers: { Host: 'evil.example' } }),
        withTicket(await ticket(), { headers: { 'Sec-WebSocket-Version': '8' } }),
        withTicket(`${await ticket()}&ticket=${await ticket()}`),
        withTicket(`${await ticket()}%0a`),
        withTicket(await ticket(), { headers: authorization(token()) }),
        { target: `/nowhere?ticket=${await ticket()}` },
        { target: `/ws?TICKET=${await ticket()}` },
        { target: `/ws?%74icket[]=${await ticket()}` },
        { target: `/ws?token=${token()}` },
        { target: `/ws?a=1&access%5Ftoken=${token()}` },
        { headers: { 'Sec-WebSocket-Protocol': `ticket.ws-auth.${await ticket()}, ws-auth.v1` } },
        { headers: { 'Sec-WebSocket-Protocol': `ticket.ws-auth.${await ticket()}` } },
        { headers: { 'Sec-WebSocket-Protocol': `base64url.bearer.ws-auth.${base64(token())}, ws-auth.v1` } },
        { headers: { 'Sec-WebSocket-Protocol': `base64url.bearer.ws-auth.${base64(bad())}, ws-auth.v1` } },
        { headers: authorization(token()) },
        { headers: authorization(bad()) },
        { headers: authorization(token({ exp: 1, iat: 0 })) },
        { headers: { Authorization: `Bearer ${token()} ${token()}` } },
        { headers: { Authorization: `Basic ${base64('ada:password-canary')}` } },
        { headers: { Cookie: ada.cookie } },
        { headers: { Cookie: `${ada.cookie}; ${bob.cookie}` } },
        { headers: { Cookie: ada.cookie, ...authorization(token({ sub: 'bob' })) } },
        { headers: { Cookie: ada.cookie, Origin: undefined } },
      ];
      for (const parts of handshakes) {
        const client = await connect(test, parts);
        await client.response();
        client.destroy();
      }
      const first = [
        { token: token() },
        { token: bad() },
        { ticket: await ticket() },
        { ticket: used },
        { token: token(), ticket: await ticket() },
      ];
      for (const data of first) {
        const client = await connect(test, {});
        await client.upgraded();
        client.send('auth', data);
        await client.messageOf('auth.ok').catch(() => undefined);
        client.destroy();
      }
      const live = await connect(test, { headers: authorization(token()) });
      await live.upgraded();
      live.send('auth.refresh', { token: token() });
      await live.messageOf('auth.ok');
      live.send('auth', { token: bad() });
      await live.closed();

      // Those who are asked fail, and say with what.
      const leak = (): never => {
        throw new Error(`cannot look at ${secrets.join(' ')}`);
      };
      const restores = [
        interpose(test.engine.verifier!, 'verify', () => leak),
        interpose(test.engine.stores.connections, 'admit', () => async () => leak()),
      ];
      for (const parts of [
        { headers: authorization(token()) },
        withTicket(await ticket()),
        { headers: { Cookie: ada.cookie } },
      ]) {
        const client = await connect(test, parts);
        expect(await client.response()).toMatchObject({ status: 503 });
      }
      for (const restore of restores) restore();

      const cookieTicket = await post(test, '/ws-auth/ticket', { Cookie: ada.cookie }, { use: 'cookie' });
      const forCookie = secret(((await cookieTicket.json()) as { ticket: string }).ticket);
      expect((await post(test, '/ws-auth/cookie', {}, { ticket: forCookie })).status).toBe(204);
      expect((await post(test, '/ws-auth/cookie', {}, { ticket: forCookie })).status).toBe(401);
      expect((await post(test, '/ws-auth/ticket', authorization(bad()))).status).toBe(401);
      expect(
        (await request(test, 'GET', '/ws-auth/sessions', { headers: { Cookie: ada.cookie } })).status,
      ).toBe(200);
      secret((await test.sessions.rotate(ada.token)).token);
      expect((await post(test, '/ws-auth/logout', { Cookie: bob.cookie })).status).toBe(204);
      await test.sessions.revoke({ everyone: true });

      vi.restoreAllMocks();
      const events = test.events.map((event) => JSON.stringify(event));
      const everything = [...written, ...test.logger.lines, ...events];
      expect(secrets.length).toBeGreaterThan(60);
      expect(events.length).toBeGreaterThan(60);
      expect((how.startsWith('the console') ? written : test.logger.lines).length).toBeGreaterThan(60);
      for (const value of secrets) expect(everything.filter((text) => text.includes(value))).toEqual([]);
      // What the application is shown of a handshake has no ticket and no subprotocol with a credential.
      expect(shown.length).toBeGreaterThan(3);
      for (const { url, rawHeaders, headers } of shown) {
        expect(`${url} ${headers['sec-websocket-protocol']}`).not.toMatch(/wst_|ws-auth\.[\w-]{20}/);
        const protocols = rawHeaders.filter((_, index) =>
          /^sec-websocket-protocol$/i.test(rawHeaders[index - 1] ?? ''),
        );
        expect(protocols.join()).not.toMatch(/wst_|base64url/);
      }
    },
  );
});
