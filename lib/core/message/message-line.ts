/** Who handles the messages of a line, and reads more of them. */
export interface LineOwner<Message> {
  /** Handles a message. What it returns is awaited before the slot is free; a rejection frees it too. */
  handle(message: Message): Promise<void> | void;
  /** True when what waits shall not be handled any more. */
  readonly isFenced: boolean;
  /** The line is full: read no more for now. */
  pauseReading(): void;
  /** The line has room again. */
  resumeReading(): void;
  /** True while so much waits to be sent that no more answers should be made. */
  readonly isCongested: boolean;
  /** Calls back when that is over. */
  whenClear(goOn: () => void): void;
  /** What waited has had its turn. */
  lineDrained(): void;
}

/** How many messages run at once and how many may wait. */
export interface LineLimits {
  readonly concurrency: number;
  readonly maxQueued: number;
}

/**
 * The messages of one socket, in order: so many are handled at once, the others wait; and all wait while the peer does not
 * read its answers. A full line stops the reading of the socket and drops nothing; what was read already still comes in
 * (requirements TH-10, MS-07).
 */
export class MessageLine<Message> {
  readonly #owner: LineOwner<Message>;
  readonly #limits: LineLimits;
  #running = 0;
  #waiting: Message[] = [];
  /** How many at the front of `#waiting` have had their turn: taking from the front of a long list is dear. */
  #begun = 0;
  #isPaused = false;
  #isHeldUp = false;

  constructor(owner: LineOwner<Message>, limits: LineLimits) {
    this.#owner = owner;
    this.#limits = limits;
  }

  get queued(): number {
    return this.#waiting.length - this.#begun;
  }

  push(message: Message): void {
    if (this.#running < this.#limits.concurrency && this.queued === 0 && !this.#isCongested()) {
      this.#begin(message);
      return;
    }
    this.#waiting.push(message);
    if (this.#isPaused || this.queued < this.#limits.maxQueued) return;
    this.#isPaused = true;
    this.#owner.pauseReading();
  }

  /** Lets go of everything that waits. */
  clear(): void {
    this.#waiting = [];
    this.#begun = 0;
    this.#resume();
  }

  #begin(message: Message): void {
    const handled = this.#owner.handle(message);
    if (handled === undefined) return;
    this.#running += 1;
    void handled.then(this.#end, this.#end);
  }

  /** One function for all messages of the line. */
  readonly #end = (): void => {
    this.#running -= 1;
    this.#goOn();
  };

  /** A loop and no recursion: all that waits may be done with at once. */
  #goOn(): void {
    if (this.#owner.isFenced) this.clear();
    while (this.queued > 0 && this.#running < this.#limits.concurrency && !this.#isCongested())
      this.#begin(this.#takeNext());
    if (this.queued === 0) this.#owner.lineDrained();
  }

  /** Who does not read the answers is asked nothing more: the line goes on when they have left. */
  #isCongested(): boolean {
    if (this.#isHeldUp) return true;
    if (!this.#owner.isCongested) return false;
    this.#isHeldUp = true;
    this.#owner.whenClear(() => {
      this.#isHeldUp = false;
      this.#goOn();
    });
    return true;
  }

  #takeNext(): Message {
    const message = this.#waiting[this.#begun]!;
    this.#waiting[this.#begun] = undefined as Message;
    this.#begun += 1;
    if (this.#begun >= 32 && this.#begun * 2 >= this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#begun);
      this.#begun = 0;
    }
    if (this.queued <= this.#limits.maxQueued / 2) this.#resume();
    return message;
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#owner.resumeReading();
  }
}
