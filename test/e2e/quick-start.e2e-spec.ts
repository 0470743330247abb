import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { startQuickStart, type QuickStart } from '../support/quick-start.js';
import { messageBytes, RawClient, type HandshakeParts } from '../support/raw-client.js';
import { startRedis } from '../support/redis-server.js';

describe('the quick start', () => {
  let server: QuickStart;
  beforeAll(async () => {
    server = await startQuickStart();
  });
  afterAll(async () => {
    await server.stop();
  });

  async function logIn(body: object = { username: 'ada' }): Promise<{ cookie: string; accessToken: string }> {
    const response = await post('/login', body);
    expect(response.status).toBe(200);
    const cookie = response.headers.getSetCookie()[0]!.split(';', 1)[0]!;
    const { accessToken } = (await response.json()) as { accessToken: string };
    return { cookie, accessToken };
  }

  function post(path: string, body?: object, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(`${server.origin}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: body && JSON.stringify(body),
    });
  }

  async function ticketFor(cookie: string): Promise<string> {
    const response = await post('/ws-auth/ticket', undefined, { cookie, origin: server.origin });
    expect(response.status).toBe(201);
    return ((await response.json()) as { ticket: string }).ticket;
  }

  function open(parts: HandshakeParts, ...more: Buffer[]): Promise<RawClient> {
    const headers = { Host: `localhost:${server.port}`, Origin: server.origin, ...parts.headers };
    return RawClient.open(server.port, { target: '/ws', ...parts, headers }, ...more);
  }

  async function whoIs(client: RawClient): Promise<unknown> {
    await client.upgraded();
    await client.messageOf('auth.ok');
    client.send('whoami');
    return (await client.messageOf('whoami')).data;
  }

  it('says that it lets in any name', async () => {
    const response = await post('/login', { username: 'ada' });
    expect(await response.json()).toMatchObject({ note: expect.stringContaining('without a password') });
    expect((await post('/login', { username: 'no spaces' })).status).toBe(400);
    expect((await post('/login', {})).status).toBe(400);
  });

  it('takes a ticket', async () => {
    const { cookie } = await logIn({ username: 'ada', roles: ['admin'] });
    const client = await open({ target: `/ws?ticket=${await ticketFor(cookie)}` });
    expect(await whoIs(client)).toEqual({ id: 'ada', roles: ['admin'], scopes: [] });
  });

  it('takes a bearer token', async () => {
    const { accessToken } = await logIn({ username: 'bob' });
    expect(await whoIs(await open({ headers: { Authorization: `Bearer ${accessToken}` } }))).toMatchObject({
      id: 'bob',
    });
  });

  it('takes the session cookie', async () => {
    const { cookie } = await logIn({ username: 'cleo' });
    expect(await whoIs(await open({ headers: { Cookie: cookie } }))).toMatchObject({ id: 'cleo' });
  });

  it('takes the first message', async () => {
    const { accessToken } = await logIn({ username: 'dan' });
    expect(await whoIs(await open({}, messageBytes('auth', { token: accessToken })))).toMatchObject({
      id: 'dan',
    });
  });

  it('echoes data, and keeps the admin event for admins', async () => {
    const { accessToken } = await logIn({ username: 'eve' });
    const client = await open({ headers: { Authorization: `Bearer ${accessToken}` } });
    await whoIs(client);
    client.send('echo', { deep: [1, 'two', null] });
    expect(await client.message()).toEqual({ event: 'echo', data: { deep: [1, 'two', null] } });
    client.send('admin');
    expect(await client.message()).toMatchObject({ event: 'exception', data: { code: 'forbidden' } });
  });

  it('closes the socket 4410 at the logout, and refuses what is left of the login', async () => {
    const { cookie, accessToken } = await logIn({ username: 'fay' });
    const client = await open({ headers: { Cookie: cookie } });
    await whoIs(client);
    expect((await post('/ws-auth/logout', undefined, { cookie, origin: server.origin })).status).toBe(204);
    expect(await client.closed()).toMatchObject({ code: 4410 });
    const again = await open({ headers: { Authorization: `Bearer ${accessToken}` } });
    expect((await again.response()).status).toBe(401);
  });

  it('refuses pages of other origins, at the login too', async () => {
    const client = await open({ headers: { Origin: 'https://evil.example' } });
    expect((await client.response()).status).toBe(403);
    expect((await post('/login', { username: 'ada' }, { origin: 'https://evil.example' })).status).toBe(403);
  });

  it('ends at once and cleanly on SIGTERM, with sockets open', async () => {
    const other = await startQuickStart({ ORIGINS: 'https://a.example, https://b.example' });
    const client = await RawClient.open(other.port, {
      target: '/ws',
      headers: { Origin: 'https://b.example' },
    });
    await client.upgraded();
    expect(await other.stop()).not.toBe(1);
    await client.end();
  });

  it('keeps logins in the Redis of REDIS_URL, over a restart and for a second process', async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    const env = {
      REDIS_URL: `redis://127.0.0.1:${redis.port}`,
      JWT_SECRET: randomBytes(48).toString('base64url'),
    };
    const login = (of: QuickStart): Promise<Response> =>
      fetch(`${of.origin}/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ username: 'gus' }),
      });
    const ticketAt = async (of: QuickStart, cookie: string): Promise<Response> =>
      fetch(`${of.origin}/ws-auth/ticket`, { method: 'POST', headers: { cookie, origin: of.origin } });

    const first = await startQuickStart(env);
    const cookie = (await login(first)).headers.getSetCookie()[0]!.split(';', 1)[0]!;
    expect(await first.stop()).not.toBe(1);
    const [again, second] = await Promise.all([startQuickStart(env), startQuickStart(env)]);
    onTestFinished(async () => {
      await Promise.all([again.stop(), second.stop()]);
    });
    const issued = await ticketAt(again, cookie);
    expect(issued.status).toBe(201);
    const { ticket } = (await issued.json()) as { ticket: string };
    const client = await RawClient.open(second.port, {
      target: `/ws?ticket=${ticket}`,
      headers: { Host: `localhost:${second.port}`, Origin: again.origin },
    });
    // Each lists its own page only: the origin of the other is none of its own.
    expect((await client.response()).status).toBe(403);
    const own = (await (await ticketAt(second, cookie)).json()) as { ticket: string };
    const socket = await RawClient.open(second.port, {
      target: `/ws?ticket=${own.ticket}`,
      headers: { Host: `localhost:${second.port}`, Origin: second.origin },
    });
    expect(await whoIs(socket)).toMatchObject({ id: 'gus' });
    await fetch(`${again.origin}/ws-auth/logout`, { method: 'POST', headers: { cookie } });
    expect(await socket.closed()).toMatchObject({ code: 4410 });
  });

  it('does not start with a JWT_SECRET that is too short, and says why', async () => {
    await expect(startQuickStart({ JWT_SECRET: 'short' })).rejects.toThrow(/"jwt\.secret" has 5 bytes/);
  });
});
