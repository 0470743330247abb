import { addressPrefix } from '../handshake/client-address.js';
import type { AuditEvent } from './audit-event.js';

/** How often the counts of repeated refusals are told. */
export const FLOOD_WINDOW_MS = 10_000;

/** Kinds of refusal and address prefixes that are told apart at the same time; what comes beyond is counted by kind alone. */
const MAX_KEYS = 1_000;

interface Repeated {
  readonly first: AuditEvent;
  /** The prefix that they came from; left out where they came from too many. */
  readonly prefix: string | undefined;
  count: number;
  since: string;
}

/**
 * Keeps a flood of refusals from flooding the log: of each kind and address prefix the first is told as it is, and those
 * after it as one line with their number, every 10 s for as long as there are any. Nothing is lost but the details: the
 * first line and the counts add up to what has happened (requirement LG-05).
 */
export class FloodFilter {
  readonly #tell: (event: AuditEvent) => void;
  readonly #ipv6Prefix: number;
  readonly #maxKeys: number;
  readonly #repeated = new Map<string, Repeated>();

  constructor(options: { tell: (event: AuditEvent) => void; ipv6Prefix: number; maxKeys?: number }) {
    this.#tell = options.tell;
    this.#ipv6Prefix = options.ipv6Prefix;
    this.#maxKeys = options.maxKeys ?? MAX_KEYS;
  }

  /** How many kinds and prefixes are told apart now. */
  get size(): number {
    return this.#repeated.size;
  }

  /** Tells of an event, or counts it. */
  take(event: AuditEvent): void {
    if (event.outcome !== 'refused' && event.outcome !== 'reported') return this.#tell(event);
    const kind = `${event.event} ${event.outcome} ${event.reasonCode}`;
    const prefix = event.ip === undefined ? '' : addressPrefix(event.ip, this.#ipv6Prefix);
    const known = this.#repeated.get(`${kind} ${prefix}`);
    if (known) {
      known.count += 1;
      return;
    }
    if (this.#repeated.size >= this.#maxKeys) return this.#countByKind(kind, event);
    this.#repeated.set(`${kind} ${prefix}`, { first: event, prefix, count: 0, since: event.ts });
    this.#tell(event);
  }

  /** Tells what was counted, and forgets what has stopped. Called every {@link FLOOD_WINDOW_MS}, and at the end. */
  sweep(now: number): void {
    const ts = new Date(now).toISOString();
    for (const [key, repeated] of this.#repeated) {
      if (repeated.count === 0) {
        this.#repeated.delete(key);
        continue;
      }
      this.#tell(summaryOf(repeated, ts));
      repeated.count = 0;
      repeated.since = ts;
    }
  }

  #countByKind(kind: string, event: AuditEvent): void {
    const known = this.#repeated.get(kind);
    if (known) known.count += 1;
    else this.#repeated.set(kind, { first: event, prefix: undefined, count: 1, since: event.ts });
  }
}

/** What all of them have in common, and how many they were. */
function summaryOf({ first, prefix, count, since }: Repeated, ts: string): AuditEvent {
  const { event, outcome, reasonCode, status, closeCode, node } = first;
  return Object.freeze({
    ts,
    event,
    outcome,
    reasonCode,
    ...(status === undefined ? {} : { status }),
    ...(closeCode === undefined ? {} : { closeCode }),
    node,
    ...(prefix === undefined || prefix === '' ? {} : { ip: prefix }),
    count,
    since,
  });
}
