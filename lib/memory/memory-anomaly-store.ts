import type { AnomalyStore } from '../core/anomaly/anomaly-store.js';
import { BanList } from '../core/anomaly/ban-list.js';
import { WindowCounter } from '../core/anomaly/window-counter.js';
import type { Clock } from '../core/clock.js';
import type { BanNotice } from '../core/notice-board.js';
import { ExpiringMap } from './expiring-map.js';

const SWEPT_AT_ONCE = 1_000;

/** What one node knows of attacks. */
export class MemoryAnomalyStore implements AnomalyStore {
  readonly #clock: Clock;
  readonly #counts: WindowCounter;
  readonly #members: ExpiringMap<Set<string>>;
  readonly #bans: BanList;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#counts = new WindowCounter(clock);
    this.#members = new ExpiringMap(clock);
    this.#bans = new BanList(clock);
  }

  async count(key: string, windowMs: number): Promise<number> {
    return this.#counts.add(key, windowMs);
  }

  async addMembers(
    key: string,
    members: readonly string[],
    windowMs: number,
    maximum: number,
  ): Promise<{ before: number; after: number }> {
    const known = this.#members.get(key) ?? new Set<string>();
    const before = known.size;
    if (before === 0) this.#members.set(key, known, this.#clock() + windowMs);
    for (const member of members) if (known.size < maximum) known.add(member);
    return { before, after: known.size };
  }

  async ban(ban: BanNotice): Promise<boolean> {
    return this.#bans.add(ban);
  }

  async lift(prefix: string, only?: { isAutomatic: true }): Promise<boolean> {
    if (only && this.#bans.get(prefix)?.isAutomatic === false) return false;
    return this.#bans.remove(prefix);
  }

  async bans(): Promise<readonly BanNotice[]> {
    return this.#bans.all();
  }

  /** Forgets what has ended, a slice at a time. */
  sweep(): void {
    this.#members.sweep(SWEPT_AT_ONCE);
  }
}
