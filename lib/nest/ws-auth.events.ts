import type { AuditEvent } from '../core/audit/audit-event.js';
import type { AuditLog } from '../core/audit/audit-log.js';
import type { RefusalExplanation } from '../core/audit/explanation-book.js';
import type { ExplanationService } from '../core/audit/explanation-service.js';

/** The audit log as a stream: every admission, refusal and close, once, without a secret in it. */
export class WsAuthEvents {
  readonly #audit: AuditLog;
  readonly #explanations: ExplanationService;

  constructor(audit: AuditLog, explanations: ExplanationService) {
    this.#audit = audit;
    this.#explanations = explanations;
  }

  /**
   * Calls a listener for each event, at once and in order: every refusal of a flood too. It must not block; what it throws is
   * counted and dropped. What takes its time is better a sink of the option `audit.sinks`.
   *
   * @returns a function that ends the subscription
   */
  subscribe(listener: (event: AuditEvent) => void): () => void {
    return this.#audit.subscribe(listener);
  }

  /** Events that a listener or a sink has not got: it has failed, or its queue was full. */
  get dropped(): number {
    return this.#audit.dropped;
  }

  /**
   * Why a handshake, a message or a connection was refused or closed, for the operator. The id is what the client has in its
   * problem document or close reason. Each node remembers 10,000 of them for 10 minutes; the others are asked where this one
   * knows nothing, which takes half a second at most.
   *
   * Not for clients: it says what they are not told.
   *
   * @returns `null` when nobody knows, any more
   */
  explain(correlationId: string): Promise<RefusalExplanation | null> {
    return this.#explanations.explain(correlationId);
  }
}
