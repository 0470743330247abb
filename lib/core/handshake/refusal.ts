import { CLOSE, type CloseCode } from '../close-code.js';
import { WsAuthError } from '../errors.js';

/** How one class of refusal looks to a client: the HTTP status, and the close code where a browser is told by one. */
interface RefusalForm {
  readonly status: number;
  readonly title: string;
  /** Left out for everything that is decided before the credential: that is HTTP for everybody. */
  readonly close?: CloseCode;
}

/**
 * Every class of refusal, by the `code` that stands in the problem document. The class is all that a client learns:
 * an unknown user, a bad signature and a revoked token look alike (requirement HS-14).
 */
export const REFUSALS = {
  malformed_handshake: { status: 400, title: 'Malformed handshake' },
  subprotocol_required: { status: 400, title: 'No acceptable subprotocol' },
  credential_in_url: { status: 400, title: 'Credential in the URL', close: CLOSE.badMessage },
  multiple_credentials: { status: 400, title: 'More than one credential', close: CLOSE.badMessage },
  unauthorized: { status: 401, title: 'Unauthorized', close: CLOSE.unauthorized },
  insecure_transport: { status: 403, title: 'TLS required' },
  origin_not_allowed: { status: 403, title: 'Origin not allowed' },
  forbidden: { status: 403, title: 'Forbidden', close: CLOSE.forbidden },
  not_found: { status: 404, title: 'Not found' },
  method_not_allowed: { status: 405, title: 'Method not allowed' },
  host_not_allowed: { status: 421, title: 'Misdirected request' },
  upgrade_required: { status: 426, title: 'Upgrade required' },
  rate_limited: { status: 429, title: 'Too many requests' },
  too_many_connections: { status: 429, title: 'Too many connections', close: CLOSE.tooManyConnections },
  header_too_large: { status: 431, title: 'Too many header fields' },
  draining: { status: 503, title: 'Going away' },
  overloaded: { status: 503, title: 'Too busy' },
  unavailable: { status: 503, title: 'Unavailable', close: CLOSE.tryLater },
} as const satisfies Record<string, RefusalForm>;

/** The classes of refusal: the `code` of the problem document. */
export type RefusalCode = keyof typeof REFUSALS;

/** What a refusal may carry besides its class. */
export interface RefusalDetails {
  /** Extra response headers; a list for a header that is sent more than once. */
  headers?: Readonly<Record<string, string | readonly string[]>>;
  /** How long the client should wait. */
  retryAfterMs?: number;
  /** What went wrong, for the audit log. */
  cause?: unknown;
}

/** A handshake that must not become a connection. `reason` is for the audit log; the client sees only the class. */
export class HandshakeRefused extends WsAuthError {
  readonly refusal: RefusalCode;
  readonly reason: string;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly retryAfterMs: number | undefined;

  constructor(refusal: RefusalCode, reason: string, details: RefusalDetails = {}) {
    super('handshake_refused', `handshake refused: ${reason}`, refusal, { cause: details.cause });
    this.refusal = refusal;
    this.reason = reason;
    this.headers = details.headers ?? {};
    this.retryAfterMs = details.retryAfterMs;
  }

  get status(): number {
    return REFUSALS[this.refusal].status;
  }

  get title(): string {
    return REFUSALS[this.refusal].title;
  }

  /** The close code for a browser, or `undefined` when this refusal is HTTP for everybody. */
  get close(): CloseCode | undefined {
    return (REFUSALS[this.refusal] as RefusalForm).close;
  }
}

const RETRY_MS = 1_000;
const RETRY_JITTER_MS = 2_000;

/** Between one and three seconds: clients that were refused together do not come back together (requirement LT-07). */
export function retryLater(): { retryAfterMs: number } {
  return { retryAfterMs: RETRY_MS + Math.random() * RETRY_JITTER_MS };
}
