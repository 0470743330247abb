import { Logger } from '@nestjs/common';
import type { ModulesContainer } from '@nestjs/core';
import type { Bans } from '../core/anomaly/bans.js';
import type { AuditLog } from '../core/audit/audit-log.js';
import type { ExplanationService } from '../core/audit/explanation-service.js';
import { FLOOD_WINDOW_MS } from '../core/audit/flood-filter.js';
import { monotonicClock, systemClock, type Clock } from '../core/clock.js';
import { CLOSE } from '../core/close-code.js';
import type { Connection } from '../core/connection.js';
import { StoreUnavailable, WsAuthError, WsAuthOptionsError } from '../core/errors.js';
import type { HandshakeRefused } from '../core/handshake/refusal.js';
import { HandshakeAuthenticator } from '../core/handshake/handshake-authenticator.js';
import type { TokenVerifier } from '../core/handshake/token-verifier.js';
import { newNodeId } from '../core/identifiers.js';
import { DeadlineWheel } from '../core/lifetime/deadline-wheel.js';
import { drainWindowMs, spreadCloses, type Drainable } from '../core/lifetime/drain.js';
import { Lifetime } from '../core/lifetime/lifetime.js';
import { PublicConnection, PublicConnections } from '../core/lifetime/public-connections.js';
import { MessageContext } from '../core/message/message-context.js';
import type { HandshakeTracing } from '../core/metrics/handshake-trace.js';
import { NodeMetrics } from '../core/metrics/node-metrics.js';
import type { ResolvedOptions } from '../core/options.js';
import { RevocationService } from '../core/revocation/revocation-service.js';
import { deriveSecretKeys, type SecretKeys } from '../core/secret-keys.js';
import { CallerAuthenticator } from '../core/session/caller-authenticator.js';
import { ConnectionService } from '../core/session/connection-service.js';
import { SessionCookie } from '../core/session/session-cookie.js';
import { SessionService } from '../core/session/session-service.js';
import type { Stores } from '../core/stores.js';
import { MessageThrottle } from '../core/throttle/message-throttle.js';
import { TicketService } from '../core/ticket/ticket-service.js';
import { MemoryStores } from '../memory/memory-stores.js';
import { connectRedis } from '../redis/connect-redis.js';
import { RedisStores } from '../redis/redis-stores.js';
import { GatewayRegistry, type GuardedPath } from './gateway-registry.js';
import type { HandlerRules } from './handler-rules.js';
import { makeTokenVerifier } from './issuer-verifiers.js';
import { loadJose } from './jwks-keys.js';
import { makeAudit } from './make-audit.js';
import { makeBans } from './make-bans.js';
import type { OutboundCounts } from './outbound-overflow.js';
import { HandshakeSpans } from './telemetry/handshake-spans.js';
import { exportMetrics } from './telemetry/metrics-export.js';
import { loadOpenTelemetry, type OpenTelemetryApi } from './telemetry/open-telemetry-api.js';

/** How soon a store that was away at the boot is tried again. */
const START_RETRY_MS = 1_000;
/** How often the log is told of an outage while it lasts. */
const OUTAGE_LOG_MS = 10_000;
const FRESHNESS_CHECK_MS = 1_000;
/** Clients of a node that drains come back spread over this time after their Close. */
const DRAIN_RETRY_MS = 1_000;
/** Clients that an outage has cut off come back spread over this time. */
const OUTAGE_RETRY_MS = 10_000;

/** What tests put in the place of the real things. */
export interface EngineParts {
  readonly clock?: Clock;
  readonly monotonic?: Clock;
  readonly node?: string;
  readonly stores?: Stores;
  readonly verifier?: TokenVerifier;
  readonly metrics?: NodeMetrics;
  readonly telemetry?: OpenTelemetryApi;
}

/** Everything that decides, wired together once for an application: the core, its stores and what the adapter built. */
export class WsAuthEngine {
  readonly options: ResolvedOptions;
  readonly keys: SecretKeys;
  readonly clock: Clock;
  readonly monotonic: Clock;
  readonly node: string;
  readonly wheel: DeadlineWheel;
  readonly stores: Stores;
  readonly audit: AuditLog;
  readonly explanations: ExplanationService;
  readonly cookie: SessionCookie;
  readonly verifier: TokenVerifier | undefined;
  readonly connections: ConnectionService;
  readonly publicConnections: PublicConnections;
  readonly revocations: RevocationService;
  readonly sessions: SessionService;
  readonly tickets: TicketService;
  readonly callers: CallerAuthenticator;
  readonly authenticator: HandshakeAuthenticator;
  readonly gateways: GatewayRegistry;
  readonly handlerRules: HandlerRules;
  readonly messageContext: MessageContext;
  readonly throttle: MessageThrottle;
  readonly bans: Bans;
  readonly metrics: NodeMetrics;
  /** Where traces are recorded. */
  readonly tracing: HandshakeTracing | undefined;
  /** What was not sent to peers that read too slowly. */
  readonly outboundCounts: OutboundCounts = { dropped: 0, coalesced: 0, cut: 0 };
  readonly #logger = new Logger('WsAuth');
  #isStopped = false;
  readonly #telemetry: OpenTelemetryApi | undefined;
  #stopExport = (): void => {};
  #outageToldAt = 0;
  readonly #served = new Set<GuardedPath>();
  readonly #drains: (() => readonly Drainable[] | void)[] = [];
  #drained: Promise<void> | undefined;
  readonly #starts: (() => Promise<void>)[] = [];

  constructor(options: ResolvedOptions, parts: EngineParts = {}) {
    const onError = (error: unknown): void => this.reportError(error);
    this.options = options;
    this.keys = deriveSecretKeys(options.secret);
    this.node = parts.node ?? newNodeId();
    this.clock = parts.clock ?? systemClock;
    this.monotonic = parts.monotonic ?? monotonicClock;
    this.metrics = parts.metrics ?? new NodeMetrics();
    const { metrics } = this;
    this.#telemetry = parts.telemetry;
    this.tracing = parts.telemetry && new HandshakeSpans(parts.telemetry);
    this.wheel = new DeadlineWheel({
      now: this.monotonic,
      onError,
      onSwept: (ms) => metrics.timed('sweep', ms),
    });
    const { clock, monotonic, node, wheel, keys } = this;
    this.stores =
      parts.stores ?? new MemoryStores({ node, clock, rememberRevocationsMs: longestCredentialMs(options) });
    const { audit, explanations, sweep } = makeAudit({
      options,
      clock,
      node,
      referenceKey: keys.auditReference,
      notices: this.stores.notices,
      metrics,
      logger: this.#logger,
      policiesOf: (path) => this.gateways.policiesOf(path),
    });
    this.audit = audit;
    this.explanations = explanations;
    this.#sweep(sweep);
    this.cookie = new SessionCookie(options.cookie, (sentence) => this.#logger.warn(sentence));
    this.verifier =
      parts.verifier ??
      makeTokenVerifier(options.jwt, { principalIdPattern: options.principalIdPattern, clock, monotonic });
    const { stores, cookie, verifier } = this;
    const userHashKey = keys.userHash;
    const { principalIdPattern } = options;
    const lifetime = new Lifetime({ limits: options.lifetime, wheel, clock, monotonic });
    const { closeCodes } = options;
    this.publicConnections = new PublicConnections({ lifetime, audit, clock, closeCodes });
    this.connections = new ConnectionService({
      stores,
      audit,
      clock,
      monotonic,
      wheel,
      lifetime,
      closeCodes,
      sessionIdleMs: options.session.idleMs,
      extendedByMessages: options.session.extendedBy === 'messages',
      onError,
    });
    const { connections } = this;
    this.revocations = new RevocationService({ stores, audit, clock, userHashKey, verifier });
    const { revocations } = this;
    this.bans = makeBans({ options, stores, audit, clock, monotonic, connections, revocations, onError });
    const sessionLimits = options.session;
    this.sessions = new SessionService({
      stores,
      audit,
      revocations,
      userHashKey,
      principalIdPattern,
      limits: sessionLimits,
    });
    this.tickets = new TicketService({
      stores,
      audit,
      clock,
      userHashKey,
      principalIdPattern,
      limits: options.ticket,
    });
    this.callers = new CallerAuthenticator({ stores, cookie, audit, verifier, userHashKey });
    const sharedRates = stores.kind === 'memory' ? undefined : stores.throttle;
    this.authenticator = new HandshakeAuthenticator({
      options,
      stores,
      sharedRates,
      connections,
      cookie,
      audit,
      clock,
      monotonic,
      wheel,
      userHashKey,
      verifier,
      bans: this.bans,
      onStoreAway: () =>
        this.#logger.warn(
          `the store is away: this node holds 1/${options.storeOutage.expectedNodes} of the connect rate (storeOutage.expectedNodes)`,
        ),
    });
    this.gateways = new GatewayRegistry(options);
    this.handlerRules = this.gateways.handlerRules;
    if (options.audit.reportOnly.includes('policy')) {
      this.handlerRules.reportOnly(({ connection, principal }) =>
        audit.record({
          principal: principal.id,
          ...connection?.facts,
          event: 'authz_fail',
          outcome: 'reported',
          reasonCode: 'message_policy',
        }),
      );
    }
    this.messageContext = new MessageContext(options.message.asyncContext);
    this.throttle = new MessageThrottle({
      options: options.throttle,
      store: sharedRates,
      expectedNodes: options.storeOutage.expectedNodes,
      clock: monotonic,
      onStoreAway: () =>
        this.#logger.warn(
          `the store is away: this node holds 1/${options.storeOutage.expectedNodes} of the shared message limits (storeOutage.expectedNodes)`,
        ),
      onError,
    });
    this.authenticator.setState('starting');
    wheel.start();
  }

  /** The adapter has built the server of this path. */
  markServed(path: GuardedPath): void {
    this.#served.add(path);
  }

  /**
   * Looks whether every guarded gateway is served by an adapter of this library: called when Nest has made its servers.
   *
   * @throws {WsAuthOptionsError} when one is not, and would be open
   */
  assertServed(modules: ModulesContainer): void {
    const unserved = this.gateways
      .load(modules)
      .filter((path) => !this.#served.has(path) && path.policy.access === 'authenticated');
    const names = unserved.flatMap(({ gateways }) => gateways.map(({ name }) => name));
    if (names.length > 0) {
      throw new WsAuthOptionsError([
        `${names.join(', ')} ${names.length > 1 ? 'are' : 'is'} marked @WsAuth() but not served by WsAuthAdapter: ` +
          'call app.useWebSocketAdapter(new WsAuthAdapter(app)) before app.init() or app.listen()',
      ]);
    }
    const problems: string[] = [];
    this.handlerRules.compileControllers(modules, problems);
    if (problems.length > 0) throw new WsAuthOptionsError(problems);
  }

  /** Tells the operator of a fault that is nobody's refusal. */
  reportError(error: unknown): void {
    this.#logger.error(error);
  }

  /** What is kept for a while is looked through in one go: repeated refusals, why others were refused, and bans. */
  #sweep(sweepAudit: () => void): void {
    this.wheel.schedule(FLOOD_WINDOW_MS, () => {
      this.#sweep(sweepAudit);
      sweepAudit();
      if (this.stores.kind !== 'memory') void this.bans.reload();
    });
  }

  /**
   * Tells the operator why handshakes are answered 503, once in a while: in an outage there are as many as clients. Of an
   * error that is not ours only the name is told, because its text may hold the token that it was about.
   */
  reportOutage({ reason, cause }: HandshakeRefused): void {
    const now = this.clock();
    if (now - this.#outageToldAt < OUTAGE_LOG_MS) return;
    this.#outageToldAt = now;
    const told =
      cause instanceof WsAuthError ? cause.message : cause instanceof Error ? cause.name : 'unknown';
    this.#logger.error(`handshakes are answered 503 (${reason}): ${told}`);
  }

  /** Something that must be ready before the first handshake is taken, such as a port. */
  onStart(start: () => Promise<void>): void {
    this.#starts.push(start);
  }

  /** Something that must let go of its sockets when the node drains. It returns those whose close can wait its turn. */
  onDrain(drain: () => readonly Drainable[] | void): void {
    this.#drains.push(drain);
  }

  /**
   * Takes handshakes from now on. While the store cannot be reached they are answered 503, and it is tried again; what is
   * wrong with it stops the boot.
   */
  async start(): Promise<void> {
    // Here and not earlier: the SDK may be started by a module of the application.
    if (this.#telemetry) this.#stopExport = exportMetrics(this.#telemetry, this);
    for (const start of this.#starts) await start();
    await this.#startStores();
  }

  async #startStores(): Promise<void> {
    try {
      await this.stores.start();
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      if (this.#isStopped) return;
      this.#logger.error(`${error.message}; handshakes are answered 503 until it is there`);
      const retry = (): void => void this.#startStores().catch((failure) => this.reportError(failure));
      this.wheel.schedule(START_RETRY_MS, retry);
      return;
    }
    if (this.#isStopped) return;
    await this.bans.reload();
    if (this.#isStopped) return;
    this.authenticator.setState(undefined);
    if (this.stores.kind !== 'memory') this.#watchFreshness();
  }

  /** A node that has heard nothing of revocations for too long lets nobody stay on its word (decision on outages). */
  #watchFreshness(): void {
    this.wheel.schedule(FRESHNESS_CHECK_MS, () => {
      if (this.#isStopped) return;
      this.#watchFreshness();
      const { graceMs } = this.options.storeOutage;
      if (this.clock() - this.stores.freshAt <= graceMs) return;
      const ending = { close: CLOSE.tryLater, reason: 'store_outage', retryWithinMs: OUTAGE_RETRY_MS };
      this.connections.endAll(this.connections.local(), ending, ({ staleMs }) => staleMs > graceMs);
    });
  }

  /**
   * Refuses new handshakes from now on, and tells every connection to go elsewhere: one after the other within
   * `lifetime.drainMs`, each served until its turn. @returns when the last was told; called again, the same
   */
  drain(): Promise<void> {
    return (this.#drained ??= this.#drain());
  }

  async #drain(): Promise<void> {
    this.authenticator.setState('draining');
    const sockets = this.#drains.flatMap((drain) => drain() ?? []);
    const drainables = [
      ...sockets,
      ...this.connections.local().map((connection) => this.drainable(connection)),
    ];
    const windowMs = drainWindowMs(drainables.length, this.options.lifetime.drainMs);
    await spreadCloses(drainables, windowMs, (error) => this.reportError(error));
    this.connections.flushCloses();
  }

  /** @internal A connection as the drain sees it. */
  drainable(connection: Connection | PublicConnection): Drainable {
    return {
      get isOpen() {
        return connection.isOpen;
      },
      close: () => {
        const retryAfterMs = Math.random() * DRAIN_RETRY_MS;
        const ending = { close: CLOSE.restart, reason: 'restart', retryAfterMs };
        if (connection instanceof PublicConnection) this.publicConnections.end(connection, ending);
        else this.connections.end(connection, ending);
      },
    };
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#stopExport();
    this.wheel.stop();
    await this.stores.stop();
    await this.audit.close();
  }
}

/**
 * Builds the engine with the stores that the options ask for.
 *
 * @throws {WsAuthOptionsError} when the `redis` option cannot be used, or a package is missing that an option needs
 */
export async function createEngine(options: ResolvedOptions): Promise<WsAuthEngine> {
  if (options.jwt.some(({ jwksUri }) => jwksUri)) await loadJose();
  const metrics = new NodeMetrics();
  const telemetry = await loadOpenTelemetry(options.telemetry);
  if (options.redis === undefined) return new WsAuthEngine(options, { metrics, telemetry });
  const node = newNodeId();
  const logger = new Logger('WsAuth');
  const stores = new RedisStores({
    clients: await connectRedis(options.redis),
    node,
    clock: systemClock,
    rememberRevocationsMs: longestCredentialMs(options),
    prefix: options.redisPrefix,
    partitions: options.redisPartitions,
    secretMark: deriveSecretKeys(options.secret).storeMark,
    onAnswer: (ms, isAnswer) => metrics.timed('store', ms, isAnswer ? 'ok' : 'error'),
    onEntry: (lagMs) => metrics.timed('revocation', lagMs),
    onError: (error) => logger.error(error),
  });
  return new WsAuthEngine(options, { node, stores, metrics, telemetry });
}

/** Revocations are remembered for as long as anything lives that they could concern. */
function longestCredentialMs(options: ResolvedOptions): number {
  const tokensMs = options.jwt.map((jwt) => (jwt.maxAgeSeconds + jwt.clockToleranceSeconds) * 1_000);
  return Math.max(options.session.absoluteMs, ...tokensMs, options.lifetime.maxMs) + 5 * 60_000;
}
