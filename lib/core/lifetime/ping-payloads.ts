import { randomFillSync } from 'node:crypto';

/** Too many to guess between a ping and its answer. */
export const PING_BYTES = 8;

const PINGS_PER_DRAW = 512;

/** What pings carry, and nobody can guess: who returns it has read it. Randomness is drawn for many pings at a time. */
export class PingPayloads {
  readonly #drawn = Buffer.alloc(PING_BYTES * PINGS_PER_DRAW);
  #used = this.#drawn.length;

  /** Memory of its own: a ping may still wait to be written when the next ones are drawn. */
  next(): Buffer {
    if (this.#used === this.#drawn.length) {
      randomFillSync(this.#drawn);
      this.#used = 0;
    }
    const payload = Buffer.from(this.#drawn.subarray(this.#used, this.#used + PING_BYTES));
    this.#used += PING_BYTES;
    return payload;
  }
}
