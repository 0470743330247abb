const MAX_WAITING = 100_000;
/** Places that are given back at once: more would keep other clients of the server waiting. */
const SLICE = 500;

/** A place that a connection has, or may have. */
export interface Place {
  readonly id: string;
  readonly userHash: string;
}

/** Places to be given back, kept until the store has acknowledged it: one that is forgotten is taken until its node ends. */
export class ReleaseQueue {
  readonly #release: (place: Place) => Promise<void>;
  readonly #waiting = new Map<string, Place>();

  constructor(release: (place: Place) => Promise<void>) {
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

  /** Gives back what waits, in slices, until one fails. */
  async flush(): Promise<void> {
    const places = [...this.#waiting.values()];
    for (let start = 0; start < places.length; start += SLICE) {
      const slice = places.slice(start, start + SLICE);
      const results = await Promise.allSettled(
        slice.map(async (place) => {
          await this.#release(place);
          this.#waiting.delete(place.id);
        }),
      );
      if (results.some(({ status }) => status === 'rejected')) return;
    }
  }
}
