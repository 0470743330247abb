import type { Rate, RateDecision, RateLease } from '../core/throttle/gcra.js';
import type { ThrottleStore } from '../core/throttle/throttle-store.js';
import type { MemoryState } from './memory-state.js';

/** Rates in the memory of this process: one node, which shares them with nobody. */
export class MemoryThrottleStore implements ThrottleStore {
  readonly #state: MemoryState;

  constructor(state: MemoryState) {
    this.#state = state;
  }

  async take(key: string, rate: Rate, cost: number): Promise<RateDecision> {
    return this.#state.limiterOf(rate).take(key, this.#state.clock(), cost);
  }

  async takeUpTo(key: string, rate: Rate, wanted: number): Promise<RateLease> {
    return this.#state.limiterOf(rate).takeUpTo(key, this.#state.clock(), wanted);
  }

  async giveBack(key: string, rate: Rate, count: number): Promise<void> {
    this.#state.limiterOf(rate).giveBack(key, this.#state.clock(), count);
  }
}
