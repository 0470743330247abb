import type { Clock } from '../clock.js';
import { StoreUnavailable } from '../errors.js';
import { BlockCache } from './block-cache.js';
import { GcraLimiter, type Rate, type RateDecision } from './gcra.js';
import type { ThrottleStore } from './throttle-store.js';

/** What the limiter is built from. */
export interface SharedLimiterOptions {
  readonly rate: Rate;
  readonly store: ThrottleStore;
  /** How many nodes share the rate: this one has so much of it while the store is away. */
  readonly expectedNodes: number;
  /** Monotonic. */
  readonly clock: Clock;
  /** Called once for each time that the store goes away. */
  readonly onAway: (error: unknown) => void;
}

const ALLOWED: RateDecision = { allowed: true, retryAfterMs: 0 };

/**
 * A rate that all nodes share, with what keeps a flood from the store and what counts when the store is away: a key that
 * was refused is refused here until it may come again, and without a store this node holds its own share of the rate. A
 * rate is never off (requirement TH-09).
 *
 * {@link take} asks the throttle store. Where the store decides on a rate as a part of something larger, ask {@link check}
 * before, and tell what came of it by {@link noteAnswer} or {@link noteAway}.
 */
export class SharedLimiter {
  readonly #options: SharedLimiterOptions;
  readonly #blocked = new BlockCache();
  readonly #ownShare: GcraLimiter;
  #isAway = false;

  constructor(options: SharedLimiterOptions) {
    this.#options = options;
    const { rate, expectedNodes } = options;
    this.#ownShare = new GcraLimiter({
      limit: rate.limit / expectedNodes,
      windowMs: rate.windowMs,
      burst: Math.max(1, Math.floor(rate.burst / expectedNodes)),
    });
  }

  /**
   * Counts `cost` if the rate allows it. While the store is away, a cost above the burst of this node's share is refused:
   * ask for less at a time.
   *
   * @param key of `throttleKey()`
   */
  async take(key: string, cost = 1): Promise<RateDecision> {
    const blocked = this.#blockOf(key);
    if (blocked) return blocked;
    const decision = await this.#ask(key, cost);
    return decision ?? this.#ownShare.take(key, this.#options.clock(), cost);
  }

  /** Takes back one that was counted. A store that is away keeps it counted, until it ends by itself. */
  async giveBack(key: string): Promise<void> {
    this.#blocked.unblock(key);
    const { store, rate, clock } = this.#options;
    try {
      await store.giveBack(key, rate, 1);
    } catch (error) {
      this.noteAway(error);
      this.#ownShare.giveBack(key, clock(), 1);
    }
  }

  /** Counts one of a key that {@link check} has let through in this turn: what that has counted is not counted again. */
  async takeChecked(key: string): Promise<RateDecision> {
    const isCounted = this.#isAway;
    const decision = await this.#ask(key, 1);
    if (decision) return decision;
    return isCounted ? ALLOWED : this.#ownShare.take(key, this.#options.clock());
  }

  /** What this node can say without the store: refused lately, or beyond its share while the store is away. */
  check(key: string): RateDecision {
    const blocked = this.#blockOf(key);
    if (blocked) return blocked;
    return this.#isAway ? this.#ownShare.take(key, this.#options.clock()) : ALLOWED;
  }

  /** The store has answered about a key, and so is there. */
  noteAnswer(key: string, { allowed, retryAfterMs }: RateDecision): void {
    this.#isAway = false;
    if (!allowed) this.#blocked.block(key, this.#options.clock() + retryAfterMs);
  }

  /** The store has not answered. */
  noteAway(error: unknown): void {
    if (this.#isAway) return;
    this.#isAway = true;
    this.#options.onAway(error);
  }

  /** @returns what the store says, or nothing when it is away */
  async #ask(key: string, cost: number): Promise<RateDecision | undefined> {
    const { store, rate } = this.#options;
    let decision: RateDecision;
    try {
      decision = await store.take(key, rate, cost);
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      this.noteAway(error);
      return undefined;
    }
    this.noteAnswer(key, decision);
    return decision;
  }

  #blockOf(key: string): RateDecision | undefined {
    const left = this.#blocked.remaining(key, this.#options.clock());
    return left > 0 ? { allowed: false, retryAfterMs: Math.ceil(left) } : undefined;
  }
}
