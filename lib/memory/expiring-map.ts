import type { Clock } from '../core/clock.js';

/** A map whose entries end by time: unseen at once when they are over, and swept out a slice at a time. */
export class ExpiringMap<V> {
  readonly #clock: Clock;
  readonly #entries = new Map<string, { value: V; expiresAt: number }>();
  #sweep: IterableIterator<[string, { value: V; expiresAt: number }]> | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): V | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    if (entry.expiresAt > this.#clock()) return entry.value;
    this.#entries.delete(key);
    return undefined;
  }

  set(key: string, value: V, expiresAt: number): void {
    this.#entries.set(key, { value, expiresAt });
  }

  delete(key: string): boolean {
    return this.#entries.delete(key);
  }

  /** Looks at so many entries, going on where the last sweep stopped, and drops those that are over. */
  sweep(count: number): void {
    const now = this.#clock();
    this.#sweep ??= this.#entries.entries();
    for (let seen = 0; seen < count; seen += 1) {
      const next = this.#sweep.next();
      if (next.done) {
        this.#sweep = undefined;
        return;
      }
      const [key, entry] = next.value;
      if (entry.expiresAt <= now) this.#entries.delete(key);
    }
  }
}
