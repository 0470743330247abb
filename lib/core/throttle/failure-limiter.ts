import type { Clock } from '../clock.js';
import type { Rate } from './gcra.js';
import { SharedLimiter } from './shared-limiter.js';
import { throttleKey, type ThrottleStore } from './throttle-store.js';

/** What the limiter is built from. */
export interface FailureLimiterOptions {
  readonly store: ThrottleStore;
  readonly expectedNodes: number;
  /** Monotonic. */
  readonly clock: Clock;
  readonly onAway: (error: unknown) => void;
}

/** What a guess is counted by: address and claim, and address alone. */
type Keys = readonly [claimKey: string, addressKey: string];

/** A guess that may be made, or not yet. */
export interface Guess {
  /** How long this address must wait before it may guess again; 0 when it may now. */
  readonly retryAfterMs: number;
  /** Says what came of it. What did not fail is not counted. */
  end(hasFailed: boolean): void;
}

const WINDOW_MS = 15 * 60_000;
/** Failures of one address prefix for one user that it claims to be. */
const PER_CLAIM: Rate = { limit: 10, windowMs: WINDOW_MS, burst: 10 };
/** Failures of one address prefix. */
const PER_ADDRESS: Rate = { limit: 100, windowMs: WINDOW_MS, burst: 100 };

/**
 * Limits how often credentials that can be guessed are guessed: by the address prefix, and by it and the user that is
 * claimed, on all nodes. Never by the user alone: nobody is locked out by somebody else's failures elsewhere (requirement
 * CR-05).
 *
 * A guess counts as a failure from its beginning until it turns out to be none, so that guesses at the same time are no way
 * around the limit. Where that leaves no room, it waits for those that are under way: a client that connects many times at
 * once with a good password is let in every time.
 */
export class FailureLimiter {
  readonly #perClaim: SharedLimiter;
  readonly #perAddress: SharedLimiter;
  /** Who waits for a guess of the same key to end, by key; a key is there as long as one is under way. */
  readonly #underWay = new Map<string, { count: number; waiting: (() => void)[] }>();

  constructor(options: FailureLimiterOptions) {
    this.#perClaim = new SharedLimiter({ ...options, rate: PER_CLAIM });
    this.#perAddress = new SharedLimiter({ ...options, rate: PER_ADDRESS });
  }

  /** Begins a guess. One that may be made must be ended. */
  async begin(addressPrefix: string, claim: string): Promise<Guess> {
    const keys = [
      throttleKey('failures', addressPrefix, claim),
      throttleKey('failures', addressPrefix),
    ] as const;
    for (;;) {
      // Under way from here on, so that who is refused meanwhile waits for what comes of this one.
      this.#enter(keys);
      const wait = await this.#takeOrLeave(keys);
      if (wait === 0) return { retryAfterMs: 0, end: (hasFailed) => void this.#end(keys, hasFailed) };
      this.#leave(keys, false);
      const other = this.#underWay.get(keys[0]) ?? this.#underWay.get(keys[1]);
      if (!other) return { retryAfterMs: wait, end: () => {} };
      await new Promise<void>((resolve) => other.waiting.push(resolve));
    }
  }

  async #takeOrLeave(keys: Keys): Promise<number> {
    try {
      return await this.#take(keys);
    } catch (error) {
      this.#leave(keys, true);
      throw error;
    }
  }

  /** Counts a failure for both keys, or for neither. @returns how long to wait, 0 when it was counted */
  async #take([claimKey, addressKey]: Keys): Promise<number> {
    const ofClaim = await this.#perClaim.take(claimKey);
    if (!ofClaim.allowed) return Math.max(1, ofClaim.retryAfterMs);
    const ofAddress = await this.#perAddress.take(addressKey);
    if (ofAddress.allowed) return 0;
    await this.#perClaim.giveBack(claimKey);
    return Math.max(1, ofAddress.retryAfterMs);
  }

  async #end(keys: Keys, hasFailed: boolean): Promise<void> {
    const [claimKey, addressKey] = keys;
    if (!hasFailed)
      await Promise.all([this.#perClaim.giveBack(claimKey), this.#perAddress.giveBack(addressKey)]);
    this.#leave(keys, true);
  }

  #enter(keys: Keys): void {
    for (const key of keys) {
      const known = this.#underWay.get(key);
      if (known) known.count += 1;
      else this.#underWay.set(key, { count: 1, waiting: [] });
    }
  }

  /** Those who wait are told when there may be room, or when nobody is left who would tell them. */
  #leave(keys: Keys, hasEnded: boolean): void {
    for (const key of keys) {
      const known = this.#underWay.get(key)!;
      known.count -= 1;
      if (known.count === 0) this.#underWay.delete(key);
      if (hasEnded || known.count === 0) for (const goOn of known.waiting.splice(0)) goOn();
    }
  }
}
