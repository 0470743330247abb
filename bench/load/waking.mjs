/**
 * Keeps the loop of this process turning, and says in how much of the time it had something to do. A load that sleeps until
 * the next answer has to be woken by whoever writes it: on a virtual machine that costs the server more than the write, and
 * the more the slower it is, since a busy load never sleeps.
 */
export class Waking {
  #since = performance.now();
  #lastTurnAt = this.#since;
  #idleMs = 0;
  #hasWorked = false;
  #next;

  constructor() {
    const turn = () => {
      const now = performance.now();
      if (!this.#hasWorked) this.#idleMs += now - this.#lastTurnAt;
      this.#hasWorked = false;
      this.#lastTurnAt = now;
      this.#next = setImmediate(turn);
    };
    this.#next = setImmediate(turn);
  }

  /** Something was done in this turn. */
  worked() {
    this.#hasWorked = true;
  }

  /** Lets the process sleep again. @returns the share of the time in which it worked */
  stop() {
    clearImmediate(this.#next);
    return 1 - this.#idleMs / (performance.now() - this.#since);
  }
}
