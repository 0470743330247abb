import {
  SPENT_TICKET_MEMORY_MS,
  ticketMismatch,
  type PresentedTicket,
  type TicketConsumeResult,
  type TicketIssue,
  type TicketIssueResult,
  type TicketStore,
} from '../core/ticket/ticket-store.js';
import type { MemoryState } from './memory-state.js';

/** Tickets in the memory of this process. */
export class MemoryTicketStore implements TicketStore {
  readonly #state: MemoryState;

  constructor(state: MemoryState) {
    this.#state = state;
  }

  async issue(ticket: TicketIssue): Promise<TicketIssueResult> {
    const { record, userHash, hash } = ticket;
    if (record.sessionId !== undefined && !this.#state.session(record.sessionId))
      return { outcome: 'session_unknown' };
    const owner = record.sessionId ?? userHash;
    const { maxPerMinute } = ticket;
    const limiter = this.#state.limiterOf({ limit: maxPerMinute, windowMs: 60_000, burst: maxPerMinute });
    const decision = limiter.take(`ticket ${owner}`, this.#state.clock());
    if (!decision.allowed) return { outcome: 'rate', retryAfterMs: decision.retryAfterMs };
    const outstanding = this.#state.outstanding.get(owner) ?? new Set<string>();
    for (const oldest of outstanding) {
      if (outstanding.size < ticket.maxOutstanding) break;
      outstanding.delete(oldest);
      this.#state.tickets.delete(oldest);
    }
    outstanding.add(hash);
    this.#state.outstanding.set(owner, outstanding);
    const forgottenAt = record.expiresAt + SPENT_TICKET_MEMORY_MS;
    this.#state.tickets.set(hash, { userHash, record, isSpent: false }, forgottenAt);
    return { outcome: 'issued' };
  }

  async consume(presented: PresentedTicket): Promise<TicketConsumeResult> {
    const result = this.spend(presented);
    if (result.outcome !== 'consumed') return result;
    const { sessionId, authenticatedAt, token } = result.record;
    const isSessionGood = sessionId === undefined || this.#state.session(sessionId) !== null;
    const grantedAt = sessionId === undefined ? authenticatedAt : Infinity;
    const lives = isSessionGood && this.#state.isCurrent(presented.userHash, grantedAt, token?.hash);
    return lives ? result : { outcome: 'unknown', replayed: false };
  }

  /** Spends a ticket that is known, whatever the comparison says; leaves an unknown one alone. */
  spend(presented: PresentedTicket): TicketConsumeResult {
    const stored = this.#state.tickets.get(presented.hash);
    if (!stored || stored.userHash !== presented.userHash) return { outcome: 'unknown', replayed: false };
    if (stored.isSpent) return { outcome: 'unknown', replayed: true };
    if (stored.record.expiresAt <= this.#state.clock()) return { outcome: 'unknown', replayed: false };
    stored.isSpent = true;
    this.#state.outstanding.get(stored.record.sessionId ?? stored.userHash)?.delete(presented.hash);
    const binding = ticketMismatch(stored.record, stored.userHash, presented);
    return binding ? { outcome: 'mismatch', binding } : { outcome: 'consumed', record: stored.record };
  }
}
