import type { DeadlineWheel } from '../lifetime/deadline-wheel.js';
import type { SessionStore } from './session-store.js';

/** The longest time for which use is collected before the store is told of it. */
const MAX_FLUSH_MS = 10_000;

/** What became of a session when the store was asked: the milliseconds left, or `null` when it has ended. */
export type SessionVerdict = (sessionId: string, remainingMs: number | null) => void;

/**
 * Tells the store which sessions were used, many in one call, and asks it about those whose idle time may be over. Every
 * answer is a check of revocation too: a session that is gone ends its connections (requirement SE-08).
 */
export class SessionActivity {
  readonly #sessions: SessionStore;
  readonly #wheel: DeadlineWheel;
  readonly #flushMs: number;
  readonly #onVerdict: SessionVerdict;
  readonly #onError: (error: unknown) => void;
  readonly #used = new Set<string>();
  readonly #asked = new Set<string>();

  constructor(options: {
    sessions: SessionStore;
    wheel: DeadlineWheel;
    idleMs: number;
    onVerdict: SessionVerdict;
    onError: (error: unknown) => void;
  }) {
    this.#sessions = options.sessions;
    this.#wheel = options.wheel;
    this.#flushMs = Math.min(MAX_FLUSH_MS, options.idleMs / 4);
    this.#onVerdict = options.onVerdict;
    this.#onError = options.onError;
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
    this.#used.clear();
    if (ids.length > 0) await this.#touch(ids);
  }

  async #answerAsked(): Promise<void> {
    const ids = [...this.#asked];
    this.#asked.clear();
    const used = new Set(ids.filter((id) => this.#used.delete(id)));
    const unused = ids.filter((id) => !used.has(id));
    if (used.size > 0) await this.#touch([...used]);
    if (unused.length === 0) return;
    const sessions = await this.#sessions.get(unused);
    unused.forEach((id, index) => this.#onVerdict(id, sessions[index]?.remainingMs ?? null));
  }

  async #touch(ids: readonly string[]): Promise<void> {
    let left: readonly (number | null)[];
    try {
      left = await this.#sessions.touch(ids);
    } catch (error) {
      // The store did not hear of it: told again with the next flush.
      this.#collect(ids);
      throw error;
    }
    ids.forEach((id, index) => this.#onVerdict(id, left[index] ?? null));
  }
}
