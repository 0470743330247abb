import { createHash } from 'node:crypto';
import type { Clock } from '../clock.js';
import { forgetOldest } from '../forget-oldest.js';
import type { Cancellation, TokenVerifier, VerifiedToken } from './token-verifier.js';

/** However long a token lives: for so long at most a key that was withdrawn still counts here, for a token that was seen. */
const MAX_CACHED_MS = 5 * 60_000;

interface CachedToken {
  readonly token: VerifiedToken;
  /** Unix ms. */
  readonly until: number;
}

/**
 * Remembers tokens that were verified, so that a storm of reconnects costs one hash for each token and no signature. Only
 * what was verified is remembered, by a hash of the very same text, and only for as long as it holds; whether it was
 * revoked is asked of the store every time, as for any other token. Bounded: the token that was used longest ago goes.
 */
export class VerifiedTokenCache implements TokenVerifier {
  readonly #verifier: TokenVerifier;
  readonly #clock: Clock;
  readonly #maxTokens: number;
  /** In order of use. */
  readonly #tokens = new Map<string, CachedToken>();

  constructor(verifier: TokenVerifier, clock: Clock, maxTokens: number) {
    this.#verifier = verifier;
    this.#clock = clock;
    this.#maxTokens = maxTokens;
  }

  get size(): number {
    return this.#tokens.size;
  }

  verify(token: string, cancellation: Cancellation): VerifiedToken | Promise<VerifiedToken> {
    const key = createHash('sha256').update(token).digest('base64');
    const known = this.#recall(key);
    if (known) return known;
    const verified = this.#verifier.verify(token, cancellation);
    if (!(verified instanceof Promise)) return this.#remember(key, verified);
    return verified.then((result) => this.#remember(key, result));
  }

  #recall(key: string): VerifiedToken | undefined {
    const known = this.#tokens.get(key);
    if (!known) return undefined;
    this.#tokens.delete(key);
    if (this.#clock() >= known.until) return undefined;
    this.#tokens.set(key, known);
    return known.token;
  }

  #remember(key: string, token: VerifiedToken): VerifiedToken {
    this.#tokens.set(key, { token, until: Math.min(token.expiresAt, this.#clock() + MAX_CACHED_MS) });
    if (this.#tokens.size > this.#maxTokens) forgetOldest(this.#tokens);
    return token;
  }
}
