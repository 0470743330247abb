import { once } from 'node:events';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { INestApplication, Type } from '@nestjs/common';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { WsAdapter } from '@nestjs/platform-ws';
import { Test } from '@nestjs/testing';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import {
  WsAuth,
  WsAuthAdapter,
  WsAuthModule,
  WsAuthOptionsError,
  WsPublic,
  WsRoles,
  WsSessionService,
} from '../../lib/index.js';
import { baseOptions, MemoryLogger, startApp, type TestApp, type TestAppParts } from '../support/app.js';
import { makeChatGateway } from '../support/gateways.js';
import { RawClient } from '../support/raw-client.js';

/** Boots what must not boot, and says why it did not. */
async function bootProblem(parts: TestAppParts): Promise<string> {
  const booted = await startApp(parts).catch((error: Error) => error);
  if (booted instanceof Error) return booted.message;
  await booted.close();
  throw new Error('it booted');
}

function gateway(options: object, ...decorators: ClassDecorator[]): Type {
  class SomeGateway {}
  for (const decorate of [WebSocketGateway(options) as ClassDecorator, ...decorators]) decorate(SomeGateway);
  return SomeGateway;
}

function named(name: string, target: Type): Type {
  Object.defineProperty(target, 'name', { value: name });
  return target;
}

describe('the boot', () => {
  let open: TestApp | INestApplication | undefined;
  afterEach(async () => {
    await open?.close();
    open = undefined;
  });

  describe('refuses half an installation', () => {
    it('a gateway with @WsAuth() without the module', async () => {
      const Chat = makeChatGateway();
      class AppModule {}
      Module({ providers: [Chat] })(AppModule);
      const error = await NestFactory.create(AppModule, { logger: false, abortOnError: false }).catch(
        (e: Error) => e,
      );
      expect((error as Error).message).toMatch(
        /importWsAuthModuleForRoot[^]*WsAuthModule\.forRoot\(\) of nestjs-ws-auth/,
      );
    });

    it('the adapter without the module', async () => {
      class AppModule {}
      Module({})(AppModule);
      const app = await NestFactory.create(AppModule, { logger: false });
      expect(() => new WsAuthAdapter(app)).toThrow(/add WsAuthModule\.forRoot/);
      await app.close();
    });

    it.each<[string, (app: INestApplication) => void]>([
      ["Nest's own adapter", (app) => void app.useWebSocketAdapter(new WsAdapter(app))],
      ["Socket.IO's adapter", (app) => void app.useWebSocketAdapter(new IoAdapter(app))],
      ['no adapter at all', () => {}],
    ])('the module with %s', async (_, install) => {
      class AppModule {}
      Module({ imports: [WsAuthModule.forRoot(baseOptions())], providers: [makeChatGateway()] })(AppModule);
      const app = await NestFactory.create(AppModule, { logger: false, abortOnError: false });
      install(app);
      await expect(app.init()).rejects.toThrow(
        /ChatGateway is marked @WsAuth\(\) but not served by WsAuthAdapter/,
      );
      await app.close();
    });

    it('the module imported twice', async () => {
      const problem = await bootProblem({
        gateways: [makeChatGateway()],
        module: { imports: [WsAuthModule.forRoot({ ...baseOptions(), strict: true })] },
      });
      expect(problem).toMatch(/imported more than once/);
    });
  });

  describe('refuses contradictions between gateways', () => {
    it.each<[string, Type[], RegExp]>([
      [
        'a public one beside a protected one on one path',
        [named('A', gateway({ path: '/p' }, WsAuth())), named('B', gateway({ path: '/p' }, WsPublic()))],
        /gateways A and B share the path "\/p", and one is public and the other is not/,
      ],
      [
        'different credentials on one path',
        [
          named('A', gateway({ path: '/p' }, WsAuth({ credentials: ['ticket'] }))),
          named('B', gateway({ path: '/p' }, WsAuth({ credentials: ['bearer'] }))),
        ],
        /A and B share the path "\/p", and their credentials differ/,
      ],
      [
        'different roles on one path',
        [
          named('A', gateway({ path: '/p' }, WsAuth(), WsRoles('admin') as ClassDecorator)),
          named('B', gateway({ path: '/p' }, WsAuth())),
        ],
        /their @WsRoles differ/,
      ],
      [
        'one path in two spellings',
        [named('A', gateway({ path: 'p' }, WsAuth())), named('B', gateway({ path: '/p' }, WsAuth()))],
        /spell one path as "p" and "\/p"/,
      ],
      [
        'both decorators on one gateway',
        [named('A', gateway({ path: '/p' }, WsAuth(), WsPublic()))],
        /gateway A has both @WsAuth\(\) and @WsPublic\(\)/,
      ],
      [
        'a namespace',
        [named('A', gateway({ namespace: 'n', path: '/p' }, WsAuth()))],
        /ws has no namespaces/,
      ],
      [
        'verifyClient, which would be a second opinion',
        [named('A', gateway({ path: '/p', verifyClient: () => true }, WsAuth()))],
        /gateway A sets the option "verifyClient"/,
      ],
      [
        'roles on a public gateway',
        [named('A', gateway({ path: '/p' }, WsPublic(), WsRoles('admin') as ClassDecorator))],
        /gateway A has @WsRoles\(\) without @WsAuth\(\)/,
      ],
      [
        'an origin that the module does not allow',
        [named('A', gateway({ path: '/p' }, WsAuth({ origins: ['https://other.example'] })))],
        /"origins" lists "https:\/\/other.example", which forRoot\(\) does not/,
      ],
      [
        'a first message that nothing could be in',
        [named('A', gateway({ path: '/p' }, WsAuth({ credentials: ['first-message'] })))],
        /takes only "first-message": add "bearer" or "ticket"/,
      ],
      [
        'a policy option that does not exist',
        [named('A', gateway({ path: '/p' }, WsAuth({ origin: [] } as object)))],
        /unknown policy option "origin"/,
      ],
      [
        'a subprotocol that carries a credential',
        [named('A', gateway({ path: '/p' }, WsAuth({ protocols: ['ticket.ws-auth.x'] })))],
        /"protocols" lists "ticket\.ws-auth\.x"/,
      ],
    ])('%s', async (_, gateways, text) => {
      expect(await bootProblem({ gateways })).toMatch(text);
    });

    it('a handler for an event that belongs to the library', async () => {
      @WsAuth()
      @WebSocketGateway({ path: '/p' })
      class Greedy {
        @SubscribeMessage('auth.refresh')
        refresh() {}
      }
      expect(await bootProblem({ gateways: [Greedy] })).toMatch(
        /Greedy\.refresh\(\) handles "auth\.refresh"/,
      );
    });
  });

  describe('refuses what is unsafe', () => {
    it('an unguarded gateway when strict, and warns of it otherwise (HS-10)', async () => {
      const Bare = named('Bare', gateway({ path: '/bare' }));
      expect(await bootProblem({ gateways: [Bare], options: { strict: true } })).toMatch(
        /gateway Bare has neither/,
      );
      const test = await startApp({ gateways: [Bare] });
      open = test;
      expect(test.logger.lines.join('\n')).toMatch(
        /warn gateway Bare has neither @WsAuth\(\) nor @WsPublic\(\)/,
      );
    });

    it('the memory store in production, unless that is meant', async () => {
      const env = process.env.NODE_ENV;
      process.env.NODE_ENV = 'production';
      try {
        expect(await bootProblem({ gateways: [makeChatGateway()] })).toMatch(
          /allowMemoryStoreInProduction: true/,
        );
        open = await startApp({
          gateways: [makeChatGateway()],
          options: { allowMemoryStoreInProduction: true },
        });
      } finally {
        process.env.NODE_ENV = env;
      }
    });

    it.each<[string, TestAppParts['options'], string]>([
      [
        'basic without its option',
        { credentials: ['basic'] },
        'option "basic" is missing: "credentials" lists "basic"',
      ],
      [
        'a token user where no token and no ticket is taken',
        { credentials: ['basic'], jwt: undefined, basic: { tokenUser: 'token' } },
        'option "basic.tokenUser" takes a token or a ticket as password: set "jwt", or list "ticket" in "credentials"',
      ],
      [
        'client certificates without their option',
        { credentials: ['client-certificate'] },
        'option "clientCertificate" is missing: "credentials" lists "client-certificate"',
      ],
      [
        'bearer without "jwt"',
        { credentials: ['bearer'], jwt: undefined },
        'option "jwt" is missing: "credentials" lists "bearer"',
      ],
      [
        'a reader whose kind is not listed',
        { readers: [{ kind: 'api-key', ambient: false, read: () => undefined, verify: async () => null }] },
        'option "readers" has a reader of "api-key", which "credentials" does not list',
      ],
      [
        'redis without a secret',
        { redis: 'redis://127.0.0.1:1', secret: undefined },
        'option "secret" is missing',
      ],
      ['a wildcard origin', { origins: ['*'] }, 'option "origins"'],
    ])('%s', async (_, options, text) => {
      expect(await bootProblem({ gateways: [], options })).toContain(text);
    });

    it('options in one go, each with its sentence (CF-01)', async () => {
      const error = await startApp({
        gateways: [],
        options: { origins: [], allowedOrigin: 'x', message: { maxPayloadBytes: '64kb' } } as object,
      }).catch((e: WsAuthOptionsError) => e);
      expect(error).toBeInstanceOf(WsAuthOptionsError);
      expect((error as WsAuthOptionsError).problems).toHaveLength(3);
    });

    it("another's upgrade listener whose paths were not named", async () => {
      const before = (app: INestApplication): void => {
        const foreign = new WebSocketServer({ server: app.getHttpServer() as HttpServer, path: '/graphql' });
        foreign.on('error', () => {});
      };
      expect(await bootProblem({ gateways: [makeChatGateway()], before })).toMatch(
        /handshake\.foreignPaths, such as \["\/graphql"\]/,
      );
    });

    it('a port that is taken', async () => {
      const taken = createServer().listen(0);
      await once(taken, 'listening');
      const { port } = taken.address() as AddressInfo;
      class OwnPort {}
      (WebSocketGateway(port, { path: '/own' }) as ClassDecorator)(OwnPort);
      (WsAuth() as ClassDecorator)(OwnPort);
      expect(await bootProblem({ gateways: [OwnPort] })).toMatch(new RegExp(`cannot listen on port ${port}`));
      taken.close();
    });
  });

  describe('accepts', () => {
    it("another's upgrade listener on a path that was named, and keeps out of it", async () => {
      const test = await startApp({
        gateways: [makeChatGateway()],
        options: { handshake: { foreignPaths: ['/graphql'] } },
        before: (app) => {
          const foreign = new WebSocketServer({
            server: app.getHttpServer() as HttpServer,
            path: '/graphql',
          });
          foreign.on('connection', (socket) => socket.send('foreign'));
        },
      });
      open = test;
      const foreign = await RawClient.open(test.port, {
        target: '/graphql',
        headers: { Origin: 'https://any.example' },
      });
      await foreign.upgraded();
      expect((await foreign.frame()).payload.toString()).toBe('foreign');
      foreign.destroy();
      const own = await RawClient.open(test.port, { headers: { Authorization: `Bearer ${test.token()}` } });
      await own.upgraded();
      expect(await own.message()).toMatchObject({ event: 'auth.ok' });
    });

    it('forRootAsync, an application without gateways, and either order of decorators', async () => {
      class Issuer {}
      Module({
        imports: [WsAuthModule.forRootAsync({ useFactory: async () => baseOptions(), controller: true })],
      })(Issuer);
      const app = await NestFactory.create(Issuer, { logger: new MemoryLogger(), abortOnError: false });
      open = app;
      await app.listen(0, '127.0.0.1');
      const { token } = await app.get(WsSessionService).create({ userId: 'ada' });
      const { port } = app.getHttpServer().address() as AddressInfo;
      const response = await fetch(`http://localhost:${port}/ws-auth/ticket`, {
        method: 'POST',
        headers: { cookie: `__Host-sid=${token}` },
      });
      expect(response.status).toBe(201);
    });

    it("Nest's testing module", async () => {
      const Chat = makeChatGateway();
      const module = await Test.createTestingModule({
        imports: [WsAuthModule.forRoot(baseOptions())],
        providers: [Chat],
      }).compile();
      const app = module.createNestApplication({ logger: false });
      open = app;
      app.useWebSocketAdapter(new WsAuthAdapter(app));
      await app.listen(0, '127.0.0.1');
      const { port } = app.getHttpServer().address() as AddressInfo;
      const client = await RawClient.open(port, { headers: { Origin: 'https://evil.example' } });
      expect((await client.response()).status).toBe(403);
    });
  });
});
