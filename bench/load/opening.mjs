const SWITCHED = 'HTTP/1.1 101';
/** The first byte of a Close. */
const CLOSE = '\x88';

const WAITING = Object.freeze({ isOpen: false, isRefused: false, write: undefined });
const OPEN = Object.freeze({ isOpen: true, isRefused: false, write: undefined });
const REFUSED = Object.freeze({ isOpen: false, isRefused: true, write: undefined });

/** Where a client stands between its request and being let in. */
export class Opening {
  #steps;
  #step = 0;
  #read = '';

  /** @param steps of a dialect */
  constructor(steps) {
    this.#steps = steps;
  }

  /** What has come and was not waited for. */
  get text() {
    return this.#read;
  }

  /** Takes what has come, as latin1. A step is written for before the next one is waited for. */
  read(text) {
    this.#read = this.#read === '' ? text : this.#read + text;
    const { until, write, refusal } = this.#steps[this.#step];
    // What comes at once begins with a frame: they are few and small.
    if (this.#step > 0 && (text.startsWith(CLOSE) || this.#read.startsWith(CLOSE))) return REFUSED;
    const at = this.#read.indexOf(until);
    if (at < 0) return refusal !== undefined && this.#read.includes(refusal) ? REFUSED : WAITING;
    if (this.#step === 0 && !this.#read.startsWith(SWITCHED)) return REFUSED;
    this.#step += 1;
    if (this.#step === this.#steps.length) return OPEN;
    this.#read = this.#read.slice(at + until.length);
    if (write) return { isOpen: false, isRefused: false, write };
    return this.#read === '' ? WAITING : this.read('');
  }
}
