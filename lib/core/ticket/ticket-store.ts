import type { TicketBinding } from '../errors.js';
import type { Narrowing, Principal } from '../principal.js';

/** What a ticket is for: to open a connection, or to set the session cookie on another host. */
export type TicketUse = 'connect' | 'cookie';

/** What is remembered of a ticket until it is consumed. The ticket itself is not (requirement TK-01). */
export interface TicketRecord {
  /** The session the ticket was issued for, or `undefined` for one issued for a principal. */
  readonly sessionId: string | undefined;
  /** Set when there is no session. */
  readonly principal: Principal | undefined;
  readonly origin: string | undefined;
  readonly path: string | undefined;
  /** What the connection may hold at most of the session's or principal's rights. */
  readonly narrowing: Narrowing | undefined;
  readonly use: TicketUse;
  /** The ticket must arrive together with the cookie of its session. */
  readonly requiresCookie: boolean;
  /** Unix ms of the login or token that the ticket stands on: a later revocation of the user kills it too. */
  readonly authenticatedAt: number;
  /** Unix ms at which the user last proved who it is; 0 where nobody says so. Of no use where there is a session. */
  readonly authTime: number;
  /** The token that asked for the ticket: neither its expiry nor its revocation can be outlived by way of a ticket. */
  readonly token: { readonly hash: string | undefined; readonly expiresAt: number } | undefined;
  /** The session token, sealed with the ticket's own secret: only of tickets for the cookie of another host. */
  readonly sealedToken: string | undefined;
  /** Unix ms, held beside the store's own expiry (requirement TK-03). */
  readonly expiresAt: number;
}

/** A ticket to remember. */
export interface TicketIssue {
  readonly userHash: string;
  readonly hash: string;
  readonly record: TicketRecord;
  readonly ttlMs: number;
  readonly maxOutstanding: number;
  readonly maxPerMinute: number;
}

export type TicketIssueResult =
  | { readonly outcome: 'issued' }
  | { readonly outcome: 'session_unknown' }
  | { readonly outcome: 'rate'; readonly retryAfterMs: number };

/** A ticket as it was presented, with everything its bindings are compared with. */
export interface PresentedTicket {
  readonly userHash: string;
  readonly hash: string;
  readonly use: TicketUse;
  readonly origin: string | undefined;
  readonly path: string | undefined;
  /** The session that the request proves by its cookie, if it carried one. */
  readonly sessionId: string | undefined;
}

export type TicketConsumeResult =
  | { readonly outcome: 'consumed'; readonly record: TicketRecord }
  | { readonly outcome: 'unknown'; readonly replayed: boolean }
  | { readonly outcome: 'mismatch'; readonly binding: TicketBinding };

/**
 * Where tickets are kept. `consume` is one atomic step on every node at once: of any number of presentations of a ticket,
 * one wins. A known ticket is spent by every presentation, a matching one or not; an unknown one touches nothing. A spent
 * ticket is remembered for a minute beyond its expiry, so that a replay is told from a ticket that never was.
 */
export interface TicketStore {
  /** Remembers a ticket for a session that lives. Beyond `maxOutstanding` the oldest of that session is dropped. */
  issue(ticket: TicketIssue): Promise<TicketIssueResult>;
  /** Spends a ticket outside a handshake, and checks that its session lives. */
  consume(presented: PresentedTicket): Promise<TicketConsumeResult>;
}

/** How long a spent ticket is remembered after it would have expired. */
export const SPENT_TICKET_MEMORY_MS = 60_000;

/** What a presentation differs in from what the ticket was issued for, or `undefined` when it is the same in everything. */
export function ticketMismatch(
  record: TicketRecord,
  userHash: string,
  presented: PresentedTicket,
): TicketBinding | undefined {
  if (record.use !== presented.use) return 'use';
  if (record.origin !== undefined && record.origin !== presented.origin) return 'origin';
  if (record.path !== undefined && record.path !== presented.path) return 'path';
  if (presented.sessionId === undefined) return record.requiresCookie ? 'cookie' : undefined;
  if (record.sessionId !== undefined) return record.sessionId === presented.sessionId ? undefined : 'session';
  return presented.sessionId.startsWith(`${userHash}.`) ? undefined : 'session';
}
