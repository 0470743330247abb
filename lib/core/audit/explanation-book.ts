import type { Clock } from '../clock.js';
import { forgetOldest } from '../forget-oldest.js';
import type { AuditEvent, AuditRecord } from './audit-event.js';
import { safeText } from './redaction.js';
import { ruleOfReason } from './refusal-rules.js';

/**
 * Why a client was refused or closed, for the operator and for nobody else: it says what the client is not told. It holds
 * no credential, and sessions and tickets as references.
 */
export interface RefusalExplanation {
  /** The requirement in `docs/security.md` that was applied. */
  readonly rule: string;
  /** What was found, in a sentence. */
  readonly why: string;
  /** What to do about it when the client was right. */
  readonly fix: string;
  /** The option that decides. */
  readonly option?: string;
  /** What the client has sent of what was compared, cut and escaped; never a credential. */
  readonly received?: string;
  /** What it was compared with. */
  readonly expected?: string;
  /** The line of the audit log. */
  readonly event: AuditEvent;
}

/** What the book is built from. */
export interface ExplanationBookOptions {
  readonly clock: Clock;
  /** What a rule compares with, by its reason code, on the path of the event. */
  readonly expectedBy: (event: AuditEvent) => string | undefined;
  /** @default 10_000 */
  readonly maxEntries?: number;
}

const MAX_ENTRIES = 10_000;
const KEPT_MS = 10 * 60_000;

interface Entry {
  readonly event: AuditEvent;
  readonly received: string | undefined;
  readonly at: number;
}

/** Remembers the last refusals and closes of this node by their correlation ids: 10,000 of them, for 10 minutes. */
export class ExplanationBook {
  readonly #options: ExplanationBookOptions;
  readonly #maxEntries: number;
  /** In the order in which they came. */
  readonly #entries = new Map<string, Entry>();

  constructor(options: ExplanationBookOptions) {
    this.#options = options;
    this.#maxEntries = options.maxEntries ?? MAX_ENTRIES;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Keeps what was refused or closed; of several with one id the last. */
  note(record: AuditRecord, event: AuditEvent): void {
    const { correlationId, outcome, reasonCode } = event;
    if (correlationId === undefined || outcome === 'success' || reasonCode === 'client_left') return;
    // It is told under the id of a refusal, and refuses nothing.
    if (event.event === 'anomaly_detected') return;
    this.#entries.delete(correlationId);
    this.#entries.set(correlationId, { event, received: record.received, at: this.#options.clock() });
    if (this.#entries.size > this.#maxEntries) forgetOldest(this.#entries);
  }

  /** @returns `null` for an id that this node has refused nothing under, or not lately */
  explain(correlationId: string): RefusalExplanation | null {
    const entry = this.#entries.get(correlationId);
    if (!entry) return null;
    const { event } = entry;
    if (this.#options.clock() - entry.at > KEPT_MS) {
      this.#entries.delete(correlationId);
      return null;
    }
    const { rule, why, fix, option } = ruleOfReason(event.reasonCode);
    const received = entry.received ?? receivedIn(event);
    const expected = this.#options.expectedBy(event);
    return Object.freeze({
      rule,
      why,
      fix,
      ...(option === undefined ? {} : { option }),
      ...(received === undefined ? {} : { received: safeText(received) }),
      ...(expected === undefined ? {} : { expected }),
      event,
    });
  }

  /** Forgets what is too old. Called by the sweep. */
  sweep(): void {
    const oldest = this.#options.clock() - KEPT_MS;
    for (const [id, { at }] of this.#entries) {
      if (at >= oldest) return;
      this.#entries.delete(id);
    }
  }
}

/** What an event itself says of what was compared. */
function receivedIn({ reasonCode, origin, path, method }: AuditEvent): string | undefined {
  switch (reasonCode) {
    case 'origin_not_allowed':
    case 'ticket_mismatch_origin':
      return origin;
    case 'no_gateway_on_path':
    case 'ticket_mismatch_path':
      return path;
    case 'credential_kind_not_accepted':
      return method;
    default:
      return undefined;
  }
}
