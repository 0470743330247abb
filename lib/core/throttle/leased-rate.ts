import type { Clock } from '../clock.js';
import { StoreUnavailable } from '../errors.js';
import { forgetOldest } from '../forget-oldest.js';
import { GcraLimiter, type Rate, type RateLease } from './gcra.js';
import type { ThrottleStore } from './throttle-store.js';

/** What the rate is built from. */
export interface LeasedRateOptions {
  readonly rate: Rate;
  readonly store: ThrottleStore;
  /** How many nodes share the rate: this one has so much of it while the store is away. */
  readonly expectedNodes: number;
  /** Monotonic. */
  readonly clock: Clock;
  /** Called once for each time that the store goes away. */
  readonly onAway: (error: unknown) => void;
  /** For how many keys it is remembered what this node has in hand. @default 100_000 */
  readonly maxKeys?: number;
}

/** What this node has in hand of one key. */
interface Lease {
  readonly key: string;
  /** Taken from the store, and not given out yet. Below 0: given out, and not taken yet. */
  left: number;
  /** What is left then is forgotten: the store may have it counted twice, never too little. */
  endsAt: number;
  /** The store has no more until then. */
  blockedUntil: number;
  /** What those want who wait for an answer of the store. */
  demand: number;
  /** How much to take at a time. */
  batch: number;
  takenAt: number;
  taking: Promise<void> | undefined;
}

/** How long what was taken in advance may be given out. */
const MAX_LEASE_MS = 5_000;
/** From here on more is taken while there is still some in hand. */
const MIN_BATCH_TO_RENEW_EARLY = 8;
/** A message waits for at most so many answers of the store. */
const MAX_TRIES = 8;

/**
 * A rate that all nodes share, given out from what this node has taken in advance, so that a message rarely waits for the
 * store. Who sends little is asked for one by one; who sends much makes the node take more at a time. All that is given out
 * was taken before, so that over time no more than the rate is; in any one stretch of time it can be off, in both
 * directions, by what the nodes have in hand. While the store is away this node holds its own share of the rate
 * (requirements TH-02, TH-09).
 */
export class LeasedRate {
  readonly #options: LeasedRateOptions;
  readonly #leaseMs: number;
  readonly #maxBatch: number;
  readonly #maxKeys: number;
  readonly #ownShare: GcraLimiter;
  /** In the order in which they came. */
  readonly #leases = new Map<string, Lease>();
  #isAway = false;

  constructor(options: LeasedRateOptions) {
    const { rate, expectedNodes } = options;
    this.#options = options;
    this.#leaseMs = Math.min(MAX_LEASE_MS, Math.max(1, rate.windowMs / 10));
    this.#maxBatch = Math.max(1, Math.floor(Math.min(rate.burst, rate.limit) / (2 * expectedNodes)));
    this.#maxKeys = options.maxKeys ?? 100_000;
    this.#ownShare = new GcraLimiter({
      limit: rate.limit / expectedNodes,
      windowMs: rate.windowMs,
      burst: Math.max(1, Math.floor(rate.burst / expectedNodes)),
    });
  }

  /** How many keys are remembered. */
  get size(): number {
    return this.#leases.size;
  }

  /**
   * Gives out `cost` from what is in hand.
   *
   * @returns 0 when it was given out, the milliseconds to wait when the rate is used up, or a promise of either when the
   * store must be asked first
   */
  take(key: string, cost: number): number | Promise<number> {
    const lease = this.#leaseOf(key);
    const now = this.#options.clock();
    this.#forgetOld(lease, now);
    if (lease.left < cost) return this.#waitFor(lease, cost, now);
    lease.left -= cost;
    if (lease.batch >= MIN_BATCH_TO_RENEW_EARLY && lease.left < lease.batch / 2 && lease.blockedUntil <= now)
      void this.#renew(lease, lease.batch);
    return 0;
  }

  /** Counts what has happened already and cannot be refused any more. */
  charge(key: string, cost: number): void {
    const lease = this.#leaseOf(key);
    const now = this.#options.clock();
    this.#forgetOld(lease, now);
    // Never deeper in debt than the burst, which is all that a refusal could take back.
    lease.left = Math.max(lease.left - cost, -this.#options.rate.burst);
    if (lease.left < 0 && lease.blockedUntil <= now) void this.#renew(lease, -lease.left);
  }

  #waitFor(lease: Lease, cost: number, now: number): number | Promise<number> {
    if (cost > this.#options.rate.burst) return this.#options.rate.windowMs;
    if (lease.blockedUntil > now) return lease.blockedUntil - now;
    return this.#ask(lease, cost);
  }

  async #ask(lease: Lease, cost: number): Promise<number> {
    lease.demand += cost;
    try {
      for (let tries = 0; tries < MAX_TRIES; tries += 1) {
        // For all who wait: one answer for one of them would leave the others to be refused.
        await this.#renew(lease, Math.max(lease.batch, lease.demand - lease.left));
        if (lease.left >= cost) {
          lease.left -= cost;
          return 0;
        }
        const wait = lease.blockedUntil - this.#options.clock();
        if (wait > 0) return wait;
      }
    } finally {
      lease.demand -= cost;
    }
    // Others of this key were always quicker: that is a rate at its end.
    return this.#leaseMs;
  }

  /** One question to the store at a time for each key; who comes meanwhile waits for the same answer. */
  #renew(lease: Lease, wanted: number): Promise<void> {
    lease.taking ??= this.#takeMore(lease, wanted).finally(() => (lease.taking = undefined));
    return lease.taking;
  }

  async #takeMore(lease: Lease, wish: number): Promise<void> {
    const { clock, rate } = this.#options;
    // All who come in this turn are asked for together.
    await Promise.resolve();
    const wanted = Math.min(Math.ceil(Math.max(wish, lease.demand - lease.left)), rate.burst);
    const { taken, retryAfterMs } = await this.#takeUpTo(lease.key, wanted);
    const now = clock();
    // A batch that was used up at once was too small.
    if (now - lease.takenAt < this.#leaseMs / 5) lease.batch = Math.min(this.#maxBatch, lease.batch * 2);
    lease.left += taken;
    lease.takenAt = now;
    lease.endsAt = now + this.#leaseMs;
    lease.blockedUntil = taken < wanted ? now + retryAfterMs : 0;
  }

  async #takeUpTo(key: string, wanted: number): Promise<RateLease> {
    const { store, rate, clock, onAway } = this.#options;
    try {
      const lease = await store.takeUpTo(key, rate, wanted);
      this.#isAway = false;
      return lease;
    } catch (error) {
      if (!this.#isAway) onAway(error);
      this.#isAway = error instanceof StoreUnavailable;
      return this.#ownShare.takeUpTo(key, clock(), wanted);
    }
  }

  #forgetOld(lease: Lease, now: number): void {
    if (now < lease.endsAt || lease.left <= 0) return;
    // A batch of which most was left was too large.
    if (lease.left * 2 > lease.batch) lease.batch = Math.max(1, Math.floor(lease.batch / 2));
    lease.left = 0;
  }

  #leaseOf(key: string): Lease {
    const known = this.#leases.get(key);
    if (known) return known;
    const lease: Lease = {
      key,
      left: 0,
      endsAt: 0,
      blockedUntil: 0,
      demand: 0,
      batch: 1,
      takenAt: -Infinity,
      taking: undefined,
    };
    this.#leases.set(key, lease);
    if (this.#leases.size > this.#maxKeys) forgetOldest(this.#leases);
    return lease;
  }
}
