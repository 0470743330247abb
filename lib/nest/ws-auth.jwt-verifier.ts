import type { KeyObject } from 'node:crypto';
import jsonwebtoken, { type Jwt, type VerifyOptions } from 'jsonwebtoken';
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
import { assertTokenForm, readTokenPart, type UnverifiedPart } from './token-part.js';

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
  readonly #signatureRules: VerifyOptions & { complete: true };
  readonly #clock: Clock;
  readonly #jwks: JwksKeys | undefined;

  constructor(options: ResolvedJwtOptions, { principalIdPattern, clock, monotonic }: JwtVerifierParts) {
    this.#options = options;
    this.#rules = { ...options, principalIdPattern };
    this.#signatureRules = {
      algorithms: [...options.algorithms],
      ignoreExpiration: true,
      ignoreNotBefore: true,
      complete: true,
    };
    this.#clock = clock;
    this.#jwks = options.jwksUri && new JwksKeys(options.jwksUri, monotonic);
  }

  /** @throws {TokenRejected} */
  verify(token: string): VerifiedToken | Promise<VerifiedToken> {
    assertTokenForm(token);
    const { key } = this.#options;
    if (key) return this.#verifyWith(key, token);
    const { kid, alg } = readTokenPart(token, 0);
    if (typeof kid !== 'string' || kid.length > MAX_KID_LENGTH) throw new TokenRejected('key_id');
    if (this.#jwks) return this.#verifyWithJwks(this.#jwks, token, { kid, alg });
    const known = this.#options.keys?.get(kid);
    if (!known) throw new TokenRejected('key_unknown');
    return this.#verifyWith(known, token);
  }

  async #verifyWithJwks(
    jwks: JwksKeys,
    token: string,
    { kid, alg }: { kid: string; alg: unknown },
  ): Promise<VerifiedToken> {
    const allowed: readonly string[] = this.#options.algorithms;
    if (typeof alg !== 'string' || !allowed.includes(alg)) throw new TokenRejected('algorithm');
    return this.#verifyWith(await jwks.keyFor({ alg, kid }), token);
  }

  #verifyWith(key: KeyObject, token: string): VerifiedToken {
    const { header, payload } = this.#verifySignature(token, key);
    if (typeof payload !== 'object' || payload === null) throw new TokenRejected('claims');
    return readVerifiedToken(
      header as unknown as UnverifiedPart,
      payload as UnverifiedPart,
      this.#rules,
      this.#clock(),
    );
  }

  /** Signature and algorithm only: the claims have rules of their own, stricter than the library's. */
  #verifySignature(token: string, key: KeyObject): Jwt {
    try {
      return jsonwebtoken.verify(token, key, this.#signatureRules);
    } catch {
      // Says more where it is the header that cannot be read.
      readTokenPart(token, 0);
      throw new TokenRejected('signature');
    }
  }
}
