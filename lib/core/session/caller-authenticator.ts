import type { KeyObject } from 'node:crypto';
import type { AuditRecord } from '../audit/audit-event.js';
import type { AuditLog } from '../audit/audit-log.js';
import { StoreUnavailable, TokenRejected } from '../errors.js';
import { authTimeOf } from '../handshake/grant-of.js';
import type { Cancellation, TokenVerifier, VerifiedToken } from '../handshake/token-verifier.js';
import { sessionIdOf, tokenHashOf, userHashOf, userHashOfSession } from '../identifiers.js';
import { narrowPrincipal, type Narrowing, type Principal } from '../principal.js';
import type { Stores } from '../stores.js';
import { principalOfSession, type LiveSession } from './session.js';
import type { CookieTransport, SessionCookie } from './session-cookie.js';

/** What is read of an HTTP request to find who makes it. */
export interface CallerFacts {
  readonly authorization: string | undefined;
  readonly cookie: string | undefined;
  readonly transport: CookieTransport;
  /** Where it comes from and what it asks for, as the audit log has it. */
  readonly place?: Pick<AuditRecord, 'ip' | 'ipSource' | 'origin' | 'path'>;
}

/** Who makes an HTTP request, by the same credentials as a handshake. */
export interface Caller {
  readonly principal: Principal;
  readonly session: LiveSession | undefined;
  /** The token of the session cookie. A secret. */
  readonly sessionToken: string | undefined;
  readonly narrowing: Narrowing | undefined;
  /** Unix ms. */
  readonly authenticatedAt: number;
  /** Unix ms at which the user last proved who it is; 0 where nobody knows. */
  readonly authTime: number;
  /** The bearer token, when there was one. */
  readonly token: { readonly hash: string | undefined; readonly expiresAt: number } | undefined;
}

const BEARER = /^bearer ([A-Za-z0-9._~+/-]+=*)$/i;
const VERIFY_TIMEOUT_MS = 5_000;

/** Finds the caller of an HTTP request: by bearer token, or by the session cookie; when both are there, both must agree. */
export class CallerAuthenticator {
  readonly #stores: Stores;
  readonly #cookie: SessionCookie;
  readonly #audit: Pick<AuditLog, 'record'>;
  readonly #verifier: TokenVerifier | undefined;
  readonly #userHashKey: KeyObject;

  constructor(options: {
    stores: Stores;
    cookie: SessionCookie;
    audit: Pick<AuditLog, 'record'>;
    verifier: TokenVerifier | undefined;
    userHashKey: KeyObject;
  }) {
    this.#stores = options.stores;
    this.#cookie = options.cookie;
    this.#audit = options.audit;
    this.#verifier = options.verifier;
    this.#userHashKey = options.userHashKey;
  }

  /**
   * @returns `null` when there is no credential, or a bad one: why is nobody's business
   * @throws {StoreUnavailable} when nobody can tell
   */
  async authenticate(facts: CallerFacts): Promise<Caller | null> {
    const reading = this.#cookie.read(facts.cookie, facts.transport);
    if (reading.kind === 'duplicate') return this.#refuseTossed(facts);
    const sessionToken = reading.kind === 'value' ? reading.value : undefined;
    const cookieSession = sessionIdOf(sessionToken) ?? undefined;
    // Browsers add Basic to what they send by themselves, as they do with cookies: it is no bearer, and no contradiction.
    const authorization = /^basic /i.test(facts.authorization ?? '') ? undefined : facts.authorization;
    if (authorization !== undefined) return this.#byBearer(authorization, cookieSession);
    if (cookieSession === undefined) return null;
    const [session] = await this.#stores.sessions.get([cookieSession]);
    if (!session) return null;
    const { authenticatedAt, authTime } = session;
    const principal = principalOfSession(session);
    const none = { narrowing: undefined, token: undefined };
    return { ...none, principal, session, sessionToken, authenticatedAt, authTime };
  }

  /** Which of the two is ours nobody can tell; as in a handshake, it is refused and told (requirement CK-02). */
  #refuseTossed({ place }: CallerFacts): null {
    this.#audit.record({
      ...place,
      event: 'authn_login_fail',
      outcome: 'refused',
      reasonCode: 'cookie_tossing_suspected',
      status: 401,
      method: 'cookie',
    });
    return null;
  }

  async #byBearer(authorization: string, cookieSession: string | undefined): Promise<Caller | null> {
    const token = await this.#verify(BEARER.exec(authorization)?.[1]);
    if (!token) return null;
    const userHash = userHashOf(this.#userHashKey, token.principal.id);
    if (cookieSession !== undefined && userHashOfSession(cookieSession) !== userHash) return null;
    const hash = token.tokenId === undefined ? undefined : tokenHashOf(token.issuer, token.tokenId);
    const issuedAt = token.sessionId === undefined ? token.issuedAt : undefined;
    if (await this.#stores.revocations.isRevoked({ userHash, issuedAt, tokenHash: hash })) return null;
    const bearer = { hash, expiresAt: token.expiresAt };
    if (token.sessionId === undefined) {
      const { principal, issuedAt: authenticatedAt } = token;
      return {
        principal,
        session: undefined,
        sessionToken: undefined,
        narrowing: undefined,
        authenticatedAt,
        authTime: authTimeOf({ token }),
        token: bearer,
      };
    }
    if (userHashOfSession(token.sessionId) !== userHash) return null;
    if (cookieSession !== undefined && cookieSession !== token.sessionId) return null;
    const [session] = await this.#stores.sessions.get([token.sessionId]);
    if (!session) return null;
    const { narrowing } = token;
    const principal = narrowPrincipal(principalOfSession(session), narrowing);
    const { authenticatedAt } = session;
    const authTime = authTimeOf({ session, token });
    return {
      principal,
      session,
      sessionToken: undefined,
      narrowing,
      authenticatedAt,
      authTime,
      token: bearer,
    };
  }

  async #verify(presented: string | undefined): Promise<VerifiedToken | null> {
    if (presented === undefined || !this.#verifier) return null;
    try {
      return await inTime((cancellation) => this.#verifier!.verify(presented, cancellation));
    } catch (error) {
      if (error instanceof TokenRejected) return null;
      throw error;
    }
  }
}

/** Waits for a verifier, and not for ever. */
async function inTime<T>(work: (cancellation: Cancellation) => T | Promise<T>): Promise<T> {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      controller.abort();
      reject(new StoreUnavailable('the token verifier did not answer in time'));
    }, VERIFY_TIMEOUT_MS);
  });
  try {
    return await Promise.race([work(controller), timeout]);
  } finally {
    clearTimeout(timer);
  }
}
