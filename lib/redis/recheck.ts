/** The nodes notice a loss together. They hold what they have against the store one after the other, within this time. */
const SPREAD_MS = 1_000;
const RETRY_MS = 1_000;

type Check = () => void | Promise<void>;

/** What the recheck is built from. */
export interface RecheckOptions {
  /** Done at once: what must be in the store before anything else is. */
  readonly recover: Check;
  /** How long to wait, of at most so many milliseconds. @default any time of them, by chance */
  readonly pick?: (maxMs: number) => number;
}

/**
 * Holds everything local against a store that may have lost what it knew: each check again and again until it has been
 * done. Of several losses at once the checks are done once.
 */
export class Recheck {
  readonly #recover: Check;
  readonly #pick: (maxMs: number) => number;
  readonly #checks: Check[] = [];
  #recovering: Promise<void> | undefined;
  /** One that has not begun its checks: it serves whatever is lost until then. */
  #waiting: Promise<void> | undefined;
  #last: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor({ recover, pick = (maxMs) => Math.random() * maxMs }: RecheckOptions) {
    this.#recover = recover;
    this.#pick = pick;
  }

  add(check: Check): void {
    this.#checks.push(check);
  }

  /** Something may be lost. Resolves when that has been made good; never rejects. */
  run(): Promise<void> {
    const recovered = this.#recoverOnce();
    this.#waiting ??= this.#runChecks(recovered, this.#last);
    this.#last = this.#waiting;
    return this.#waiting;
  }

  stop(): void {
    this.#isStopped = true;
  }

  async #runChecks(recovered: Promise<void>, previous: Promise<void>): Promise<void> {
    await Promise.all([recovered, pause(this.#pick(SPREAD_MS)), previous]);
    this.#waiting = undefined;
    await Promise.all(this.#checks.map((check) => this.#untilDone(check)));
  }

  #recoverOnce(): Promise<void> {
    this.#recovering ??= this.#untilDone(this.#recover).finally(() => {
      this.#recovering = undefined;
    });
    return this.#recovering;
  }

  async #untilDone(check: Check): Promise<void> {
    while (!this.#isStopped) {
      try {
        return await check();
      } catch {
        await pause(RETRY_MS);
      }
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
