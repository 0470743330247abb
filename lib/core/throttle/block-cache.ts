import { forgetOldest } from '../forget-oldest.js';

/** What most attackers have at once; beyond it the store is asked again, and says the same. */
const MAX_KEYS = 10_000;

/** Keys that were refused, until they may come again: the next refusal costs a look into a map. Bounded. */
export class BlockCache {
  readonly #maxKeys: number;
  /** The end of each block, in order of the refusals. */
  readonly #ends = new Map<string, number>();

  constructor(maxKeys = MAX_KEYS) {
    this.#maxKeys = maxKeys;
  }

  get size(): number {
    return this.#ends.size;
  }

  /** Refuses a key until then. The last word counts. */
  block(key: string, until: number): void {
    this.#ends.delete(key);
    this.#ends.set(key, until);
    if (this.#ends.size <= this.#maxKeys) return;
    forgetOldest(this.#ends);
  }

  /** Lets a key come again. */
  unblock(key: string): void {
    this.#ends.delete(key);
  }

  /** How long a key is still blocked; 0 when it is not. */
  remaining(key: string, now: number): number {
    const end = this.#ends.get(key);
    if (end === undefined) return 0;
    if (end > now) return end - now;
    this.#ends.delete(key);
    return 0;
  }
}
