import type { Clock } from '../clock.js';

const MAX_KEYS = 10_000;

/** Counts what happens under a key, in a window from the first. Bounded: the oldest keys are forgotten first. */
export class WindowCounter {
  readonly #clock: Clock;
  readonly #maxKeys: number;
  readonly #windows = new Map<string, { count: number; endsAt: number }>();

  /** @param clock monotonic */
  constructor(clock: Clock, maxKeys = MAX_KEYS) {
    this.#clock = clock;
    this.#maxKeys = maxKeys;
  }

  get size(): number {
    return this.#windows.size;
  }

  /** @returns how many there are with this one */
  add(key: string, windowMs: number): number {
    const now = this.#clock();
    const known = this.#windows.get(key);
    if (known && known.endsAt > now) return (known.count += 1);
    this.#windows.delete(key);
    this.#windows.set(key, { count: 1, endsAt: now + windowMs });
    if (this.#windows.size > this.#maxKeys) this.#windows.delete(this.#windows.keys().next().value!);
    return 1;
  }

  /** How many there are. */
  of(key: string): number {
    const known = this.#windows.get(key);
    return known && known.endsAt > this.#clock() ? known.count : 0;
  }

  /** Begins anew. */
  forget(key: string): void {
    this.#windows.delete(key);
  }
}
