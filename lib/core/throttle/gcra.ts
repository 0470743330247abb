/** A rate: so many in a window, so many of them at once. */
export interface Rate {
  readonly limit: number;
  readonly windowMs: number;
  readonly burst: number;
}

/** The answer of a rate limit. */
export interface RateDecision {
  readonly allowed: boolean;
  /** How long to wait until it would be allowed; 0 when it is. */
  readonly retryAfterMs: number;
}

/** By how much a sum of fractions may be over: it must not cost the last one of a burst. */
const ROUNDING_MS = 0.1;

const ALLOWED: RateDecision = { allowed: true, retryAfterMs: 0 };

/**
 * Rate limits by key, in memory: the generic cell rate algorithm, one number for each key and no timer. No stretch of
 * time lets through more than the burst and what the steady rate adds.
 *
 * Bounded: beyond `maxKeys` the keys that were used longest ago are forgotten, which makes them whole again.
 */
export class GcraLimiter {
  readonly #emissionMs: number;
  readonly #toleranceMs: number;
  readonly #roundingMs: number;
  readonly #maxKeys: number;
  /** The theoretical arrival time of the next one, by key; in order of use. */
  readonly #arrivals = new Map<string, number>();

  constructor(rate: Rate, maxKeys = 100_000) {
    this.#emissionMs = rate.windowMs / rate.limit;
    this.#toleranceMs = this.#emissionMs * rate.burst;
    this.#roundingMs = Math.min(ROUNDING_MS, this.#emissionMs / 2);
    this.#maxKeys = maxKeys;
  }

  /** Counts one, or several, if the rate allows it; a refusal counts nothing. */
  take(key: string, now: number, cost = 1): RateDecision {
    const known = this.#arrivals.get(key);
    const arrival = known === undefined || known < now ? now : known;
    const next = arrival + this.#emissionMs * cost;
    const over = next - this.#toleranceMs - now;
    if (over > this.#roundingMs) return { allowed: false, retryAfterMs: Math.ceil(over) };
    if (known !== undefined) this.#arrivals.delete(key);
    this.#arrivals.set(key, next);
    if (this.#arrivals.size > this.#maxKeys) this.#forgetOldest();
    return ALLOWED;
  }

  get size(): number {
    return this.#arrivals.size;
  }

  #forgetOldest(): void {
    const oldest = this.#arrivals.keys().next().value;
    if (oldest !== undefined) this.#arrivals.delete(oldest);
  }
}
