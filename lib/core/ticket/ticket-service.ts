import type { KeyObject } from 'node:crypto';
import type { AuditLog } from '../audit/audit-log.js';
import type { Clock } from '../clock.js';
import {
  SessionUnknown,
  TicketMismatch,
  TicketMissing,
  TicketRateExceeded,
  TicketUnknown,
  TokenRejected,
  WsAuthError,
} from '../errors.js';
import { newTicket, parseTicket, userHashOf, userHashOfSession } from '../identifiers.js';
import { MAX_TICKET_TTL_MS } from './ticket-options.js';
import {
  createPrincipal,
  isNameList,
  type Narrowing,
  type Principal,
  type PrincipalInit,
} from '../principal.js';
import { readSessionId } from '../revocation/revocation-service.js';
import type { Stores } from '../stores.js';
import { sealToken, openToken } from './sealed-token.js';
import type { TicketRecord, TicketUse } from './ticket-store.js';

/** For whom and for what a ticket is issued: exactly one of `session` and `principal`. */
export interface TicketInit {
  /** The session that the connection will belong to, by id or by token. */
  session?: string;
  /** A principal without a session; it can be revoked by user only. */
  principal?: PrincipalInit;
  /**
   * Unix ms at which the principal last proved who it is, for `@WsRecentAuth()`. Left out, nobody knows, and no time is
   * recent. A session knows by itself.
   */
  authTime?: number;
  /** The Origin that the handshake must carry. */
  origin?: string;
  /** The gateway path that the handshake must name. Left out, the ticket is good for every gateway. */
  path?: string;
  /** The connection holds at most these scopes. */
  scopes?: readonly string[];
  /** A shorter or longer life than `ticket.ttlMs`; at most 60,000 ms. */
  ttlMs?: number;
  /** `cookie` makes a ticket for the endpoint that sets the session cookie on another host. @default 'connect' */
  use?: TicketUse;
}

/** @internal what the request that asked for a ticket was authenticated by */
export interface TicketIssuer {
  readonly narrowing?: Narrowing;
  readonly authenticatedAt?: number;
  readonly authTime?: number;
  readonly token?: { readonly hash: string | undefined; readonly expiresAt: number };
  /** The token of the session cookie that the request carried. */
  readonly sessionToken?: string;
}

/** A ticket for the client. */
export interface IssuedTicket {
  /** A secret, good once and for seconds. */
  readonly ticket: string;
  readonly expiresInMs: number;
}

/** What a ticket is held against where it is presented. */
export interface TicketExpectation {
  /** The session that the request proves by other means, by id or by token. */
  session?: string;
  origin?: string;
  path?: string;
  use?: TicketUse;
}

/** What a consumed ticket grants. */
export interface TicketGrant {
  readonly sessionId: string | undefined;
  /** Set for a ticket without session. */
  readonly principal: Principal | undefined;
  /** When given, what the ticket grants holds at most these roles and scopes. */
  readonly roles: readonly string[] | undefined;
  readonly scopes: readonly string[] | undefined;
  /** The session token that a ticket for a cookie carried. A secret. */
  readonly sessionToken: string | undefined;
}

/** One-time tickets: issued to somebody who is logged in, consumed once by whoever opens a socket. */
export class TicketService {
  readonly #stores: Stores;
  readonly #audit: AuditLog;
  readonly #clock: Clock;
  readonly #userHashKey: KeyObject;
  readonly #principalIdPattern: RegExp;
  readonly #limits: { ttlMs: number; maxOutstanding: number; maxPerMinute: number; requiresCookie: boolean };

  constructor(options: {
    stores: Stores;
    audit: AuditLog;
    clock: Clock;
    userHashKey: KeyObject;
    principalIdPattern: RegExp;
    limits: { ttlMs: number; maxOutstanding: number; maxPerMinute: number; requiresCookie: boolean };
  }) {
    this.#stores = options.stores;
    this.#audit = options.audit;
    this.#clock = options.clock;
    this.#userHashKey = options.userHashKey;
    this.#principalIdPattern = options.principalIdPattern;
    this.#limits = options.limits;
  }

  /**
   * Issues a ticket. Does not check who asks: that is the caller's, as in the ready-made controller.
   *
   * @throws {SessionUnknown} when the session has ended
   * @throws {TicketRateExceeded} beyond `ticket.maxPerMinute`
   * @throws {TokenRejected} when the token of the request has run out meanwhile
   * @throws {WsAuthError} `invalid_selector` or `invalid_principal`
   */
  async issue(init: TicketInit, issuer: TicketIssuer = {}): Promise<IssuedTicket> {
    if ((init.session === undefined) === (init.principal === undefined)) {
      throw new WsAuthError('invalid_selector', 'issue() needs exactly one of session and principal');
    }
    const sessionId = init.session === undefined ? undefined : readSessionId(init.session);
    const principal = init.principal && this.#readPrincipal(init.principal);
    const userHash = sessionId ? userHashOfSession(sessionId) : userHashOf(this.#userHashKey, principal!.id);
    const now = this.#clock();
    const ttlMs = Math.min(this.#readTtl(init.ttlMs), (issuer.token?.expiresAt ?? Infinity) - now);
    if (ttlMs <= 0) throw new TokenRejected('expired');
    const use = init.use ?? 'connect';
    if (use === 'cookie' && issuer.sessionToken === undefined) {
      throw new WsAuthError(
        'invalid_selector',
        'issue(): a ticket for a cookie is issued on a request with the session cookie',
      );
    }
    const { ticket, hash } = newTicket(userHash);
    const record: TicketRecord = {
      sessionId,
      principal,
      narrowing: this.#readNarrowing(init.scopes, issuer.narrowing),
      origin: init.origin,
      path: init.path,
      use,
      requiresCookie: this.#limits.requiresCookie && use === 'connect' && issuer.sessionToken !== undefined,
      authenticatedAt: issuer.authenticatedAt ?? now,
      authTime: Math.min(issuer.authTime ?? readAuthTime(init.authTime), now),
      token: issuer.token,
      sealedToken: use === 'cookie' ? sealToken(issuer.sessionToken!, ticket) : undefined,
      expiresAt: now + ttlMs,
    };
    const { maxOutstanding, maxPerMinute } = this.#limits;
    const result = await this.#stores.tickets.issue({
      userHash,
      hash,
      record,
      ttlMs,
      maxOutstanding,
      maxPerMinute,
    });
    if (result.outcome === 'session_unknown') throw new SessionUnknown();
    if (result.outcome === 'rate') throw new TicketRateExceeded(result.retryAfterMs);
    this.#audit.record({
      event: 'authn_token_created',
      outcome: 'success',
      reasonCode: 'ticket_issued',
      method: 'ticket',
      origin: init.origin,
      path: init.path,
      principal: principal?.id,
      sessionId,
      ticketHash: hash,
    });
    return { ticket, expiresInMs: ttlMs };
  }

  /**
   * Spends a ticket outside of a handshake. A known ticket is spent whatever comes of it.
   *
   * @throws {TicketMissing} when nothing was presented
   * @throws {TicketUnknown} when it was never issued, has expired, was used, or its session has ended
   * @throws {TicketMismatch} when it was issued for another session, origin, path or use
   */
  async consume(
    presented: string | undefined | null,
    expectation: TicketExpectation = {},
  ): Promise<TicketGrant> {
    if (presented === undefined || presented === null || presented === '') throw new TicketMissing();
    const key = parseTicket(presented);
    if (!key) throw new TicketUnknown();
    const result = await this.#stores.tickets.consume({
      ...key,
      use: expectation.use ?? 'connect',
      origin: expectation.origin,
      path: expectation.path,
      sessionId: expectation.session === undefined ? undefined : readSessionId(expectation.session),
    });
    if (result.outcome === 'consumed') {
      const { sessionId, principal, narrowing, sealedToken } = result.record;
      const sessionToken =
        sealedToken === undefined ? undefined : (openToken(sealedToken, presented) ?? undefined);
      return { sessionId, principal, roles: narrowing?.roles, scopes: narrowing?.scopes, sessionToken };
    }
    const isReplay = result.outcome === 'unknown' && result.replayed;
    const reason =
      result.outcome === 'mismatch' ? `mismatch_${result.binding}` : isReplay ? 'replayed' : 'unknown';
    this.#audit.record({
      event: isReplay ? 'authn_token_reuse' : 'authn_login_fail',
      outcome: 'refused',
      reasonCode: `ticket_${reason}`,
      method: 'ticket',
      ticketHash: key.hash,
    });
    throw result.outcome === 'mismatch' ? new TicketMismatch(result.binding) : new TicketUnknown(isReplay);
  }

  #readPrincipal(init: PrincipalInit): Principal {
    const principal = createPrincipal(init, this.#principalIdPattern);
    if (!principal) throw new WsAuthError('invalid_principal', 'issue(): the principal is not valid');
    return principal;
  }

  #readTtl(given: number | undefined): number {
    if (given === undefined) return this.#limits.ttlMs;
    if (given > 0 && given <= MAX_TICKET_TTL_MS) return given;
    throw new WsAuthError(
      'invalid_selector',
      `issue(): "ttlMs" must be above 0 and at most ${MAX_TICKET_TTL_MS}`,
    );
  }

  /** Scopes that are asked for, never more than those of the credential that asks. */
  #readNarrowing(
    scopes: readonly string[] | undefined,
    issuer: Narrowing | undefined,
  ): Narrowing | undefined {
    if (scopes !== undefined && !isNameList(scopes)) {
      throw new WsAuthError('invalid_selector', 'issue(): "scopes" is a list of printable names');
    }
    if (!scopes) return issuer;
    const allowed = issuer?.scopes;
    return { ...issuer, scopes: allowed ? scopes.filter((scope) => allowed.includes(scope)) : scopes };
  }
}

function readAuthTime(authTime: number | undefined): number {
  if (authTime === undefined) return 0;
  if (Number.isFinite(authTime)) return authTime;
  throw new WsAuthError('invalid_selector', 'issue(): "authTime" must be Unix milliseconds');
}
