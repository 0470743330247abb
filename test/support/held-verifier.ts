import { TokenRejected } from '../../lib/index.js';
import type { Cancellation, TokenVerifier, VerifiedToken } from '../../lib/core/handshake/token-verifier.js';

/** One token on the bench: the test says what becomes of it, and when. */
export interface HeldToken {
  readonly token: string;
  readonly signal: AbortSignal;
  /** Believes the token, as one of this principal. */
  accept(principalId?: string): void;
  reject(error?: unknown): void;
}

/** A verifier that decides nothing until the test does. */
export class HeldVerifier implements TokenVerifier {
  /** Every token that it was ever given. */
  readonly calls: HeldToken[] = [];
  readonly #waiting = new Set<() => void>();

  verify(token: string, { signal }: Cancellation): Promise<VerifiedToken> {
    return new Promise((resolve, reject) => {
      this.calls.push({
        token,
        signal,
        accept: (principalId = 'ada') => resolve(verifiedToken(principalId)),
        reject: (error = new TokenRejected('signature')) => reject(error),
      });
      for (const wake of this.#waiting) wake();
      this.#waiting.clear();
    });
  }

  /** The call of this number, once it has come. */
  async call(index = 0): Promise<HeldToken> {
    while (this.calls.length <= index) await new Promise<void>((resolve) => this.#waiting.add(resolve));
    return this.calls[index]!;
  }
}

/** What a verifier says of a token that it believes. */
export function verifiedToken(principalId: string): VerifiedToken {
  const now = Date.now();
  return {
    principal: Object.freeze({ id: principalId, roles: [], scopes: [] }),
    narrowing: undefined,
    issuedAt: now,
    authTime: undefined,
    expiresAt: now + 600_000,
    issuer: 'https://issuer.example',
    tokenId: undefined,
    sessionId: undefined,
  };
}
