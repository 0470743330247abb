import { Controller, Get, HttpCode, Inject, Post, Req, Res, UseGuards } from '@nestjs/common';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type CallerAnswer,
  type Principal,
  type Session,
  StoreUnavailable,
  WsAuthHttpGuard,
  type WsAuthOptions,
  WsPrincipal,
  WsRoles,
  WsSession,
  WsSessionCookie,
  WsSessionService,
} from '../../lib/index.js';
import { ORIGIN, startApp, type TestApp, type TestAppParts } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { makeChatGateway } from '../support/gateways.js';
import { post, request } from '../support/http.js';
import { interpose } from '../support/interpose.js';
import { type HandshakeParts, RawClient, type RawResponse } from '../support/raw-client.js';

const OTHER_ORIGIN = 'https://two.example';
const EVIL = 'https://evil.example';

const POST_ROUTES = ['/ws-auth/ticket', '/ws-auth/cookie', '/ws-auth/logout'];

/** A controller of an application's own, with a login and things that are guarded. */
@Controller()
class AppController {
  constructor(
    @Inject(WsSessionService) private readonly sessions: WsSessionService,
    @Inject(WsSessionCookie) private readonly cookie: WsSessionCookie,
  ) {}

  @Post('login')
  @HttpCode(204)
  async login(@Req() request: unknown, @Res({ passthrough: true }) response: HeaderSetter) {
    const { token } = await this.sessions.create({ userId: 'ada' });
    response.header('Set-Cookie', this.cookie.issue(request, token));
    response.header('X-Token', token);
  }

  @Post('clear')
  @HttpCode(204)
  clear(@Req() request: unknown, @Res({ passthrough: true }) response: HeaderSetter) {
    response.header('Set-Cookie', this.cookie.clear(request));
  }

  @UseGuards(WsAuthHttpGuard)
  @Get('me')
  me(@WsPrincipal() principal: Principal, @WsPrincipal('id') id: string, @WsSession() session?: Session) {
    return { principal, id, session: session?.id };
  }

  @UseGuards(WsAuthHttpGuard)
  @Post('me')
  change(@WsPrincipal('id') id: string) {
    return { id };
  }

  @UseGuards(WsAuthHttpGuard)
  @WsRoles('admin')
  @Get('admin')
  admin(@WsPrincipal('id') id: string) {
    return { id };
  }

  @Get('forgotten')
  forgotten(@WsPrincipal() principal: Principal) {
    return principal;
  }
}

interface HeaderSetter {
  header(name: string, value: string | string[]): unknown;
}

const frameworks: [name: string, make: () => AbstractHttpAdapter][] = [
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter() as unknown as AbstractHttpAdapter],
];

describe.each(frameworks)('the HTTP endpoints on %s', (_, makeHttp) => {
  const open: TestApp[] = [];
  const clients: RawClient[] = [];
  let shared: TestApp;

  beforeAll(async () => {
    shared = await boot();
  });
  afterAll(() => shared.discard());
  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    for (const test of open.splice(0)) await test.discard();
  });

  function boot({ options, ...parts }: Partial<TestAppParts> = {}): Promise<TestApp> {
    return startApp({
      gateways: [makeChatGateway()],
      module: { controllers: [AppController] },
      http: makeHttp(),
      ...parts,
      options: {
        credentials: ['ticket', 'bearer', 'cookie'],
        origins: [ORIGIN, OTHER_ORIGIN],
        controller: true,
        ...options,
      },
    });
  }

  async function start(parts: Partial<TestAppParts> = {}): Promise<TestApp> {
    const test = await boot(parts);
    open.push(test);
    return test;
  }

  async function connect(test: TestApp, parts: HandshakeParts): Promise<RawClient> {
    const client = await RawClient.open(test.port, parts);
    clients.push(client);
    return client;
  }

  async function statusOf(test: TestApp, parts: HandshakeParts): Promise<number> {
    return (await (await connect(test, parts)).response()).status;
  }

  async function loggedIn(test: TestApp, userId = 'ada') {
    const { session, token } = await test.sessions.create({ userId });
    return { session, token, cookie: { Cookie: `__Host-sid=${token}` } };
  }

  const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });

  function expectNotCached(response: Response): void {
    expect(response.headers.get('cache-control')).toBe('no-store');
  }

  /** A request whose every byte is the test's. */
  async function raw(test: TestApp, path: string, headers: Record<string, string>): Promise<RawResponse> {
    const client = await RawClient.connect(test.port);
    clients.push(client);
    const lines = Object.entries({ 'Content-Length': '0', Connection: 'close', ...headers });
    client.write(
      `POST ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
    );
    return client.response();
  }

  function cookiesOf(response: RawResponse): string[] {
    return response.headerLines.flatMap((line) => /^set-cookie: (.*)$/i.exec(line)?.[1] ?? []);
  }

  describe('POST /ws-auth/ticket (TK-07)', () => {
    it('answers a session cookie with a ticket that opens a socket', async () => {
      const { cookie, session } = await loggedIn(shared);
      const response = await post(shared, '/ws-auth/ticket', { ...cookie, Origin: ORIGIN });
      expect(response.status).toBe(201);
      expectNotCached(response);
      const body = (await response.json()) as { ticket: string };
      expect(body).toEqual({
        ticket: expect.stringMatching(/^wst_[\w-]{16}\.[\w-]{43}$/),
        expiresInMs: 30_000,
      });
      const client = await connect(shared, { target: `/ws?ticket=${body.ticket}` });
      await client.upgraded();
      expect(shared.connections.ofUser('ada').map((live) => live.session?.id)).toContain(session.id);
    });

    it('answers a bearer token, with or without a session', async () => {
      const { session } = await loggedIn(shared, 'bob');
      for (const claims of [{ sub: 'bob' }, { sub: 'bob', sid: session.id }]) {
        const response = await post(shared, '/ws-auth/ticket', bearer(shared.token(claims)));
        expect(response.status).toBe(201);
        const { ticket } = (await response.json()) as { ticket: string };
        expect(
          await statusOf(shared, { target: `/ws?ticket=${ticket}`, headers: { Origin: undefined } }),
        ).toBe(101);
      }
    });

    it("binds the ticket to the request's origin", async () => {
      const { cookie } = await loggedIn(shared);
      const issued = async () => {
        const response = await post(shared, '/ws-auth/ticket', { ...cookie, Origin: ORIGIN });
        return ((await response.json()) as { ticket: string }).ticket;
      };
      const from = async (origin: string) =>
        statusOf(shared, { target: `/ws?ticket=${await issued()}`, headers: { Origin: origin } });
      expect(await from(OTHER_ORIGIN)).toBe(401);
      expect(await from(ORIGIN)).toBe(101);
    });

    it('binds the ticket to a path: the one that is named, or the only one', async () => {
      const test = await start({ gateways: [makeChatGateway('/ws'), makeChatGateway('/other')] });
      const { cookie } = await loggedIn(test);
      const response = await post(test, '/ws-auth/ticket', cookie, { path: '/other' });
      expect(response.status).toBe(201);
      const { ticket } = (await response.json()) as { ticket: string };
      expect(await statusOf(test, { target: `/ws?ticket=${ticket}` })).toBe(401);
      for (const body of [undefined, {}, { path: '/nowhere' }, { path: 1 }, { path: ['/ws'] }]) {
        expect((await post(test, '/ws-auth/ticket', cookie, body)).status).toBe(400);
      }
    });

    it('answers 400 to a use that is none, and to a cookie for who has none', async () => {
      const { cookie } = await loggedIn(shared);
      expect((await post(shared, '/ws-auth/ticket', cookie, { use: 'everything' })).status).toBe(400);
      expect((await post(shared, '/ws-auth/ticket', cookie, { use: null })).status).toBe(400);
      expect((await post(shared, '/ws-auth/ticket', bearer(shared.token()), { use: 'cookie' })).status).toBe(
        400,
      );
    });

    it.each([
      ['nothing', () => ({})],
      ['a bad token', () => bearer(`${shared.token()}x`)],
      ['an expired token', () => bearer(shared.token({ iat: 1, exp: 2 }))],
      ['another scheme', () => ({ Authorization: 'Basic YWRhOnB3' })],
      ['an unknown cookie', () => ({ Cookie: `__Host-sid=${'a'.repeat(16)}.${'b'.repeat(43)}` })],
      ['a cookie of another name', () => ({ Cookie: 'sid=x' })],
    ])('answers %s with 401, and does not say why', async (__, headers) => {
      const response = await post(shared, '/ws-auth/ticket', headers());
      expect(response.status).toBe(401);
      expectNotCached(response);
      expect(response.headers.get('www-authenticate')).toMatch(/^Bearer realm="ws"/);
      expect(await response.json()).toEqual({ message: 'Unauthorized', statusCode: 401 });
    });

    it('answers two cookies, or a token and a cookie of two users, with 401', async () => {
      const ada = await loggedIn(shared);
      const bob = await loggedIn(shared, 'bob');
      const both = { Cookie: `${ada.cookie.Cookie}; ${bob.cookie.Cookie}` };
      expect((await post(shared, '/ws-auth/ticket', both)).status).toBe(401);
      const mixed = { ...bob.cookie, ...bearer(shared.token()) };
      expect((await post(shared, '/ws-auth/ticket', mixed)).status).toBe(401);
    });

    it('answers 429 with Retry-After beyond the rate of a session, and other sessions go on', async () => {
      const test = await start({ options: { ticket: { maxPerMinute: 3 } } });
      const { cookie } = await loggedIn(test);
      for (let count = 0; count < 3; count += 1)
        expect((await post(test, '/ws-auth/ticket', cookie)).status).toBe(201);
      const response = await post(test, '/ws-auth/ticket', cookie);
      expect(response.status).toBe(429);
      expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(Number(response.headers.get('retry-after'))).toBeLessThanOrEqual(20);
      expectNotCached(response);
      expect((await post(test, '/ws-auth/ticket', (await loggedIn(test)).cookie)).status).toBe(201);
    });

    it('answers 503 when the store or the verifier is away', async () => {
      const { cookie } = await loggedIn(shared);
      const away = async (): Promise<never> => {
        throw new StoreUnavailable('away');
      };
      const restores = [
        interpose(shared.engine.stores.sessions, 'get', () => away),
        interpose(shared.engine.verifier!, 'verify', () => () => {
          throw new Error('the key server is away');
        }),
      ];
      const statuses = [
        (await post(shared, '/ws-auth/ticket', cookie)).status,
        (await post(shared, '/ws-auth/ticket', bearer(shared.token()))).status,
        (await post(shared, '/ws-auth/logout', cookie)).status,
        (await request(shared, 'GET', '/ws-auth/sessions', { headers: cookie })).status,
      ];
      for (const restore of restores) restore();
      const restoreIssue = interpose(shared.engine.stores.tickets, 'issue', () => away);
      statuses.push((await post(shared, '/ws-auth/ticket', cookie)).status);
      restoreIssue();
      const restoreConsume = interpose(shared.engine.stores.tickets, 'consume', () => away);
      const ticket = `wst_${'a'.repeat(16)}.${'b'.repeat(43)}`;
      statuses.push((await post(shared, '/ws-auth/cookie', {}, { ticket })).status);
      restoreConsume();
      const restoreList = interpose(shared.engine.stores.sessions, 'list', () => away);
      statuses.push((await request(shared, 'GET', '/ws-auth/sessions', { headers: cookie })).status);
      restoreList();
      const restoreAppend = interpose(shared.engine.stores.revocations, 'append', () => away);
      statuses.push((await post(shared, '/ws-auth/logout', cookie)).status);
      restoreAppend();
      expect(statuses).toEqual(statuses.map(() => 503));
    });

    it('counts as a use of the session', async () => {
      const test = await start({ options: { session: { idleMs: 400 } } });
      const { cookie, session } = await loggedIn(test);
      const end = Date.now() + 900;
      await eventually(async () => {
        expect((await post(test, '/ws-auth/ticket', cookie)).status).toBe(201);
        await new Promise((resolve) => setTimeout(resolve, 50));
        return Date.now() > end;
      });
      expect(await test.sessions.get(session.id)).not.toBeNull();
    });
  });

  describe('pages of other sites', () => {
    it.each([EVIL, 'null', 'https://app.example.evil.example', 'http://app.example', ''])(
      'on %j are refused with 403, whatever they carry, and can read nothing',
      async (origin) => {
        const { cookie, session } = await loggedIn(shared);
        const live = await connect(shared, { headers: cookie });
        await live.upgraded();
        for (const path of POST_ROUTES) {
          const response = await raw(shared, path, {
            Host: `127.0.0.1:${shared.port}`,
            Origin: origin,
            ...cookie,
          });
          expect(response.status).toBe(403);
          expect(response.headers['access-control-allow-origin']).toBeUndefined();
          expect(response.headers['access-control-allow-credentials']).toBeUndefined();
          expect(cookiesOf(response)).toEqual([]);
        }
        const list = await request(shared, 'GET', '/ws-auth/sessions', {
          headers: { ...cookie, Origin: origin === '' ? EVIL : origin },
        });
        expect(list.status).toBe(403);
        const { ref } = await refOf(shared, cookie);
        const end = await request(shared, 'DELETE', `/ws-auth/sessions/${ref}`, {
          headers: { ...cookie, Origin: EVIL },
        });
        expect(end.status).toBe(403);
        expect(await shared.sessions.get(session.id)).not.toBeNull();
        expect(live.ended).toBe(false);
      },
    );

    it('that are listed get the CORS headers, on refusals too', async () => {
      const { cookie } = await loggedIn(shared);
      for (const [headers, status] of [
        [{ ...cookie, Origin: OTHER_ORIGIN }, 201],
        [{ Origin: OTHER_ORIGIN }, 401],
      ] as const) {
        const response = await post(shared, '/ws-auth/ticket', headers);
        expect(response.status).toBe(status);
        expect(response.headers.get('access-control-allow-origin')).toBe(OTHER_ORIGIN);
        expect(response.headers.get('access-control-allow-credentials')).toBe('true');
        expect(response.headers.get('vary')).toMatch(/\borigin\b/i);
      }
    });

    it('need no CORS headers when they are our own', async () => {
      const { cookie } = await loggedIn(shared);
      const response = await post(shared, '/ws-auth/ticket', {
        ...cookie,
        Origin: `http://127.0.0.1:${shared.port}`,
      });
      expect(response.status).toBe(201);
      expect(response.headers.get('access-control-allow-origin')).toBeNull();
    });

    it.each([...POST_ROUTES, '/ws-auth/sessions', '/ws-auth/sessions/some-ref'])(
      'ask first (%s): the preflight is answered to listed origins alone',
      async (path) => {
        const preflight = (origin: string) =>
          request(shared, 'OPTIONS', path, {
            headers: {
              Origin: origin,
              'Access-Control-Request-Method': 'POST',
              'Access-Control-Request-Headers': 'content-type',
            },
          });
        const good = await preflight(ORIGIN);
        expect(good.status).toBe(204);
        expect(Object.fromEntries(good.headers)).toMatchObject({
          'access-control-allow-origin': ORIGIN,
          'access-control-allow-credentials': 'true',
          'access-control-allow-methods': 'GET, POST, DELETE',
          'access-control-allow-headers': 'authorization, content-type',
          'access-control-max-age': '600',
        });
        const bad = await preflight(EVIL);
        expect(bad.status).toBe(403);
        expect(bad.headers.get('access-control-allow-origin')).toBeNull();
        expect(bad.headers.get('access-control-allow-methods')).toBeNull();
      },
    );
  });

  describe('other methods', () => {
    it.each(POST_ROUTES.flatMap((path) => ['GET', 'HEAD'].map((method) => [method, path])))(
      '%s %s is 405 with Allow: POST, and does nothing',
      async (method, path) => {
        const { cookie, session } = await loggedIn(shared);
        const response = await request(shared, method!, path!, { headers: cookie });
        expect(response.status).toBe(405);
        expect(response.headers.get('allow')).toBe('POST');
        expect(await shared.sessions.get(session.id)).not.toBeNull();
      },
    );

    it.each(['PUT', 'PATCH', 'DELETE'])('%s is nobody’s, and does nothing', async (method) => {
      const { cookie, session } = await loggedIn(shared);
      for (const path of POST_ROUTES)
        expect((await request(shared, method, path, { headers: cookie })).status).toBe(404);
      expect(await shared.sessions.get(session.id)).not.toBeNull();
    });

    it('POST on the list is 405 with Allow: GET', async () => {
      const { cookie } = await loggedIn(shared);
      const response = await post(shared, '/ws-auth/sessions', cookie);
      expect(response.status).toBe(405);
      expect(response.headers.get('allow')).toBe('GET');
    });

    it('no endpoint is there unless it is asked for', async () => {
      const test = await start({ options: { controller: false } });
      const { cookie } = await loggedIn(test);
      for (const path of POST_ROUTES) expect((await post(test, path, cookie)).status).toBe(404);
      expect((await request(test, 'GET', '/ws-auth/sessions', { headers: cookie })).status).toBe(404);
    });
  });

  describe('POST /ws-auth/cookie', () => {
    async function cookieTicket(test: TestApp, cookie: Record<string, string>): Promise<string> {
      const response = await post(test, '/ws-auth/ticket', cookie, { use: 'cookie' });
      expect(response.status).toBe(201);
      return ((await response.json()) as { ticket: string }).ticket;
    }

    it('turns a ticket into the session cookie of this host, partitioned', async () => {
      const { cookie, token, session } = await loggedIn(shared);
      const ticket = await cookieTicket(shared, cookie);
      const response = await post(shared, '/ws-auth/cookie', { Origin: ORIGIN }, { ticket });
      expect(response.status).toBe(204);
      expectNotCached(response);
      expect(await response.text()).toBe('');
      const set = response.headers.getSetCookie();
      expect(set).toEqual([`__Host-sid=${token}; Path=/; HttpOnly; Secure; SameSite=None; Partitioned`]);
      const client = await connect(shared, { headers: { Cookie: set[0]!.split(';')[0]! } });
      await client.upgraded();
      expect(shared.connections.ofUser('ada').map((live) => live.session?.id)).toContain(session.id);
      const again = await post(shared, '/ws-auth/cookie', {}, { ticket });
      expect(again.status).toBe(401);
      expect(again.headers.getSetCookie()).toEqual([]);
    });

    it('takes no ticket that was issued for a socket, and burns it', async () => {
      const { cookie } = await loggedIn(shared);
      const issued = await post(shared, '/ws-auth/ticket', cookie);
      const { ticket } = (await issued.json()) as { ticket: string };
      const response = await post(shared, '/ws-auth/cookie', {}, { ticket });
      expect(response.status).toBe(401);
      expect(response.headers.getSetCookie()).toEqual([]);
      expect(await statusOf(shared, { target: `/ws?ticket=${ticket}` })).toBe(401);
    });

    it('takes no ticket of a session that has ended', async () => {
      const { cookie, session } = await loggedIn(shared);
      const ticket = await cookieTicket(shared, cookie);
      await shared.sessions.revoke({ session: session.id });
      const response = await post(shared, '/ws-auth/cookie', {}, { ticket });
      expect(response.status).toBe(401);
      expect(response.headers.getSetCookie()).toEqual([]);
    });

    it.each([
      undefined,
      {},
      { ticket: null },
      { ticket: 1 },
      { ticket: ['a'] },
      { ticket: {} },
      { ticket: '' },
      { ticket: 'x' },
      [],
    ])('TK-09: answers %j with 401', async (body) => {
      const response = await post(shared, '/ws-auth/cookie', {}, body);
      expect(response.status).toBe(401);
      expect(response.headers.getSetCookie()).toEqual([]);
    });

    it('is deaf to the pages of other sites, whose ticket stays good', async () => {
      const { cookie } = await loggedIn(shared);
      const ticket = await cookieTicket(shared, cookie);
      expect((await post(shared, '/ws-auth/cookie', { Origin: EVIL }, { ticket })).status).toBe(403);
      expect((await post(shared, '/ws-auth/cookie', { Origin: ORIGIN }, { ticket })).status).toBe(204);
    });
  });

  describe('POST /ws-auth/logout', () => {
    it('ends the session and its sockets, and takes the cookie away', async () => {
      const { cookie, session } = await loggedIn(shared);
      const other = await loggedIn(shared);
      const sockets = [
        await connect(shared, { headers: cookie }),
        await connect(shared, { headers: cookie }),
      ];
      for (const socket of sockets) await socket.upgraded();
      const bystander = await connect(shared, { headers: other.cookie });
      await bystander.upgraded();
      const response = await post(shared, '/ws-auth/logout', { ...cookie, Origin: ORIGIN });
      expect(response.status).toBe(204);
      expectNotCached(response);
      expect(response.headers.getSetCookie()).toEqual([
        '__Host-sid=; Path=/; HttpOnly; Secure; SameSite=Strict; Max-Age=0',
        '__Host-sid=; Path=/; HttpOnly; Secure; SameSite=None; Partitioned; Max-Age=0',
      ]);
      for (const socket of sockets) expect(await socket.closed()).toMatchObject({ code: 4410, before: [] });
      expect(await shared.sessions.get(session.id)).toBeNull();
      bystander.send('echo', 1);
      expect(await bystander.message()).toEqual({ event: 'echo', data: 1 });
      expect((await post(shared, '/ws-auth/logout', cookie)).status).toBe(401);
      expect(await statusOf(shared, { headers: cookie })).toBe(401);
    });

    it('by a bearer token ends the session that it names, and has nothing to end without one', async () => {
      const { session } = await loggedIn(shared);
      const token = shared.token({ sid: session.id });
      expect((await post(shared, '/ws-auth/logout', bearer(token))).status).toBe(204);
      expect(await shared.sessions.get(session.id)).toBeNull();
      expect((await post(shared, '/ws-auth/logout', bearer(token))).status).toBe(401);
      expect((await post(shared, '/ws-auth/logout', bearer(shared.token()))).status).toBe(409);
    });
  });

  async function refOf(test: TestApp, cookie: Record<string, string>) {
    const response = await request(test, 'GET', '/ws-auth/sessions', { headers: cookie });
    expect(response.status).toBe(200);
    const views = (await response.json()) as {
      ref: string;
      current: boolean;
      lastUsedAt: number;
      sockets: number;
    }[];
    return { views, ref: views.find(({ current }) => current)!.ref };
  }

  describe('/ws-auth/sessions', () => {
    let test: TestApp;
    beforeEach(async () => {
      test = await start();
    });

    it("lists the caller's own sessions by reference, with no credential in it", async () => {
      const before = Date.now();
      const mine = await loggedIn(test);
      const phone = await test.sessions.create({ userId: 'ada', data: 'phone' });
      await loggedIn(test, 'bob');
      const response = await request(test, 'GET', '/ws-auth/sessions', { headers: mine.cookie });
      expectNotCached(response);
      const text = await response.text();
      expect(JSON.parse(text)).toEqual([
        {
          ref: expect.stringMatching(/^[0-9a-f]{32}$/),
          current: true,
          createdAt: mine.session.createdAt,
          lastUsedAt: expect.any(Number),
          expiresAt: expect.any(Number),
          sockets: 0,
        },
        {
          ref: expect.stringMatching(/^[0-9a-f]{32}$/),
          current: false,
          createdAt: phone.session.createdAt,
          lastUsedAt: phone.session.createdAt,
          expiresAt: expect.any(Number),
          sockets: 0,
          data: 'phone',
        },
      ]);
      for (const { expiresAt } of JSON.parse(text) as { expiresAt: number }[]) {
        expect(expiresAt).toBeGreaterThanOrEqual(before + 30 * 60_000 - 1_000);
        expect(expiresAt).toBeLessThanOrEqual(Date.now() + 30 * 60_000);
      }
      for (const secret of [mine.session.id, mine.token, phone.session.id, phone.token])
        expect(text).not.toContain(secret);
    });

    it('says when each of them was used, which the request itself is, and how many sockets it has', async () => {
      const mine = await loggedIn(test);
      const phone = await loggedIn(test);
      const [socket, leaving] = [0, 1].map(() => connect(test, { headers: phone.cookie }));
      await (await socket!).upgraded();
      await (await leaving!).upgraded();
      const before = Date.now();
      const { views } = await refOf(test, mine.cookie);
      expect(views).toMatchObject([
        { current: true, sockets: 0 },
        { current: false, sockets: 2 },
      ]);
      expect(views[0]!.lastUsedAt).toBeGreaterThanOrEqual(before);
      expect(views[1]!.lastUsedAt).toBeGreaterThanOrEqual(phone.session.createdAt);
      expect(views[1]!.lastUsedAt).toBeLessThanOrEqual(before);
      (await leaving!).destroy();
      await eventually(async () => (await refOf(test, mine.cookie)).views[1]!.sockets === 1);
    });

    it('ends one of them, and its sockets', async () => {
      const mine = await loggedIn(test);
      const phone = await loggedIn(test);
      const socket = await connect(test, { headers: phone.cookie });
      await socket.upgraded();
      const { views } = await refOf(test, mine.cookie);
      const { ref } = views.find(({ current }) => !current)!;
      const response = await request(test, 'DELETE', `/ws-auth/sessions/${ref}`, {
        headers: { ...mine.cookie, Origin: ORIGIN },
      });
      expect(response.status).toBe(204);
      expect(await socket.closed()).toMatchObject({ code: 4410 });
      expect((await refOf(test, mine.cookie)).views).toHaveLength(1);
      const again = await request(test, 'DELETE', `/ws-auth/sessions/${ref}`, { headers: mine.cookie });
      expect(again.status).toBe(404);
    });

    it("ends nobody else's, and takes no session id for a reference", async () => {
      const ada = await loggedIn(test);
      const bob = await loggedIn(test, 'bob');
      const { ref } = await refOf(test, bob.cookie);
      for (const target of [ref, bob.session.id, ada.session.id, 'nonsense', '%2e%2e', '*']) {
        const response = await request(test, 'DELETE', `/ws-auth/sessions/${target}`, {
          headers: ada.cookie,
        });
        expect(response.status).toBe(404);
      }
      expect(await test.sessions.get(bob.session.id)).not.toBeNull();
      expect(await test.sessions.get(ada.session.id)).not.toBeNull();
    });

    it('is closed to who has no credential', async () => {
      expect((await request(test, 'GET', '/ws-auth/sessions')).status).toBe(401);
      expect((await request(test, 'DELETE', '/ws-auth/sessions/x')).status).toBe(401);
    });
  });

  describe("controller.authenticate, the application's own way", () => {
    it('names a session, a principal or nobody, in place of cookie and token', async () => {
      let answer: CallerAnswer = null;
      const asked: unknown[] = [];
      const authenticate = async (caller: unknown): Promise<CallerAnswer> => {
        asked.push(caller);
        return answer;
      };
      const test = await start({ options: { controller: { authenticate } } });
      const { session, token, cookie } = await loggedIn(test);
      expect((await post(test, '/ws-auth/ticket', cookie)).status).toBe(401);
      expect(asked).toHaveLength(1);
      for (const named of [session.id, token]) {
        answer = { session: named };
        const response = await post(test, '/ws-auth/ticket');
        expect(response.status).toBe(201);
        const { ticket } = (await response.json()) as { ticket: string };
        expect(await statusOf(test, { target: `/ws?ticket=${ticket}` })).toBe(101);
      }
      expect(test.connections.ofUser('ada').map((live) => live.session?.id)).toEqual([
        session.id,
        session.id,
      ]);
      answer = { principal: { id: 'machine', roles: ['robot'] } };
      const response = await post(test, '/ws-auth/ticket');
      const { ticket } = (await response.json()) as { ticket: string };
      expect(await statusOf(test, { target: `/ws?ticket=${ticket}` })).toBe(101);
      expect(test.connections.ofUser('machine')[0]!.principal.roles).toEqual(['robot']);
      expect((await post(test, '/ws-auth/logout')).status).toBe(409);
      await test.sessions.revoke({ session: session.id });
      answer = { session: session.id };
      expect((await post(test, '/ws-auth/ticket')).status).toBe(401);
    });

    it('that throws, or names what is no principal, is a fault of the server and says nothing', async () => {
      let fail = (): CallerAnswer => {
        throw new Error('secret path /srv');
      };
      const test = await start({ options: { controller: { authenticate: () => fail() } } });
      const thrown = await post(test, '/ws-auth/ticket');
      expect(thrown.status).toBe(500);
      expect(await thrown.text()).not.toContain('/srv');
      fail = () => ({ principal: { id: '' } });
      expect((await post(test, '/ws-auth/ticket')).status).toBe(500);
    });

    it('is not asked for the page of another site', async () => {
      let asked = 0;
      const authenticate = (): CallerAnswer => {
        asked += 1;
        return { principal: { id: 'ada' } };
      };
      const test = await start({ options: { controller: { authenticate } } });
      expect((await post(test, '/ws-auth/ticket', { Origin: EVIL })).status).toBe(403);
      expect(asked).toBe(0);
    });
  });

  describe('WsAuthHttpGuard', () => {
    it('shows principal and session to a handler, by cookie and by token', async () => {
      const { cookie, session } = await loggedIn(shared);
      const me = async (headers: Record<string, string>) =>
        (await request(shared, 'GET', '/me', { headers })).json();
      expect(await me(cookie)).toEqual({
        principal: { id: 'ada', roles: [], scopes: [] },
        id: 'ada',
        session: session.id,
      });
      expect(await me(bearer(shared.token({ sub: 'bob', roles: ['admin'] })))).toEqual({
        principal: { id: 'bob', roles: ['admin'], scopes: [] },
        id: 'bob',
      });
    });

    it('refuses with 401 and a challenge, and with 403 for a role', async () => {
      const none = await request(shared, 'GET', '/me');
      expect(none.status).toBe(401);
      expect(none.headers.get('www-authenticate')).toBe('Bearer realm="ws"');
      const bad = await request(shared, 'GET', '/me', { headers: bearer(`${shared.token()}x`) });
      expect(bad.status).toBe(401);
      expect(bad.headers.get('www-authenticate')).toBe('Bearer realm="ws", error="invalid_token"');
      const reader = await request(shared, 'GET', '/admin', { headers: bearer(shared.token()) });
      expect(reader.status).toBe(403);
      const admin = await request(shared, 'GET', '/admin', {
        headers: bearer(shared.token({ roles: ['admin'] })),
      });
      expect(await admin.json()).toEqual({ id: 'ada' });
    });

    it('asks for roles as they are now', async () => {
      const { cookie, session } = await loggedIn(shared);
      const status = async () => (await request(shared, 'GET', '/admin', { headers: cookie })).status;
      expect(await status()).toBe(403);
      await shared.sessions.setRoles({ session: session.id }, { roles: ['admin'] });
      expect(await status()).toBe(200);
      await shared.sessions.revoke({ session: session.id });
      expect(await status()).toBe(401);
    });

    it('refuses what changes something and comes from another site', async () => {
      const { cookie } = await loggedIn(shared);
      expect((await post(shared, '/me', { ...cookie, Origin: EVIL })).status).toBe(403);
      expect((await post(shared, '/me', { ...cookie, Origin: 'null' })).status).toBe(403);
      for (const headers of [
        cookie,
        { ...cookie, Origin: ORIGIN },
        { ...cookie, Origin: `http://127.0.0.1:${shared.port}` },
      ])
        expect((await post(shared, '/me', headers)).status).toBe(201);
      expect((await request(shared, 'GET', '/me', { headers: { ...cookie, Origin: EVIL } })).status).toBe(
        200,
      );
    });

    it('answers 503 when nobody can tell', async () => {
      const { cookie } = await loggedIn(shared);
      const restore = interpose(shared.engine.stores.sessions, 'get', () => async () => {
        throw new StoreUnavailable('away');
      });
      const response = await request(shared, 'GET', '/me', { headers: cookie });
      restore();
      expect(response.status).toBe(503);
    });

    it('that was forgotten is told to the operator', async () => {
      const test = await start();
      const response = await request(test, 'GET', '/forgotten', { headers: bearer(test.token()) });
      expect(response.status).toBe(500);
      expect(test.logger.lines.some((line) => line.includes('put WsAuthHttpGuard on its controller'))).toBe(
        true,
      );
    });
  });

  describe('CK-01: the session cookie', () => {
    const cases: [
      what: string,
      options: Partial<WsAuthOptions>,
      headers: Record<string, string>,
      name: string,
      attributes: string,
    ][] = [
      ['on loopback', {}, { Host: 'localhost' }, '__Host-sid', 'Path=/; HttpOnly; Secure; SameSite=Strict'],
      [
        'behind a trusted proxy with https',
        { proxy: { trusted: ['127.0.0.1'] } },
        { Host: 'app.example', 'X-Forwarded-For': '192.0.2.1', 'X-Forwarded-Proto': 'https' },
        '__Host-sid',
        'Path=/; HttpOnly; Secure; SameSite=Strict',
      ],
      [
        'in the clear, outside production',
        {},
        { Host: 'app.example', 'X-Forwarded-Proto': 'https' },
        'sid',
        'Path=/; HttpOnly; SameSite=Strict',
      ],
      [
        'always secure',
        { cookie: { secure: true, name: 'session', sameSite: 'lax' } },
        { Host: 'app.example' },
        '__Host-session',
        'Path=/; HttpOnly; Secure; SameSite=Lax',
      ],
      [
        'across sites',
        { cookie: { sameSite: 'none', partitioned: true } },
        { Host: 'app.example' },
        '__Host-sid',
        'Path=/; HttpOnly; Secure; SameSite=None; Partitioned',
      ],
    ];

    it.each(cases)('%s is exactly this', async (__, options, headers, name, attributes) => {
      const test = await start({ options });
      const login = await raw(test, '/login', headers);
      expect(login.status).toBe(204);
      const token = login.headers['x-token'];
      expect(token).toMatch(/^[\w-]{16}\.[\w-]{43}$/);
      expect(cookiesOf(login)).toEqual([`${name}=${token}; ${attributes}`]);
      const cleared = cookiesOf(await raw(test, '/clear', headers));
      expect(cleared[0]).toBe(`${name}=; ${attributes}; Max-Age=0`);
      for (const cookie of [...cookiesOf(login), ...cleared]) expect(cookie).not.toMatch(/domain|expires/i);
      expect(Buffer.byteLength(cookiesOf(login)[0]!)).toBeLessThan(4_096);
    });
  });
});
