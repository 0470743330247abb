/** How many sockets are closed in one turn, and how long the next turn waits: a bystander's p99 stays below 5 ms. */
const CLOSES_PER_TURN = 50;
const TURN_MS = 5;

/**
 * Writes many Close frames without stalling the loop for everybody else. The connections are fenced before they come
 * here, so that the pace is a courtesy and no delay of the decision.
 */
export class PacedCloser {
  readonly #waiting: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #closedThisTurn = 0;

  /** Closes at once while the turn has room, otherwise in a later one. */
  enqueue(close: () => void): void {
    if (this.#timer === undefined) {
      this.#closedThisTurn = 0;
      this.#timer = setTimeout(() => this.#turn(), TURN_MS).unref();
    }
    if (this.#closedThisTurn < CLOSES_PER_TURN) {
      this.#closedThisTurn += 1;
      close();
      return;
    }
    this.#waiting.push(close);
  }

  /** Closes what is left, now. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const close of this.#waiting.splice(0)) close();
  }

  #turn(): void {
    this.#timer = undefined;
    if (this.#waiting.length === 0) return;
    const turn = this.#waiting.splice(0, CLOSES_PER_TURN);
    this.#closedThisTurn = turn.length;
    this.#timer = setTimeout(() => this.#turn(), TURN_MS).unref();
    for (const close of turn) close();
  }
}
