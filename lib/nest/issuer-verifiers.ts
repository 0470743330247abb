import type { Clock } from '../core/clock.js';
import { TokenRejected } from '../core/errors.js';
import type { ResolvedJwtOptions } from '../core/handshake/jwt-options.js';
import type { Cancellation, TokenVerifier, VerifiedToken } from '../core/handshake/token-verifier.js';
import { VerifiedTokenCache } from '../core/handshake/verified-token-cache.js';
import { readTokenPart } from './token-part.js';
import { JwtTokenVerifier } from './ws-auth.jwt-verifier.js';

/** What verifiers are built from. */
export interface VerifierParts {
  readonly principalIdPattern: RegExp;
  readonly clock: Clock;
  readonly monotonic: Clock;
}

/** The verifier of an application: for one issuer, or for several by the `iss` of the token; `undefined` for none. */
export function makeTokenVerifier(
  issuers: readonly ResolvedJwtOptions[],
  parts: VerifierParts,
): TokenVerifier | undefined {
  const [first, ...others] = issuers;
  if (!first) return undefined;
  return others.length === 0 ? makeVerifier(first, parts) : new IssuerVerifiers(issuers, parts);
}

function makeVerifier(options: ResolvedJwtOptions, parts: VerifierParts): TokenVerifier {
  const verifier = new JwtTokenVerifier(options, parts);
  return options.cacheSize > 0 ? new VerifiedTokenCache(verifier, parts.clock, options.cacheSize) : verifier;
}

/** Several issuers, each with its own keys and rules. The `iss` that a token claims only says by whose it is judged. */
class IssuerVerifiers implements TokenVerifier {
  readonly #byIssuer = new Map<string, TokenVerifier>();

  constructor(issuers: readonly ResolvedJwtOptions[], parts: VerifierParts) {
    for (const options of issuers) {
      const verifier = makeVerifier(options, parts);
      for (const issuer of options.issuers) this.#byIssuer.set(issuer, verifier);
    }
  }

  /** @throws {TokenRejected} */
  verify(token: string, cancellation: Cancellation): VerifiedToken | Promise<VerifiedToken> {
    const { iss } = readTokenPart(token, 1);
    const verifier = typeof iss === 'string' ? this.#byIssuer.get(iss) : undefined;
    if (!verifier) throw new TokenRejected('issuer');
    return verifier.verify(token, cancellation);
  }
}
