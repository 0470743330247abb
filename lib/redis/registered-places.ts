import type { Clock } from '../core/clock.js';

interface RegisteredPlace {
  readonly userHash: string;
  readonly renewedAt: number;
}

/** The places that this node holds, in the order in which they were registered or renewed last. */
export class RegisteredPlaces {
  readonly #clock: Clock;
  readonly #renewMs: number;
  readonly #places = new Map<string, RegisteredPlace>();

  /** @param renewMs the age at which a registration is renewed */
  constructor(clock: Clock, renewMs: number) {
    this.#clock = clock;
    this.#renewMs = renewMs;
  }

  get size(): number {
    return this.#places.size;
  }

  has(id: string): boolean {
    return this.#places.has(id);
  }

  /** A place that was registered just now. */
  add(id: string, userHash: string): void {
    this.#places.delete(id);
    this.#places.set(id, { userHash, renewedAt: this.#clock() });
  }

  delete(id: string): void {
    this.#places.delete(id);
  }

  /** The users of the places that have not been renewed for too long, at most so many; they count as renewed now. */
  dueUsers(most: number): string[] {
    const before = this.#clock() - this.#renewMs;
    const due: [string, string][] = [];
    for (const [id, { userHash, renewedAt }] of this.#places) {
      if (renewedAt > before || due.length === most) break;
      due.push([id, userHash]);
    }
    for (const [id, userHash] of due) this.add(id, userHash);
    return [...new Set(due.map(([, userHash]) => userHash))];
  }
}
