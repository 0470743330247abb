import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { Body, Controller, type INestApplication, Post, Req, Res } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  WsAuthModule,
  type WsAuthOptions,
  WsSessionCookie,
  WsSessionService,
  WsTicketService,
} from '../../lib/index.js';
import { newNodeId } from '../../lib/core/identifiers.js';
import { baseOptions, MemoryLogger, ORIGIN, startApp, type TestApp } from '../support/app.js';
import { makeChatGateway } from '../support/gateways.js';
import { RawClient } from '../support/raw-client.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';

@Controller()
class LoginController {
  private readonly sessions: WsSessionService;
  private readonly cookie: WsSessionCookie;

  constructor(sessions: WsSessionService, cookie: WsSessionCookie) {
    this.sessions = sessions;
    this.cookie = cookie;
  }

  @Post('login')
  async login(
    @Body() body: { userId: string },
    @Req() request: object,
    @Res({ passthrough: true }) response: { setHeader(name: string, value: string | string[]): void },
  ) {
    const { token } = await this.sessions.create({ userId: body.userId });
    response.setHeader('Set-Cookie', this.cookie.issue(request as never, token));
  }
}

describe('an application without gateways and adapter', () => {
  let server: RedisServer;
  let shared: Partial<WsAuthOptions> & Pick<WsAuthOptions, 'secret'>;
  let issuer: INestApplication;
  let issuerLog: MemoryLogger;
  let sockets: TestApp;

  beforeAll(async () => {
    server = await startRedis();
    shared = {
      redis: `redis://127.0.0.1:${server.port}`,
      redisPrefix: `test-${newNodeId()}:`,
      secret: randomBytes(48).toString('base64url'),
    };
    sockets = await startApp({ gateways: [makeChatGateway()], options: shared });
    issuerLog = new MemoryLogger();
    class IssuerModule {}
    const module = {
      module: IssuerModule,
      imports: [WsAuthModule.forRoot({ ...baseOptions(), ...shared, controller: true })],
      controllers: [LoginController],
    };
    issuer = await NestFactory.create(module, { logger: issuerLog, abortOnError: false });
    await issuer.listen(0, '127.0.0.1');
  });
  afterAll(async () => {
    await Promise.all([issuer.close(), sockets.discard()]);
    await server.stop();
  });
  beforeEach(() => {
    issuerLog.lines.length = 0;
  });

  async function post(path: string, cookie = '', body: object = {}): Promise<Response> {
    const { port } = issuer.getHttpServer().address() as AddressInfo;
    return fetch(`http://localhost:${port}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: ORIGIN, ...(cookie && { cookie }) },
      body: JSON.stringify(body),
    });
  }

  async function logIn(userId: string): Promise<string> {
    const response = await post('/login', '', { userId });
    expect(response.status).toBe(201);
    return response.headers.getSetCookie()[0]!.split(';', 1)[0]!;
  }

  async function open(ticket: string): Promise<RawClient> {
    const client = await RawClient.open(sockets.port, { target: `/ws?ticket=${ticket}` });
    await client.upgraded();
    await client.messageOf('auth.ok');
    return client;
  }

  it('issues sessions and tickets, with which another one opens sockets (decision 23, TK-02)', async () => {
    const { session } = await issuer.get(WsSessionService).create({ userId: 'ada', roles: ['admin'] });
    const { ticket } = await issuer.get(WsTicketService).issue({ session: session.id });
    const client = await open(ticket);
    client.send('whoami');
    expect((await client.messageOf('whoami')).data).toEqual({ id: 'ada', roles: ['admin'], scopes: [] });
    const again = await RawClient.open(sockets.port, { target: `/ws?ticket=${ticket}` });
    expect((await again.response()).status).toBe(401);
    client.destroy();
  });

  it('closes there what it revokes here, and hears how many (decision 23, SE-01)', async () => {
    const { session } = await issuer.get(WsSessionService).create({ userId: 'bob' });
    const { ticket } = await issuer.get(WsTicketService).issue({ session: session.id });
    const client = await open(ticket);
    expect(await issuer.get(WsSessionService).revoke({ user: 'bob' })).toEqual({
      sockets: 1,
      nodes: 2,
      pending: 0,
    });
    expect(await client.closed()).toMatchObject({ code: 4410 });
  });

  it('serves the endpoints: login, ticket and logout here, the socket there (decision 23, SE-01)', async () => {
    const cookie = await logIn('cleo');
    const response = await post('/ws-auth/ticket', cookie, { path: '/ws' });
    expect(response.status).toBe(201);
    const { ticket } = (await response.json()) as { ticket: string };
    const client = await open(ticket);
    expect((await post('/ws-auth/logout', cookie)).status).toBe(204);
    expect(await client.closed()).toMatchObject({ code: 4410 });
    expect((await post('/ws-auth/ticket', cookie)).status).toBe(401);
  });

  it('is also a worker without HTTP: it revokes, and ends cleanly (decision 23)', async () => {
    const module = WsAuthModule.forRoot({ ...baseOptions(), ...shared });
    const worker = await NestFactory.createApplicationContext(module, {
      logger: new MemoryLogger(),
      abortOnError: false,
    });
    const { session } = await issuer.get(WsSessionService).create({ userId: 'dan' });
    const { ticket } = await worker.get(WsTicketService).issue({ session: session.id });
    const client = await open(ticket);
    expect(await worker.get(WsSessionService).revoke({ session: session.id })).toEqual({
      sockets: 1,
      nodes: 3,
      pending: 0,
    });
    expect(await client.closed()).toMatchObject({ code: 4410 });
    await worker.close();
    const { session: next } = await issuer.get(WsSessionService).create({ userId: 'dan' });
    expect(await issuer.get(WsSessionService).revoke({ session: next.id })).toMatchObject({
      nodes: 2,
      pending: 0,
    });
  });
});
