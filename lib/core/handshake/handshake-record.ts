import type { AuditLog } from '../audit/audit-log.js';
import { eventOfClose, eventOfRefusal } from '../audit/event-of-refusal.js';
import { labelOfReason } from '../audit/refusal-rules.js';
import { closeCodeIn } from '../close-code.js';
import type { Connection } from '../connection.js';
import type { ResolvedOptions } from '../options.js';
import type { HandshakeAttempt } from './handshake-attempt.js';
import type { HandshakeRefused } from './refusal.js';

/** Tells what became of handshakes: the audit log, and the trace of the one that has one. */
export class HandshakeRecord {
  readonly #audit: AuditLog;
  readonly #closeCodes: ResolvedOptions['closeCodes'];

  constructor(audit: AuditLog, closeCodes: ResolvedOptions['closeCodes']) {
    this.#audit = audit;
    this.#closeCodes = closeCodes;
  }

  /** Somebody is let in, or a connection has a fresh credential. */
  succeeded(attempt: HandshakeAttempt, connection: Connection | undefined, reasonCode: string): void {
    this.#endTrace(attempt, 'success', reasonCode, 101);
    // Field by field: of all records this is made most often, and to spread an object costs more than the rest of it.
    const { facts } = attempt;
    this.#audit.record({
      event: 'authn_login_success',
      outcome: 'success',
      reasonCode,
      correlationId: facts.correlationId,
      connectionId: connection?.id,
      ip: facts.ip,
      ipSource: facts.ipSource,
      origin: facts.origin,
      path: facts.path,
      method: facts.method,
      principal: connection?.principal.id,
      sessionId: connection?.session?.id,
      ticketHash: facts.ticketHash,
      claim: facts.claim,
    });
  }

  /** @param closeCode the code of the project's table, for a browser that is told by a close code */
  refused(attempt: HandshakeAttempt, refusal: HandshakeRefused, closeCode?: number): void {
    this.#endTrace(attempt, 'refused', refusal.reason, closeCode ?? refusal.status);
    this.#audit.record({
      ...attempt.facts,
      event: eventOfRefusal(refusal.refusal, refusal.reason),
      outcome: 'refused',
      reasonCode: refusal.reason,
      ...(closeCode === undefined ? { status: refusal.status } : { closeCode: this.#onTheWire(closeCode) }),
    });
  }

  /**
   * A socket was closed before it had authenticated.
   *
   * @param closeCode the code of the project's table
   */
  closed(attempt: HandshakeAttempt, closeCode: number, reason: string): void {
    this.#endTrace(attempt, 'refused', reason, closeCode);
    this.#audit.record({
      ...attempt.facts,
      event: eventOfClose(closeCode, reason),
      outcome: 'refused',
      reasonCode: reason,
      closeCode: this.#onTheWire(closeCode),
    });
  }

  /** What would have been refused if the rule were not on trial. */
  reported(attempt: HandshakeAttempt, { refusal, reason }: HandshakeRefused): void {
    const event = eventOfRefusal(refusal, reason);
    this.#audit.record({ ...attempt.facts, event, outcome: 'reported', reasonCode: reason });
  }

  /** A credential that was sent and is not looked at. */
  ignored(attempt: HandshakeAttempt, reasonCode: string): void {
    this.#audit.record({ ...attempt.facts, event: 'authn_login_fail', outcome: 'refused', reasonCode });
  }

  #onTheWire(closeCode: number): number {
    return closeCodeIn(this.#closeCodes, closeCode);
  }

  /** @param code an HTTP status or a close code */
  #endTrace(attempt: HandshakeAttempt, outcome: 'success' | 'refused', reason: string, code: number): void {
    attempt.trace?.end({
      outcome,
      reason: outcome === 'success' ? reason : labelOfReason(reason),
      ...(code < 600 ? { status: code } : { closeCode: code }),
      path: attempt.gateway?.path,
      method: attempt.method,
    });
  }
}
