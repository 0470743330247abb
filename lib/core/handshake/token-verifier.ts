import { types } from 'node:util';
import { TokenRejected } from '../errors.js';
import { isSessionId } from '../identifiers.js';
import { describeType } from '../option-rules.js';
import { createPrincipal, type Narrowing, type Principal, type PrincipalInit } from '../principal.js';
import { normalTokenType } from './jwt-options.js';

/** A token whose signature and claims hold. Whether it was revoked is the store's to say. */
export interface VerifiedToken {
  readonly principal: Principal;
  /** What the token allows of its session's rights; only for tokens that name a session. */
  readonly narrowing: Narrowing | undefined;
  /** Unix ms: `iat`. */
  readonly issuedAt: number;
  /** Unix ms: `auth_time`, where the issuer says when the user authenticated; never later than `iat`. */
  readonly authTime: number | undefined;
  /** Unix ms: `exp` and the tolerance. */
  readonly expiresAt: number;
  readonly issuer: string;
  readonly tokenId: string | undefined;
  /** The session that the token belongs to (`sid`), when it is one of ours. */
  readonly sessionId: string | undefined;
}

/** Says that nobody waits any more. */
export interface Cancellation {
  readonly signal: AbortSignal;
}

/** Verifies bearer tokens. */
export interface TokenVerifier {
  /**
   * Resolves for a token that may be believed.
   *
   * @param cancellation its signal is aborted when the client has gone or the time is up; made when it is asked for
   * @throws {TokenRejected} for a token that must be refused; anything else that is thrown means "cannot tell" (503)
   */
  verify(token: string, cancellation: Cancellation): VerifiedToken | Promise<VerifiedToken>;
}

/** What the claims of a token are held against. */
export interface ClaimRules {
  readonly issuers: readonly string[];
  readonly audiences: readonly string[];
  readonly types: readonly string[];
  readonly clockToleranceSeconds: number;
  readonly maxAgeSeconds: number;
  readonly requireSession: boolean;
  readonly principalIdPattern: RegExp;
  readonly principal: ((claims: Readonly<Record<string, unknown>>) => PrincipalInit) | undefined;
}

type Claims = Readonly<Record<string, unknown>>;

/**
 * Holds the header and claims of a token, whose signature has been verified, against the rules: type, `crit`, issuer,
 * audience, times and subject. Every claim that is asked for must be there and have its own type.
 *
 * @throws {TokenRejected} with the first rule that is broken
 * @see RFC 8725 §3.8 to §3.12, RFC 9068
 */
export function readVerifiedToken(
  header: Claims,
  claims: Claims,
  rules: ClaimRules,
  now: number,
): VerifiedToken {
  if (header.crit !== undefined) throw new TokenRejected('crit_header');
  if (typeof header.typ !== 'string' || !rules.types.includes(normalTokenType(header.typ))) {
    throw new TokenRejected('token_type', describeClaim(header.typ));
  }
  if (typeof claims.iss !== 'string' || !rules.issuers.includes(claims.iss))
    throw new TokenRejected('issuer', describeClaim(claims.iss));
  if (!namesAudience(claims.aud, rules.audiences)) {
    throw new TokenRejected('audience', describeClaim(claims.aud));
  }
  const { issuedAt, expiresAt } = readTimes(claims, rules, now);
  if (
    claims.jti !== undefined &&
    (typeof claims.jti !== 'string' || claims.jti === '' || claims.jti.length > 256)
  ) {
    throw new TokenRejected('token_id');
  }
  const sessionId = isSessionId(claims.sid) ? claims.sid : undefined;
  if (rules.requireSession && !sessionId) throw new TokenRejected('session_missing');
  const init = rules.principal ? callPrincipal(rules.principal, claims) : defaultPrincipal(claims);
  const principal = createPrincipal(init, rules.principalIdPattern);
  if (!principal) throw new TokenRejected('principal');
  return {
    principal,
    narrowing: sessionId ? { roles: init.roles, scopes: init.scopes } : undefined,
    issuedAt,
    authTime: readAuthTime(claims, issuedAt),
    expiresAt,
    issuer: claims.iss,
    tokenId: claims.jti as string | undefined,
    sessionId,
  };
}

/** `exp`, `iat` and `nbf` in seconds, finite, and an `exp` that lies no further ahead than tokens may live. */
function readTimes(claims: Claims, rules: ClaimRules, now: number): { issuedAt: number; expiresAt: number } {
  const tolerance = rules.clockToleranceSeconds;
  const seconds = now / 1_000;
  const { exp, iat, nbf } = claims;
  if (!isTime(exp) || !isTime(iat)) throw new TokenRejected('times_missing');
  if (nbf !== undefined && !isTime(nbf)) throw new TokenRejected('not_before');
  if (nbf !== undefined && (nbf as number) > seconds + tolerance) throw new TokenRejected('not_yet_valid');
  if (iat > seconds + tolerance) throw new TokenRejected('issued_in_the_future');
  if (seconds >= exp + tolerance) throw new TokenRejected('expired');
  if (exp - iat > rules.maxAgeSeconds) throw new TokenRejected('lives_too_long');
  return { issuedAt: iat * 1_000, expiresAt: (exp + tolerance) * 1_000 };
}

/** OpenID Connect Core §2, RFC 9470 §6.1. */
function readAuthTime({ auth_time: authTime }: Claims, issuedAt: number): number | undefined {
  if (authTime === undefined) return undefined;
  if (!isTime(authTime)) throw new TokenRejected('auth_time');
  return Math.min(authTime * 1_000, issuedAt);
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 && value < 1e11;
}

/** A claim for the operator: texts and lists of texts, and of everything else its type. */
function describeClaim(claim: unknown): string {
  const parts: unknown[] = Array.isArray(claim) ? claim.slice(0, 8) : [claim];
  return parts.map((part) => (typeof part === 'string' ? part.slice(0, 256) : describeType(part))).join(', ');
}

function namesAudience(claim: unknown, accepted: readonly string[]): boolean {
  const named = Array.isArray(claim) ? claim : [claim];
  return named.some((audience) => typeof audience === 'string' && accepted.includes(audience));
}

/** `roles` and `scope` as RFC 9068 §2.2.3 and RFC 8693 §4.2 write them. A claim that is absent narrows nothing. */
function defaultPrincipal(claims: Claims): PrincipalInit {
  if (typeof claims.sub !== 'string') throw new TokenRejected('subject');
  const scope =
    typeof claims.scope === 'string' ? claims.scope.split(' ').filter((name) => name !== '') : claims.scope;
  return {
    id: claims.sub,
    roles: claims.roles as string[] | undefined,
    scopes: scope as string[] | undefined,
  };
}

function callPrincipal(map: NonNullable<ClaimRules['principal']>, claims: Claims): PrincipalInit {
  let init: unknown;
  try {
    init = map(claims);
  } catch (error) {
    throw error instanceof TokenRejected ? error : new TokenRejected('principal_mapping_failed');
  }
  if (types.isPromise(init)) {
    init.catch(() => {});
    throw new TokenRejected('principal');
  }
  if (typeof init !== 'object' || init === null) throw new TokenRejected('principal');
  return init as PrincipalInit;
}
