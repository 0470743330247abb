import type { AuditEvent } from './audit-event.js';

/**
 * Somewhere that audit events go besides Nest's logger. Each has a queue of its own: one that is slow holds up nobody, and
 * one that is broken ends nothing.
 */
export interface AuditSink {
  /** By this name it stands in the log and in the metrics. */
  readonly name: string;
  /**
   * Takes the next events, in order: at most 100, never before it is done with those of the last call. What it throws or
   * rejects with means that they are lost, which is counted and not tried again.
   */
  write(events: readonly AuditEvent[]): void | Promise<void>;
}

/** What a queue is built from. */
export interface SinkQueueOptions {
  readonly sink: AuditSink;
  /** Called with how many events were lost: the queue was full, or the sink has failed. */
  readonly onDropped: (sink: AuditSink, count: number) => void;
  /** @default 10_000 */
  readonly maxQueued?: number;
}

const MAX_QUEUED = 10_000;
const BATCH = 100;

/** The events that wait for one sink. Bounded: when it is full the newest are lost, so that the beginning is told. */
export class SinkQueue {
  readonly #sink: AuditSink;
  readonly #onDropped: SinkQueueOptions['onDropped'];
  readonly #maxQueued: number;
  readonly #queue: AuditEvent[] = [];
  #running: Promise<void> | undefined;

  constructor(options: SinkQueueOptions) {
    this.#sink = options.sink;
    this.#onDropped = options.onDropped;
    this.#maxQueued = options.maxQueued ?? MAX_QUEUED;
  }

  get queued(): number {
    return this.#queue.length;
  }

  /** Lets an event wait for its turn. Never throws, and calls nobody in this turn of the event loop. */
  push(event: AuditEvent): void {
    if (this.#queue.length >= this.#maxQueued) return this.#onDropped(this.#sink, 1);
    this.#queue.push(event);
    this.#running ??= this.#run();
  }

  /** Resolves when everything that waits has been written, or after this time. */
  async flush(atMostMs: number): Promise<void> {
    if (!this.#running) return;
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => (timer = setTimeout(resolve, atMostMs).unref()));
    await Promise.race([this.#running, timeout]);
    clearTimeout(timer);
  }

  async #run(): Promise<void> {
    do {
      // A turn of the loop for each batch: what is told of comes first, and other work between.
      await new Promise((resolve) => setImmediate(resolve));
      const batch = this.#queue.splice(0, BATCH);
      try {
        await this.#sink.write(batch);
      } catch {
        this.#onDropped(this.#sink, batch.length);
      }
    } while (this.#queue.length > 0);
    // Not later: what comes after this line begins a run of its own.
    this.#running = undefined;
  }
}
