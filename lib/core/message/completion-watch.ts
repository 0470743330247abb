import type { Clock } from '../clock.js';
import type { Deadline, DeadlineWheel } from '../lifetime/deadline-wheel.js';

/**
 * Messages that have begun and are not complete, oldest first. All have the same time to end, so that one deadline of the
 * wheel, that of the oldest, serves them all; a message that comes in one piece costs nothing.
 */
export class CompletionWatch<Peer extends object> {
  readonly #wheel: DeadlineWheel;
  readonly #now: Clock;
  readonly #timeoutMs: number;
  readonly #isHeldUp: (peer: Peer) => boolean;
  readonly #onLate: (peer: Peer) => void;
  /** When the message of each began, in this order. */
  readonly #begun = new Map<Peer, number>();
  #deadline: Deadline | undefined;

  constructor(parts: {
    wheel: DeadlineWheel;
    /** Monotonic. */
    now: Clock;
    timeoutMs: number;
    /** True while it is we who do not read, so that the peer cannot end its message. */
    isHeldUp: (peer: Peer) => boolean;
    /** The message was not complete in time. Called once. */
    onLate: (peer: Peer) => void;
  }) {
    this.#wheel = parts.wheel;
    this.#now = parts.now;
    this.#timeoutMs = parts.timeoutMs;
    this.#isHeldUp = parts.isHeldUp;
    this.#onLate = parts.onLate;
  }

  /** A message of this peer has begun. */
  begin(peer: Peer): void {
    this.#begun.set(peer, this.#now());
    this.#deadline ??= this.#wheel.schedule(this.#timeoutMs, this.#look);
  }

  /** It is complete, or the peer is gone. Harmless when none had begun. */
  end(peer: Peer): void {
    if (!this.#begun.delete(peer) || this.#begun.size > 0) return;
    this.#wheel.cancel(this.#deadline);
    this.#deadline = undefined;
  }

  readonly #look = (): void => {
    this.#deadline = undefined;
    const now = this.#now();
    for (const [peer, begunAt] of this.#begun) {
      const leftMs = begunAt + this.#timeoutMs - now;
      if (leftMs > 0) {
        this.#deadline = this.#wheel.schedule(leftMs, this.#look);
        return;
      }
      this.#begun.delete(peer);
      if (this.#isHeldUp(peer)) this.#begun.set(peer, now);
      else this.#onLate(peer);
    }
  };
}
