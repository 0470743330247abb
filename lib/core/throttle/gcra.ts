import { forgetOldest } from '../forget-oldest.js';

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

/** What was taken in advance. */
export interface RateLease {
  readonly taken: number;
  /** How long to wait until there is one more; 0 when all that was wanted was taken. */
  readonly retryAfterMs: number;
}

/** By how much a sum of fractions may be over: it must not cost the last one of a burst. */
const ROUNDING_MS = 0.1;

/** How exactly the order of use is kept: to move an entry costs more than to count. */
const ORDER_MS = 1_000;

const ALLOWED: RateDecision = { allowed: true, retryAfterMs: 0 };

/**
 * The generic cell rate algorithm: all there is to know of a sender is one number, the time at which it would be whole again
 * if it sent nothing more. Whoever asks keeps that number. No stretch of time lets through more than the burst and what the
 * steady rate adds.
 */
export class Gcra {
  readonly #emissionMs: number;
  readonly #toleranceMs: number;
  readonly #roundingMs: number;

  constructor(rate: Rate) {
    this.#emissionMs = rate.windowMs / rate.limit;
    this.#toleranceMs = this.#emissionMs * rate.burst;
    this.#roundingMs = Math.min(ROUNDING_MS, this.#emissionMs / 2);
  }

  /** The number after `cost` was counted, whether that is allowed or not. */
  next(wholeAt: number, now: number, cost: number): number {
    return (wholeAt < now ? now : wholeAt) + this.#emissionMs * cost;
  }

  /** The number before `cost` was counted. */
  previous(wholeAt: number, cost: number): number {
    return wholeAt - this.#emissionMs * cost;
  }

  /** How long to wait until a number of {@link next} would be allowed; 0 when it is. */
  waitMs(next: number, now: number): number {
    const over = next - this.#toleranceMs - now;
    return over > this.#roundingMs ? Math.ceil(over) : 0;
  }

  /** How many there are to be taken at once. */
  remaining(wholeAt: number, now: number): number {
    const room = now + this.#toleranceMs + this.#roundingMs - Math.max(wholeAt, now);
    return Math.max(0, Math.floor(room / this.#emissionMs));
  }
}

/** What is known of a key. */
interface Entry {
  /** When it is whole again. */
  wholeAt: number;
  /** The second in which it was put behind all others. */
  orderedIn: number;
}

/**
 * Rates by key, in memory: two numbers for each key and no timer.
 *
 * Bounded: beyond `maxKeys` the keys that were used longest ago are forgotten, which makes them whole again.
 */
export class GcraLimiter {
  readonly #gcra: Gcra;
  readonly #maxKeys: number;
  /** In order of use, to the second. */
  readonly #entries = new Map<string, Entry>();

  constructor(rate: Rate, maxKeys = 100_000) {
    this.#gcra = new Gcra(rate);
    this.#maxKeys = maxKeys;
  }

  /** Counts one, or several, if the rate allows it; a refusal counts nothing. */
  take(key: string, now: number, cost = 1): RateDecision {
    const entry = this.#entries.get(key);
    const next = this.#gcra.next(entry?.wholeAt ?? 0, now, cost);
    const retryAfterMs = this.#gcra.waitMs(next, now);
    if (retryAfterMs > 0) return { allowed: false, retryAfterMs };
    this.#keep(key, entry, next, now);
    return ALLOWED;
  }

  /** Counts as much of `wanted` as the rate allows. */
  takeUpTo(key: string, now: number, wanted: number): RateLease {
    const entry = this.#entries.get(key);
    const wholeAt = entry?.wholeAt ?? 0;
    const taken = Math.min(wanted, this.#gcra.remaining(wholeAt, now));
    const next = taken > 0 ? this.#gcra.next(wholeAt, now, taken) : wholeAt;
    if (taken > 0) this.#keep(key, entry, next, now);
    if (taken === wanted) return { taken, retryAfterMs: 0 };
    return { taken, retryAfterMs: this.#gcra.waitMs(this.#gcra.next(next, now, 1), now) };
  }

  /** Takes back what was counted. */
  giveBack(key: string, now: number, count: number): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    const before = this.#gcra.previous(entry.wholeAt, count);
    if (before > now) this.#keep(key, entry, before, now);
    else this.#entries.delete(key);
  }

  /** How many a key may take at once. */
  remaining(key: string, now: number): number {
    return this.#gcra.remaining(this.#entries.get(key)?.wholeAt ?? 0, now);
  }

  get size(): number {
    return this.#entries.size;
  }

  #keep(key: string, known: Entry | undefined, wholeAt: number, now: number): void {
    const orderedIn = Math.floor(now / ORDER_MS);
    if (known) known.wholeAt = wholeAt;
    if (known?.orderedIn === orderedIn) return;
    this.#entries.delete(key);
    this.#entries.set(key, { wholeAt, orderedIn });
    if (this.#entries.size > this.#maxKeys) forgetOldest(this.#entries);
  }
}
