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
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import {
  type CredentialReader,
  WsAuth,
  WsAuthAdapter,
  WsAuthModule,
  WsAuthOptionsError,
  type WsAuthPolicy,
  WsPublic,
  WsRoles,
  WsSessionService,
} from '../../lib/index.js';
import { baseOptions, MemoryLogger, startApp, type TestApp, type TestAppParts } from '../support/app.js';
import { freePort } from '../support/free-port.js';
import { makeChatGateway } from '../support/gateways.js';
import { RawClient } from '../support/raw-client.js';
import { selfSigned } from '../support/tls.js';

/** Boots what must not boot, leaves nothing of it behind, and says why it did not. */
async function bootProblem(parts: TestAppParts): Promise<string> {
  let app: INestApplication | undefined;
  const before = async (made: INestApplication): Promise<void> => {
    app = made;
    await parts.before?.(made);
  };
  const booted = await startApp({ ...parts, before }).catch((error: Error) => error);
  await app?.close();
  if (booted instanceof Error) return booted.message;
  throw new Error('it booted');
}

function gateway(options: object, ...decorators: ClassDecorator[]): Type {
  class SomeGateway {}
  for (const decorate of [WebSocketGateway(options) as ClassDecorator, ...decorators]) decorate(SomeGateway);
  return SomeGateway;
}

function reader(kind: string): CredentialReader {
  return { kind, read: () => null, verify: () => null };
}

/** Boots as in production, where nobody has said that the store in memory is not meant. */
async function inProduction<T>(work: () => Promise<T>): Promise<T> {
  const before = process.env.NODE_ENV;
  process.env.NODE_ENV = 'production';
  try {
    return await work();
  } finally {
    process.env.NODE_ENV = before;
  }
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
        'different origins on one path',
        [
          named('A', gateway({ path: '/p' }, WsAuth({ origins: ['https://app.example'] }))),
          named('B', gateway({ path: '/p' }, WsAuth())),
        ],
        /gateways A and B share the path "\/p", and their origins differ: one socket serves both, so give them the same policy or paths of their own/,
      ],
      [
        'different subprotocols on one path',
        [
          named('A', gateway({ path: '/p' }, WsAuth({ protocols: ['chat.v1'] }))),
          named('B', gateway({ path: '/p' }, WsAuth())),
        ],
        /gateways A and B share the path "\/p", and their protocols differ/,
      ],
      [
        'one that nobody declared beside a protected one on one path',
        [named('A', gateway({ path: '/p' })), named('B', gateway({ path: '/p' }, WsAuth()))],
        /gateways A and B share the path "\/p", and one is public and the other is not/,
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
      const options = { origins: ['https://app.example', 'https://admin.example'] };
      expect(await bootProblem({ gateways, options })).toMatch(text);
    });

    it('another policy on one path of a port of their own', async () => {
      const port = await freePort();
      const place = (name: string, policy: WsAuthPolicy): Type => {
        const Placed = named(name, class {});
        for (const decorate of [WebSocketGateway(port, { path: '/p' }), WsAuth(policy)])
          (decorate as ClassDecorator)(Placed);
        return Placed;
      };
      expect(
        await bootProblem({ gateways: [place('A', {}), place('B', { credentials: ['ticket'] })] }),
      ).toContain(
        `gateways A and B share the path "/p" on port ${port}, and their credentials differ: one socket serves both, so give them ` +
          'the same policy or paths of their own',
      );
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

  describe('refuses a way in that nobody could take', () => {
    const certificates = { clientCertificate: { principal: () => ({ id: 'ada' }) } };
    const httpsOptions =
      'create the application with httpsOptions { key, cert, ca, requestCert: true }, and give the gateway no port of its own';
    let certificate: { key: Buffer; cert: Buffer };
    beforeAll(() => {
      certificate = selfSigned();
    });

    const onPort = (port: number, policy: WsAuthPolicy): Type => {
      class OwnPort {}
      for (const decorate of [WebSocketGateway(port, { path: '/own' }), WsAuth(policy)])
        (decorate as ClassDecorator)(OwnPort);
      return OwnPort;
    };

    it('a client certificate over plain HTTP', async () => {
      const options = { ...certificates, credentials: ['client-certificate' as const, 'bearer' as const] };
      expect(
        await bootProblem({ gateways: [named('A', gateway({ path: '/a' }, WsAuth()))], options }),
      ).toContain(
        'gateway A (/a) takes "client-certificate", which can never arrive: the server there speaks plain HTTP, and a proxy that ends ' +
          `TLS keeps the certificate; ${httpsOptions}, or take "client-certificate" out of its credentials`,
      );
    });

    it('a client certificate that the HTTPS server does not ask for', async () => {
      const parts = {
        gateways: [named('A', gateway({ path: '/a' }, WsAuth()))],
        options: { ...certificates, credentials: ['client-certificate' as const] },
      };
      expect(await bootProblem({ ...parts, https: certificate })).toContain(
        `gateway A (/a) takes "client-certificate", which can never arrive: the HTTPS server there asks for none; ${httpsOptions}, or`,
      );
      open = await startApp({ ...parts, https: { ...certificate, requestCert: true } });
    });

    it('a client certificate on a port of its own, which speaks plain HTTP', async () => {
      const port = await freePort();
      const options = { ...certificates, credentials: ['client-certificate' as const, 'bearer' as const] };
      const https = { ...certificate, requestCert: true };
      const Certified = gateway({ path: '/a' }, WsAuth());
      const Listed = onPort(port, { credentials: ['client-certificate'] });
      expect(await bootProblem({ gateways: [Certified, Listed], options, https })).toContain(
        `gateway OwnPort (/own, port ${port}) takes "client-certificate", which can never arrive: the server there speaks plain HTTP`,
      );
      // It has the default of the module, which another gateway can take.
      open = await startApp({ gateways: [Certified, onPort(port, {})], options, https });
    });

    it('Basic over plain HTTP in production, where no proxy is trusted to end TLS (CR-04)', async () => {
      const options = {
        credentials: ['basic' as const],
        basic: { verify: () => null },
        allowMemoryStoreInProduction: true,
        handshake: { requireTls: false },
      };
      const gateways = [named('A', gateway({ path: '/a' }, WsAuth()))];
      await inProduction(async () => {
        expect(await bootProblem({ gateways, options })).toContain(
          'gateway A (/a) takes "basic", which can never arrive: the server there speaks plain HTTP, over which no password is taken in ' +
            'production, and "proxy.trusted" is empty; name the proxy that ends TLS in proxy.trusted, or give the server a certificate, ' +
            'or take "basic" out of its credentials',
        );
        await (await startApp({ gateways, options, https: certificate })).close();
        open = await startApp({ gateways, options: { ...options, proxy: { trusted: ['10.0.0.1'] } } });
      });
    });

    it('but warns of Basic over plain HTTP elsewhere, which is taken over loopback (CR-04)', async () => {
      const options = { credentials: ['basic' as const], basic: { verify: () => ({ id: 'ada' }) } };
      const test = await startApp({ gateways: [makeChatGateway()], options });
      open = test;
      expect(test.logger.lines).toContain(
        'warn credentials lists "basic", and the server speaks plain HTTP: a password is taken over loopback outside production, and ' +
          'refused 403 elsewhere; give the server a certificate, or name the proxy that ends TLS in proxy.trusted (doctor: basic-plain, CR-04) WsAuth',
      );
      const Authorization = `Basic ${Buffer.from('ada:password').toString('base64')}`;
      const client = await RawClient.open(test.port, { headers: { Authorization, Origin: undefined } });
      await client.upgraded();
      client.destroy();
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
        'two readers of one kind',
        { credentials: ['api-key'], readers: [reader('api-key'), reader('api-key')] },
        'option "readers[1]": the kind "api-key" is taken, choose another',
      ],
      [
        'a reader of a kind that there is',
        { readers: [reader('bearer')] },
        'option "readers[0]": the kind "bearer" is taken, choose another',
      ],
      [
        'a reader that is none',
        { readers: [null as never] },
        'option "readers[0]" needs a "kind" of 1 to 32 small letters, digits and hyphens',
      ],
      [
        'a token in the URL without "jwt"',
        { credentials: ['ticket'], jwt: undefined, handshake: { dangerouslyAllowTokenInUrl: 'token' } },
        'option "handshake.dangerouslyAllowTokenInUrl" needs "jwt"',
      ],
      [
        'published keys beside a secret',
        { jwt: { ...baseOptions().jwt, jwksUri: 'https://issuer.example/keys' } as never },
        'option "jwt" has more than one of "secret", "publicKey", "keys" and "jwksUri": keep one',
      ],
      [
        'a proxy that would stand for all of IPv4 (TH-07)',
        { proxy: { trusted: ['::ffff:10.0.0.0/8'] } },
        'option "proxy.trusted" must be a list of addresses or CIDR blocks such as "10.0.0.0/8" (an IPv4-mapped block needs a prefix of at least 96)',
      ],
      [
        'TLS that cannot arrive, when strict (HS-15)',
        { strict: true, handshake: { requireTls: true } },
        'handshake.requireTls is on, the application speaks plain HTTP, and proxy.trusted is empty: every handshake there is refused 403; ' +
          'name the proxy that ends TLS in proxy.trusted, or give the server a certificate',
      ],
      [
        'redis without a secret',
        { redis: 'redis://127.0.0.1:1', secret: undefined },
        'option "secret" is missing',
      ],
      ['a wildcard origin', { origins: ['*'] }, 'option "origins"'],
    ])('%s', async (_, options, text) => {
      expect(await bootProblem({ gateways: [makeChatGateway()], options })).toContain(text);
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
