import type { DeadlineWheel } from '../lifetime/deadline-wheel.js';
import type { HandshakeAttempt } from './handshake-attempt.js';

/** Waits for a verifier or a store, and not for longer than `handshake.verifyTimeoutMs`. */
export class AttemptTimer {
  readonly #wheel: DeadlineWheel;
  readonly #timeoutMs: number;

  constructor(wheel: DeadlineWheel, timeoutMs: number) {
    this.#wheel = wheel;
    this.#timeoutMs = timeoutMs;
  }

  /** @throws {HandshakeRefused} when the attempt was given up meanwhile, or takes too long, which gives it up */
  async wait<T>(attempt: HandshakeAttempt, work: Promise<T>): Promise<T> {
    const deadline = this.#wheel.schedule(this.#timeoutMs, () => attempt.abort('timeout'));
    try {
      return await attempt.race(work);
    } finally {
      this.#wheel.cancel(deadline);
    }
  }
}
