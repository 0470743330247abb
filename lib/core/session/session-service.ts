import type { KeyObject } from 'node:crypto';
import type { AuditLog } from '../audit/audit-log.js';
import { SessionUnknown, TooManySessions, WsAuthError } from '../errors.js';
import { newSessionToken, sessionIdOf, userHashOf, userHashOfSession } from '../identifiers.js';
import { createPrincipal, isNameList } from '../principal.js';
import {
  readSessionId,
  type RevocationSelector,
  type RevocationService,
} from '../revocation/revocation-service.js';
import type { RevocationResult } from '../revocation/revocation-log.js';
import type { Stores } from '../stores.js';
import type { LiveSession, Session } from './session.js';

/** Who a new session is for. */
export interface SessionInit {
  /** The principal id of the user. */
  userId: string;
  roles?: readonly string[];
  scopes?: readonly string[];
  tenant?: string;
  /** A short text of your own, such as a device name: shown in lists, never to other users. At most 1,024 characters. */
  data?: string;
  /** Unix ms of the login, when that was earlier than now (a restored or exchanged session). */
  authenticatedAt?: number;
  /** A shorter absolute life than `session.absoluteMs`. */
  absoluteMs?: number;
}

/** A new session, and the token that opens it: the only time it is seen. */
export interface IssuedSession {
  readonly session: Session;
  /** The value of the session cookie. A secret: it goes to the client and nowhere else. */
  readonly token: string;
}

const MAX_DATA_LENGTH = 1_024;

/** Creates, lists and ends sessions. Every change reaches the live connections of the session on every node. */
export class SessionService {
  readonly #stores: Stores;
  readonly #audit: AuditLog;
  readonly #revocations: RevocationService;
  readonly #userHashKey: KeyObject;
  readonly #principalIdPattern: RegExp;
  readonly #limits: { idleMs: number; absoluteMs: number; maxPerUser: number };

  constructor(options: {
    stores: Stores;
    audit: AuditLog;
    revocations: RevocationService;
    userHashKey: KeyObject;
    principalIdPattern: RegExp;
    limits: { idleMs: number; absoluteMs: number; maxPerUser: number };
  }) {
    this.#stores = options.stores;
    this.#audit = options.audit;
    this.#revocations = options.revocations;
    this.#userHashKey = options.userHashKey;
    this.#principalIdPattern = options.principalIdPattern;
    this.#limits = options.limits;
  }

  /**
   * Creates a session after a login. Does not check the login: that is the caller's.
   *
   * @throws {WsAuthError} `invalid_principal` when an id, role or scope is not printable ASCII of 1 to 128 characters
   * @throws {SessionUnknown} when `authenticatedAt` is older than a revocation of this user
   * @throws {TooManySessions} beyond `session.maxPerUser`
   */
  async create(init: SessionInit): Promise<IssuedSession> {
    const principal = createPrincipal({ ...init, id: init.userId }, this.#principalIdPattern);
    if (!principal)
      throw new WsAuthError('invalid_principal', 'create(): userId, roles, scopes or tenant is not valid');
    if (init.data !== undefined && (typeof init.data !== 'string' || init.data.length > MAX_DATA_LENGTH)) {
      throw new WsAuthError(
        'invalid_principal',
        `create(): "data" must be a text of at most ${MAX_DATA_LENGTH} characters`,
      );
    }
    if (init.authenticatedAt !== undefined && !Number.isFinite(init.authenticatedAt)) {
      throw new WsAuthError('invalid_principal', 'create(): "authenticatedAt" must be Unix milliseconds');
    }
    const absoluteMs = Math.min(init.absoluteMs ?? Infinity, this.#limits.absoluteMs);
    if (!(absoluteMs > 0))
      throw new WsAuthError('invalid_principal', 'create(): "absoluteMs" must be more than 0');
    const token = newSessionToken(userHashOf(this.#userHashKey, principal.id));
    const draft: Session = {
      id: sessionIdOf(token)!,
      userId: principal.id,
      roles: principal.roles,
      scopes: principal.scopes,
      tenant: principal.tenant,
      createdAt: 0,
      authenticatedAt: init.authenticatedAt ?? 0,
      authTime: 0,
      absoluteEndsAt: 0,
      idleMs: this.#limits.idleMs,
      version: 1,
      data: init.data,
    };
    const result = await this.#stores.sessions.create(draft, absoluteMs, this.#limits.maxPerUser);
    if (result.outcome === 'too_many') throw new TooManySessions();
    if (result.outcome === 'stale') throw new SessionUnknown();
    this.#record('session_created', 'created', result.session);
    return { session: result.session, token };
  }

  /** The session of an id or a token, or `null` when there is none or it has ended. Extends nothing. */
  async get(idOrToken: string): Promise<LiveSession | null> {
    const [session] = await this.#stores.sessions.get([readSessionId(idOrToken)]);
    return session ?? null;
  }

  /** Counts a use of the session: restarts its idle time. @returns false when the session has ended */
  async touch(idOrToken: string): Promise<boolean> {
    const [left] = await this.#stores.sessions.touch([readSessionId(idOrToken)]);
    return left !== null && left !== undefined;
  }

  /** The live sessions of a user, oldest first. */
  async list(userId: string): Promise<readonly LiveSession[]> {
    return this.#stores.sessions.list(userHashOf(this.#userHashKey, userId));
  }

  /**
   * Gives the session a new token, as after a change of rights (requirement CK-04). The old token is dead at once; the
   * connections of the session live on under the new one.
   *
   * @param options `reauthenticated`: the user has just proved anew who it is, which the caller has checked. It counts for
   * `@WsRecentAuth()`, and messages that wait for it go on, on every node
   * @throws {SessionUnknown} when the session has ended
   * @throws {StoreUnavailable} when the store did not say what came of it, also when asked again for a moment. It was done
   * as a whole or not at all; where it was done, nobody has the new token, and the user logs in again
   */
  async rotate(idOrToken: string, options: { reauthenticated?: boolean } = {}): Promise<IssuedSession> {
    const sessionId = readSessionId(idOrToken);
    const userHash = userHashOfSession(sessionId);
    const token = newSessionToken(userHash);
    const newSessionId = sessionIdOf(token)!;
    // Before, and not after: once the session has its new token, nothing may fail that would keep it from the caller.
    const [before] = await this.#stores.sessions.get([sessionId]);
    if (!before) throw new SessionUnknown();
    const receipt = await this.#stores.revocations.append(
      {
        kind: 'rotate',
        userHash,
        sessionId,
        newSessionId,
        reauthenticated: options.reauthenticated === true,
      },
      'rotated',
    );
    if (receipt.sessions === 0) throw new SessionUnknown();
    const { cut } = receipt.entry;
    const times = cut === undefined ? {} : { authenticatedAt: cut, authTime: cut };
    const session = Object.freeze({ ...before, ...times, id: newSessionId });
    this.#record('session_renewed', 'rotated', session);
    return { session, token };
  }

  /**
   * Changes roles or scopes of one session or of all sessions of a user. Live connections have the new rights for their
   * next message; a connection whose credential narrows its rights keeps that narrowing. Not reached are connections
   * without a session: their credential would bring its rights back, and so it is to be revoked.
   *
   * @returns how many sessions changed
   * @throws {WsAuthError} `invalid_selector` or `invalid_principal`
   * @throws {StoreUnavailable} when the store did not say what came of it, also when asked again for a moment. All of the
   * sessions changed or none, and nothing changes any more: repeat it
   */
  async setRoles(
    selector: { session: string } | { user: string },
    rights: { roles?: readonly string[]; scopes?: readonly string[] },
  ): Promise<number> {
    if ([rights.roles, rights.scopes].some((names) => names !== undefined && !isNameList(names))) {
      throw new WsAuthError('invalid_principal', 'setRoles(): roles and scopes are lists of printable names');
    }
    const { session, user } = selector as { session?: unknown; user?: unknown };
    if ((session === undefined) === (user === undefined) || !['string', 'undefined'].includes(typeof user))
      throw new WsAuthError('invalid_selector', 'setRoles(): name a session, or the principal id of a user');
    // Copies: what the caller does with its lists afterwards is not a change of rights.
    const roles = rights.roles && Object.freeze([...rights.roles]);
    const scopes = rights.scopes && Object.freeze([...rights.scopes]);
    const sessionId = session === undefined ? undefined : readSessionId(session);
    const userHash = sessionId ? userHashOfSession(sessionId) : userHashOf(this.#userHashKey, user as string);
    const { sessions } = await this.#stores.revocations.append(
      { kind: 'rights', userHash, sessionId, roles, scopes },
      'rights',
    );
    this.#audit.record({
      event: 'authz_change',
      outcome: 'success',
      reasonCode: 'rights_changed',
      sessionId,
      principal: user as string | undefined,
    });
    return sessions;
  }

  /** Ends sessions and credentials on every node; see {@link RevocationService.revoke}. */
  async revoke(selector: RevocationSelector): Promise<RevocationResult> {
    return this.#revocations.revoke(selector);
  }

  #record(event: 'session_created' | 'session_renewed', reasonCode: string, session: Session): void {
    this.#audit.record({
      event,
      outcome: 'success',
      reasonCode,
      principal: session.userId,
      sessionId: session.id,
    });
  }
}
