import { describeValue, type OptionProblems } from '../option-rules.js';
import {
  count,
  defaultsOf,
  durationMs,
  flag,
  group,
  isGiven,
  oneOf,
  resolveGroup,
  strings,
  type OptionSpec,
  type OptionSpecs,
  type OptionValues,
} from '../option-spec.js';
import { isSubprotocol } from './subprotocol.js';

/** How a browser learns why it was refused: scripts cannot read an HTTP status, so the default is a close code. */
export type BrowserRefusal = 'close-code' | 'http-status';

/** Everything about the HTTP exchange that precedes a connection. */
export interface HandshakeOptions {
  /**
   * Who may come without an Origin header. `explicit`: requests with an Authorization header, a ticket, a client
   * certificate or what a reader that is not ambient may read, and any request on a gateway that takes the first message;
   * never beside a Cookie header. `refuse`: nobody, which is right behind a
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
  /**
   * A query parameter in which old clients may send a bearer token. URLs are logged by every proxy on the way: tickets are
   * what this is for. The value is cut out of the URL here.
   * @default none: a token in the URL is refused
   */
  dangerouslyAllowTokenInUrl?: string;
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

const SPECS = {
  missingOrigin: oneOf(['explicit', 'refuse'], 'explicit'),
  timeoutMs: durationMs(10_000, 120_000),
  verifyTimeoutMs: durationMs(5_000),
  maxPending: count(1_000),
  maxPendingPerAddress: count(50),
  maxHeaders: count(100, 10, 1_000),
  headersTimeoutMs: durationMs(10_000),
  requireTls: flag(false),
  refuseBrowsersWith: oneOf(['close-code', 'http-status'], 'close-code'),
  protocols: strings(isSubprotocol, 'subprotocol names that carry no credential'),
  foreignPaths: strings(isPath, 'paths that begin with "/"'),
  dangerouslyAllowTokenInUrl: parameterName(),
  connectRate: group({ limit: count(600), windowMs: durationMs(60_000), burst: count(200) }),
} satisfies OptionSpecs<HandshakeOptions>;

/** The handshake options with their values. */
export type ResolvedHandshakeOptions = OptionValues<typeof SPECS>;

/** `requireTls` depends on NODE_ENV and is resolved. */
export const HANDSHAKE_DEFAULTS = defaultsOf(SPECS);

/** Validates the `handshake` group. */
export function resolveHandshakeOptions(
  given: unknown,
  production: boolean,
  problems: OptionProblems,
): ResolvedHandshakeOptions {
  const resolved = resolveGroup('handshake', SPECS, given, problems);
  return {
    ...resolved,
    requireTls: isGiven(given, 'requireTls') ? resolved.requireTls : production,
    verifyTimeoutMs: isGiven(given, 'verifyTimeoutMs')
      ? resolved.verifyTimeoutMs
      : Math.min(resolved.verifyTimeoutMs, resolved.timeoutMs),
  };
}

function parameterName(): OptionSpec<string | undefined> {
  return {
    fallback: undefined,
    resolve: (path, given, problems) => {
      if (
        given === undefined ||
        (typeof given === 'string' && /^[a-z][a-z0-9_]{0,31}$/.test(given) && given !== 'ticket')
      )
        return given;
      problems.report(
        `option "${path}" must be the name of a query parameter, of small letters, digits and "_" and not "ticket", received ${describeValue(given)}`,
      );
      return undefined;
    },
  };
}

function isPath(path: string): boolean {
  return /^\/[\x21-\x7e]*$/.test(path) && !/[?#]/.test(path);
}
