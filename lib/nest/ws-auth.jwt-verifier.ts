import type { KeyObject } from 'node:crypto';
import jsonwebtoken from 'jsonwebtoken';
import type { Clock } from '../core/clock.js';
import { TokenRejected } from '../core/errors.js';
import { MAX_KID_LENGTH, type ResolvedJwtOptions } from '../core/handshake/jwt-options.js';
import {
  readVerifiedToken,
  type ClaimRules,
  type TokenVerifier,
  type VerifiedToken,
} from '../core/handshake/token-verifier.js';
import { JwksKeys } from './jwks-keys.js';
import { readTokenPart, type UnverifiedPart } from './token-part.js';

/** What the verifier is built from, besides its options. */
export interface JwtVerifierParts {
  readonly principalIdPattern: RegExp;
  readonly clock: Clock;
  readonly monotonic: Clock;
}

/**
 * Verifies bearer tokens with jsonwebtoken, as @nestjs/jwt does. The keys are KeyObjects, made at boot or from the
 * issuer's published set; a `kid` picks one of those and nothing in a token can name another (`jku`, `x5u` and `jwk` are
 * not looked at).
 *
 * @see RFC 8725
 */
export class JwtTokenVerifier implements TokenVerifier {
  readonly #options: ResolvedJwtOptions;
  readonly #rules: ClaimRules;
  readonly #clock: Clock;
  readonly #jwks: JwksKeys | undefined;

  constructor(options: ResolvedJwtOptions, { principalIdPattern, clock, monotonic }: JwtVerifierParts) {
    this.#options = options;
    this.#rules = { ...options, principalIdPattern };
    this.#clock = clock;
    this.#jwks = options.jwksUri && new JwksKeys(options.jwksUri, monotonic);
  }

  /** @throws {TokenRejected} */
  verify(token: string): VerifiedToken | Promise<VerifiedToken> {
    const header = readTokenPart(token, 0);
    const { key } = this.#options;
    if (key) return this.#verifyWith(key, token, header);
    const { kid, alg } = header;
    if (typeof kid !== 'string' || kid.length > MAX_KID_LENGTH) throw new TokenRejected('key_id');
    if (this.#jwks) return this.#verifyWithJwks(this.#jwks, token, header, { kid, alg });
    const known = this.#options.keys?.get(kid);
    if (!known) throw new TokenRejected('key_unknown');
    return this.#verifyWith(known, token, header);
  }

  async #verifyWithJwks(
    jwks: JwksKeys,
    token: string,
    header: UnverifiedPart,
    { kid, alg }: { kid: string; alg: unknown },
  ): Promise<VerifiedToken> {
    const allowed: readonly string[] = this.#options.algorithms;
    if (typeof alg !== 'string' || !allowed.includes(alg)) throw new TokenRejected('algorithm');
    return this.#verifyWith(await jwks.keyFor({ alg, kid }), token, header);
  }

  #verifyWith(key: KeyObject, token: string, header: UnverifiedPart): VerifiedToken {
    return readVerifiedToken(header, this.#verifySignature(token, key), this.#rules, this.#clock());
  }

  /** Signature and algorithm only: the claims have rules of their own, stricter than the library's. */
  #verifySignature(token: string, key: KeyObject): UnverifiedPart {
    let payload: unknown;
    try {
      payload = jsonwebtoken.verify(token, key, {
        algorithms: [...this.#options.algorithms],
        ignoreExpiration: true,
        ignoreNotBefore: true,
      });
    } catch {
      throw new TokenRejected('signature');
    }
    if (typeof payload !== 'object' || payload === null) throw new TokenRejected('claims');
    return payload as UnverifiedPart;
  }
}
