/** What was not sent, since the start. */
export interface OutboundCounts {
  /** Messages to slow peers that were lost. */
  dropped: number;
  /** Messages to slow peers whose place was taken by a newer one. */
  coalesced: number;
  /** Peers that were cut because they did not read. */
  cut: number;
}

/** Told when a message was sent, or with the reason why it was not. */
export type SendCallback = (error?: Error) => void;

interface KeptMessage {
  readonly text: string;
  readonly bytes: number;
  readonly callback: SendCallback | undefined;
}

/** More events than this are not told apart. */
const MAX_KEPT = 64;

/**
 * What a slow peer was not sent: for each event the newest message, kept until the peer has caught up, and how much was
 * lost. Exists only while the peer is slow.
 */
export class OutboundOverflow {
  readonly #counts: OutboundCounts;
  readonly #kept = new Map<string, KeptMessage>();
  #keptBytes = 0;
  #lostBytes = 0;

  constructor(counts: OutboundCounts) {
    this.#counts = counts;
  }

  /** Bytes that the peer would have been sent, had it read. */
  get bytes(): number {
    return this.#keptBytes + this.#lostBytes;
  }

  get hasKept(): boolean {
    return this.#kept.size > 0;
  }

  /** A message is lost. */
  lose(bytes: number, callback: SendCallback | undefined): void {
    this.#lostBytes += bytes;
    this.#counts.dropped += 1;
    tellUnsent(callback, 'the peer reads too slowly');
  }

  /** Keeps the newest message of an event. @returns false when there are too many events to keep one of each */
  keep(event: string, text: string, bytes: number, callback: SendCallback | undefined): boolean {
    const older = this.#kept.get(event);
    if (!older && this.#kept.size >= MAX_KEPT) return false;
    if (older) {
      this.#keptBytes -= older.bytes;
      // Behind those of other events that are older than this message.
      this.#kept.delete(event);
      this.#counts.coalesced += 1;
      tellUnsent(older.callback, 'a newer message of the event took its place');
    }
    this.#kept.set(event, { text, bytes, callback });
    this.#keptBytes += bytes;
    return true;
  }

  /** The peer is gone: nothing of what was kept is sent. */
  discard(): void {
    for (const { callback } of this.take()) tellUnsent(callback, 'the connection has ended');
  }

  /** Takes out what was kept, in the order in which it was sent. */
  take(): KeptMessage[] {
    const kept = [...this.#kept.values()];
    this.#kept.clear();
    this.#keptBytes = 0;
    return kept;
  }
}

/** Tells a sender, as ws would, that its message was not sent. */
export function tellUnsent(callback: SendCallback | undefined, reason: string): void {
  if (callback) process.nextTick(callback, new Error(reason));
}

/** The callback among the arguments of `send`, `ping` or `pong`. */
export function callbackOf(args: readonly unknown[]): SendCallback | undefined {
  const last = args.at(-1);
  return typeof last === 'function' ? (last as SendCallback) : undefined;
}
