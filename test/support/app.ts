import { createSecretKey, randomBytes, randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import {
  type DynamicModule,
  type INestApplication,
  type LoggerService,
  type ModuleMetadata,
  type NestApplicationOptions,
  type Type,
} from '@nestjs/common';
import { type AbstractHttpAdapter, NestFactory } from '@nestjs/core';
import { JwtService } from '@nestjs/jwt';
import type { WsAdapter } from '@nestjs/platform-ws';
import type { WebSocketServer } from 'ws';
import {
  WsAuthAdapter,
  type WsAuthAdapterOptions,
  type AuditEvent,
  WsAuthEvents,
  WsAuthModule,
  type ThrottleOptions,
  type WsAuthExtras,
  type WsAuthOptions,
  WsConnections,
  WsSessionService,
  WsTicketService,
  withWsAuth,
} from '../../lib/index.js';
import { resolveOptions } from '../../lib/core/options.js';
import { WS_AUTH_ENGINE, WS_AUTH_OPTIONS } from '../../lib/nest/ws-auth.constants.js';
import type { GuardedSocket } from '../../lib/nest/guarded-socket.js';
import { type EngineParts, WsAuthEngine } from '../../lib/nest/ws-auth.engine.js';
import { interpose } from './interpose.js';
import { RawClient } from './raw-client.js';

export const ORIGIN = 'https://app.example';
export const ISSUER = 'https://issuer.example';
export const AUDIENCE = 'chat';

/** For tests that send more at once than a client should. */
export const UNTHROTTLED: ThrottleOptions = {
  perConnection: { limit: 1_000_000, burst: 1_000_000 },
  perConnectionBytes: { limit: 1_000_000_000, burst: 1_000_000_000 },
  perUser: { limit: 1_000_000, burst: 1_000_000 },
};

/** A logger that keeps every line, so that tests can look for what must not be in one. */
export class MemoryLogger implements LoggerService {
  readonly lines: string[] = [];

  log(...args: unknown[]): void {
    this.#keep('log', args);
  }
  error(...args: unknown[]): void {
    this.#keep('error', args);
  }
  warn(...args: unknown[]): void {
    this.#keep('warn', args);
  }
  debug(...args: unknown[]): void {
    this.#keep('debug', args);
  }
  verbose(...args: unknown[]): void {
    this.#keep('verbose', args);
  }

  #keep(level: string, args: readonly unknown[]): void {
    const texts = args.map((arg) => (arg instanceof Error ? `${arg.stack}` : String(arg)));
    this.lines.push(`${level} ${texts.join(' ')}`);
  }
}

/** An application under test, with everything that a test asks of it. */
export interface TestApp {
  readonly app: INestApplication;
  readonly port: number;
  readonly engine: WsAuthEngine;
  /** The deadlines that wait while nobody is connected: the engine's own. */
  readonly restingDeadlines: number;
  readonly sessions: WsSessionService;
  readonly tickets: WsTicketService;
  readonly connections: WsConnections;
  /** The sockets that Nest knows of, on all paths. */
  sockets(): GuardedSocket[];
  /** The audit log since the start. */
  readonly events: AuditEvent[];
  readonly logger: MemoryLogger;
  /** Signs an access token that the application accepts, with a test's changes. */
  token(claims?: Record<string, unknown>, header?: Record<string, unknown>): string;
  /** Resolves with the first audit event, past or to come, that fits. */
  eventOf(fits: (event: AuditEvent) => boolean): Promise<AuditEvent>;
  close(): Promise<void>;
  /** Closes it when its test is over: without its raw clients, which would keep it waiting for their answer to a Close. */
  discard(): Promise<void>;
}

/** What a test changes of the usual application. */
export interface TestAppParts {
  gateways: Type[];
  options?: Partial<WsAuthOptions> & WsAuthExtras;
  adapter?: WsAuthAdapterOptions;
  /** An adapter of the application's own, to be guarded. */
  ownAdapter?: (app: INestApplication) => WsAdapter;
  module?: ModuleMetadata;
  /** Keys and certificates of a server that speaks TLS. */
  https?: NestApplicationOptions['httpsOptions'];
  /** The HTTP framework; left out, Express. */
  http?: AbstractHttpAdapter;
  /** What takes the place of the real clock, stores or verifier. */
  engine?: EngineParts;
  /** A port that must be known before the boot; left out, a free one. */
  port?: number;
  /** Where to listen; left out, 127.0.0.1. */
  host?: string;
  /** Called before the application listens. */
  before?: (app: INestApplication) => void | Promise<void>;
}

/** The secret of this process: made anew in every run. */
export const JWT_SECRET = randomBytes(48).toString('base64url');

/** Options that most tests start from. Refusals are HTTP, as the security rows ask. */
export function baseOptions(): WsAuthOptions {
  return {
    origins: [ORIGIN],
    credentials: ['ticket', 'bearer', 'cookie', 'first-message'],
    jwt: { secret: JWT_SECRET, algorithms: ['HS256'], issuer: ISSUER, audience: AUDIENCE },
    secret: createSecretKey(randomBytes(32)),
    handshake: { refuseBrowsersWith: 'http-status' },
  };
}

/** Boots an application on a free port of loopback. */
export async function startApp(parts: TestAppParts): Promise<TestApp> {
  const logger = new MemoryLogger();
  const base = baseOptions();
  const options = {
    ...base,
    ...parts.options,
    handshake: { ...base.handshake, ...parts.options?.handshake },
  };
  class TestModule {}
  const module = {
    module: TestModule,
    ...parts.module,
    imports: [withEngineParts(WsAuthModule.forRoot(options), parts.engine), ...(parts.module?.imports ?? [])],
    providers: [...parts.gateways, ...(parts.module?.providers ?? [])],
  };
  const settings = { logger, abortOnError: false, httpsOptions: parts.https };
  const app = parts.http
    ? await NestFactory.create(module, parts.http, settings)
    : await NestFactory.create(module, settings);
  const servers = new Set<WebSocketServer>();
  const ports = new Set<number>();
  const adapter = parts.ownAdapter
    ? withWsAuth(parts.ownAdapter(app), app)
    : new WsAuthAdapter(app, parts.adapter);
  interpose(adapter, 'create', (create) => (port, options) => {
    const server = create(port, options);
    servers.add(server);
    ports.add(port);
    return server;
  });
  app.useWebSocketAdapter(adapter);
  await parts.before?.(app);
  const engine = app.get<WsAuthEngine>(WS_AUTH_ENGINE);
  const events: AuditEvent[] = [];
  const watchers = new Set<(event: AuditEvent) => void>();
  app.get(WsAuthEvents).subscribe((event) => {
    events.push(event);
    for (const watch of watchers) watch(event);
  });
  await app.listen(parts.port ?? 0, parts.host ?? '127.0.0.1');
  const { port } = app.getHttpServer().address() as AddressInfo;
  ports.add(port);
  const jwt = new JwtService({});
  return {
    app,
    port,
    engine,
    restingDeadlines: engine.wheel.size,
    sessions: app.get(WsSessionService),
    tickets: app.get(WsTicketService),
    sockets: () => [...servers].flatMap(({ clients }) => [...clients] as unknown as GuardedSocket[]),
    connections: app.get(WsConnections),
    events,
    logger,
    token: (claims = {}, header = {}) => signToken(jwt, claims, header),
    eventOf: (fits) => {
      const past = events.find(fits);
      if (past) return Promise.resolve(past);
      return new Promise((resolve) => {
        const watch = (event: AuditEvent): void => {
          if (!fits(event)) return;
          watchers.delete(watch);
          resolve(event);
        };
        watchers.add(watch);
      });
    },
    close: () => app.close(),
    discard: () => {
      RawClient.destroyAll(ports);
      return app.close();
    },
  };
}

/** The module with an engine that is made as the real one, but for a test's parts. */
function withEngineParts(module: DynamicModule, parts: EngineParts | undefined): DynamicModule {
  if (!parts) return module;
  const engine = {
    provide: WS_AUTH_ENGINE,
    useFactory: (options: WsAuthOptions) =>
      new WsAuthEngine(resolveOptions(options, { production: false }), parts),
    inject: [WS_AUTH_OPTIONS],
  };
  return { ...module, providers: [...(module.providers ?? []), engine] };
}

function signToken(
  jwt: JwtService,
  claims: Record<string, unknown>,
  header: Record<string, unknown>,
): string {
  const now = Math.floor(Date.now() / 1_000);
  const payload = {
    iss: ISSUER,
    aud: AUDIENCE,
    sub: 'ada',
    iat: now,
    exp: now + 600,
    jti: randomUUID(),
    ...claims,
  };
  for (const [name, value] of Object.entries(payload))
    if (value === undefined) delete payload[name as keyof typeof payload];
  return jwt.sign(payload, { secret: JWT_SECRET, header: { alg: 'HS256', typ: 'JWT', ...header } } as never);
}
