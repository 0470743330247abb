import type { Clock } from '../clock.js';

/** For how long a turn of the loop may close sockets: a bystander's p99 stays below 5 ms. */
const TURN_MS = 1;

/**
 * Ends many connections without stalling the loop for everybody else: for a while in each of its turns. The connections are
 * fenced before they come here, so that the pace is a courtesy and no delay of the decision.
 */
export class PacedCloser {
  readonly #now: Clock;
  #waiting: (() => void)[] = [];
  /** How many at the front of `#waiting` have had their turn. */
  #closed = 0;
  #next: NodeJS.Immediate | undefined;
  #turnEndsAt = 0;

  /** @param now monotonic */
  constructor(now: Clock) {
    this.#now = now;
  }

  /** Closes at once while the turn has time, otherwise in a later one. */
  enqueue(close: () => void): void {
    if (this.#next === undefined) this.#beginTurn();
    if (this.#closed === this.#waiting.length && this.#now() < this.#turnEndsAt) close();
    else this.#waiting.push(close);
  }

  /** Closes what is left, now. */
  flush(): void {
    clearImmediate(this.#next);
    this.#next = undefined;
    const left = this.#waiting.slice(this.#closed);
    this.#forgetClosed();
    for (const close of left) close();
  }

  #beginTurn(): void {
    this.#turnEndsAt = this.#now() + TURN_MS;
    this.#next = setImmediate(() => this.#goOn());
  }

  #goOn(): void {
    this.#next = undefined;
    if (this.#closed === this.#waiting.length) return this.#forgetClosed();
    this.#beginTurn();
    // One at least, however slow the clock or the close.
    do this.#closeNext();
    while (this.#closed < this.#waiting.length && this.#now() < this.#turnEndsAt);
  }

  #closeNext(): void {
    const close = this.#waiting[this.#closed]!;
    this.#closed += 1;
    close();
  }

  #forgetClosed(): void {
    this.#waiting = [];
    this.#closed = 0;
  }
}
