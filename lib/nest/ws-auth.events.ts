import type { AuditEvent } from '../core/audit/audit-event.js';
import type { AuditLog } from '../core/audit/audit-log.js';

/** The audit log as a stream: every admission, refusal and close, once, without a secret in it. */
export class WsAuthEvents {
  readonly #audit: AuditLog;

  constructor(audit: AuditLog) {
    this.#audit = audit;
  }

  /**
   * Calls a listener for each event, at once and in order. It must not block; what it throws is counted and dropped.
   *
   * @returns a function that ends the subscription
   */
  subscribe(listener: (event: AuditEvent) => void): () => void {
    return this.#audit.subscribe(listener);
  }

  /** Events that a listener threw on. */
  get dropped(): number {
    return this.#audit.dropped;
  }
}
