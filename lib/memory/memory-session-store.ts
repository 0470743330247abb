import { userHashOfSession } from '../core/identifiers.js';
import type { LiveSession, Session } from '../core/session/session.js';
import type { SessionCreateResult, SessionStore } from '../core/session/session-store.js';
import type { MemoryState } from './memory-state.js';

/** Sessions in the memory of this process. */
export class MemorySessionStore implements SessionStore {
  readonly #state: MemoryState;

  constructor(state: MemoryState) {
    this.#state = state;
  }

  async create(draft: Session, absoluteMs: number, maxPerUser: number): Promise<SessionCreateResult> {
    const now = this.#state.clock();
    const userHash = userHashOfSession(draft.id);
    const cut = this.#state.cutOf(userHash);
    // A login of now is later than every revocation, also than one of this very millisecond.
    // One of the future counts as one of now: it would outlive revocations until then.
    const authenticatedAt =
      draft.authenticatedAt === 0 ? Math.max(now, cut) : Math.min(draft.authenticatedAt, now);
    if (authenticatedAt < cut || this.#state.session(draft.id)) return { outcome: 'stale' };
    if (this.#state.sessionsOf(userHash).length >= maxPerUser) return { outcome: 'too_many' };
    const session = Object.freeze({
      ...draft,
      createdAt: now,
      authenticatedAt,
      authTime: authenticatedAt,
      absoluteEndsAt: now + absoluteMs,
    });
    this.#state.putSession(session, now, now + session.idleMs);
    return { outcome: 'created', session };
  }

  async get(ids: readonly string[]): Promise<readonly (LiveSession | null)[]> {
    return ids.map((id) => this.#state.session(id));
  }

  async touch(ids: readonly string[]): Promise<readonly (number | null)[]> {
    return ids.map((id) => this.#state.touchSession(id));
  }

  async list(userHash: string): Promise<readonly LiveSession[]> {
    return this.#state.sessionsOf(userHash);
  }
}
