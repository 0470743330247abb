import { KeyObject } from 'node:crypto';
import {
  ANOMALY_DEFAULTS,
  resolveAnomalyOptions,
  type AnomalyOptions,
  type ResolvedAnomalyOptions,
} from './anomaly/anomaly-options.js';
import {
  AUDIT_DEFAULTS,
  resolveAuditOptions,
  type AuditOptions,
  type ResolvedAuditOptions,
} from './audit/audit-options.js';
import type { CloseCodeScheme } from './close-code.js';
import { WsAuthOptionsError } from './errors.js';
import {
  DOCTOR_DEFAULTS,
  resolveDoctorOptions,
  type DoctorOptions,
  type ResolvedDoctorOptions,
} from './doctor/doctor-options.js';
import { CREDENTIAL_KINDS, type CredentialKind } from './handshake/credential-kind.js';
import {
  FIRST_MESSAGE_DEFAULTS,
  resolveFirstMessageOptions,
  type FirstMessageOptions,
  type ResolvedFirstMessageOptions,
} from './handshake/first-message-options.js';
import {
  HANDSHAKE_DEFAULTS,
  resolveHandshakeOptions,
  type HandshakeOptions,
  type ResolvedHandshakeOptions,
} from './handshake/handshake-options.js';
import { parseHostEntry } from './handshake/host-policy.js';
import {
  resolveBasicOptions,
  resolveClientCertificateOptions,
  resolveReaders,
  type BasicOptions,
  type ClientCertificateOptions,
  type CredentialReader,
} from './handshake/own-credentials.js';
import { resolveJwtOptions, type JwtOptions, type ResolvedJwtOptions } from './handshake/jwt-options.js';
import { describeOriginProblem } from './handshake/origin-policy.js';
import {
  PROXY_DEFAULTS,
  resolveProxyOptions,
  type ProxyOptions,
  type ResolvedProxyOptions,
} from './handshake/proxy-options.js';
import {
  LIFETIME_DEFAULTS,
  resolveLifetimeOptions,
  type LifetimeOptions,
  type ResolvedLifetimeOptions,
} from './lifetime/lifetime-options.js';
import {
  MESSAGE_DEFAULTS,
  resolveMessageOptions,
  type MessageOptions,
  type ResolvedMessageOptions,
} from './message/message-options.js';
import { describeType, describeValue, OptionProblems } from './option-rules.js';
import { MIN_SECRET_BYTES } from './secret-keys.js';
import {
  CONNECTION_DEFAULTS,
  resolveConnectionOptions,
  type ConnectionOptions,
  type ResolvedConnectionOptions,
} from './session/connection-options.js';
import {
  resolveCookieOptions,
  type CookieOptions,
  type ResolvedCookieOptions,
} from './session/cookie-options.js';
import {
  SESSION_DEFAULTS,
  resolveSessionOptions,
  type ResolvedSessionOptions,
  type SessionOptions,
} from './session/session-options.js';
import {
  STORE_OUTAGE_DEFAULTS,
  resolveStoreOutageOptions,
  type ResolvedStoreOutageOptions,
  type StoreOutageOptions,
} from './store-outage-options.js';
import {
  THROTTLE_DEFAULTS,
  resolveThrottleOptions,
  type ResolvedThrottleOptions,
  type ThrottleOptions,
} from './throttle/throttle-options.js';
import {
  TICKET_DEFAULTS,
  resolveTicketOptions,
  type ResolvedTicketOptions,
  type TicketOptions,
} from './ticket/ticket-options.js';

/** The options of the module. `origins`, `credentials` and what the chosen credentials need are required. */
export interface WsAuthOptions {
  /** Origins whose pages may connect, such as `https://app.example.com`: compared exactly, no patterns. Required. */
  origins: readonly string[];
  /** The ways in which a client may prove who it is. Required. */
  credentials: readonly CredentialKind[];
  /** How bearer tokens are verified; a list for several issuers, each with its own keys. Required when `credentials` lists `bearer`. */
  jwt?: JwtOptions | readonly JwtOptions[];
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
  /** Refuses the boot for every error and warning of the doctor, but those that `doctor.ignore` lists. @default false */
  strict?: boolean;
  /** What the id of a principal may look like. @default /^[\x21-\x7e]{1,128}$/ */
  principalIdPattern?: RegExp;
  /** The close codes on the wire. @default 'project' */
  closeCodes?: CloseCodeScheme;
  /** Sessions and tickets live in the memory of this process: one node, gone at a restart. Say that this is meant. @default false */
  allowMemoryStoreInProduction?: boolean;
  /** `Authorization: Basic`. Required when `credentials` lists `basic`. */
  basic?: BasicOptions;
  /** TLS client certificates. Required when `credentials` lists `client-certificate`. */
  clientCertificate?: ClientCertificateOptions;
  /** Ways of the application's own to prove who one is; `credentials` lists their kinds too. @default [] */
  readers?: readonly CredentialReader[];
  cookie?: CookieOptions;
  handshake?: HandshakeOptions;
  ticket?: TicketOptions;
  session?: SessionOptions;
  firstMessage?: FirstMessageOptions;
  connections?: ConnectionOptions;
  message?: MessageOptions;
  throttle?: ThrottleOptions;
  lifetime?: LifetimeOptions;
  proxy?: ProxyOptions;
  audit?: AuditOptions;
  anomalies?: AnomalyOptions;
  /**
   * Metrics and traces by @opentelemetry/api: `true` when it must be installed, `false` for none.
   * @default where it is installed
   */
  telemetry?: boolean;
  doctor?: DoctorOptions;
}

/** Every option with its value: what the rest of the library reads. */
export interface ResolvedOptions {
  readonly origins: readonly string[];
  readonly credentials: readonly CredentialKind[];
  /** One for each issuer; none where no token is taken. */
  readonly jwt: readonly ResolvedJwtOptions[];
  readonly secret: string | Buffer | KeyObject | undefined;
  readonly redis: string | object | undefined;
  readonly redisPrefix: string;
  readonly redisPartitions: RedisPartitions | undefined;
  readonly storeOutage: ResolvedStoreOutageOptions;
  readonly hosts: readonly string[] | undefined;
  readonly strict: boolean;
  readonly production: boolean;
  readonly principalIdPattern: RegExp;
  readonly closeCodes: CloseCodeScheme;
  readonly allowMemoryStoreInProduction: boolean;
  readonly basic: BasicOptions | undefined;
  readonly clientCertificate: ClientCertificateOptions | undefined;
  readonly readers: readonly CredentialReader[];
  readonly cookie: ResolvedCookieOptions;
  readonly handshake: ResolvedHandshakeOptions;
  readonly ticket: ResolvedTicketOptions;
  readonly session: ResolvedSessionOptions;
  readonly firstMessage: ResolvedFirstMessageOptions;
  readonly connections: ResolvedConnectionOptions;
  readonly message: ResolvedMessageOptions;
  readonly throttle: ResolvedThrottleOptions;
  readonly lifetime: ResolvedLifetimeOptions;
  readonly proxy: ResolvedProxyOptions;
  readonly audit: ResolvedAuditOptions;
  readonly anomalies: ResolvedAnomalyOptions;
  readonly telemetry: boolean | undefined;
  readonly doctor: ResolvedDoctorOptions;
}

/** The default of every option that has one. `requireTls` depends on NODE_ENV and is resolved. */
export const DEFAULT_OPTIONS = {
  handshake: HANDSHAKE_DEFAULTS,
  ticket: TICKET_DEFAULTS,
  session: SESSION_DEFAULTS,
  firstMessage: FIRST_MESSAGE_DEFAULTS,
  connections: CONNECTION_DEFAULTS,
  message: MESSAGE_DEFAULTS,
  throttle: THROTTLE_DEFAULTS,
  lifetime: LIFETIME_DEFAULTS,
  proxy: PROXY_DEFAULTS,
  audit: AUDIT_DEFAULTS,
  anomalies: ANOMALY_DEFAULTS,
  storeOutage: STORE_OUTAGE_DEFAULTS,
  doctor: DOCTOR_DEFAULTS,
} as const satisfies Partial<WsAuthOptions>;

const REDIS_PARTITIONS = [1, 16, 64, 256] as const;
type RedisPartitions = (typeof REDIS_PARTITIONS)[number];

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
  'basic',
  'clientCertificate',
  'readers',
  'cookie',
  'telemetry',
  ...Object.keys(DEFAULT_OPTIONS),
];

/**
 * Validates the options and fills in the defaults, once, at boot.
 *
 * @param environment `production` when NODE_ENV says so: TLS is required and the memory store refused
 * @throws {WsAuthOptionsError} with one sentence for everything that is missing, misspelt, out of range or unsafe
 */
export function resolveOptions(given: WsAuthOptions, environment: { production: boolean }): ResolvedOptions {
  const problems = new OptionProblems();
  if (typeof given !== 'object' || given === null) {
    throw new WsAuthOptionsError([
      `WsAuthModule.forRoot() needs an options object, received ${describeType(given)}`,
    ]);
  }
  problems.refuseUnknownKeys('', given, TOP_LEVEL_KEYS);
  const { production } = environment;
  const readers = resolveReaders(given.readers, problems);
  const credentials = resolveCredentials(given.credentials, readers, problems);
  const resolved: ResolvedOptions = {
    origins: resolveOrigins(given.origins, problems),
    credentials,
    jwt: resolveJwtOptions(given.jwt, production, problems),
    secret: resolveSecret(given.secret, problems),
    redis: resolveRedis(given.redis, problems),
    redisPrefix: resolveRedisPrefix(given.redisPrefix, problems),
    redisPartitions: resolveRedisPartitions(given.redisPartitions, problems),
    storeOutage: resolveStoreOutageOptions(given.storeOutage, problems),
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
    basic: resolveBasicOptions(given.basic, problems),
    clientCertificate: resolveClientCertificateOptions(given.clientCertificate, problems),
    readers,
    cookie: resolveCookieOptions(given.cookie, production, problems),
    handshake: resolveHandshakeOptions(given.handshake, production, problems),
    ticket: resolveTicketOptions(given.ticket, problems),
    session: resolveSessionOptions(given.session, problems),
    firstMessage: resolveFirstMessageOptions(given.firstMessage, problems),
    connections: resolveConnectionOptions(given.connections, problems),
    message: resolveMessageOptions(given.message, problems),
    throttle: resolveThrottleOptions(given.throttle, problems),
    lifetime: resolveLifetimeOptions(given.lifetime, problems),
    proxy: resolveProxyOptions(given.proxy, problems),
    audit: resolveAuditOptions(given.audit, problems),
    anomalies: resolveAnomalyOptions(given.anomalies, problems),
    telemetry: given.telemetry === undefined ? undefined : problems.flag('telemetry', given.telemetry, true),
    doctor: resolveDoctorOptions(given.doctor, problems),
  };
  reportUnsafeCombinations(resolved, problems);
  if (problems.sentences.length > 0) throw new WsAuthOptionsError(problems.sentences);
  return resolved;
}

/** Rules that no single option can break on its own. */
function reportUnsafeCombinations(options: ResolvedOptions, problems: OptionProblems): void {
  if (options.credentials.includes('bearer') && options.jwt.length === 0) {
    problems.report('option "jwt" is missing: "credentials" lists "bearer", so say how tokens are verified');
  }
  if (options.credentials.includes('basic') && !options.basic)
    problems.report(
      'option "basic" is missing: "credentials" lists "basic", so say how users and passwords are verified',
    );
  if (
    options.basic?.tokenUser !== undefined &&
    !options.basic.verify &&
    options.jwt.length === 0 &&
    !options.credentials.includes('ticket')
  )
    problems.report(
      'option "basic.tokenUser" takes a token or a ticket as password: set "jwt", or list "ticket" in "credentials"',
    );
  if (options.credentials.includes('client-certificate') && !options.clientCertificate)
    problems.report(
      'option "clientCertificate" is missing: "credentials" lists "client-certificate", so say who a certificate is of',
    );
  for (const { kind } of options.readers) {
    if (!options.credentials.includes(kind))
      problems.report(
        `option "readers" has a reader of "${kind}", which "credentials" does not list: add it there, or remove the reader`,
      );
  }
  if (options.handshake.dangerouslyAllowTokenInUrl !== undefined && options.jwt.length === 0)
    problems.report('option "handshake.dangerouslyAllowTokenInUrl" needs "jwt"');
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
  if (options.firstMessage.maxBytes > options.message.maxPayloadBytes) {
    problems.report(
      'option "firstMessage.maxBytes" is above "message.maxPayloadBytes", which would always come first',
    );
  }
  if (options.message.outbound.highWaterBytes > options.message.outbound.maxBytes) {
    problems.report(
      'option "message.outbound.highWaterBytes" is above "message.outbound.maxBytes", which would always come first',
    );
  }
}

function resolveOrigins(given: unknown, problems: OptionProblems): readonly string[] {
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
  return given.filter((entry) => typeof entry === 'string');
}

function resolveCredentials(
  given: unknown,
  readers: readonly CredentialReader[],
  problems: OptionProblems,
): readonly CredentialKind[] {
  const known: readonly string[] = [...CREDENTIAL_KINDS, ...readers.map(({ kind }) => kind)];
  if (!Array.isArray(given) || given.length === 0) {
    problems.report(
      'option "credentials" is missing: choose from "ticket", "bearer", "cookie", "basic", "client-certificate", "first-message"; for browsers ' +
        '["ticket", "first-message"] is a good start, for machines ["bearer"]',
    );
    return [];
  }
  for (const kind of given) {
    if (known.includes(kind as string)) continue;
    problems.report(
      `option "credentials" lists ${typeof kind === 'string' ? `"${kind}"` : describeType(kind)}: known are ${known.join(', ')}`,
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
