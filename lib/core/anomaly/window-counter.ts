import type { Clock } from '../clock.js';
import { forgetOldest } from '../forget-oldest.js';

const MAX_KEYS = 10_000;

/** Counts what happens under a key, in a window from the first. Bounded: what was quiet for longest is forgotten first. */
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
    this.#windows.delete(key);
    const isOpen = known !== undefined && known.endsAt > now;
    const window = isOpen ? known : { count: 0, endsAt: now + windowMs };
    window.count += 1;
    this.#windows.set(key, window);
    if (this.#windows.size > this.#maxKeys) forgetOldest(this.#windows);
    return window.count;
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
