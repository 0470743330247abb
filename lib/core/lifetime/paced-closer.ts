import type { Clock } from '../clock.js';

/**
 * For how long a turn of the loop may close sockets. What the closes of the turns before bring back, as the peers answer,
 * takes two or three times as long and is in no closer's hands. With less than this the turns themselves begin to cost; with
 * twice as much bystanders wait longer by a sixth or a third, and the last Close comes sooner by a sixth at most.
 */
const TURN_MS = 0.5;

/** What a closer is built from. */
export interface PacedCloserOptions<T> {
  /** Monotonic. */
  readonly now: Clock;
  /** Called once for each. What it throws ends the turn and nothing else. */
  readonly close: (one: T) => void;
  /** Called behind the closes of a turn: what they have left to do together. */
  readonly onPause: () => void;
}

/**
 * Ends many connections without stalling the loop for everybody else: for a while in each of its turns. The connections are
 * fenced before they come here, so that the pace is a courtesy and no delay of the decision.
 */
export class PacedCloser<T> {
  readonly #now: Clock;
  readonly #close: (one: T) => void;
  readonly #onPause: () => void;
  #waiting: T[] = [];
  /** How many at the front of `#waiting` have had their turn. */
  #closed = 0;
  #isClosing = false;
  #next: NodeJS.Immediate | undefined;
  #turnEndsAt = 0;

  constructor({ now, close, onPause }: PacedCloserOptions<T>) {
    this.#now = now;
    this.#close = close;
    this.#onPause = onPause;
  }

  /** Closes at once while the turn has time, otherwise in a later one. */
  enqueue(one: T): void {
    this.#waiting.push(one);
    this.#run();
  }

  /** The same for many. */
  enqueueAll(many: readonly T[]): void {
    for (const one of many) this.#waiting.push(one);
    this.#run();
  }

  /** Closes what is left, now. */
  flush(): void {
    clearImmediate(this.#next);
    this.#next = undefined;
    try {
      this.#closeUntil(Infinity);
    } finally {
      if (this.#closed === this.#waiting.length) this.#forgetClosed();
      else this.#beginTurn();
    }
  }

  #run(): void {
    if (this.#isClosing || this.#closed === this.#waiting.length) return;
    if (this.#next === undefined) this.#beginTurn();
    this.#closeUntil(this.#turnEndsAt);
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
    this.#closeUntil(this.#turnEndsAt, 1);
  }

  #closeUntil(end: number, least = 0): void {
    const enough = this.#closed + least;
    this.#isClosing = true;
    try {
      while (this.#closed < this.#waiting.length && (this.#closed < enough || this.#now() < end))
        this.#close(this.#waiting[this.#closed++]!);
    } finally {
      this.#isClosing = false;
      this.#onPause();
    }
  }

  #forgetClosed(): void {
    this.#waiting = [];
    this.#closed = 0;
  }
}
