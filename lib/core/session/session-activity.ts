import type { DeadlineWheel } from '../lifetime/deadline-wheel.js';
import type { SessionStore } from './session-store.js';

/** The longest time for which use is collected before the store is told of it. */
const MAX_FLUSH_MS = 10_000;

/** How soon a question is put again that the store did not answer: twice as late each time, until the longest wait. */
const FIRST_RETRY_MS = 250;
const MAX_RETRY_MS = 5_000;
/** Many questions at once, as after a loss, go to the store in slices and over a time: their answers may end many connections. */
const SLICE = 500;
const SLICE_PAUSE_MS = 50;
const MAX_SLICES = 40;

/** What became of a session when the store was asked: the milliseconds left, or `null` when it has ended. */
export type SessionVerdict = (sessionId: string, remainingMs: number | null) => void;

/**
 * Tells the store which sessions were used, many in one call, and asks it about those whose idle time may be over. Every
 * answer is a check of revocation too: a session that is gone ends its connections (requirement SE-08). What the store did
 * not answer is asked again soon, so that the end of an outage finds the sessions that ended meanwhile.
 */
export class SessionActivity {
  readonly #sessions: SessionStore;
  readonly #wheel: DeadlineWheel;
  readonly #flushMs: number;
  readonly #onVerdict: SessionVerdict;
  readonly #onError: (error: unknown) => void;
  readonly #random: () => number;
  readonly #used = new Set<string>();
  readonly #asked = new Set<string>();
  readonly #unanswered = new Set<string>();
  /** Failures in a row, of whatever question. */
  #failures = 0;

  constructor(options: {
    sessions: SessionStore;
    wheel: DeadlineWheel;
    idleMs: number;
    onVerdict: SessionVerdict;
    onError: (error: unknown) => void;
    /** From 0 to 1. @default Math.random */
    random?: () => number;
  }) {
    this.#sessions = options.sessions;
    this.#wheel = options.wheel;
    this.#flushMs = Math.min(MAX_FLUSH_MS, options.idleMs / 4);
    this.#onVerdict = options.onVerdict;
    this.#onError = options.onError;
    this.#random = options.random ?? Math.random;
  }

  /**
   * An application message arrived in this session. The store learns of it with the next flush, or at once when the
   * session would have been idle for too long by then.
   *
   * @param idleLeftMs until the session ends if the store hears of no use
   */
  markUsed(sessionId: string, idleLeftMs: number): void {
    if (!this.#used.has(sessionId)) this.#collect([sessionId]);
    if (idleLeftMs <= this.#flushMs * 2) this.ask(sessionId);
  }

  /** Asks whether a session still lives; questions of one turn go to the store together. */
  ask(sessionId: string): void {
    this.#asked.add(sessionId);
    if (this.#asked.size === 1) queueMicrotask(() => this.#run(this.#answerAsked()));
  }

  #collect(sessionIds: readonly string[]): void {
    if (this.#used.size === 0) this.#wheel.schedule(this.#flushMs, () => this.#run(this.#flushUsed()));
    for (const id of sessionIds) this.#used.add(id);
  }

  #run(work: Promise<void>): void {
    work.catch(this.#onError);
  }

  async #flushUsed(): Promise<void> {
    const ids = [...this.#used];
    if (ids.length > 0) await this.#putQuestion(ids);
  }

  async #answerAsked(): Promise<void> {
    const ids = [...this.#asked];
    this.#asked.clear();
    await this.#putQuestions(ids);
  }

  /** In slices. One that fails stops the rest: they are asked again with it. */
  async #putQuestions(ids: readonly string[]): Promise<void> {
    const size = Math.max(SLICE, Math.ceil(ids.length / MAX_SLICES));
    for (let start = 0; start < ids.length; start += size) {
      if (start > 0) await this.#pause(SLICE_PAUSE_MS);
      try {
        await this.#putQuestion(ids.slice(start, start + size));
      } catch (error) {
        for (const id of ids.slice(start + size)) this.#unanswered.add(id);
        throw error;
      }
    }
  }

  /** Sessions that were used are told to the store, of the others it is asked; both are answered. */
  async #putQuestion(ids: readonly string[]): Promise<void> {
    const isUsed = new Set(ids.filter((id) => this.#used.delete(id)));
    const used = [...isUsed];
    const unused = ids.filter((id) => !isUsed.has(id));
    try {
      if (used.length > 0) await this.#touch(used);
      if (unused.length > 0) await this.#look(unused);
    } catch (error) {
      this.#askLater(ids);
      throw error;
    }
    this.#failures = 0;
  }

  async #look(ids: readonly string[]): Promise<void> {
    const sessions = await this.#sessions.get(ids);
    ids.forEach((id, index) => this.#onVerdict(id, sessions[index]?.remainingMs ?? null));
  }

  async #touch(ids: readonly string[]): Promise<void> {
    let left: readonly (number | null)[];
    try {
      left = await this.#sessions.touch(ids);
    } catch (error) {
      // The store did not hear of it: they count as used until it has.
      this.#collect(ids);
      throw error;
    }
    ids.forEach((id, index) => this.#onVerdict(id, left[index] ?? null));
  }

  #askLater(ids: readonly string[]): void {
    const isScheduled = this.#unanswered.size > 0;
    for (const id of ids) this.#unanswered.add(id);
    if (isScheduled) return;
    const longest = Math.min(FIRST_RETRY_MS * 2 ** this.#failures, MAX_RETRY_MS);
    this.#failures += 1;
    // The nodes lose the store together: they must not come back to it together.
    this.#wheel.schedule(longest * (0.5 + this.#random() / 2), () => this.#askAgain());
  }

  /** What fails again was reported before. */
  #askAgain(): void {
    const ids = [...this.#unanswered];
    this.#unanswered.clear();
    this.#putQuestions(ids).catch(() => {});
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#wheel.schedule(ms, resolve));
  }
}
