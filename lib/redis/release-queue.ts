import type { Place } from '../core/session/connection-registry.js';

const MAX_WAITING = 100_000;
/** Places that are given back at once: more would keep other clients of the server waiting. */
export const RELEASED_AT_ONCE = 500;

/** Places to be given back, kept until the store has acknowledged it: one that is forgotten is taken until its node ends. */
export class ReleaseQueue {
  readonly #release: (places: readonly Place[]) => Promise<readonly Place[]>;
  readonly #waiting = new Map<string, Place>();

  /** @param release resolves with those of the places that could not be given back; never rejects */
  constructor(release: (places: readonly Place[]) => Promise<readonly Place[]>) {
    this.#release = release;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Beyond the bound the oldest is forgotten: its place is free when the lease of this node ends. */
  add(place: Place): void {
    this.#waiting.set(place.id, place);
    if (this.#waiting.size > MAX_WAITING) this.#waiting.delete(this.#waiting.keys().next().value!);
  }

  /** Gives back what waits, in slices, until the whole of one fails: the store is away then. */
  async flush(): Promise<void> {
    const places = [...this.#waiting.values()];
    for (let start = 0; start < places.length; start += RELEASED_AT_ONCE) {
      const slice = places.slice(start, start + RELEASED_AT_ONCE);
      const failed = new Set(await this.#release(slice));
      for (const place of slice) if (!failed.has(place)) this.#waiting.delete(place.id);
      if (failed.size === slice.length) return;
    }
  }
}
