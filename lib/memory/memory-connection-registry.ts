import type {
  AdmissionRequest,
  AdmissionResult,
  Admitted,
  ConnectionPlace,
  ConnectionRegistry,
  Place,
  RegisteredPlace,
} from '../core/session/connection-registry.js';
import { principalOfSession, type LiveSession } from '../core/session/session.js';
import type { Principal } from '../core/principal.js';
import type { TicketRecord } from '../core/ticket/ticket-store.js';
import type { MemoryRevocationLog } from './memory-revocation-log.js';
import type { MemoryState } from './memory-state.js';
import type { MemoryTicketStore } from './memory-ticket-store.js';
import type { RegisteredConnection } from './registered-connections.js';

/** Who asks for admission, once the ticket is spent and the session found. */
interface Applicant {
  readonly outcome: 'applicant';
  readonly userHash: string;
  readonly principal: Principal;
  readonly session: LiveSession | undefined;
  readonly ticket: TicketRecord | undefined;
}

/** Admissions in the memory of this process: one node, and so no leases. */
export class MemoryConnectionRegistry implements ConnectionRegistry {
  readonly #state: MemoryState;
  readonly #tickets: MemoryTicketStore;
  readonly #log: MemoryRevocationLog;

  constructor(state: MemoryState, tickets: MemoryTicketStore, log: MemoryRevocationLog) {
    this.#state = state;
    this.#tickets = tickets;
    this.#log = log;
  }

  async admit(request: AdmissionRequest): Promise<AdmissionResult> {
    if (this.#state.clock() > request.deadline) return { outcome: 'late' };
    const refusedFor = this.#rateRefusal(request);
    if (refusedFor !== undefined) return { outcome: 'rate', retryAfterMs: refusedFor };
    const applicant = this.#findApplicant(request);
    if (applicant.outcome !== 'applicant') return applicant;
    const { userHash, session } = applicant;
    const { connections } = this.#state;
    const id = request.connectionId;
    // The place that this very connection has already is not counted.
    const others = connections.of(userHash).filter((other) => other.id !== id);
    const full = fullLimit(others, request, session?.id);
    if (full && request.onLimit === 'reject') return { outcome: 'limit', of: full };
    const evicted = full && this.#evictOldest(userHash, others, full === 'session' ? session?.id : undefined);
    const since = connections.get(userHash, id)?.since ?? this.#state.clock();
    connections.set(userHash, { id, sessionId: session?.id, since });
    if (evicted) await this.#log.append({ kind: 'replace', userHash, ...evicted }, 'replaced');
    return this.#admitted(request, applicant, evicted);
  }

  async release({ id, userHash }: Place): Promise<void> {
    this.#state.connections.delete(userHash, id);
  }

  async releaseAll(places: readonly Place[]): Promise<void> {
    for (const { id, userHash } of places) this.#state.connections.delete(userHash, id);
  }

  async restore(connections: readonly RegisteredPlace[]): Promise<void> {
    for (const { id, userHash, sessionId, since } of connections)
      this.#state.connections.set(userHash, { id, sessionId, since });
  }

  async countOf(userHash: string): Promise<number> {
    return this.#state.connections.countOf(userHash);
  }

  async list(userHash: string): Promise<readonly ConnectionPlace[]> {
    const { node } = this.#state;
    return this.#state.connections
      .of(userHash)
      .map((place) => ({ node, ...place }))
      .sort((a, b) => a.since - b.since);
  }

  #rateRefusal(request: AdmissionRequest): number | undefined {
    const { rate } = request;
    if (!rate) return undefined;
    const decision = this.#state.limiterOf(rate).take(rate.key, this.#state.clock());
    return decision.allowed ? undefined : decision.retryAfterMs;
  }

  #findApplicant({ basis }: AdmissionRequest): Applicant | Exclude<AdmissionResult, Admitted> {
    if (basis.mode === 'ticket') {
      const spent = this.#tickets.spend(basis.ticket);
      if (spent.outcome === 'unknown') return { outcome: 'ticket_unknown', replayed: spent.replayed };
      if (spent.outcome === 'mismatch') return { outcome: 'ticket_mismatch', binding: spent.binding };
      return this.#applicantOfTicket(basis.ticket.userHash, spent.record);
    }
    if (basis.mode === 'session')
      return this.#applicantOfSession(basis.sessionId, basis.userHash, basis.tokenHash, undefined);
    const { principal, userHash, issuedAt, tokenHash } = basis;
    if (!this.#state.isCurrent(userHash, issuedAt, tokenHash)) return { outcome: 'revoked' };
    return { outcome: 'applicant', userHash, principal, session: undefined, ticket: undefined };
  }

  #applicantOfTicket(userHash: string, ticket: TicketRecord): Applicant | Exclude<AdmissionResult, Admitted> {
    const { sessionId, principal, authenticatedAt, token } = ticket;
    if (sessionId !== undefined) return this.#applicantOfSession(sessionId, userHash, token?.hash, ticket);
    if (!this.#state.isCurrent(userHash, authenticatedAt, token?.hash)) return { outcome: 'revoked' };
    return { outcome: 'applicant', userHash, principal: principal!, session: undefined, ticket };
  }

  #applicantOfSession(
    sessionId: string,
    userHash: string,
    tokenHash: string | undefined,
    ticket: TicketRecord | undefined,
  ): Applicant | Exclude<AdmissionResult, Admitted> {
    const session = this.#state.session(sessionId);
    if (!session) return { outcome: 'session_unknown' };
    if (tokenHash !== undefined && this.#state.revokedTokens.get(tokenHash)) return { outcome: 'revoked' };
    return { outcome: 'applicant', userHash, principal: principalOfSession(session), session, ticket };
  }

  #evictOldest(
    userHash: string,
    others: readonly RegisteredConnection[],
    sessionId: string | undefined,
  ): Admitted['evicted'] {
    const candidates = others.filter((other) => sessionId === undefined || other.sessionId === sessionId);
    const oldest = candidates.reduce((a, b) => (b.since < a.since ? b : a));
    this.#state.connections.delete(userHash, oldest.id);
    return { node: this.#state.node, connectionId: oldest.id };
  }

  #admitted(request: AdmissionRequest, applicant: Applicant, evicted: Admitted['evicted']): Admitted {
    const { principal, userHash, ticket } = applicant;
    if (applicant.session && request.touch) this.#state.touchSession(applicant.session.id);
    const session = applicant.session && (this.#state.session(applicant.session.id) ?? undefined);
    const { connectionId } = request;
    const logTail = this.#state.logTail;
    return { outcome: 'admitted', connectionId, principal, session, userHash, ticket, logTail, evicted };
  }
}

/** Which limit is reached. */
function fullLimit(
  others: readonly RegisteredConnection[],
  request: AdmissionRequest,
  sessionId: string | undefined,
): 'user' | 'session' | undefined {
  const ofSession = others.filter((other) => sessionId !== undefined && other.sessionId === sessionId);
  if (ofSession.length >= request.maxPerSession) return 'session';
  return others.length >= request.maxPerUser ? 'user' : undefined;
}
