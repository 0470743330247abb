import type { AuditRecord } from '../audit/audit-event.js';
import { labelOfReason } from '../audit/refusal-rules.js';

/** What takes time, and is measured: in milliseconds. */
export type Duration = 'handshake' | 'store' | 'revocation' | 'sweep';

/** Hears of each measurement. Must not throw. */
export type DurationListener = (duration: Duration, ms: number, outcome: 'ok' | 'refused' | 'error') => void;

/** Codes of RFC 6455 and of this library; a client may send any other, which must not become a label of its own. */
const KNOWN_CLOSE = /^(?:10(?:0[0-9]|1[0-5])|300[038]|44(?:0[01389]|1[09]|29))$/;

/**
 * What this node has counted since its start, for whoever exports it. Every label is of a fixed set or was written by the
 * developer: no address, origin, path, user or text of a client is one (requirement LG-05).
 */
export class NodeMetrics {
  /** Messages that were given to a handler. */
  messages = 0;
  /** By outcome and reason, with a space between. */
  readonly handshakes = new Map<string, number>();
  /** Ended connections by close code. */
  readonly closes = new Map<string, number>();
  /** Messages over a limit, by its name. */
  readonly throttled = new Map<string, number>();
  /** Anomalies by rule. */
  readonly anomalies = new Map<string, number>();
  #listener: DurationListener | undefined;

  /** Learns from the audit log. */
  note(record: AuditRecord): void {
    const { event, outcome, reasonCode, correlationId, status, closeCode } = record;
    if (event === 'anomaly_detected') return add(this.anomalies, reasonCode);
    if (outcome === 'closed') return add(this.closes, closeLabel(closeCode));
    if (event === 'authn_login_success') return add(this.handshakes, `success ${reasonCode}`);
    // What has no id is an HTTP request; what is refused with neither status nor close code is a message.
    if (correlationId === undefined || outcome !== 'refused') return;
    if (status !== undefined || closeCode !== undefined)
      add(this.handshakes, `refused ${labelOfReason(reasonCode)}`);
  }

  /** A message was over a limit. */
  noteThrottled(limit: string): void {
    add(this.throttled, limit);
  }

  /** Something took so long. Costs nothing as long as nobody listens. */
  timed(duration: Duration, ms: number, outcome: 'ok' | 'refused' | 'error' = 'ok'): void {
    this.#listener?.(duration, ms, outcome);
  }

  /** Adds the one listener of measurements. @returns what takes it out again */
  listen(listener: DurationListener): () => void {
    this.#listener = listener;
    return () => (this.#listener = undefined);
  }
}

function closeLabel(code: number | undefined): string {
  const label = String(code);
  return KNOWN_CLOSE.test(label) ? label : 'other';
}

function add(counts: Map<string, number>, label: string): void {
  counts.set(label, (counts.get(label) ?? 0) + 1);
}
