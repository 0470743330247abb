import type { Clock } from '../clock.js';
import { SharedLimiter } from './shared-limiter.js';
import type { Rate } from './gcra.js';
import { throttleKey, type ThrottleStore } from './throttle-store.js';

/** What the limiter is built from. */
export interface FailureLimiterOptions {
  readonly store: ThrottleStore;
  readonly expectedNodes: number;
  /** Monotonic. */
  readonly clock: Clock;
  readonly onAway: (error: unknown) => void;
}

const WINDOW_MS = 15 * 60_000;
/** Failures of one address prefix for one user that it claims to be. */
const PER_CLAIM: Rate = { limit: 10, windowMs: WINDOW_MS, burst: 10 };
/** Failures of one address prefix. */
const PER_ADDRESS: Rate = { limit: 100, windowMs: WINDOW_MS, burst: 100 };

/**
 * Limits how often credentials that can be guessed are guessed: by the address prefix, and by it and the user that is
 * claimed, on all nodes. Never by the user alone: nobody is locked out by somebody else's failures (requirement CR-05).
 */
export class FailureLimiter {
  readonly #perClaim: SharedLimiter;
  readonly #perAddress: SharedLimiter;

  constructor(options: FailureLimiterOptions) {
    this.#perClaim = new SharedLimiter({ ...options, rate: PER_CLAIM });
    this.#perAddress = new SharedLimiter({ ...options, rate: PER_ADDRESS });
  }

  /** How long this address must wait before it may try again; 0 when it may now. */
  async waitMs(addressPrefix: string, claim: string): Promise<number> {
    const waits = await Promise.all([
      this.#perClaim.peek(claimKey(addressPrefix, claim)),
      this.#perAddress.peek(addressKey(addressPrefix)),
    ]);
    return Math.max(...waits);
  }

  /** Counts a failure. */
  async note(addressPrefix: string, claim: string): Promise<void> {
    await Promise.all([
      this.#perClaim.take(claimKey(addressPrefix, claim)),
      this.#perAddress.take(addressKey(addressPrefix)),
    ]);
  }
}

function claimKey(addressPrefix: string, claim: string): string {
  return throttleKey('failures', addressPrefix, claim);
}

function addressKey(addressPrefix: string): string {
  return throttleKey('failures', addressPrefix);
}
