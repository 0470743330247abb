import { KeyObject } from 'node:crypto';
import type { CloseCodeScheme } from './close-code.js';
import { WsAuthOptionsError } from './errors.js';
import { parseCidr } from './handshake/client-address.js';
import { parseHostEntry } from './handshake/host-policy.js';
import { describeOriginProblem } from './handshake/origin-policy.js';
import { resolveJwtOptions, type JwtOptions, type ResolvedJwtOptions } from './handshake/jwt-options.js';
import {
  resolveCookieOptions,
  type CookieOptions,
  type ResolvedCookieOptions,
} from './session/cookie-options.js';
import { describeType, describeValue, OptionProblems } from './option-rules.js';
import { MIN_SECRET_BYTES } from './secret-keys.js';

/** The ways in which a client can prove who it is; PROTOCOL.md says how each travels. */
export type CredentialKind = 'ticket' | 'bearer' | 'cookie' | 'first-message';

export const CREDENTIAL_KINDS: readonly CredentialKind[] = ['ticket', 'bearer', 'cookie', 'first-message'];

/** How a browser learns why it was refused: scripts cannot read an HTTP status, so the default is a close code. */
export type BrowserRefusal = 'close-code' | 'http-status';

/** Everything about the HTTP exchange that precedes a connection. */
export interface HandshakeOptions {
  /**
   * Who may come without an Origin header. `explicit`: requests with an Authorization header or a ticket, and any request
   * on a gateway that takes the first message; never beside a Cookie header. `refuse`: nobody, which is right behind a
   * proxy that strips Origin.
   * @default 'explicit'
   */
  missingOrigin?: 'explicit' | 'refuse';
  /** The whole time from the request to the decision. @default 10_000 ms */
  timeoutMs?: number;
  /** The time in which a token must be verified or the store must answer. @default 5_000 ms */
  verifyTimeoutMs?: number;
  /** Handshakes in progress on this node; beyond it 503. @default 1_000 */
  maxPending?: number;
  /** Handshakes in progress of one address prefix; beyond it 429. @default 50 */
  maxPendingPerAddress?: number;
  /** Header lines of a request; beyond it 431. @default 100 */
  maxHeaders?: number;
  /**
   * The time in which the request header must be complete (408 by Node). Set on the servers of gateways with a port of
   * their own, and on the application's server where that allows more. @default 10_000 ms
   */
  headersTimeoutMs?: number;
  /** Refuse anything but TLS (403). @default true in production, otherwise false */
  requireTls?: boolean;
  /** What a browser on an allowed origin gets for a refused credential. @default 'close-code' */
  refuseBrowsersWith?: BrowserRefusal;
  /** Subprotocols that a gateway may speak, in order of preference, besides `ws-auth.v1`. @default [] */
  protocols?: readonly string[];
  /** Paths whose upgrades belong to other listeners on the same server, such as `/graphql`. @default [] */
  foreignPaths?: readonly string[];
  /** New connections of one address prefix: on this node, and on all nodes that share a store. */
  connectRate?: {
    /** Connections in a window. @default 600 */
    limit?: number;
    /** @default 60_000 ms */
    windowMs?: number;
    /** How many may come at once. @default 200 */
    burst?: number;
  };
}

/** One-time tickets. */
export interface TicketOptions {
  /** How long an unused ticket is good. At most 60,000 ms. @default 30_000 ms */
  ttlMs?: number;
  /** Unused tickets of one session; a further one pushes out the oldest. @default 20 */
  maxOutstanding?: number;
  /** Tickets issued for one session in a minute. @default 60 */
  maxPerMinute?: number;
  /** A ticket issued on a request that carried the session cookie must arrive with that cookie. @default false */
  requiresCookie?: boolean;
}

/** Server-side sessions. */
export interface SessionOptions {
  /** A session ends after this long without use. @default 1_800_000 ms (30 minutes) */
  idleMs?: number;
  /** A session ends this long after it began, whatever happens. @default 43_200_000 ms (12 hours) */
  absoluteMs?: number;
  /** What counts as use: application messages and HTTP requests, or HTTP requests alone. @default 'messages' */
  extendedBy?: 'messages' | 'http';
  /** Sessions of one user. @default 100 */
  maxPerUser?: number;
}

/** Authentication by the first message. */
export interface FirstMessageOptions {
  /** The time from 101 to a finished authentication; nothing restarts it. @default 5_000 ms */
  timeoutMs?: number;
  /** The size of the auth frame. @default 8_192 bytes */
  maxBytes?: number;
  /** Frames that may arrive while verification runs. @default 256 */
  maxHeldFrames?: number;
  /** Bytes that may arrive while verification runs. @default 262_144 bytes */
  maxHeldBytes?: number;
  /** Sockets on this node that have not authenticated yet; beyond it 503. @default 1_000 */
  maxWaiting?: number;
  /** Sockets of one address prefix that have not authenticated yet; beyond it 429. @default 20 */
  maxWaitingPerAddress?: number;
}

/** How many connections may live at once. */
export interface ConnectionOptions {
  /** @default 20 */
  maxPerSession?: number;
  /** @default 50 */
  maxPerUser?: number;
  /** What happens beyond a limit. With `replace-oldest` a thief can push the owner off, so it is not the default. @default 'reject' */
  onLimit?: 'reject' | 'replace-oldest';
}

/** Inbound messages. */
export interface MessageOptions {
  /** @default 65_536 bytes */
  maxPayloadBytes?: number;
}

/** When connections end. */
export interface LifetimeOptions {
  /** The longest life of a connection. @default 43_200_000 ms (12 hours) */
  maxMs?: number;
  /** How long a peer may take to answer Close before the socket is cut. @default 2_000 ms */
  closeGraceMs?: number;
}

/** Reverse proxies in front of this node. */
export interface ProxyOptions {
  /** Addresses (CIDR) of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed. @default [] */
  trusted?: readonly string[];
  /** How many bits of an IPv6 address make one client. 48 to 128. @default 64 */
  ipv6Prefix?: number;
}

/** What happens to live connections while the store cannot be asked. */
export interface StoreOutageOptions {
  /** How long they live on without news of revocations; then they are closed 1013. @default 60_000 ms */
  graceMs?: number;
  /** How many nodes share the connect rate: while the store is away each node holds its part of it. @default 2 */
  expectedNodes?: number;
}

/** The audit log. */
export interface AuditOptions {
  /** Write one line for each event through Nest's logger. @default true */
  log?: boolean;
}

/** The options of the module. `origins`, `credentials` and what the chosen credentials need are required. */
export interface WsAuthOptions {
  /** Origins whose pages may connect, such as `https://app.example.com`: compared exactly, no patterns. Required. */
  origins: readonly string[];
  /** The ways in which a client may prove who it is. Required. */
  credentials: readonly CredentialKind[];
  /** How bearer tokens are verified. Required when `credentials` lists `bearer`. */
  jwt?: JwtOptions;
  /**
   * At least 32 bytes from which keys for user hashes and audit references are derived; the same on all nodes.
   * @default random: references and tickets do not outlive the process
   */
  secret?: string | Buffer | KeyObject;
  /**
   * Where sessions, tickets and revocations are kept for all nodes: a `redis://` URL, ioredis options (for Sentinel with
   * `sentinels` and `name`), `{ cluster: [{ host, port }, …], options }` with the options of ioredis's `Cluster`, or an ioredis
   * client of any kind (copies of it are used). Redis 7.0 or later, or Valkey, with `maxmemory-policy noeviction`.
   * @default none: they are kept in the memory of this process, which is for one node
   */
  redis?: string | object;
  /** What every key and channel in Redis begins with. @default 'ws:' */
  redisPrefix?: string;
  /**
   * Into how many parts the users are split in Redis; all that belongs to one user is in one part, and so on one server of a
   * cluster. More parts spread more evenly over many masters, and cost each node a request a second each. The same on all
   * nodes: one with another number refuses to boot, and what is stored must be dropped to change it.
   * @default 1 on a single server and with Sentinel, 16 on a cluster
   */
  redisPartitions?: 1 | 16 | 64 | 256;
  /** What happens while the store is away. New handshakes are refused with 503 at once. */
  storeOutage?: StoreOutageOptions;
  /** Host names that this server answers to. @default loopback names when bound to loopback, otherwise any */
  hosts?: readonly string[];
  /** Turns warnings about unsafe or unfinished set-ups into boot errors. @default false */
  strict?: boolean;
  /** What the id of a principal may look like. @default /^[\x21-\x7e]{1,128}$/ */
  principalIdPattern?: RegExp;
  /** The close codes on the wire. @default 'project' */
  closeCodes?: CloseCodeScheme;
  /** Sessions and tickets live in the memory of this process: one node, gone at a restart. Say that this is meant. @default false */
  allowMemoryStoreInProduction?: boolean;
  cookie?: CookieOptions;
  handshake?: HandshakeOptions;
  ticket?: TicketOptions;
  session?: SessionOptions;
  firstMessage?: FirstMessageOptions;
  connections?: ConnectionOptions;
  message?: MessageOptions;
  lifetime?: LifetimeOptions;
  proxy?: ProxyOptions;
  audit?: AuditOptions;
}

/** Every option with its value: what the rest of the library reads. */
export interface ResolvedOptions {
  readonly origins: readonly string[];
  readonly credentials: readonly CredentialKind[];
  readonly jwt: ResolvedJwtOptions | undefined;
  readonly secret: string | Buffer | KeyObject | undefined;
  readonly redis: string | object | undefined;
  readonly redisPrefix: string;
  readonly redisPartitions: RedisPartitions | undefined;
  readonly storeOutage: Required<StoreOutageOptions>;
  readonly hosts: readonly string[] | undefined;
  readonly strict: boolean;
  readonly production: boolean;
  readonly principalIdPattern: RegExp;
  readonly closeCodes: CloseCodeScheme;
  readonly allowMemoryStoreInProduction: boolean;
  readonly cookie: ResolvedCookieOptions;
  readonly handshake: Required<Omit<HandshakeOptions, 'connectRate'>> & {
    connectRate: Required<NonNullable<HandshakeOptions['connectRate']>>;
  };
  readonly ticket: Required<TicketOptions>;
  readonly session: Required<SessionOptions>;
  readonly firstMessage: Required<FirstMessageOptions>;
  readonly connections: Required<ConnectionOptions>;
  readonly message: Required<MessageOptions>;
  readonly lifetime: Required<LifetimeOptions>;
  readonly proxy: Required<ProxyOptions>;
  readonly audit: Required<AuditOptions>;
  /** Sentences to log once at boot: allowed, and worth a second thought. */
  readonly warnings: readonly string[];
}

/** The default of every option that has one. `requireTls` depends on NODE_ENV and is resolved. */
export const DEFAULT_OPTIONS = {
  handshake: {
    missingOrigin: 'explicit',
    timeoutMs: 10_000,
    verifyTimeoutMs: 5_000,
    maxPending: 1_000,
    maxPendingPerAddress: 50,
    maxHeaders: 100,
    headersTimeoutMs: 10_000,
    requireTls: false,
    refuseBrowsersWith: 'close-code',
    protocols: [],
    foreignPaths: [],
    connectRate: { limit: 600, windowMs: 60_000, burst: 200 },
  },
  ticket: { ttlMs: 30_000, maxOutstanding: 20, maxPerMinute: 60, requiresCookie: false },
  session: { idleMs: 30 * 60_000, absoluteMs: 12 * 3_600_000, extendedBy: 'messages', maxPerUser: 100 },
  firstMessage: {
    timeoutMs: 5_000,
    maxBytes: 8_192,
    maxHeldFrames: 256,
    maxHeldBytes: 262_144,
    maxWaiting: 1_000,
    maxWaitingPerAddress: 20,
  },
  connections: { maxPerSession: 20, maxPerUser: 50, onLimit: 'reject' },
  message: { maxPayloadBytes: 65_536 },
  lifetime: { maxMs: 12 * 3_600_000, closeGraceMs: 2_000 },
  proxy: { trusted: [], ipv6Prefix: 64 },
  audit: { log: true },
  storeOutage: { graceMs: 60_000, expectedNodes: 2 },
} as const satisfies Partial<WsAuthOptions>;

const REDIS_PARTITIONS = [1, 16, 64, 256] as const;
type RedisPartitions = (typeof REDIS_PARTITIONS)[number];

/** The longest life that a ticket may be given (requirement TK-03). */
export const MAX_TICKET_TTL_MS = 60_000;

const TOP_LEVEL_KEYS = [
  'origins',
  'credentials',
  'jwt',
  'secret',
  'redis',
  'redisPrefix',
  'redisPartitions',
  'hosts',
  'strict',
  'principalIdPattern',
  'closeCodes',
  'allowMemoryStoreInProduction',
  'cookie',
  ...Object.keys(DEFAULT_OPTIONS),
];

const SUBPROTOCOL_PATTERN = /^[!#$%&'*+\-.0-9A-Z^_`|a-z~]{1,128}$/;

/**
 * Validates the options and fills in the defaults, once, at boot.
 *
 * @param environment `production` when NODE_ENV says so: TLS is required and the memory store refused
 * @throws {WsAuthOptionsError} with one sentence for everything that is missing, misspelt, out of range or unsafe
 */
export function resolveOptions(given: WsAuthOptions, environment: { production: boolean }): ResolvedOptions {
  const problems = new OptionProblems();
  const warnings: string[] = [];
  if (typeof given !== 'object' || given === null) {
    throw new WsAuthOptionsError([
      `WsAuthModule.forRoot() needs an options object, received ${describeType(given)}`,
    ]);
  }
  problems.refuseUnknownKeys('', given, TOP_LEVEL_KEYS);
  const { production } = environment;
  const credentials = resolveCredentials(given.credentials, problems);
  const resolved: ResolvedOptions = {
    origins: resolveOrigins(given.origins, problems, warnings),
    credentials,
    jwt: given.jwt === undefined ? undefined : resolveJwtOptions(given.jwt, problems),
    secret: resolveSecret(given.secret, problems),
    redis: resolveRedis(given.redis, problems),
    redisPrefix: resolveRedisPrefix(given.redisPrefix, problems),
    redisPartitions: resolveRedisPartitions(given.redisPartitions, problems),
    storeOutage: resolveStoreOutage(given.storeOutage, problems),
    hosts: resolveHosts(given.hosts, problems),
    strict: problems.flag('strict', given.strict, false),
    production,
    principalIdPattern: resolvePattern(given.principalIdPattern, problems),
    closeCodes: problems.oneOf(
      'closeCodes',
      given.closeCodes,
      ['project', 'iana', 'policy-violation'],
      'project',
    ),
    allowMemoryStoreInProduction: problems.flag(
      'allowMemoryStoreInProduction',
      given.allowMemoryStoreInProduction,
      false,
    ),
    cookie: resolveCookieOptions(given.cookie, production, problems, warnings),
    handshake: resolveHandshake(given.handshake, production, problems),
    ticket: resolveTicket(given.ticket, problems),
    session: resolveSession(given.session, problems),
    firstMessage: resolveFirstMessage(given.firstMessage, problems),
    connections: resolveConnections(given.connections, problems),
    message: resolveMessage(given.message, problems),
    lifetime: resolveLifetime(given.lifetime, problems),
    proxy: resolveProxy(given.proxy, problems),
    audit: resolveAudit(given.audit, problems),
    warnings,
  };
  reportUnsafeCombinations(resolved, problems, warnings);
  if (problems.sentences.length > 0) throw new WsAuthOptionsError(problems.sentences);
  return resolved;
}

/** Rules that no single option can break on its own. */
function reportUnsafeCombinations(
  options: ResolvedOptions,
  problems: OptionProblems,
  warnings: string[],
): void {
  if (options.credentials.includes('bearer') && !options.jwt) {
    problems.report('option "jwt" is missing: "credentials" lists "bearer", so say how tokens are verified');
  }
  if (options.credentials.length === 1 && options.credentials[0] === 'first-message') {
    problems.report(
      'option "credentials" lists only "first-message": add "bearer" or "ticket", which is what the first message carries',
    );
  }
  if (options.redis !== undefined && options.secret === undefined) {
    problems.report(
      'option "secret" is missing: with "redis" all nodes need the same one, of at least 32 bytes; take it from `openssl rand -base64 48`',
    );
  }
  if (options.production && options.redis === undefined && !options.allowMemoryStoreInProduction) {
    problems.report(
      'the embedded memory store is not for production: sessions and revocations would stay on one node and end with the ' +
        'process; set "redis", or allowMemoryStoreInProduction: true if that is what you want',
    );
  }
  if (options.session.idleMs > options.session.absoluteMs) {
    problems.report(
      'option "session.idleMs" is longer than "session.absoluteMs": a session could never be idle that long',
    );
  }
  if (options.handshake.verifyTimeoutMs > options.handshake.timeoutMs) {
    problems.report(
      'option "handshake.verifyTimeoutMs" is longer than "handshake.timeoutMs", which would always come first',
    );
  }
  if (options.handshake.timeoutMs > 15_000) {
    warnings.push('handshake.timeoutMs is above 15 seconds: slow clients hold their slots for that long');
  }
  if (options.firstMessage.maxBytes > options.message.maxPayloadBytes) {
    problems.report(
      'option "firstMessage.maxBytes" is above "message.maxPayloadBytes", which would always come first',
    );
  }
  if (options.strict && warnings.length > 0) {
    for (const warning of warnings) problems.report(`${warning} (refused because of strict: true)`);
  }
}

function resolveOrigins(given: unknown, problems: OptionProblems, warnings: string[]): readonly string[] {
  if (!Array.isArray(given) || given.length === 0) {
    problems.report(
      'option "origins" is missing: list the origins whose pages may connect, such as ["https://app.example.com"]; ' +
        'without it any web page could open a socket in the name of your users',
    );
    return [];
  }
  for (const entry of given) {
    const problem = describeOriginProblem(entry);
    if (problem) problems.report(`option "origins": ${problem}`);
  }
  if (given.includes('null')) {
    warnings.push('origins lists "null": sandboxed frames and local files of anybody may connect');
  }
  return given.filter((entry) => typeof entry === 'string');
}

function resolveCredentials(given: unknown, problems: OptionProblems): readonly CredentialKind[] {
  if (!Array.isArray(given) || given.length === 0) {
    problems.report(
      'option "credentials" is missing: choose from "ticket", "bearer", "cookie", "first-message"; for browsers ' +
        '["ticket", "first-message"] is a good start, for machines ["bearer"]',
    );
    return [];
  }
  for (const kind of given) {
    if (CREDENTIAL_KINDS.includes(kind as CredentialKind)) continue;
    problems.report(
      `option "credentials" lists ${typeof kind === 'string' ? `"${kind}"` : describeType(kind)}: known are ${CREDENTIAL_KINDS.join(', ')}`,
    );
  }
  return [...new Set(given as CredentialKind[])];
}

function resolveSecret(given: unknown, problems: OptionProblems): string | Buffer | KeyObject | undefined {
  if (given === undefined) return undefined;
  if (given instanceof KeyObject) {
    if (given.type !== 'secret' || (given.symmetricKeySize ?? 0) < MIN_SECRET_BYTES) {
      problems.report(`option "secret" must be a secret key of at least ${MIN_SECRET_BYTES} bytes`);
    }
    return given;
  }
  if (typeof given === 'string' || Buffer.isBuffer(given)) {
    if (Buffer.byteLength(given) < MIN_SECRET_BYTES) {
      problems.report(
        `option "secret" has ${Buffer.byteLength(given)} bytes, and at least ${MIN_SECRET_BYTES} are needed: take one from \`openssl rand -base64 48\``,
      );
    }
    return given;
  }
  problems.report(
    `option "secret" must be a string, a Buffer or a KeyObject, received ${describeType(given)}`,
  );
  return undefined;
}

function resolveRedis(given: unknown, problems: OptionProblems): string | object | undefined {
  if (given === undefined) return undefined;
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) return given;
  if (typeof given === 'string' && /^rediss?:\/\//.test(given)) return given;
  problems.report(
    `option "redis" must be a redis:// or rediss:// URL, ioredis options or a client, received ${describeType(given)}`,
  );
  return undefined;
}

function resolveRedisPrefix(given: unknown, problems: OptionProblems): string {
  if (given === undefined) return 'ws:';
  if (typeof given === 'string' && /^[A-Za-z0-9:._-]{1,64}$/.test(given)) return given;
  problems.report('option "redisPrefix" must be 1 to 64 letters, digits, ":", ".", "_" or "-"');
  return 'ws:';
}

function resolveRedisPartitions(given: unknown, problems: OptionProblems): RedisPartitions | undefined {
  if (given === undefined || REDIS_PARTITIONS.includes(given as RedisPartitions))
    return given as RedisPartitions | undefined;
  problems.report(
    `option "redisPartitions" must be one of ${REDIS_PARTITIONS.join(', ')}, received ${describeValue(given)}`,
  );
  return undefined;
}

function resolveStoreOutage(given: unknown, problems: OptionProblems): Required<StoreOutageOptions> {
  const defaults = DEFAULT_OPTIONS.storeOutage;
  const group = problems.group('storeOutage', given);
  problems.refuseUnknownKeys('storeOutage', group, Object.keys(defaults));
  return {
    graceMs: problems.durationMs('storeOutage.graceMs', group.graceMs, defaults.graceMs),
    expectedNodes: problems.count('storeOutage.expectedNodes', group.expectedNodes, defaults.expectedNodes),
  };
}

function resolveHosts(given: unknown, problems: OptionProblems): readonly string[] | undefined {
  if (given === undefined) return undefined;
  const isHost = (entry: string) => parseHostEntry(entry) !== null;
  const hosts = problems.strings(
    'hosts',
    given,
    [],
    isHost,
    'host names such as "app.example.com" or "localhost:3000"',
  );
  if (Array.isArray(given) && given.length === 0) {
    problems.report(
      'option "hosts" is empty, so that every request would be refused: list the names, or leave it out',
    );
  }
  return hosts;
}

function resolvePattern(given: unknown, problems: OptionProblems): RegExp {
  const fallback = /^[\x21-\x7e]{1,128}$/;
  if (given === undefined) return fallback;
  if (given instanceof RegExp && !given.global && !given.sticky) return given;
  problems.report('option "principalIdPattern" must be a regular expression without the flags g and y');
  return fallback;
}

function resolveHandshake(
  given: unknown,
  production: boolean,
  problems: OptionProblems,
): ResolvedOptions['handshake'] {
  const defaults = DEFAULT_OPTIONS.handshake;
  const group = problems.group('handshake', given);
  problems.refuseUnknownKeys('handshake', group, Object.keys(defaults));
  const rate = problems.group('handshake.connectRate', group.connectRate);
  problems.refuseUnknownKeys('handshake.connectRate', rate, Object.keys(defaults.connectRate));
  return {
    missingOrigin: problems.oneOf(
      'handshake.missingOrigin',
      group.missingOrigin,
      ['explicit', 'refuse'],
      defaults.missingOrigin,
    ),
    timeoutMs: problems.durationMs('handshake.timeoutMs', group.timeoutMs, defaults.timeoutMs, 120_000),
    verifyTimeoutMs: problems.durationMs(
      'handshake.verifyTimeoutMs',
      group.verifyTimeoutMs,
      Math.min(defaults.verifyTimeoutMs, typeof group.timeoutMs === 'number' ? group.timeoutMs : Infinity),
    ),
    maxPending: problems.count('handshake.maxPending', group.maxPending, defaults.maxPending),
    maxPendingPerAddress: problems.count(
      'handshake.maxPendingPerAddress',
      group.maxPendingPerAddress,
      defaults.maxPendingPerAddress,
    ),
    maxHeaders: problems.count('handshake.maxHeaders', group.maxHeaders, defaults.maxHeaders, 10, 1_000),
    headersTimeoutMs: problems.durationMs(
      'handshake.headersTimeoutMs',
      group.headersTimeoutMs,
      defaults.headersTimeoutMs,
    ),
    requireTls: problems.flag('handshake.requireTls', group.requireTls, production),
    refuseBrowsersWith: problems.oneOf(
      'handshake.refuseBrowsersWith',
      group.refuseBrowsersWith,
      ['close-code', 'http-status'],
      defaults.refuseBrowsersWith,
    ),
    protocols: problems.strings(
      'handshake.protocols',
      group.protocols,
      defaults.protocols,
      isSubprotocol,
      'subprotocol names that carry no credential',
    ),
    foreignPaths: problems.strings(
      'handshake.foreignPaths',
      group.foreignPaths,
      defaults.foreignPaths,
      (path) => /^\/[\x21-\x7e]*$/.test(path) && !/[?#]/.test(path),
      'paths that begin with "/"',
    ),
    connectRate: {
      limit: problems.count('handshake.connectRate.limit', rate.limit, defaults.connectRate.limit),
      windowMs: problems.durationMs(
        'handshake.connectRate.windowMs',
        rate.windowMs,
        defaults.connectRate.windowMs,
      ),
      burst: problems.count('handshake.connectRate.burst', rate.burst, defaults.connectRate.burst),
    },
  };
}

/** True for a subprotocol that may be chosen: a token of RFC 6455 §4.1, and not one that carries a credential. */
export function isSubprotocol(name: string): boolean {
  return (
    SUBPROTOCOL_PATTERN.test(name) &&
    !name.startsWith('ticket.ws-auth.') &&
    !name.startsWith('base64url.bearer.ws-auth.')
  );
}

function resolveTicket(given: unknown, problems: OptionProblems): Required<TicketOptions> {
  const defaults = DEFAULT_OPTIONS.ticket;
  const group = problems.group('ticket', given);
  problems.refuseUnknownKeys('ticket', group, Object.keys(defaults));
  return {
    ttlMs: problems.durationMs('ticket.ttlMs', group.ttlMs, defaults.ttlMs, MAX_TICKET_TTL_MS),
    maxOutstanding: problems.count(
      'ticket.maxOutstanding',
      group.maxOutstanding,
      defaults.maxOutstanding,
      1,
      1_000,
    ),
    maxPerMinute: problems.count('ticket.maxPerMinute', group.maxPerMinute, defaults.maxPerMinute),
    requiresCookie: problems.flag('ticket.requiresCookie', group.requiresCookie, defaults.requiresCookie),
  };
}

function resolveSession(given: unknown, problems: OptionProblems): Required<SessionOptions> {
  const defaults = DEFAULT_OPTIONS.session;
  const group = problems.group('session', given);
  problems.refuseUnknownKeys('session', group, Object.keys(defaults));
  return {
    idleMs: problems.durationMs('session.idleMs', group.idleMs, defaults.idleMs),
    absoluteMs: problems.durationMs('session.absoluteMs', group.absoluteMs, defaults.absoluteMs),
    extendedBy: problems.oneOf(
      'session.extendedBy',
      group.extendedBy,
      ['messages', 'http'],
      defaults.extendedBy,
    ),
    maxPerUser: problems.count('session.maxPerUser', group.maxPerUser, defaults.maxPerUser, 1, 10_000),
  };
}

function resolveFirstMessage(given: unknown, problems: OptionProblems): Required<FirstMessageOptions> {
  const defaults = DEFAULT_OPTIONS.firstMessage;
  const group = problems.group('firstMessage', given);
  problems.refuseUnknownKeys('firstMessage', group, Object.keys(defaults));
  return {
    timeoutMs: problems.durationMs('firstMessage.timeoutMs', group.timeoutMs, defaults.timeoutMs, 120_000),
    maxBytes: problems.count('firstMessage.maxBytes', group.maxBytes, defaults.maxBytes, 256),
    maxHeldFrames: problems.count(
      'firstMessage.maxHeldFrames',
      group.maxHeldFrames,
      defaults.maxHeldFrames,
      0,
    ),
    maxHeldBytes: problems.count('firstMessage.maxHeldBytes', group.maxHeldBytes, defaults.maxHeldBytes, 0),
    maxWaiting: problems.count('firstMessage.maxWaiting', group.maxWaiting, defaults.maxWaiting),
    maxWaitingPerAddress: problems.count(
      'firstMessage.maxWaitingPerAddress',
      group.maxWaitingPerAddress,
      defaults.maxWaitingPerAddress,
    ),
  };
}

function resolveConnections(given: unknown, problems: OptionProblems): Required<ConnectionOptions> {
  const defaults = DEFAULT_OPTIONS.connections;
  const group = problems.group('connections', given);
  problems.refuseUnknownKeys('connections', group, Object.keys(defaults));
  return {
    maxPerSession: problems.count('connections.maxPerSession', group.maxPerSession, defaults.maxPerSession),
    maxPerUser: problems.count('connections.maxPerUser', group.maxPerUser, defaults.maxPerUser),
    onLimit: problems.oneOf(
      'connections.onLimit',
      group.onLimit,
      ['reject', 'replace-oldest'],
      defaults.onLimit,
    ),
  };
}

function resolveMessage(given: unknown, problems: OptionProblems): Required<MessageOptions> {
  const defaults = DEFAULT_OPTIONS.message;
  const group = problems.group('message', given);
  problems.refuseUnknownKeys('message', group, Object.keys(defaults));
  return {
    maxPayloadBytes: problems.count(
      'message.maxPayloadBytes',
      group.maxPayloadBytes,
      defaults.maxPayloadBytes,
      256,
      2 ** 30,
    ),
  };
}

function resolveLifetime(given: unknown, problems: OptionProblems): Required<LifetimeOptions> {
  const defaults = DEFAULT_OPTIONS.lifetime;
  const group = problems.group('lifetime', given);
  problems.refuseUnknownKeys('lifetime', group, Object.keys(defaults));
  return {
    maxMs: problems.durationMs('lifetime.maxMs', group.maxMs, defaults.maxMs),
    closeGraceMs: problems.durationMs(
      'lifetime.closeGraceMs',
      group.closeGraceMs,
      defaults.closeGraceMs,
      30_000,
    ),
  };
}

function resolveProxy(given: unknown, problems: OptionProblems): Required<ProxyOptions> {
  const defaults = DEFAULT_OPTIONS.proxy;
  const group = problems.group('proxy', given);
  problems.refuseUnknownKeys('proxy', group, Object.keys(defaults));
  return {
    trusted: problems.strings(
      'proxy.trusted',
      group.trusted,
      defaults.trusted,
      (entry) => parseCidr(entry) !== null,
      'addresses or CIDR blocks such as "10.0.0.0/8" (an IPv4-mapped block needs a prefix of at least 96)',
    ),
    ipv6Prefix: problems.count('proxy.ipv6Prefix', group.ipv6Prefix, defaults.ipv6Prefix, 48, 128),
  };
}

function resolveAudit(given: unknown, problems: OptionProblems): Required<AuditOptions> {
  const defaults = DEFAULT_OPTIONS.audit;
  const group = problems.group('audit', given);
  problems.refuseUnknownKeys('audit', group, Object.keys(defaults));
  return { log: problems.flag('audit.log', group.log, defaults.log) };
}
