/** Why no place was given: all of the node's are taken, or all that one address may have. */
export type PlaceRefusal = 'node' | 'address';

/**
 * Counts what is in progress, for the node and for each address prefix, against two caps. A place that was given must be
 * given back once; memory is bounded by the places taken.
 */
export class PlaceCounter {
  readonly #maximum: number;
  readonly #maximumPerAddress: number;
  readonly #byAddress = new Map<string, number>();
  #total = 0;

  constructor(maximum: number, maximumPerAddress: number) {
    this.#maximum = maximum;
    this.#maximumPerAddress = maximumPerAddress;
  }

  get total(): number {
    return this.#total;
  }

  /** Takes a place. @returns what refuses it, or a function that gives it back (once, however often it is called) */
  take(prefix: string): PlaceRefusal | (() => void) {
    if (this.#total >= this.#maximum) return 'node';
    const ofAddress = this.#byAddress.get(prefix) ?? 0;
    if (ofAddress >= this.#maximumPerAddress) return 'address';
    this.#total += 1;
    this.#byAddress.set(prefix, ofAddress + 1);
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      this.#giveBack(prefix);
    };
  }

  #giveBack(prefix: string): void {
    this.#total -= 1;
    const left = (this.#byAddress.get(prefix) ?? 1) - 1;
    if (left === 0) this.#byAddress.delete(prefix);
    else this.#byAddress.set(prefix, left);
  }
}
