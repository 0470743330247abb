import type { KeyObject } from 'node:crypto';
import { JwtService } from '@nestjs/jwt';
import type { Clock } from '../core/clock.js';
import { TokenRejected } from '../core/errors.js';
import { MAX_TOKEN_LENGTH } from '../core/handshake/credential-reader.js';
import { MAX_KID_LENGTH, type ResolvedJwtOptions } from '../core/handshake/jwt-options.js';
import {
  readVerifiedToken,
  type ClaimRules,
  type TokenVerifier,
  type VerifiedToken,
} from '../core/handshake/token-verifier.js';

const JWT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

type Json = Readonly<Record<string, unknown>>;

/**
 * Verifies bearer tokens with @nestjs/jwt. The keys are KeyObjects made at boot; a `kid` picks one of those and nothing in
 * a token can name another (`jku`, `x5u` and `jwk` are not looked at).
 *
 * @see RFC 8725
 */
export class JwtTokenVerifier implements TokenVerifier {
  readonly #jwt = new JwtService({});
  readonly #options: ResolvedJwtOptions;
  readonly #rules: ClaimRules;
  readonly #clock: Clock;

  constructor(options: ResolvedJwtOptions, principalIdPattern: RegExp, clock: Clock) {
    this.#options = options;
    this.#rules = { ...options, principalIdPattern };
    this.#clock = clock;
  }

  /** @throws {TokenRejected} */
  verify(token: string): VerifiedToken {
    if (token.length > MAX_TOKEN_LENGTH || !JWT.test(token)) throw new TokenRejected('malformed');
    const header = readHeader(token);
    const claims = this.#verifySignature(token, this.#keyFor(header));
    return readVerifiedToken(header, claims, this.#rules, this.#clock());
  }

  #keyFor(header: Json): KeyObject {
    const { key, keys } = this.#options;
    if (key) return key;
    const { kid } = header;
    if (typeof kid !== 'string' || kid.length > MAX_KID_LENGTH) throw new TokenRejected('key_id');
    const found = keys?.get(kid);
    if (!found) throw new TokenRejected('key_unknown');
    return found;
  }

  /** Signature and algorithm only: the claims have rules of their own, stricter than the library's. */
  #verifySignature(token: string, key: KeyObject): Json {
    let payload: unknown;
    try {
      payload = this.#jwt.verify(token, {
        // The typings know texts only; the KeyObject is what makes this fast.
        [key.type === 'secret' ? 'secret' : 'publicKey']: key as unknown as string,
        algorithms: [...this.#options.algorithms],
        ignoreExpiration: true,
        ignoreNotBefore: true,
      });
    } catch {
      throw new TokenRejected('signature');
    }
    if (typeof payload !== 'object' || payload === null) throw new TokenRejected('claims');
    return payload as Json;
  }
}

function readHeader(token: string): Json {
  try {
    const header: unknown = JSON.parse(
      Buffer.from(token.slice(0, token.indexOf('.')), 'base64url').toString('utf8'),
    );
    if (typeof header === 'object' && header !== null && !Array.isArray(header)) return header as Json;
  } catch {
    // Told below: what is no JSON is no header.
  }
  throw new TokenRejected('header');
}
