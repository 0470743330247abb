import type { KeyObject } from 'node:crypto';
import type { Clock } from '../clock.js';
import { auditReference } from '../secret-keys.js';
import type { AuditEvent, AuditRecord } from './audit-event.js';
import { cutText } from './redaction.js';

/** Takes events. It must not block; what it throws or rejects with is caught and counted, and reaches nobody's request. */
export type AuditSink = (event: AuditEvent) => void | Promise<void>;

/** Where every admission, refusal and close is told, once. */
export class AuditLog {
  readonly #sinks = new Set<AuditSink>();
  readonly #clock: Clock;
  readonly #node: string;
  readonly #referenceKey: KeyObject;
  #dropped = 0;

  constructor(options: { clock: Clock; node: string; referenceKey: KeyObject }) {
    this.#clock = options.clock;
    this.#node = options.node;
    this.#referenceKey = options.referenceKey;
  }

  /** Adds a sink. @returns a function that takes it out again */
  subscribe(sink: AuditSink): () => void {
    this.#sinks.add(sink);
    return () => this.#sinks.delete(sink);
  }

  /** Events that a sink threw on, or rejected. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Tells every sink. Never throws. */
  record(record: AuditRecord): void {
    if (this.#sinks.size === 0) return;
    const event = this.#eventOf(record);
    for (const sink of this.#sinks) {
      try {
        const pending = sink(event);
        if (pending instanceof Promise) pending.catch(() => this.#countDropped());
      } catch {
        this.#countDropped();
      }
    }
  }

  /** The reference by which the log names this value. */
  referenceOf(value: string): string {
    return auditReference(this.#referenceKey, value);
  }

  #countDropped(): void {
    this.#dropped += 1;
  }

  /** Field by field: what is not named here cannot get into the log (requirement LG-02). */
  #eventOf(record: AuditRecord): AuditEvent {
    const { sessionId, ticketHash } = record;
    return Object.freeze({
      ts: new Date(this.#clock()).toISOString(),
      event: record.event,
      outcome: record.outcome,
      reasonCode: cutText(record.reasonCode),
      ...(record.status === undefined ? {} : { status: record.status }),
      ...(record.closeCode === undefined ? {} : { closeCode: record.closeCode }),
      node: this.#node,
      ...(record.connectionId === undefined ? {} : { connectionId: record.connectionId }),
      ...(record.correlationId === undefined ? {} : { correlationId: record.correlationId }),
      ...(record.ip === undefined ? {} : { ip: cutText(record.ip) }),
      ...(record.ipSource === undefined ? {} : { ipSource: record.ipSource }),
      ...(record.origin === undefined ? {} : { origin: cutText(record.origin) }),
      ...(record.path === undefined ? {} : { path: cutText(record.path) }),
      ...(record.method === undefined ? {} : { method: record.method }),
      ...(record.principal === undefined ? {} : { principal: cutText(record.principal) }),
      ...(sessionId === undefined ? {} : { sessionRef: this.referenceOf(sessionId) }),
      ...(ticketHash === undefined ? {} : { ticketRef: this.referenceOf(ticketHash) }),
      ...(record.sockets === undefined ? {} : { sockets: record.sockets }),
    });
  }
}
