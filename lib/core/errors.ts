/*
 * WsAuthError                    everything this library throws; `code` is stable
 * ├ WsAuthOptionsError           a wrong set-up: the boot stops with a sentence that names the option and the fix
 * ├ HandshakeRefused             a handshake that must not become a connection        (handshake/refusal.ts)
 * ├ TokenRejected                a bearer token that does not verify
 * ├ TicketError                  a ticket that was not honoured
 * │ ├ TicketMissing              none was presented
 * │ ├ TicketUnknown              never issued, expired, or already used
 * │ └ TicketMismatch             issued for another session, origin, path or use: it is spent now
 * ├ TicketRateExceeded           too many tickets were issued for this session
 * ├ SessionUnknown               no such session, or it has ended
 * ├ TooManySessions              the user has reached `session.maxPerUser`
 * └ StoreUnavailable             the store did not answer: nothing was decided
 */

/** Every code that a `WsAuthError` can carry. */
export type WsAuthErrorCode =
  | 'invalid_options'
  | 'handshake_refused'
  | 'token_rejected'
  | 'ticket_missing'
  | 'ticket_unknown'
  | 'ticket_mismatch'
  | 'ticket_rate_exceeded'
  | 'session_unknown'
  | 'too_many_sessions'
  | 'invalid_principal'
  | 'invalid_selector'
  | 'store_unavailable';

/**
 * The base of every error of this library. The message is for the operator's log; `publicMessage` is all that a client
 * may see. Neither holds a secret or the client's input.
 */
export class WsAuthError extends Error {
  readonly code: WsAuthErrorCode;
  readonly publicMessage: string;

  constructor(code: WsAuthErrorCode, message: string, publicMessage = 'error', options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
    this.publicMessage = publicMessage;
  }
}

/** The set-up is unsafe or incomplete: thrown while the application boots, never later. */
export class WsAuthOptionsError extends WsAuthError {
  /** One sentence for each thing that is wrong. */
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(
      'invalid_options',
      `nestjs-ws-auth is not set up safely:\n${problems.map((line) => `  - ${line}`).join('\n')}`,
    );
    this.problems = problems;
  }
}

/** A token that does not verify. `reason` is for the audit log; the client sees `unauthorized` whatever it is. */
export class TokenRejected extends WsAuthError {
  readonly reason: string;
  /** The claim that did not fit, for the operator; never the token. */
  readonly received: string | undefined;

  constructor(reason: string, received?: string) {
    super('token_rejected', `token refused: ${reason}`, 'unauthorized');
    this.reason = reason;
    this.received = received;
  }
}

/** The base of the three ways in which a ticket fails. */
export class TicketError extends WsAuthError {}

/** No ticket was presented where one was expected. */
export class TicketMissing extends TicketError {
  constructor() {
    super(
      'ticket_missing',
      'no ticket was presented: either this connection was not expected, or the client forgot to send its ticket',
      'unauthorized',
    );
  }
}

/** The ticket is not known: never issued, expired, or already used. */
export class TicketUnknown extends TicketError {
  /** True when this very ticket was issued and has been used before. */
  readonly replayed: boolean;

  constructor(replayed = false) {
    super(
      'ticket_unknown',
      'the ticket is not known: either this connection was not expected, or the ticket has expired or was already used',
      'unauthorized',
    );
    this.replayed = replayed;
  }
}

/** What a ticket is bound to, and so what can differ. */
export type TicketBinding = 'session' | 'origin' | 'path' | 'use' | 'cookie';

/** The ticket is known and was issued for something else. It is spent: whoever holds it took it from its owner. */
export class TicketMismatch extends TicketError {
  readonly binding: TicketBinding;

  constructor(binding: TicketBinding) {
    super('ticket_mismatch', `the ticket was issued for another ${binding}; it is spent now`, 'unauthorized');
    this.binding = binding;
  }
}

/** Tickets are being issued faster than `ticket.maxPerMinute` allows. */
export class TicketRateExceeded extends WsAuthError {
  readonly retryAfterMs: number;

  constructor(retryAfterMs: number) {
    super(
      'ticket_rate_exceeded',
      'too many tickets were issued for this session (ticket.maxPerMinute)',
      'rate_limited',
    );
    this.retryAfterMs = retryAfterMs;
  }
}

/** The session does not exist, has ended, or was revoked. */
export class SessionUnknown extends WsAuthError {
  constructor() {
    super('session_unknown', 'no such session, or it has ended', 'unauthorized');
  }
}

/** The user has as many sessions as `session.maxPerUser` allows. */
export class TooManySessions extends WsAuthError {
  constructor() {
    super('too_many_sessions', 'the user has reached session.maxPerUser', 'too_many_sessions');
  }
}

/** The store did not answer in time, or answered with a failure. Nothing was decided: refuse, and say "try later". */
export class StoreUnavailable extends WsAuthError {
  constructor(message: string, options?: ErrorOptions) {
    super('store_unavailable', message, 'unavailable', options);
  }
}
