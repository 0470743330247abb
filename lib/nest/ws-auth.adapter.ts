import type { Server as HttpServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type INestApplicationContext, Logger } from '@nestjs/common';
import { ApplicationConfig, ModulesContainer } from '@nestjs/core';
import { WsAdapter } from '@nestjs/platform-ws';
import type { MessageMappingProperties } from '@nestjs/websockets';
import type { Observable } from 'rxjs';
import { WebSocketServer, type ServerOptions } from 'ws';
import { monotonicClock } from '../core/clock.js';
import { WsAuthOptionsError } from '../core/errors.js';
import type { Drainable } from '../core/lifetime/drain.js';
import { ConnectionNotices } from './connection-notices.js';
import { normalizeGatewayPath } from './declared-gateway.js';
import { findEngine } from './find-engine.js';
import { ForeignListeners } from './foreign-listeners.js';
import type { GuardedPath } from './gateway-registry.js';
import { GuardedSocket } from './guarded-socket.js';
import { findDirectHandlers, type DirectHandlers } from './direct-handlers.js';
import { HandlerTable, type Subscriber } from './handler-table.js';
import { makeSocketRules } from './make-socket-rules.js';
import { MessageDispatcher, type MessageParser } from './message-dispatcher.js';
import { resolvePathRules } from './message-rules.js';
import { coversGateways } from './nest-eleven.js';
import { OwnAdapter } from './own-adapter.js';
import { takeBinding } from './nest-binding.js';
import { handlersInLine } from './own-frames.js';
import { closePortServer, createPortServer } from './port-server.js';
import { frameOptions, gatewaysOn, narrowFrameOptions, type FrameOptions } from './server-options.js';
import { SilentConnections } from './silent-connections.js';
import { SOCKET_RULES, type SocketRules } from './socket-rules.js';
import { UpgradeListener } from './upgrade-listener.js';
import type { WsAuthEngine } from './ws-auth.engine.js';
import { assertKnownWs } from './ws-internals.js';

/** Nest's number for "the port of the application". */
const APPLICATION_PORT = 0;

/** How long a peer that has proved nothing may take to answer the Close of an application that shuts down. */
const WAITING_GRACE_MS = 250;
const WAITING_LOOK_MS = 10;

/** Options of the adapter. */
export interface WsAuthAdapterOptions {
  /** Reads frames in a format of your own, as in Nest's `WsAdapter`; binary frames are then taken. */
  messageParser?: MessageParser;
}

type Listener = (...args: unknown[]) => void;

/** A port with its HTTP server. */
interface Port {
  readonly server: HttpServer;
  readonly listener: UpgradeListener;
}

/**
 * Nest's adapter for `ws`, with the guard built in. It builds every WebSocket server itself, from this library's own ws,
 * and owns the one `upgrade` listener of each HTTP server, so that nothing gets to a gateway but through it.
 *
 * ```ts
 * app.useWebSocketAdapter(new WsAuthAdapter(app));
 * ```
 */
export class WsAuthAdapter extends WsAdapter {
  readonly #modules: ModulesContainer;
  readonly #config: ApplicationConfig;
  #parser: MessageParser | undefined;
  readonly #ports = new Map<number, Port>();
  readonly #logger = new Logger('WsAuth');
  #engine: WsAuthEngine | undefined;
  #notices: ConnectionNotices | undefined;
  readonly #servers: WebSocketServer[] = [];
  /** By the list that Nest keeps of the handlers of a gateway. */
  readonly #tables = new WeakMap<readonly Subscriber[], HandlerTable>();
  readonly #app: INestApplicationContext;
  #direct: DirectHandlers | undefined;
  readonly #silent = new SilentConnections();
  #rules: SocketRules<GuardedSocket> | undefined;
  #waitingLeft: Promise<void> | undefined;
  #foreign: ForeignListeners | undefined;
  readonly #own: OwnAdapter | undefined;

  /**
   * @param own @internal what `withWsAuth()` was given
   * @throws {WsAuthOptionsError} when the application does not import `WsAuthModule.forRoot()`
   */
  constructor(app: INestApplicationContext, options: WsAuthAdapterOptions = {}, own?: WsAdapter | null) {
    super(app, options as ConstructorParameters<typeof WsAdapter>[1]);
    if (own !== undefined) this.#own = new OwnAdapter(own, this.httpServer);
    this.#app = app;
    this.#modules = app.get(ModulesContainer);
    this.#config = app.get(ApplicationConfig);
    this.#parser = options.messageParser;
    if (!findEngine(this.#modules)) {
      throw new WsAuthOptionsError([
        'WsAuthAdapter needs WsAuthModule: add WsAuthModule.forRoot({ ... }) to the imports of the root module',
      ]);
    }
    if (this.#own?.warning) this.#logger.warn(this.#own.warning);
  }

  /** Builds the server of a path. Called by Nest for each pair of port and path. */
  override create(port: number, options: Record<string, unknown> = {}): WebSocketServer {
    const { namespace, server: _server, path, ...wsOptions } = options;
    if (namespace !== undefined) {
      throw new WsAuthOptionsError([
        `@WebSocketGateway({ namespace: "${String(namespace)}" }): ws has no namespaces, use "path"`,
      ]);
    }
    const engine = this.#loadEngine();
    const guarded = engine.gateways
      .load(this.#modules)
      .find(
        (candidate) =>
          candidate.port === port &&
          candidate.policy.path === normalizeGatewayPath(path as string | undefined),
      );
    if (!guarded)
      throw new WsAuthOptionsError([`no gateway is declared for the path "${String(path)}" on port ${port}`]);
    this.#takeHandlers(engine);
    const { listener } = this.#openPort(port, engine);
    const server = this.#buildServer(wsOptions, this.#frameOptionsOf(guarded));
    this.#servers.push(server);
    const receiver = new MessageDispatcher({
      engine,
      policy: guarded.policy,
      rules: resolvePathRules(guarded.gateways, {
        concurrency: engine.options.message.concurrency,
        throttle: engine.throttle.moduleRules,
        isIntercepted: hasGlobalInterceptors(this.#config),
      }),
      parser: () => (this.#own ? this.#own.parser : this.#parser),
      own: this.#own?.bindsMessages ? this.#own.name : undefined,
      logger: this.#logger,
    });
    listener.add({ server, policy: guarded.policy, receiver });
    engine.markServed(guarded);
    this.#notices!.serve(guarded);
    return server;
  }

  /** Takes a parser of your own from now on, as in Nest's `WsAdapter`. */
  override setMessageParser(parser: MessageParser): void {
    if (this.#own) this.#own.adapter.setMessageParser(parser as Parameters<WsAdapter['setMessageParser']>[0]);
    else this.#parser = parser;
  }

  /** Tells Nest of the sockets of a server, all of which were admitted. */
  override bindClientConnect(server: WebSocketServer, callback: Listener): void {
    if (this.#own) this.#own.adapter.bindClientConnect(server as never, callback);
    else super.bindClientConnect(server as never, callback);
  }

  /** Tells Nest that a client has left. */
  override bindClientDisconnect(client: GuardedSocket, callback: Listener): void {
    if (this.#own) this.#own.adapter.bindClientDisconnect(client as never, callback);
    else if (client instanceof GuardedSocket) client.whenGone(callback);
    else super.bindClientDisconnect(client as never, callback);
  }

  /** Keeps the handlers of a gateway with the socket; frames come to them through the dispatcher. */
  override bindMessageHandlers(
    client: GuardedSocket,
    handlers: MessageMappingProperties[],
    transform: (data: unknown) => Observable<unknown>,
  ): void {
    if (!this.#own?.bindsMessages) {
      client.addTable(HandlerTable.ofBound(handlers));
      return;
    }
    if (!(client instanceof GuardedSocket))
      throw new WsAuthOptionsError([
        `${this.#own.name}.bindClientConnect() gave Nest something else than the socket: call back with the client that came`,
      ]);
    this.#own.adapter.bindMessageHandlers(client, handlersInLine(client, handlers), transform);
  }

  /**
   * Ends what is connected to a server. Called by Nest when the application closes. It waits for the drain, during which
   * handshakes are still answered, and then for peers to answer their Close; who does not is cut after the grace.
   */
  override async close(server: WebSocketServer): Promise<void> {
    const engine = this.#loadEngine();
    await engine.drain();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    const cut = (): void => {
      for (const client of server.clients) client.terminate();
    };
    const grace = setTimeout(cut, engine.options.lifetime.closeGraceMs);
    await closed;
    clearTimeout(grace);
  }

  override async dispose(): Promise<void> {
    await this.#waitingLeft;
    // Who has come since, too.
    this.#terminateWaiting();
    const own = [...this.#ports].filter(([port]) => port !== APPLICATION_PORT);
    await Promise.all(own.map(([, { server }]) => closePortServer(server)));
    const application = this.#ports.get(APPLICATION_PORT);
    application?.server.off('upgrade', application.listener.listener);
    this.#foreign?.unwatch();
    this.#silent.destroyAll();
    this.#ports.clear();
    await super.dispose();
    await this.#own?.adapter.dispose();
  }

  #loadEngine(): WsAuthEngine {
    if (this.#engine) return this.#engine;
    assertKnownWs();
    const engine = findEngine(this.#modules)!;
    this.#foreign = new ForeignListeners(engine.options.handshake.foreignPaths);
    engine.onStart(async () => this.#watchForeign());
    engine.onDrain(() => this.#letGo(engine));
    const context = engine.messageContext;
    const onError = (error: unknown): void => engine.reportError(error);
    this.#notices = new ConnectionNotices({ context, modules: this.#modules, onError });
    engine.connections.observe(this.#notices);
    return (this.#engine = engine);
  }

  /** Keeps the handlers of a gateway once for all of its sockets. Called when Nest has made them, and bound none yet. */
  #takeHandlers(engine: WsAuthEngine): void {
    if (this.#direct) return;
    this.#direct = findDirectHandlers(this.#modules, this.#config, engine);
    // An adapter that overrides the binding sees it.
    if (this.#own?.bindsMessages || this.bindMessageHandlers !== WsAuthAdapter.prototype.bindMessageHandlers)
      return;
    takeBinding(this.#app, (subscribers, client, gateway) => {
      if (!(client instanceof GuardedSocket)) return false;
      client.addTable(this.#tableOf(subscribers, gateway));
      return true;
    });
  }

  #tableOf(subscribers: readonly Subscriber[], gateway: object): HandlerTable {
    let table = this.#tables.get(subscribers);
    if (table) return table;
    table = HandlerTable.of(subscribers, gateway, this.#direct?.get(gateway));
    this.#tables.set(subscribers, table);
    return table;
  }

  #openPort(port: number, engine: WsAuthEngine): Port {
    const known = this.#ports.get(port);
    if (known) return known;
    const isApplication = port === APPLICATION_PORT;
    const server = isApplication ? (this.httpServer as HttpServer) : this.#listenOn(port, engine);
    if (isApplication) this.#silent.watch(server);
    if (isApplication) tightenHeadersTimeout(server, engine.options.handshake.headersTimeoutMs);
    const refuser = this.#buildServer({ clientTracking: false });
    const listener = new UpgradeListener(engine, refuser, isApplication ? this.#foreign : undefined);
    listener.listen(server);
    const opened = { server, listener };
    this.#ports.set(port, opened);
    if (isApplication) this.#takeOverForeign();
    return opened;
  }

  #listenOn(port: number, engine: WsAuthEngine): HttpServer {
    const server = createPortServer(engine.options.handshake.headersTimeoutMs);
    const listening = new Promise<void>((resolve, reject) => {
      server.once('listening', () => resolve());
      server.once('error', (error) =>
        reject(new WsAuthOptionsError([`a gateway cannot listen on port ${port}: ${error.message}`])),
      );
    });
    listening.catch(() => {});
    engine.onStart(() => listening);
    server.listen(port);
    return server;
  }

  /** The limits of the module, as far as the gateways of a path do not lower them. */
  #frameOptionsOf({ port, policy }: GuardedPath): FrameOptions {
    const problems: string[] = [];
    const gateways = gatewaysOn(this.#modules, port, policy.path);
    const options = narrowFrameOptions(frameOptions(this.#loadEngine().options.message), gateways, problems);
    if (problems.length > 0) throw new WsAuthOptionsError(problems);
    return options;
  }

  #buildServer(wsOptions: Record<string, unknown>, frames?: FrameOptions): WebSocketServer {
    const engine = this.#loadEngine();
    this.#rules ??= makeSocketRules(engine, (raw) => this.#silent.forget(raw));
    const options: ServerOptions & Record<symbol, unknown> & { closeTimeout: number } = {
      ...(wsOptions as ServerOptions),
      ...(frames ?? frameOptions(engine.options.message)),
      [SOCKET_RULES]: this.#rules,
      closeTimeout: engine.options.lifetime.closeGraceMs,
      autoPong: false,
      skipUTF8Validation: false,
      noServer: true,
      WebSocket: GuardedSocket as unknown as ServerOptions['WebSocket'],
    };
    const server = new WebSocketServer(options);
    server.on('error', (error) => this.#logger.error(error));
    return server;
  }

  /** The node drains: who has proved nothing is cut soon, and sockets of public gateways wait their turn with the others. */
  #letGo(engine: WsAuthEngine): Drainable[] {
    this.#waitingLeft = this.#cutWaiting(engine);
    const clients = this.#servers.flatMap((server) => [...server.clients] as unknown as GuardedSocket[]);
    return clients.flatMap(({ publicConnection }) =>
      publicConnection ? engine.drainable(publicConnection) : [],
    );
  }

  async #cutWaiting({ authenticator }: WsAuthEngine): Promise<void> {
    const cutAt = monotonicClock() + WAITING_GRACE_MS;
    const hasStrangers = (): boolean =>
      [...this.#ports.values()].some(({ listener }) => listener.hasStrangers);
    do await sleep(WAITING_LOOK_MS);
    while (hasStrangers() && monotonicClock() < cutAt);
    this.#terminateWaiting();
    // Two turns: the network socket goes, then ws tells of it.
    if (authenticator.counts.waiting > 0) await sleep(0).then(() => sleep(0));
  }

  #terminateWaiting(): void {
    for (const { listener } of this.#ports.values()) listener.terminateWaiting();
  }

  #takeOverForeign(): void {
    const application = this.#ports.get(APPLICATION_PORT);
    if (!application) return;
    const problem = this.#foreign?.adopt(application.server, application.listener.listener);
    if (problem) throw new WsAuthOptionsError([problem]);
  }

  /** Those of the boot are here; from now on one that nobody named cannot stop it any more, and is left out (requirement HS-10). */
  #watchForeign(): void {
    this.#takeOverForeign();
    const application = this.#ports.get(APPLICATION_PORT);
    if (!application) return;
    const { server, listener } = application;
    this.#foreign?.watch(server, listener.listener, (sentence) => this.#logger.error(sentence));
  }
}

/** Only ever lowers it: Node's default of 60 s is long for a request that has not even a header yet (requirement HS-02). */
function tightenHeadersTimeout(server: HttpServer, headersTimeoutMs: number): void {
  if (server.headersTimeout === 0 || server.headersTimeout > headersTimeoutMs)
    server.headersTimeout = headersTimeoutMs;
}

function hasGlobalInterceptors(config: ApplicationConfig): boolean {
  if (!coversGateways()) return false;
  return config.getGlobalInterceptors().length > 0 || config.getGlobalRequestInterceptors().length > 0;
}
