import type { LiveSession, Session } from './session.js';

export type SessionCreateResult =
  | { readonly outcome: 'created'; readonly session: Session }
  /** The login is older than a revocation of this user or of everyone. */
  | { readonly outcome: 'stale' }
  | { readonly outcome: 'too_many' };

/** Where sessions are kept. Times are the store's own clock. */
export interface SessionStore {
  /**
   * Creates a session. `authenticatedAt` of 0 means now. Never overwrites: an id is taken once (requirement CK-04).
   *
   * @param session `createdAt`, `authenticatedAt`, `authTime` and `absoluteEndsAt` are set by the store
   */
  create(session: Session, absoluteMs: number, maxPerUser: number): Promise<SessionCreateResult>;
  /** The sessions that live, in the order asked; `null` for one that does not. Extends nothing. */
  get(ids: readonly string[]): Promise<readonly (LiveSession | null)[]>;
  /** Restarts the idle time of sessions that were used; never past the absolute end. Answers the milliseconds left, `null` for one that has ended. */
  touch(ids: readonly string[]): Promise<readonly (number | null)[]>;
  /** The live sessions of a user, oldest first. */
  list(userHash: string): Promise<readonly LiveSession[]>;
}
