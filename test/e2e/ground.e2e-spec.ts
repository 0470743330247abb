import { once } from 'node:events';
import type { Server as HttpServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { Inject, Injectable, type INestApplication, Module, Scope, type Type } from '@nestjs/common';
import { type AbstractHttpAdapter, NestFactory, REQUEST } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { createClient } from 'graphql-ws';
import { useServer } from 'graphql-ws/use/ws';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { WsAuth, WsAuthAdapter, WsAuthModule, WsPrincipal, WsTicketService } from '../../lib/index.js';
import { coversGateways } from '../../lib/nest/nest-eleven.js';
import { baseOptions, startApp, type TestApp, type TestAppParts } from '../support/app.js';
import { freePort } from '../support/free-port.js';
import { makeChatGateway } from '../support/gateways.js';
import { handshakeBytes, RawClient } from '../support/raw-client.js';
import { CHALLENGE, expectRefusal } from '../support/refusal.js';
import { selfSigned } from '../support/tls.js';

// The one of its two builds that graphql-ws loads as well: graphql wants to be there once.
const { buildSchema } = createRequire(import.meta.url)('graphql') as typeof import('graphql');

const open: { close(): Promise<unknown> }[] = [];
const clients: RawClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const one of open.splice(0)) await one.close();
});

async function start(parts: TestAppParts): Promise<TestApp> {
  const test = await startApp(parts);
  open.push(test);
  return test;
}

async function knock(port: number, target = '/ws', headers: Record<string, string> = {}): Promise<RawClient> {
  const client = await RawClient.open(port, { target, headers });
  clients.push(client);
  return client;
}

/** Opens a connection by a ticket, which every application here takes. */
async function enter(app: INestApplication, port: number, target = '/ws', tls = false): Promise<RawClient> {
  const { ticket } = await app.get(WsTicketService).issue({ principal: { id: 'ada' } });
  const client = await (tls ? RawClient.connectTls(port) : RawClient.connect(port));
  clients.push(client);
  client.write(handshakeBytes({ target: `${target}?ticket=${ticket}` }));
  await client.upgraded();
  await client.messageOf('auth.ok');
  return client;
}

async function expectEcho(client: RawClient, data: unknown): Promise<void> {
  client.send('echo', data);
  expect(await client.messageOf('echo')).toEqual({ event: 'echo', data });
}

function makeGateway(port: number, path: string | undefined): Type {
  @WsAuth({ credentials: ['ticket', 'bearer', 'first-message'] })
  @WebSocketGateway(port, path === undefined ? {} : { path })
  class PlacedGateway {
    @SubscribeMessage('echo')
    echo(@MessageBody() data: unknown) {
      return { event: 'echo', data };
    }
  }
  return PlacedGateway;
}

describe('a guarded gateway', () => {
  let certificate: { key: Buffer; cert: Buffer };
  beforeAll(() => {
    certificate = selfSigned();
  });

  describe.each<[string, (tls: boolean) => { http?: AbstractHttpAdapter }]>([
    ['Express', () => ({})],
    ['Fastify', (tls) => ({ http: new FastifyAdapter((tls ? { https: certificate } : {}) as object) })],
  ])('on %s', (_framework, framework) => {
    describe.each([
      ['without TLS', false],
      ['with TLS', true],
    ])('%s', (_transport, tls) => {
      it.each<[string, () => Promise<{ port: number; path?: string }>]>([
        ['on the port of the application', async () => ({ port: 0, path: '/ws' })],
        ['on a port of its own', async () => ({ port: await freePort() })],
        ['on a port of its own with a path', async () => ({ port: await freePort(), path: '/own' })],
      ])('%s admits whom it knows, and nobody else', async (_place, place) => {
        const { port, path = '/' } = await place();
        const test = await start({
          gateways: [makeGateway(port, path === '/' ? undefined : path)],
          https: tls ? certificate : undefined,
          options: { credentials: ['ticket', 'bearer', 'first-message'] },
          ...framework(tls),
        });
        const isTls = tls && port === 0;
        const at = port || test.port;
        await expectEcho(await enter(test.app, at, path, isTls), 'hello');
        for (const [parts, code, extra] of [
          [{ target: path, headers: { Origin: 'https://evil.example' } }, 'origin_not_allowed', {}],
          [{ target: '/nowhere' }, 'not_found', {}],
          [
            { target: path, headers: { Authorization: 'Bearer x' } },
            'unauthorized',
            { 'www-authenticate': CHALLENGE.invalid },
          ],
        ] as const) {
          const client = await (isTls ? RawClient.connectTls(at) : RawClient.connect(at));
          clients.push(client);
          client.write(handshakeBytes(parts));
          await expectRefusal(client, code, extra);
        }
      });
    });

    it('works after init() alone, when somebody else lets its server listen', async () => {
      class AppModule {}
      const imports = [WsAuthModule.forRoot(baseOptions())];
      Module({ imports, providers: [makeChatGateway()] })(AppModule);
      const settings = { logger: false, abortOnError: false } as const;
      const { http } = framework(false);
      const app = http
        ? await NestFactory.create(AppModule, http, settings)
        : await NestFactory.create(AppModule, settings);
      open.push(app);
      app.useWebSocketAdapter(new WsAuthAdapter(app));
      await app.init();
      const server = app.getHttpServer() as HttpServer;
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      await expectEcho(await enter(app, port), 'hello');
      await expectRefusal(await knock(port, '/ws', { Authorization: 'Bearer x' }), 'unauthorized', {
        'www-authenticate': CHALLENGE.invalid,
      });
    });

    it('has its own path, whatever the global prefix', async () => {
      const test = await start({
        gateways: [makeChatGateway()],
        before: (app) => void app.setGlobalPrefix('api'),
        ...framework(false),
      });
      await expectEcho(await enter(test.app, test.port), 'hello');
      await expectRefusal(await knock(test.port, '/api/ws'), 'not_found');
    });
  });

  it('shares its path with another of the same policy, and both hear each message', async () => {
    const [A, B] = [makeChatGateway('/ws'), makeChatGateway('/ws')];
    const test = await start({ gateways: [A, B] });
    const client = await enter(test.app, test.port);
    await expectEcho(client, 'once');
    expect([A.seen.messages, B.seen.messages]).toEqual([['once'], ['once']]);
    expect([A.seen.connected.length, B.seen.connected.length]).toEqual([1, 1]);
  });

  it('stands beside others on paths of their own', async () => {
    const paths = ['/a', '/b', '/a/b'];
    const gateways = paths.map((path) => makeChatGateway(path));
    const test = await start({ gateways });
    for (const path of paths) await expectEcho(await enter(test.app, test.port, path), path);
    expect(gateways.map(({ seen }) => seen.messages)).toEqual(paths.map((path) => [path]));
  });

  it("is guarded in Nest's testing module, with a provider that was overridden", async () => {
    class Greeting {
      text = 'real';
    }
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class GreetingGateway {
      constructor(@Inject(Greeting) private readonly greeting: Greeting) {}
      @SubscribeMessage('greet')
      greet(@WsPrincipal('id') id: string) {
        return { event: 'greet', data: `${this.greeting.text} ${id}` };
      }
    }
    const module = await Test.createTestingModule({
      imports: [WsAuthModule.forRoot(baseOptions())],
      providers: [GreetingGateway, Greeting],
    })
      .overrideProvider(Greeting)
      .useValue({ text: 'mocked' })
      .compile();
    const app = module.createNestApplication({ logger: false });
    open.push(app);
    app.useWebSocketAdapter(new WsAuthAdapter(app));
    await app.listen(0, '127.0.0.1');
    const { port } = app.getHttpServer().address() as AddressInfo;
    const client = await enter(app, port);
    client.send('greet');
    expect(await client.message()).toEqual({ event: 'greet', data: 'mocked ada' });
    await expectRefusal(await knock(port, '/ws', { Origin: 'https://evil.example' }), 'origin_not_allowed');
  });

  describe('that is request-scoped', () => {
    @Injectable({ scope: Scope.REQUEST })
    class Visitor {
      constructor(@Inject(REQUEST) readonly client: object) {}
    }

    function makeScoped() {
      @WsAuth()
      @WebSocketGateway({ path: '/ws' })
      class ScopedGateway {
        constructor(readonly visitor: Visitor) {}
        handleConnection() {
          if (!this.visitor.client) throw new Error('not constructed');
        }
        @SubscribeMessage('who')
        who(@WsPrincipal('id') id: string) {
          return { event: 'who', data: { id, isMade: this.visitor.client !== undefined } };
        }
      }
      return ScopedGateway;
    }

    if (coversGateways()) {
      it('is made for each client, behind the guard', async () => {
        const test = await start({ gateways: [makeScoped()], module: { providers: [Visitor] } });
        const client = await enter(test.app, test.port);
        client.send('who');
        expect(await client.message()).toEqual({ event: 'who', data: { id: 'ada', isMade: true } });
        await test.sessions.revoke({ user: 'ada' });
        expect((await client.closed()).code).toBe(4410);
        const refused = await knock(test.port, '/ws', { Authorization: 'Bearer x' });
        await expectRefusal(refused, 'unauthorized', { 'www-authenticate': CHALLENGE.invalid });
      });
    } else {
      it('refuses the boot on Nest 11', async () => {
        const booted = startApp({ gateways: [makeScoped()], module: { providers: [Visitor] } });
        await expect(booted).rejects.toThrow('gateway ScopedGateway is request-scoped');
      });
    }
  });
});

describe('a graphql-ws server on the same HTTP server', () => {
  const schema = buildSchema('type Query { hello: String } type Subscription { count: Int }');

  function mount(app: INestApplication): void {
    const server = new WebSocketServer({ server: app.getHttpServer() as HttpServer, path: '/graphql' });
    async function* count() {
      for (let value = 1; value <= 3; value += 1) yield { count: value };
    }
    const running = useServer(
      { schema, roots: { query: { hello: () => 'world' }, subscription: { count } } },
      server,
    );
    open.push({ close: async () => running.dispose() });
  }

  async function ask(port: number, query: string): Promise<unknown[]> {
    const client = createClient({
      url: `ws://127.0.0.1:${port}/graphql`,
      webSocketImpl: WebSocket,
      retryAttempts: 0,
    });
    const answers: unknown[] = [];
    await new Promise<void>((resolve, reject) => {
      client.subscribe(
        { query },
        { next: ({ data }) => answers.push(data), error: reject, complete: resolve },
      );
    });
    await client.dispose();
    return answers;
  }

  const options = { handshake: { foreignPaths: ['/graphql'] } };

  it('answers on its path, and the gateway on its own', async () => {
    const test = await start({ gateways: [makeChatGateway()], options, before: mount });
    expect(await ask(test.port, '{ hello }')).toEqual([{ hello: 'world' }]);
    expect(await ask(test.port, 'subscription { count }')).toEqual([
      { count: 1 },
      { count: 2 },
      { count: 3 },
    ]);
    await expectEcho(await enter(test.app, test.port), 'ours');
    await expectRefusal(await knock(test.port, '/ws', { Authorization: 'Bearer x' }), 'unauthorized', {
      'www-authenticate': CHALLENGE.invalid,
    });
    await expectRefusal(await knock(test.port, '/graphql/x'), 'not_found');
  });

  it('may come when the modules are initialised, as in @nestjs/graphql', async () => {
    let running: INestApplication;
    @Injectable()
    class GraphQLSubscriptions {
      onModuleInit() {
        mount(running);
      }
    }
    const test = await start({
      gateways: [makeChatGateway()],
      options,
      module: { providers: [GraphQLSubscriptions] },
      before: (app) => void (running = app),
    });
    expect(await ask(test.port, '{ hello }')).toEqual([{ hello: 'world' }]);
    await expectEcho(await enter(test.app, test.port), 'ours');
  });

  it('refuses the boot when its path was not named', async () => {
    const booted = startApp({ gateways: [makeChatGateway()], before: mount });
    await expect(booted).rejects.toThrow(
      'another listener for WebSocket upgrades is on the HTTP server (graphql-ws, a proxy?), and would answer for our paths: name ' +
        'its paths in handshake.foreignPaths, such as ["/graphql"]',
    );
  });
});

describe('HS-10: an upgrade listener that comes after the boot', () => {
  /** A server of somebody who checks nothing, on a path or on all. */
  function mountOpen(test: TestApp, path?: string): { heard: () => number } {
    let heard = 0;
    const server = new WebSocketServer({ server: test.app.getHttpServer() as HttpServer, path });
    server.on('connection', (socket) => {
      heard += 1;
      socket.send('open to all');
    });
    server.on('wsClientError', () => (heard += 1));
    return { heard: () => heard };
  }

  it('hears of no request where nobody named its path, and the operator is told', async () => {
    const test = await start({ gateways: [makeChatGateway()] });
    const late = mountOpen(test);
    const raw: unknown[] = [];
    const server = test.app.getHttpServer() as HttpServer;
    server.prependListener('upgrade', (request) => raw.push(request));
    server.once('upgrade', (request) => raw.push(request));
    await expectRefusal(await knock(test.port, '/ws', { Authorization: 'Bearer x' }), 'unauthorized', {
      'www-authenticate': CHALLENGE.invalid,
    });
    await expectRefusal(await knock(test.port, '/late'), 'not_found');
    await expectEcho(await enter(test.app, test.port), 'ours');
    expect([late.heard(), raw]).toEqual([0, []]);
    expect(server.listenerCount('upgrade')).toBe(1);
    const told = test.logger.lines.filter((line) => line.includes('foreignPaths'));
    expect(told).toEqual([
      expect.stringContaining(
        'error a listener for WebSocket upgrades was added to the HTTP server after the boot, and would answer for our paths: it ' +
          'was taken off again and hears of no request; name its paths in handshake.foreignPaths, such as ["/graphql"]',
      ),
    ]);
  });

  it('hears of none that is on its way when it comes', async () => {
    const test = await start({ gateways: [makeChatGateway()] });
    const server = test.app.getHttpServer() as HttpServer;
    const raw: unknown[] = [];
    // In the very turn in which a request comes in, from everywhere that such a turn has.
    server.on('connection', (socket) => {
      const add = (): void => void server.prependListener('upgrade', (request) => raw.push(request));
      socket.once('data', add);
      void Promise.resolve().then(add);
      process.nextTick(add);
    });
    for (let round = 0; round < 5; round += 1)
      await expectRefusal(await knock(test.port, '/nowhere'), 'not_found');
    expect(raw).toEqual([]);
  });

  it('is called for the paths that were named, and for no other', async () => {
    const options = { handshake: { foreignPaths: ['/graphql'] } };
    const test = await start({ gateways: [makeChatGateway()], options });
    const late = mountOpen(test, '/graphql');
    const client = await knock(test.port, '/graphql');
    await client.upgraded();
    expect((await client.frame()).payload.toString()).toBe('open to all');
    await expectRefusal(await knock(test.port, '/ws', { Authorization: 'Bearer x' }), 'unauthorized', {
      'www-authenticate': CHALLENGE.invalid,
    });
    await expectEcho(await enter(test.app, test.port), 'ours');
    expect(late.heard()).toBe(1);
    expect(test.logger.lines.filter((line) => line.includes('foreignPaths'))).toEqual([]);
  });

  it('is let alone when the application has closed', async () => {
    const test = await startApp({ gateways: [makeChatGateway()] });
    const server = test.app.getHttpServer() as HttpServer;
    await test.close();
    server.on('upgrade', () => {});
    await new Promise((resolve) => setImmediate(resolve));
    expect(server.listenerCount('upgrade')).toBe(1);
    expect(server.listenerCount('newListener')).toBe(0);
  });
});
