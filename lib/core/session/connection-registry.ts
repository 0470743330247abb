import type { Principal } from '../principal.js';
import type { PresentedTicket, TicketRecord } from '../ticket/ticket-store.js';
import type { TicketBinding } from '../errors.js';
import type { LiveSession } from './session.js';

/** By what a connection asks to be admitted. */
export type AdmissionBasis =
  | { readonly mode: 'ticket'; readonly ticket: PresentedTicket }
  | {
      readonly mode: 'session';
      readonly sessionId: string;
      readonly userHash: string;
      /** Of a token that names the session. */
      readonly tokenHash?: string;
    }
  | {
      readonly mode: 'principal';
      readonly principal: Principal;
      readonly userHash: string;
      /** Unix ms at which the credential was issued: it must not be older than a revocation of the user. */
      readonly issuedAt: number;
      readonly tokenHash?: string;
    };

/** One request for admission: everything a store needs to decide in one step. */
export interface AdmissionRequest {
  readonly connectionId: string;
  readonly basis: AdmissionBasis;
  readonly maxPerUser: number;
  readonly maxPerSession: number;
  readonly onLimit: 'reject' | 'replace-oldest';
  /** Count a use of the session, and so restart its idle time. */
  readonly touch: boolean;
  /**
   * The connect rate of the client's address prefix, shared by all nodes; `key` is of `throttleKey()`. It is the rate that
   * `ThrottleStore.take` counts under that key. Left out where it was counted before, or the node is alone.
   */
  readonly rate:
    | { readonly key: string; readonly limit: number; readonly windowMs: number; readonly burst: number }
    | undefined;
  /** Unix ms after which nobody waits for the answer: a store that comes to it later changes nothing. */
  readonly deadline: number;
}

/** What was admitted, and what to compare it with until it is under local watch. */
export interface Admitted {
  readonly outcome: 'admitted';
  readonly connectionId: string;
  readonly principal: Principal;
  readonly session: LiveSession | undefined;
  readonly userHash: string;
  readonly ticket: TicketRecord | undefined;
  /** The revocation log's last entry that this decision has seen. */
  readonly logTail: string;
  /** A connection that had to make room, on whatever node it lives. The entry that ends it is in the log already. */
  readonly evicted: { readonly node: string; readonly connectionId: string } | undefined;
}

export type AdmissionResult =
  | Admitted
  | { readonly outcome: 'ticket_unknown'; readonly replayed: boolean }
  | { readonly outcome: 'ticket_mismatch'; readonly binding: TicketBinding }
  | { readonly outcome: 'session_unknown' }
  | { readonly outcome: 'revoked' }
  | { readonly outcome: 'limit'; readonly of: 'user' | 'session' }
  | { readonly outcome: 'rate'; readonly retryAfterMs: number }
  | { readonly outcome: 'late' };

/** A place that a connection has, or may have. */
export interface Place {
  readonly id: string;
  readonly userHash: string;
}

/** A place that a live connection holds. */
export interface RegisteredPlace extends Place {
  readonly sessionId: string | undefined;
  /** Unix ms. */
  readonly since: number;
}

/** A connection as all nodes know it, on whichever of them it lives. */
export interface ConnectionPlace {
  readonly id: string;
  /** The node that holds it, as it stands in the audit log. */
  readonly node: string;
  /** Left out for a connection by a credential without session. */
  readonly sessionId: string | undefined;
  /** Unix ms. */
  readonly since: number;
}

/**
 * The connections of all nodes. `admit` is one atomic step and one round trip: rate, ticket, session, revocations, limits
 * and registration are decided together, so that no two nodes can each take the last place (requirement SE-07). Whoever
 * has to make room is told in the same step, by an entry of the log: also when nobody hears the answer.
 * Asked again with the id of a connection that has its place, it checks the credential anew and counts nobody twice.
 */
export interface ConnectionRegistry {
  admit(request: AdmissionRequest): Promise<AdmissionResult>;
  /** Gives the place of a connection back. Idempotent; never throws for a connection that is not there. */
  release(place: Place): Promise<void>;
  /** The same for many. */
  releaseAll(places: readonly Place[]): Promise<void>;
  /** Registers what this node holds anew, after the store may have lost it. Counts against no limit. */
  restore(connections: readonly RegisteredPlace[]): Promise<void>;
  /** How many connections a user has, on all nodes. */
  countOf(userHash: string): Promise<number>;
  /** The connections of a user on all nodes that hold their lease, oldest first. Changes nothing. */
  list(userHash: string): Promise<readonly ConnectionPlace[]>;
}
