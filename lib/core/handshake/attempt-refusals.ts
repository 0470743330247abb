import { StoreUnavailable, TokenRejected } from '../errors.js';
import type { AdmissionResult, Admitted } from '../session/connection-registry.js';
import { bearerChallenge } from './credential-reader.js';
import type { HandshakeAttempt } from './handshake-attempt.js';
import { HandshakeRefused, retryLater } from './refusal.js';

/** A credential is missing or bad; the challenge tells the two apart. */
export function unauthorized(attempt: HandshakeAttempt, reason: string): HandshakeRefused {
  return new HandshakeRefused('unauthorized', reason, {
    headers: { 'WWW-Authenticate': challengeOf(attempt) },
  });
}

/** RFC 6750 §3 and, where the gateway takes it, RFC 7617 §2.1: the one that makes a browser send user and password. */
export function challengeOf({ hasPresented, gateway }: HandshakeAttempt): string | readonly string[] {
  const bearer = bearerChallenge(hasPresented);
  return gateway?.credentials.has('basic') ? [bearer, 'Basic realm="ws", charset="UTF-8"'] : bearer;
}

/** A good credential, but somebody else's. */
export function identitySwitch(): HandshakeRefused {
  return new HandshakeRefused('forbidden', 'identity_switch');
}

/** The refusal for what the store answered; all that concerns the credential look alike to the client. */
export function refusalOfAdmission(
  attempt: HandshakeAttempt,
  result: Exclude<AdmissionResult, Admitted>,
): HandshakeRefused {
  switch (result.outcome) {
    case 'ticket_unknown':
      return unauthorized(attempt, result.replayed ? 'ticket_replayed' : 'ticket_unknown');
    case 'ticket_mismatch':
      return unauthorized(attempt, `ticket_mismatch_${result.binding}`);
    case 'session_unknown':
    case 'revoked':
      return unauthorized(attempt, result.outcome);
    case 'limit':
      return new HandshakeRefused('too_many_connections', `limit_of_${result.of}`, retryLater());
    case 'rate':
      return new HandshakeRefused('rate_limited', 'connect_rate', { retryAfterMs: result.retryAfterMs });
    case 'late':
      return new HandshakeRefused('unavailable', 'store_too_late', retryLater());
  }
}

/** The one place in which what a step threw becomes a refusal. What is not understood is "cannot tell", never "yes". */
export function toRefusal(error: unknown, attempt: HandshakeAttempt): HandshakeRefused {
  if (error instanceof HandshakeRefused) return error;
  if (error instanceof TokenRejected) {
    attempt.hasPresented = true;
    attempt.received = error.received;
    return unauthorized(attempt, `token_${error.reason}`);
  }
  const reason = error instanceof StoreUnavailable ? 'store_unavailable' : 'verifier_failed';
  return new HandshakeRefused('unavailable', reason, { ...retryLater(), cause: error });
}
