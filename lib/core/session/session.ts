import type { Principal } from '../principal.js';

/** A session as the store keeps it. It outlives connections; the client holds its token, never this. */
export interface Session {
  /** A handle for lists and revocation. Not a credential: it cannot be turned back into the token. */
  readonly id: string;
  readonly userId: string;
  readonly roles: readonly string[];
  readonly scopes: readonly string[];
  readonly tenant: string | undefined;
  /** Unix ms. */
  readonly createdAt: number;
  /** Unix ms of the login that the session stands on; raised when "all but this one" are revoked. */
  readonly authenticatedAt: number;
  /**
   * Unix ms at which the user last proved who it is: the login, or a rotation with `reauthenticated`. Unlike
   * `authenticatedAt`, nothing else raises it; `@WsRecentAuth()` goes by it.
   */
  readonly authTime: number;
  /** Unix ms at which the session ends whatever happens. */
  readonly absoluteEndsAt: number;
  /** The session ends after this long without use. */
  readonly idleMs: number;
  /** Counts changes of rights. */
  readonly version: number;
  /** A short text of the application's own, such as a device name. At most 1,024 characters. */
  readonly data: string | undefined;
}

/** A session with its last use and the time that is left to it. */
export interface LiveSession extends Session {
  /** Unix ms of the last use that the store was told of: messages on sockets are told within 10 seconds. */
  readonly lastUsedAt: number;
  /** Milliseconds until the session ends if it is not used. */
  readonly remainingMs: number;
}

/** The principal that a session acts for. */
export function principalOfSession(session: Session): Principal {
  const { userId, roles, scopes, tenant } = session;
  return Object.freeze({ id: userId, roles, scopes, ...(tenant === undefined ? {} : { tenant }) });
}
