import type { Clock } from '../core/clock.js';
import type { LogEntry } from './log-entry.js';

const RETRY_MS = 1_000;
const MAX_WAITING = 10_000;

interface Waiting {
  readonly entry: LogEntry;
  readonly until: number;
}

/**
 * Orders that the store did not take, or of which nobody knows whether it did. They are given again until it answers:
 * with their nonce, so that one that was carried out after all is not carried out twice.
 */
export class OrderRetries {
  readonly #order: (entry: LogEntry) => Promise<void>;
  readonly #onError: (error: unknown) => void;
  readonly #rememberMs: number;
  readonly #clock: Clock;
  readonly #waiting = new Map<string, Waiting>();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;

  /** @param options.rememberMs after which nothing lives any more that an order could concern */
  constructor(options: {
    order: (entry: LogEntry) => Promise<void>;
    rememberMs: number;
    clock: Clock;
    onError: (error: unknown) => void;
  }) {
    this.#order = options.order;
    this.#rememberMs = options.rememberMs;
    this.#clock = options.clock;
    this.#onError = options.onError;
  }

  get size(): number {
    return this.#waiting.size;
  }

  add(entry: LogEntry): void {
    this.#waiting.set(`${entry.entry.partition} ${entry.nonce}`, {
      entry,
      until: this.#clock() + this.#rememberMs,
    });
    if (this.#waiting.size > MAX_WAITING) {
      this.#waiting.delete(this.#waiting.keys().next().value!);
      this.#onError(
        new Error(`more than ${MAX_WAITING} revocations wait for the store: the oldest is dropped`),
      );
    }
    this.#timer ??= setInterval(() => void this.flush(), RETRY_MS).unref();
  }

  /** Gives them again, in their order, until the first one fails. */
  async flush(): Promise<void> {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #run(): Promise<void> {
    for (const [key, { entry, until }] of this.#waiting) {
      try {
        if (this.#clock() < until) await this.#order(entry);
        this.#waiting.delete(key);
      } catch {
        // At the end of the row: one that the store always refuses must not hold up the others.
        this.#waiting.delete(key);
        this.#waiting.set(key, { entry, until });
        return;
      }
    }
    this.stop();
  }
}
