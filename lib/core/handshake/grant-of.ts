import type { Grant } from '../connection.js';
import { narrowPrincipal, type Narrowing } from '../principal.js';
import type { Admitted } from '../session/connection-registry.js';
import type { Session } from '../session/session.js';
import type { TicketRecord } from '../ticket/ticket-store.js';
import type { VerifiedBasis } from './credential-verifier.js';
import type { VerifiedToken } from './token-verifier.js';

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
    authTime: authTimeOf({ session, ticket, token, provedAt: verified.provedAt }),
    expiresAt: Math.min(...ends.filter((end) => end !== undefined)),
  };
}

/** What a time of authentication is read from. */
interface Proof {
  readonly session?: Session | undefined;
  readonly ticket?: TicketRecord | undefined;
  readonly token?: VerifiedToken | undefined;
  readonly provedAt?: number | undefined;
}

/**
 * Unix ms at which the user last proved who it is; 0 where nobody knows. A token of a session is issued again and again
 * without the user: only its `auth_time` counts. One without session counts from `auth_time`, or else from its issue.
 */
export function authTimeOf({ session, ticket, token, provedAt }: Proof): number {
  if (session) return Math.max(session.authTime, ticket?.authTime ?? 0, token?.authTime ?? 0);
  return ticket?.authTime ?? token?.authTime ?? token?.issuedAt ?? provedAt ?? 0;
}
