import type { Clock } from '../clock.js';
import type { BanNotice } from '../notice-board.js';
import { forgetOldest } from '../forget-oldest.js';
import { MAX_BANS, outlasts } from './anomaly-store.js';

interface Entry {
  readonly reason: string;
  readonly isAutomatic: boolean;
  /** Monotonic. */
  readonly endsAt: number;
}

/** The bans that this node knows: looked up for each handshake, before anything that costs. */
export class BanList {
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();

  /** @param clock monotonic */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** @returns false when a ban stays that ends later, or is an operator's; or when all of them are an operator's, and too many */
  add(ban: BanNotice): boolean {
    const { prefix, remainingMs, reason, isAutomatic } = ban;
    const known = this.get(prefix);
    if (known && outlasts(known, ban)) return false;
    this.#entries.delete(prefix);
    // Who has many addresses gets rid of bans by rules at most: the oldest one goes, and none by an operator.
    const isFull = this.#entries.size >= MAX_BANS;
    if (isFull && !forgetOldest(this.#entries, 1, (entry) => entry.isAutomatic)) return false;
    this.#entries.set(prefix, { reason, isAutomatic, endsAt: this.#clock() + remainingMs });
    return true;
  }

  /** @returns false when there was none */
  remove(prefix: string): boolean {
    const isThere = this.get(prefix) !== undefined;
    this.#entries.delete(prefix);
    return isThere;
  }

  /** How long a prefix is still banned; 0 when it is not. */
  remaining(prefix: string): number {
    if (this.#entries.size === 0) return 0;
    return this.get(prefix)?.remainingMs ?? 0;
  }

  get(prefix: string): BanNotice | undefined {
    const entry = this.#entries.get(prefix);
    if (!entry) return undefined;
    const remainingMs = entry.endsAt - this.#clock();
    if (remainingMs > 0) return { prefix, remainingMs, reason: entry.reason, isAutomatic: entry.isAutomatic };
    this.#entries.delete(prefix);
    return undefined;
  }

  /** Every ban that lasts. */
  all(): BanNotice[] {
    return [...this.#entries.keys()].flatMap((prefix) => this.get(prefix) ?? []);
  }

  /** Forgets all of them. */
  clear(): void {
    this.#entries.clear();
  }
}
