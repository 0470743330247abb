/** A WebSocket close code and the word that stands in the close reason; PROTOCOL.md has the table for clients. */
export interface CloseCode {
  readonly code: number;
  readonly word: string;
}

/**
 * Every way in which this library ends a connection. Codes in 4400–4499 mirror the HTTP status of the same meaning.
 *
 * @see RFC 6455 §7.4
 */
export const CLOSE = {
  /** The node is going away. Reconnect, with jitter. */
  restart: { code: 1012, word: 'restart' },
  /** Overload, or the store was away for longer than the grace. Back off. */
  tryLater: { code: 1013, word: 'try_later' },
  /** Binary where text is spoken. Stop. */
  unsupported: { code: 1003, word: 'text_only' },
  /** A message over the limit. Stop. */
  tooBig: { code: 1009, word: 'too_big' },
  /** A fault of the server, never a failed login. Back off. */
  error: { code: 1011, word: 'error' },
  /** A malformed message. Stop. */
  badMessage: { code: 4400, word: 'bad_message' },
  /** A credential is missing or was refused. Try once more with a fresh one, then log in again. */
  unauthorized: { code: 4401, word: 'unauthorized' },
  /** Authenticated, but not permitted; or an attempt to become somebody else. Stop. */
  forbidden: { code: 4403, word: 'forbidden' },
  /** No credential in time. Reconnect, with back-off. */
  authTimeout: { code: 4408, word: 'auth_timeout' },
  /** No application message for too long. Reconnect on the next send, or when visible. */
  idleTimeout: { code: 4408, word: 'idle_timeout' },
  /** Pushed out by a newer connection of the same user or session. Stop, and tell the user. */
  replaced: { code: 4409, word: 'replaced' },
  /** This user or session has all the connections it may have. Stop, and tell the user. */
  tooManyConnections: { code: 4409, word: 'too_many_connections' },
  /** The session or the credential was revoked. Log in again. */
  revoked: { code: 4410, word: 'revoked' },
  /** The session or the credential ran out. Refresh, then reconnect at once. */
  expired: { code: 4419, word: 'expired' },
  /** Too many violations. Reconnect after `retry` milliseconds. */
  rateLimited: { code: 4429, word: 'rate_limited' },
} as const satisfies Record<string, CloseCode>;

/** No Close was written (RFC 6455 §7.1.5): stands in the audit log, and on no wire. */
export const NO_CLOSE: CloseCode = { code: 1006, word: '' };

/**
 * Which codes go over the wire: `project` as in the table above; `iana` maps 4401, 4403 and 4408 to the registered 3000,
 * 3003 and 3008; `policy-violation` maps every 44xx to 1008, for peers and proxies that know only RFC 6455.
 */
export type CloseCodeScheme = 'project' | 'iana' | 'policy-violation';

const IANA_CODES: Readonly<Record<number, number>> = { 4401: 3000, 4403: 3003, 4408: 3008 };

/** The code to send in the chosen scheme. The word in the reason stays, so that a client can still tell them apart. */
export function closeCodeIn(scheme: CloseCodeScheme, code: number): number {
  if (scheme === 'iana') return IANA_CODES[code] ?? code;
  if (scheme === 'policy-violation' && code >= 4400 && code < 4500) return 1008;
  return code;
}

/** RFC 6455 §5.5: a control frame carries at most 125 bytes, two of which are the code. */
export const MAX_CLOSE_REASON_BYTES = 123;

/** What may stand behind the word in a close reason. */
export interface CloseReasonDetails {
  /** Milliseconds to wait before the next try. */
  retryAfterMs?: number;
  /** The id that the audit log has for this decision. */
  correlationId?: string;
}

/**
 * The close reason: the word, then `;retry=<ms>` and `;id=<correlation id>` where they are known. ASCII, never user data.
 *
 * @returns at most 123 bytes (RFC 6455 §5.5)
 */
export function closeReason(word: string, details: CloseReasonDetails = {}): string {
  let reason = word;
  if (details.retryAfterMs !== undefined) reason += `;retry=${Math.ceil(details.retryAfterMs)}`;
  if (details.correlationId !== undefined) reason += `;id=${details.correlationId}`;
  return truncateUtf8(reason, MAX_CLOSE_REASON_BYTES);
}

/** Cuts a text to a number of UTF-8 bytes without cutting a character in two. */
export function truncateUtf8(text: string, maxBytes: number): string {
  if (text.length * 3 <= maxBytes) return text;
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length <= maxBytes) return text;
  let end = maxBytes;
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end -= 1;
  return bytes.toString('utf8', 0, end);
}
