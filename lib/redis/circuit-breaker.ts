import type { Clock } from '../core/clock.js';
import type { BreakerState } from '../core/stores.js';

/** So many failures in a row, or more than half of so many in the window, open the breaker. */
const CONSECUTIVE_FAILURES = 5;
const WINDOW_MS = 5_000;
const WINDOW_CALLS = 20;
/** How long it stays open before one call is let through to try. */
const OPEN_MS = 250;

/**
 * Keeps callers from waiting for a store that is away: after a few failures every call fails at once, but for one now and
 * then that finds out whether it is back (requirement RD-01).
 */
export class CircuitBreaker {
  readonly #clock: Clock;
  #state: BreakerState = 'closed';
  #openedAt = 0;
  #consecutive = 0;
  #windowStart = 0;
  #calls = 0;
  #failures = 0;

  /** @param clock monotonic */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** True when a call may be made. The one that tries takes its turn by asking. */
  allows(): boolean {
    if (this.#state === 'closed') return true;
    if (this.#state === 'trying' || this.#clock() - this.#openedAt < OPEN_MS) return false;
    this.#state = 'trying';
    return true;
  }

  succeeded(): void {
    this.#state = 'closed';
    this.#consecutive = 0;
    this.#count(false);
  }

  failed(): void {
    this.#consecutive += 1;
    this.#count(true);
    const isMostlyFailing = this.#calls >= WINDOW_CALLS && this.#failures * 2 > this.#calls;
    if (this.#state === 'trying' || this.#consecutive >= CONSECUTIVE_FAILURES || isMostlyFailing)
      this.#open();
  }

  #open(): void {
    this.#state = 'open';
    this.#openedAt = this.#clock();
    this.#calls = 0;
    this.#failures = 0;
  }

  #count(isFailure: boolean): void {
    const now = this.#clock();
    if (now - this.#windowStart > WINDOW_MS) {
      this.#windowStart = now;
      this.#calls = 0;
      this.#failures = 0;
    }
    this.#calls += 1;
    if (isFailure) this.#failures += 1;
  }
}
