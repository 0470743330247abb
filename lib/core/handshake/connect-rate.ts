import type { Clock } from '../clock.js';
import type { ResolvedOptions } from '../options.js';
import type { AdmissionRequest, AdmissionResult } from '../session/connection-registry.js';
import { GcraLimiter, type Rate, type RateDecision } from '../throttle/gcra.js';
import { SharedLimiter } from '../throttle/shared-limiter.js';
import { throttleKey, type ThrottleStore } from '../throttle/throttle-store.js';
import type { HandshakeAttempt } from './handshake-attempt.js';
import { HandshakeRefused } from './refusal.js';

/** What the rate is built from. */
export interface ConnectRateOptions {
  readonly options: Pick<ResolvedOptions, 'handshake' | 'storeOutage'>;
  /** Left out where there is one node: nothing is shared then. */
  readonly store: ThrottleStore | undefined;
  readonly monotonic: Clock;
  /** Called once for each time that the store goes away. */
  readonly onAway: (error: unknown) => void;
}

/**
 * The connect rate of an address prefix, held by this node before anything that costs, and, where there are others, by the
 * store for all of them. The store counts each attempt once: as a part of its admission, or by itself for a socket that is
 * let in without one (requirement TH-01).
 */
export class ConnectRate {
  readonly #rate: Rate;
  readonly #own: GcraLimiter;
  readonly #shared: SharedLimiter | undefined;
  readonly #monotonic: Clock;

  constructor({ options, store, monotonic, onAway }: ConnectRateOptions) {
    const rate = options.handshake.connectRate;
    this.#rate = rate;
    this.#own = new GcraLimiter(rate);
    this.#monotonic = monotonic;
    const { expectedNodes } = options.storeOutage;
    this.#shared = store && new SharedLimiter({ rate, store, expectedNodes, clock: monotonic, onAway });
  }

  /**
   * What was refused at the store lately is refused here, so that a flood reaches the store once.
   *
   * @throws {HandshakeRefused}
   */
  check(attempt: HandshakeAttempt): void {
    if (this.#shared) refuseUnlessAllowed(this.#shared.check(keyOf(attempt)));
    refuseUnlessAllowed(this.#own.take(attempt.address!.prefix, this.#monotonic()));
  }

  /**
   * Counts, at the store, an attempt that is let in without an admission. While the store is away this node's share counts.
   *
   * @throws {HandshakeRefused}
   */
  async count(attempt: HandshakeAttempt): Promise<void> {
    if (!this.#shared || attempt.isConnectCounted) return;
    attempt.isConnectCounted = true;
    refuseUnlessAllowed(await this.#shared.takeChecked(keyOf(attempt)));
  }

  /** What an admission counts: nothing of a live connection, which comes from no address, nor of an attempt that was counted. */
  ofAdmission(attempt: HandshakeAttempt): AdmissionRequest['rate'] {
    if (!this.#shared || !attempt.address || attempt.isConnectCounted) return undefined;
    attempt.isConnectCounted = true;
    const { limit, windowMs, burst } = this.#rate;
    return { key: keyOf(attempt), limit, windowMs, burst };
  }

  /** The store has answered an admission. */
  noteAnswer(attempt: HandshakeAttempt, result: AdmissionResult): void {
    if (!this.#shared || !attempt.address) return;
    const retryAfterMs = result.outcome === 'rate' ? result.retryAfterMs : 0;
    this.#shared.noteAnswer(keyOf(attempt), { allowed: retryAfterMs === 0, retryAfterMs });
  }

  /** The store has not answered. */
  noteAway(error: unknown): void {
    this.#shared?.noteAway(error);
  }
}

/** Asked for several times in an attempt, and a hash. */
function keyOf(attempt: HandshakeAttempt): string {
  return (attempt.connectKey ??= throttleKey('connect', attempt.address!.prefix));
}

function refuseUnlessAllowed({ allowed, retryAfterMs }: RateDecision): void {
  if (!allowed) throw new HandshakeRefused('rate_limited', 'connect_rate', { retryAfterMs });
}
