import type { AuditLog } from '../audit/audit-log.js';
import type { Clock } from '../clock.js';
import { WsAuthError } from '../errors.js';
import type { TokenVerifier } from '../handshake/token-verifier.js';
import { isSessionId, sessionIdOf, tokenHashOf, userHashOf, userHashOfSession } from '../identifiers.js';
import type { Stores } from '../stores.js';
import type { KeyObject } from 'node:crypto';
import type { RevocationOrder, RevocationResult } from './revocation-log.js';

/** A token by what identifies it. */
export interface TokenReference {
  readonly issuer: string;
  /** The `jti`. */
  readonly jti: string;
  /** The id of the principal: the `sub`, unless `jwt.principal` makes another of it. */
  readonly subject: string;
  /** Unix ms of `exp`: the revocation is remembered until then. */
  readonly expiresAt: number;
}

/** What to revoke: exactly one of `session`, `user`, `token` and `everyone`. */
export interface RevocationSelector {
  /** A session, by id or by token. */
  session?: string;
  /** Every session and credential of a user, by principal id. */
  user?: string;
  /** A bearer token: the JWT itself, or what identifies it. */
  token?: string | TokenReference;
  /** Everybody. */
  everyone?: true;
  /** With `user`: a session to keep, by id or by token. */
  except?: string;
  /** With `user` and `everyone`: only what was issued before (Unix ms, or a Date). Left out: everything until now. */
  issuedBefore?: number | Date;
  /** A word for the audit log, such as `logout` or `password_changed`. @default 'revoked' */
  reason?: string;
}

/** Tokens are remembered for this long after they expired, for nodes whose clocks differ. */
const TOKEN_MEMORY_MARGIN_MS = 5 * 60_000;

/** How long `revoke()` waits for other nodes before it answers with what is pending. */
const ACKNOWLEDGEMENT_WAIT_MS = 500;

/** Ends sessions and credentials before their time, on every node. */
export class RevocationService {
  readonly #stores: Stores;
  readonly #audit: AuditLog;
  readonly #clock: Clock;
  readonly #userHashKey: KeyObject;
  readonly #verifier: TokenVerifier | undefined;

  constructor(options: {
    stores: Stores;
    audit: AuditLog;
    clock: Clock;
    userHashKey: KeyObject;
    verifier: TokenVerifier | undefined;
  }) {
    this.#stores = options.stores;
    this.#audit = options.audit;
    this.#clock = options.clock;
    this.#userHashKey = options.userHashKey;
    this.#verifier = options.verifier;
  }

  /**
   * Revokes, and answers when all nodes have complied or 500 ms are over. Sockets are fenced before their node answers.
   *
   * @throws {WsAuthError} `invalid_selector` when the selector does not name exactly one thing
   * @throws {TokenRejected} when `token` is a JWT that does not verify: who may revoke a token must hold it
   * @throws {StoreUnavailable} when the store did not take the revocation. The sockets of this node are closed all the same,
   * and the revocation is given again in the background, as of the time of this call, until the store has it
   */
  async revoke(selector: RevocationSelector): Promise<RevocationResult> {
    const order = await this.#orderOf(selector);
    const reason = selector.reason ?? 'revoked';
    const { entry } = await this.#stores.revocations.append(order, reason);
    const result = await this.#stores.revocations.acknowledgements(entry, ACKNOWLEDGEMENT_WAIT_MS);
    this.#audit.record({
      event: order.kind === 'session' && reason === 'logout' ? 'session_logout' : 'authn_token_revoked',
      outcome: 'success',
      reasonCode: reason,
      principal: selector.user,
      sessionId: order.kind === 'session' ? order.sessionId : undefined,
      sockets: result.sockets,
    });
    return result;
  }

  async #orderOf(selector: RevocationSelector): Promise<RevocationOrder> {
    const { session, user, token, everyone } = selector;
    const named = [session, user, token, everyone].filter((part) => part !== undefined);
    if (named.length !== 1) {
      throw new WsAuthError(
        'invalid_selector',
        'revoke() needs exactly one of session, user, token and everyone',
      );
    }
    const issuedBefore = readTime(selector.issuedBefore);
    if (selector.except !== undefined && user === undefined) {
      throw new WsAuthError('invalid_selector', 'revoke(): "except" goes with "user"');
    }
    if (issuedBefore !== undefined && user === undefined && everyone === undefined) {
      throw new WsAuthError('invalid_selector', 'revoke(): "issuedBefore" goes with "user" or "everyone"');
    }
    if (session !== undefined) {
      const sessionId = readSessionId(session);
      return { kind: 'session', sessionId, userHash: userHashOfSession(sessionId) };
    }
    if (user !== undefined) {
      if (typeof user !== 'string')
        throw new WsAuthError('invalid_selector', 'revoke(): "user" must be a principal id');
      const exceptSessionId = selector.except === undefined ? undefined : readSessionId(selector.except);
      return { kind: 'user', userHash: userHashOf(this.#userHashKey, user), issuedBefore, exceptSessionId };
    }
    if (token !== undefined) return this.#tokenOrder(token);
    if (everyone !== true) throw new WsAuthError('invalid_selector', 'revoke(): "everyone" must be true');
    return { kind: 'everyone', issuedBefore };
  }

  async #tokenOrder(token: string | TokenReference): Promise<RevocationOrder> {
    const reference = typeof token === 'string' ? await this.#referenceOf(token) : token;
    if (!isTokenReference(reference)) {
      throw new WsAuthError('invalid_selector', 'revoke(): "token" needs issuer, jti, subject and expiresAt');
    }
    const { issuer, jti, subject, expiresAt } = reference;
    return {
      kind: 'token',
      tokenHash: tokenHashOf(issuer, jti),
      userHash: userHashOf(this.#userHashKey, subject),
      rememberMs: Math.max(0, expiresAt - this.#clock()) + TOKEN_MEMORY_MARGIN_MS,
    };
  }

  async #referenceOf(jwt: string): Promise<TokenReference> {
    if (!this.#verifier) {
      throw new WsAuthError(
        'invalid_selector',
        'revoke({ token }) with a JWT needs the "jwt" option; pass a reference instead',
      );
    }
    const verified = await this.#verifier.verify(jwt, { signal: AbortSignal.timeout(5_000) });
    if (verified.tokenId === undefined) {
      throw new WsAuthError(
        'invalid_selector',
        'revoke({ token }): this token has no jti, so it cannot be told from others',
      );
    }
    const { issuer, tokenId, principal, expiresAt } = verified;
    return { issuer, jti: tokenId, subject: principal.id, expiresAt };
  }
}

/** A session by its id or its token. */
export function readSessionId(idOrToken: unknown): string {
  const id = isSessionId(idOrToken) ? idOrToken : sessionIdOf(idOrToken);
  if (id === null) throw new WsAuthError('invalid_selector', 'a session is named by its id or its token');
  return id;
}

function readTime(time: number | Date | undefined): number | undefined {
  if (time === undefined) return undefined;
  const value = typeof time === 'number' ? time : time.getTime();
  if (!Number.isFinite(value))
    throw new WsAuthError('invalid_selector', '"issuedBefore" must be Unix milliseconds or a Date');
  return value;
}

function isTokenReference(value: TokenReference): boolean {
  const { issuer, jti, subject, expiresAt } = value ?? {};
  return [issuer, jti, subject].every((part) => typeof part === 'string') && Number.isFinite(expiresAt);
}
