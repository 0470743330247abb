import type { Clock } from '../core/clock.js';
import { GcraLimiter, type Rate, type RateDecision } from '../core/throttle/gcra.js';
import type { ThrottleStore } from '../core/throttle/throttle-store.js';

/** Rates in the memory of this process: one node, which shares them with nobody. */
export class MemoryThrottleStore implements ThrottleStore {
  readonly #clock: Clock;
  /** One for each rate that is asked for, which are as many as the options name. */
  readonly #limiters = new Map<string, GcraLimiter>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async take(key: string, rate: Rate, cost: number): Promise<RateDecision> {
    return this.#limiterOf(rate).take(key, this.#clock(), cost);
  }

  #limiterOf(rate: Rate): GcraLimiter {
    const name = `${rate.limit}/${rate.windowMs}/${rate.burst}`;
    let limiter = this.#limiters.get(name);
    if (!limiter) this.#limiters.set(name, (limiter = new GcraLimiter(rate)));
    return limiter;
  }
}
