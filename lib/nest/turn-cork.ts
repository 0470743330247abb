/** Something that can be held back, and let go. */
export interface Corked {
  /** Writes what was held. Harmless when nothing was. */
  uncork(): void;
}

/**
 * Lets go what was sent in one turn of the loop, when the turn is over: the replies to messages that came together leave
 * together, in one write. The write is the dearest part of a reply.
 */
export class TurnCork {
  readonly #held: Corked[] = [];

  /** Lets this one go at the end of the turn. */
  hold(corked: Corked): void {
    if (this.#held.push(corked) === 1) queueMicrotask(this.#whenHandlersAreDone);
  }

  /** A tick that is asked for in a microtask comes when no microtask is left: the replies of async handlers are in. */
  readonly #whenHandlersAreDone = (): void => process.nextTick(this.#letGo);

  readonly #letGo = (): void => {
    for (const corked of this.#held.splice(0)) corked.uncork();
  };
}
