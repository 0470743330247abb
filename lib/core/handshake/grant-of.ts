import type { Grant } from '../connection.js';
import { narrowPrincipal, type Narrowing } from '../principal.js';
import type { Admitted } from '../session/connection-registry.js';
import type { VerifiedBasis } from './credential-verifier.js';

/** What a credential and its admission make of a connection. It ends with whatever ends first of what it stands on. */
export function grantOf(admitted: Admitted, verified: VerifiedBasis, credential: Grant['credential']): Grant {
  const { session, ticket, userHash } = admitted;
  const { token } = verified;
  const narrowing: Narrowing | undefined = ticket ? ticket.narrowing : token?.narrowing;
  const ends = [session?.absoluteEndsAt, token?.expiresAt, ticket?.token?.expiresAt, verified.endsAt];
  const { basis } = verified;
  return {
    principal: narrowPrincipal(admitted.principal, narrowing),
    userHash,
    credential,
    session,
    narrowing,
    tokenHash: basis.mode === 'ticket' ? ticket?.token?.hash : basis.tokenHash,
    authenticatedAt:
      session?.authenticatedAt ?? ticket?.authenticatedAt ?? token?.issuedAt ?? verified.provedAt ?? 0,
    expiresAt: Math.min(...ends.filter((end) => end !== undefined)),
  };
}
