import type { ClientSocketConstructor, Host } from './host.js';
import type { DropReason } from './frame.js';
import { safeUrl } from './safe-url.js';

/** The subprotocol in which the server tells when a client is in, and until when. */
export const FULL_PROTOCOL = 'ws-auth.v1';

/** What a credential callback is told. */
export interface CredentialRequest {
  /** Aborted when the answer comes too late to be of use: hand it to `fetch`. */
  readonly signal: AbortSignal;
  /** The last credential was refused, has run out or is about to: an answer from a cache would not help. */
  readonly isStale: boolean;
}

/** Fetches a credential. `null` or `undefined` says that nobody is logged in; to throw says "try again later". */
export type FetchCredential = (
  request: CredentialRequest,
) => string | null | undefined | Promise<string | null | undefined>;

/** A one-time ticket, fetched for each attempt and each refresh, and never shared. */
export interface TicketCredential {
  readonly ticket: FetchCredential;
}

/** An access token, fetched for each attempt and each refresh. */
export interface TokenCredential {
  readonly token: FetchCredential;
  /**
   * Who the token is for, such as a user id: tabs of this origin that name the same one share a refresh (Web Locks), and the
   * token, in memory (BroadcastChannel). Left out, each tab fetches its own. Tabs in which different people may be logged in
   * must name different ones.
   */
  readonly sharedAs?: string;
}

/** How the client proves who it is. With `'cookie'` the browser does. */
export type ClientCredential = TicketCredential | TokenCredential | 'cookie';

/** How the credential travels. A token never travels in the query. */
export type ClientMode = 'query' | 'subprotocol' | 'first-message';

/** What `createClient` takes. */
export interface ClientOptions {
  /** The gateway: `wss://host/path`, or relative to the page. */
  url: string;
  credential: ClientCredential;
  /** @default 'subprotocol' */
  mode?: ClientMode;
  /**
   * Subprotocols of the application, offered before `ws-auth.v1`. When the server chooses one of these, and is not asked by
   * first message, nothing tells the client when its credential ends: it comes back after 4419, and does not refresh before.
   */
  protocols?: string | readonly string[];
  /** For where there is no global one, such as `ws` on Node 20. */
  WebSocket?: ClientSocketConstructor;
  /** Allows `ws:` to other hosts than this one: whoever sits between can read and take the credential. @default false */
  dangerouslyAllowInsecureTransport?: boolean;
  /**
   * Messages that are sent while there is no connection wait, as long as all of them have no more bytes than this; they are
   * not sent on behalf of another session. 0: `send` throws, but for the one message that wakes a client after
   * `idle_timeout`.
   * @default 0
   */
  maxQueuedBytes?: number;
  /** The largest frame taken from the server. @default 1_048_576 bytes */
  maxFrameBytes?: number;
  /** `send` throws when this much waits in the socket. @default 1_048_576 bytes */
  maxBufferedBytes?: number;
  /** How long a callback may take, and an attempt from the socket to `auth.ok`. @default 15_000 ms */
  timeoutMs?: number;
  /** The longest wait between two attempts that the server has not asked for. @default 30_000 ms */
  maxBackOffMs?: number;
  /** Failed attempts in a row after which the client stops. @default Infinity */
  maxAttempts?: number;
  /** A connection that lived this long counts as a success, and the next wait is short again. @default 10_000 ms */
  stableMs?: number;
  /** Told when a frame of the server's, or queued messages, were dropped. */
  onDrop?: (reason: DropReason) => void;
}

/** The options with their values. @internal */
export type ResolvedClientOptions = ReturnType<typeof resolveClientOptions>;

/** Fills in the defaults, and refuses what is unsafe. @internal @throws {TypeError} naming the option */
export function resolveClientOptions(options: ClientOptions, globals: Host['globals']) {
  const { credential, mode, WebSocket = globals.WebSocket } = options;
  if (!WebSocket) throw new TypeError('WebSocket: none');
  const { ticket, token } = Object(credential) as Partial<TicketCredential & TokenCredential>;
  const isCookie = credential === 'cookie';
  if (!isCookie && typeof (ticket ?? token) !== 'function') throw new TypeError('credential: none');
  if (token && mode === 'query') throw new TypeError('mode: query');
  return {
    credential,
    WebSocket,
    url: safeUrl(options, globals.location?.href),
    mode: isCookie ? undefined : (mode ?? 'subprotocol'),
    protocols: [...new Set([options.protocols ?? [], FULL_PROTOCOL].flat())],
    maxQueuedBytes: options.maxQueuedBytes ?? 0,
    maxFrameBytes: options.maxFrameBytes ?? 1_048_576,
    maxBufferedBytes: options.maxBufferedBytes ?? 1_048_576,
    timeoutMs: options.timeoutMs ?? 15_000,
    maxBackOffMs: options.maxBackOffMs ?? 30_000,
    maxAttempts: options.maxAttempts ?? Infinity,
    stableMs: options.stableMs ?? 10_000,
    onDrop: options.onDrop,
  };
}
