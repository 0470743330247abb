import { randomBytes } from 'node:crypto';
import type { AuditEvent } from '../../lib/core/audit/audit-event.js';
import { AuditLog } from '../../lib/core/audit/audit-log.js';
import { Connection, type Grant, type Handshake } from '../../lib/core/connection.js';
import { TokenRejected } from '../../lib/core/errors.js';
import type { GatewayPolicy } from '../../lib/core/handshake/gateway-policy.js';
import { HandshakeAuthenticator } from '../../lib/core/handshake/handshake-authenticator.js';
import { HandshakeAttempt } from '../../lib/core/handshake/handshake-attempt.js';
import { OriginPolicy } from '../../lib/core/handshake/origin-policy.js';
import { HandshakeRefused } from '../../lib/core/handshake/refusal.js';
import type { Cancellation, TokenVerifier, VerifiedToken } from '../../lib/core/handshake/token-verifier.js';
import type { RawUpgrade } from '../../lib/core/handshake/upgrade-request.js';
import { newId, newSessionToken, sessionIdOf, userHashOf } from '../../lib/core/identifiers.js';
import { DeadlineWheel } from '../../lib/core/lifetime/deadline-wheel.js';
import { Lifetime } from '../../lib/core/lifetime/lifetime.js';
import { resolveOptions, type ResolvedOptions, type WsAuthOptions } from '../../lib/core/options.js';
import type { Principal } from '../../lib/core/principal.js';
import { RevocationService } from '../../lib/core/revocation/revocation-service.js';
import { deriveSecretKeys } from '../../lib/core/secret-keys.js';
import { ConnectionService } from '../../lib/core/session/connection-service.js';
import type { AdmissionRequest, AdmissionResult } from '../../lib/core/session/connection-registry.js';
import { SessionCookie } from '../../lib/core/session/session-cookie.js';
import { SessionService } from '../../lib/core/session/session-service.js';
import type { Session } from '../../lib/core/session/session.js';
import type { Stores } from '../../lib/core/stores.js';
import { TicketService } from '../../lib/core/ticket/ticket-service.js';
import { MemoryStores } from '../../lib/memory/memory-stores.js';
import { fakeClock, type FakeClock } from './fake-clock.js';

export const APP_ORIGIN = 'https://app.example.com';
export const GATEWAY_PATH = '/ws';
export const ISSUER = 'https://login.example.com';

/** Everything of core that a node has, on memory stores, with clocks that the test moves. */
export interface CoreHarness {
  readonly clock: FakeClock;
  readonly monotonic: FakeClock;
  readonly wheel: DeadlineWheel;
  readonly options: ResolvedOptions;
  readonly userHashKey: ReturnType<typeof deriveSecretKeys>['userHash'];
  readonly stores: Stores;
  readonly audit: AuditLog;
  /** What the audit log was told, in order. */
  readonly events: AuditEvent[];
  /** What was reported and reached nobody. */
  readonly errors: unknown[];
  readonly verifier: FakeVerifier;
  readonly cookie: SessionCookie;
  readonly revocations: RevocationService;
  readonly sessions: SessionService;
  readonly tickets: TicketService;
  readonly lifetime: Lifetime;
  readonly connections: ConnectionService;
  readonly authenticator: HandshakeAuthenticator;
  hashOf(userId: string): string;
  /** Moves both clocks and fires what is due; before and after it, what can go on without time goes on. */
  advance(ms: number): Promise<void>;
}

export interface CoreHarnessInit {
  options?: Partial<WsAuthOptions>;
  /** Puts something between the services and the memory stores. */
  wrapStores?: (stores: Stores) => Stores;
}

export function coreHarness(init: CoreHarnessInit = {}): CoreHarness {
  const clock = fakeClock();
  const monotonic = fakeClock(5_000_000);
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  const wheel = new DeadlineWheel({ now: monotonic, onError });
  const verifier = new FakeVerifier(clock);
  const options = resolveOptions(
    {
      origins: [APP_ORIGIN],
      credentials: ['ticket', 'bearer', 'cookie'],
      jwt: {
        secret: 's'.repeat(32),
        algorithms: ['HS256'],
        issuer: ISSUER,
        audience: 'ws',
      } as WsAuthOptions['jwt'],
      ...init.options,
    },
    { production: false },
  );
  const keys = deriveSecretKeys('k'.repeat(32));
  const memory = new MemoryStores({ node: 'node-1', rememberRevocationsMs: 24 * 3_600_000, clock });
  const stores = init.wrapStores ? init.wrapStores(memory) : memory;
  const audit = new AuditLog({ clock, node: 'node-1', referenceKey: keys.auditReference });
  const events: AuditEvent[] = [];
  audit.subscribe((event) => {
    events.push(event);
  });
  const userHashKey = keys.userHash;
  const { principalIdPattern } = options;
  const cookie = new SessionCookie(options.cookie);
  const revocations = new RevocationService({ stores, audit, clock, userHashKey, verifier });
  const sessions = new SessionService({
    stores,
    audit,
    revocations,
    userHashKey,
    principalIdPattern,
    limits: options.session,
  });
  const tickets = new TicketService({
    stores,
    audit,
    clock,
    userHashKey,
    principalIdPattern,
    limits: options.ticket,
  });
  const lifetime = new Lifetime({ limits: options.lifetime, wheel, clock, monotonic, random: () => 0.5 });
  const connections = new ConnectionService({
    stores,
    audit,
    clock,
    monotonic,
    wheel,
    lifetime,
    closeCodes: options.closeCodes,
    sessionIdleMs: options.session.idleMs,
    extendedByMessages: options.session.extendedBy === 'messages',
    onError,
  });
  const authenticator = new HandshakeAuthenticator({
    options,
    stores,
    sharedRates: stores.throttle,
    connections,
    cookie,
    audit,
    clock,
    monotonic,
    wheel,
    userHashKey,
    verifier,
  });
  return {
    clock,
    monotonic,
    wheel,
    options,
    userHashKey,
    stores,
    audit,
    events,
    errors,
    verifier,
    cookie,
    revocations,
    sessions,
    tickets,
    lifetime,
    connections,
    authenticator,
    hashOf: (userId) => userHashOf(userHashKey, userId),
    advance: async (ms) => {
      await settle();
      clock.advance(ms);
      monotonic.advance(ms);
      wheel.sweep();
      await settle();
    },
  };
}

/** Lets every promise that can go on without time or a test's doing go on. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Something that a test lets happen when it wants to. */
export interface Latch {
  readonly opened: Promise<void>;
  open(): void;
}

export function latch(): Latch {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

/** What a token says, for the fake verifier. */
export interface TokenFacts {
  user?: string;
  roles?: readonly string[];
  scopes?: readonly string[];
  jti?: string;
  sid?: string;
  issuedAt?: number;
  authTime?: number;
  expiresAt?: number;
  narrowing?: VerifiedToken['narrowing'];
}

/** Knows the tokens that a test has minted, and rejects all others. Counts how often it is asked. */
export class FakeVerifier implements TokenVerifier {
  calls = 0;
  signals: AbortSignal[] = [];
  /** When set, every verification waits for it. */
  gate: Promise<void> | undefined;
  /** When set, every verification fails with it. */
  failure: Error | undefined;
  readonly #clock: FakeClock;
  readonly #tokens = new Map<string, VerifiedToken>();

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  mint(facts: TokenFacts = {}): string {
    const { user = 'u1', roles = [], scopes = [] } = facts;
    const token = `token-${randomBytes(6).toString('hex')}`;
    this.#tokens.set(token, {
      principal: Object.freeze({ id: user, roles, scopes }),
      narrowing: facts.narrowing,
      issuedAt: facts.issuedAt ?? this.#clock(),
      authTime: facts.authTime,
      expiresAt: facts.expiresAt ?? this.#clock() + 3_600_000,
      issuer: ISSUER,
      tokenId: facts.jti,
      sessionId: facts.sid,
    });
    return token;
  }

  verify(token: string, { signal }: Cancellation): VerifiedToken | Promise<VerifiedToken> {
    this.calls += 1;
    this.signals.push(signal);
    return this.gate ? this.gate.then(() => this.#look(token)) : this.#look(token);
  }

  #look(token: string): VerifiedToken {
    if (this.failure) throw this.failure;
    const verified = this.#tokens.get(token);
    if (!verified) throw new TokenRejected('signature');
    return verified;
  }
}

/** The policy of the gateway at {@link GATEWAY_PATH}. */
export function gatewayPolicy(change: Partial<GatewayPolicy> = {}): GatewayPolicy {
  return {
    path: GATEWAY_PATH,
    access: 'authenticated',
    origins: new OriginPolicy([APP_ORIGIN]),
    missingOrigin: 'explicit',
    credentials: new Set(['ticket', 'bearer', 'cookie']),
    protocols: [],
    refuseBrowsersWith: 'http-status',
    roles: [],
    scopes: [],
    ...change,
  };
}

export interface UpgradeInit {
  method?: string;
  url?: string;
  /** A value of `undefined` takes the header out. */
  headers?: Record<string, string | undefined>;
  remoteAddress?: string | undefined;
  boundToLoopback?: boolean;
  encrypted?: boolean;
}

/** An upgrade request that is good in everything but the credential; a test breaks one thing of it. */
export function rawUpgrade(init: UpgradeInit = {}): RawUpgrade {
  const headers: Record<string, string> = {};
  const given = {
    host: 'ws.example.com',
    upgrade: 'websocket',
    connection: 'Upgrade',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    origin: APP_ORIGIN,
    ...init.headers,
  };
  for (const [name, value] of Object.entries(given)) if (value !== undefined) headers[name] = value;
  return {
    method: init.method ?? 'GET',
    url: init.url ?? GATEWAY_PATH,
    httpVersionMajor: 1,
    httpVersionMinor: 1,
    headers,
    rawHeaders: Object.entries(headers).flat(),
    remoteAddress: 'remoteAddress' in init ? init.remoteAddress : '203.0.113.7',
    boundToLoopback: init.boundToLoopback ?? false,
    encrypted: init.encrypted ?? true,
    certificate: undefined,
  };
}

/** The handshake that a test wants to see accepted or refused. */
export interface HandshakeTry {
  readonly attempt: HandshakeAttempt;
  readonly decision: ReturnType<HandshakeAuthenticator['authenticate']>;
}

/** Begins a handshake; the decision may be awaited, or overtaken. */
export function beginHandshake(
  core: CoreHarness,
  upgrade: UpgradeInit = {},
  policy: GatewayPolicy = gatewayPolicy(),
): HandshakeTry {
  const attempt = new HandshakeAttempt();
  const decision = core.authenticator.authenticate(attempt, rawUpgrade(upgrade), (path) =>
    path === policy.path ? policy : undefined,
  );
  decision.catch(() => {});
  return { attempt, decision };
}

/** The refusal that a promise must end in. */
export async function refusalOf(work: Promise<unknown>): Promise<HandshakeRefused> {
  const outcome = await work.then(
    () => 'accepted',
    (error: unknown) => error,
  );
  if (outcome instanceof HandshakeRefused) return outcome;
  throw new Error(`expected a HandshakeRefused, got ${String(outcome)}`);
}

/** The connection of a handshake that must be accepted; its attempt is over, as after an upgrade. */
export async function acceptedBy(handshake: HandshakeTry): Promise<Connection> {
  const decision = await handshake.decision;
  handshake.attempt.release();
  if (decision.kind !== 'accept') throw new Error(`expected "accept", got "${decision.kind}"`);
  return decision.connection;
}

/** What was written to a connection, and what a test makes of its socket. */
export interface RecordedTransport {
  readonly sent: string[];
  readonly closes: { readonly code: number; readonly reason: string }[];
  readonly pings: Buffer[];
  /** How often the socket was cut. */
  cuts: number;
  /** Whether the peer answers pings. */
  answersPings: boolean;
  isReadingPaused: boolean;
}

/** Gives a connection a socket whose peer answers pings, unless a test says otherwise, and keeps what is written to it. */
export function record(connection: Connection): RecordedTransport {
  const recorded: RecordedTransport = {
    sent: [],
    closes: [],
    pings: [],
    cuts: 0,
    answersPings: true,
    isReadingPaused: false,
  };
  connection.attach({
    ping: (payload) => {
      recorded.pings.push(payload);
      if (recorded.answersPings) connection.watch?.pong(payload);
    },
    terminate: () => {
      recorded.cuts += 1;
    },
    get isReadingPaused() {
      return recorded.isReadingPaused;
    },
    send: (text) => {
      recorded.sent.push(text);
    },
    close: (code, reason) => {
      recorded.closes.push({ code, reason });
    },
  });
  return recorded;
}

export const HANDSHAKE: Handshake = Object.freeze({
  correlationId: 'correlation-1',
  path: GATEWAY_PATH,
  query: '',
  origin: APP_ORIGIN,
  host: 'ws.example.com',
  address: '203.0.113.7',
  addressSource: 'socket',
  secure: true,
  protocol: '',
});

export function principalOf(
  id: string,
  roles: readonly string[] = [],
  scopes: readonly string[] = [],
): Principal {
  return Object.freeze({ id, roles, scopes });
}

/** A session as a store would answer it, for tests that need no store. */
export function sessionOf(userHash: string, change: Partial<Session> = {}): Session {
  return Object.freeze({
    id: sessionIdOf(newSessionToken(userHash))!,
    userId: 'u1',
    roles: [],
    scopes: [],
    tenant: undefined,
    createdAt: 1_800_000_000_000,
    authenticatedAt: 1_800_000_000_000,
    authTime: 1_800_000_000_000,
    absoluteEndsAt: 1_800_000_000_000 + 3_600_000,
    idleMs: 60_000,
    version: 1,
    data: undefined,
    ...change,
  });
}

/** A grant that lasts for an hour, without a session unless one is given. */
export function grantOf(change: Partial<Grant> = {}): Grant {
  const { session } = change;
  return {
    principal: principalOf('u1'),
    userHash: 'user-hash-000001',
    credential: session ? 'cookie' : 'bearer',
    session,
    narrowing: undefined,
    tokenHash: undefined,
    authenticatedAt: session?.authenticatedAt ?? 1_800_000_000_000,
    authTime: session?.authTime ?? 1_800_000_000_000,
    expiresAt: 1_800_000_000_000 + 3_600_000,
    ...change,
  };
}

/** A connection that no service knows. */
export function looseConnection(change: Partial<Grant> = {}, id = newId()): Connection {
  return new Connection(id, HANDSHAKE, grantOf(change), 1_800_000_000_000);
}

/** Stores whose admissions pass through `onAdmit`: to count, delay, change or refuse them. */
export function withAdmissions(
  stores: Stores,
  onAdmit: (request: AdmissionRequest, admit: () => Promise<AdmissionResult>) => Promise<AdmissionResult>,
): Stores {
  const { connections } = stores;
  return {
    kind: stores.kind,
    tickets: stores.tickets,
    sessions: stores.sessions,
    revocations: stores.revocations,
    throttle: stores.throttle,
    notices: stores.notices,
    anomalies: stores.anomalies,
    breaker: stores.breaker,
    connections: {
      admit: (request) => onAdmit(request, () => connections.admit(request)),
      release: (place) => connections.release(place),
      releaseAll: (places) => connections.releaseAll(places),
      countOf: (userHash) => connections.countOf(userHash),
      list: (userHash) => connections.list(userHash),
      restore: (places) => connections.restore(places),
    },
    start: () => stores.start(),
    stop: () => stores.stop(),
    freshAt: stores.freshAt,
    freshAtOf: (userHash) => stores.freshAtOf(userHash),
  };
}
