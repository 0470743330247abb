import type { KeyObject } from 'node:crypto';
import { parseTicket, tokenHashOf, userHashOf, userHashOfSession } from '../identifiers.js';
import type { AdmissionBasis } from '../session/connection-registry.js';
import type { PresentedTicket } from '../ticket/ticket-store.js';
import { identitySwitch, unauthorized } from './attempt-refusals.js';
import type { AttemptTimer } from './attempt-timer.js';
import type { PresentedCredential } from './credential-reader.js';
import type { HandshakeAttempt } from './handshake-attempt.js';
import type { TokenVerifier, VerifiedToken } from './token-verifier.js';

/** A credential that is good as far as this node can tell, and by what the store is to admit it. */
export interface VerifiedBasis {
  readonly basis: AdmissionBasis;
  readonly credential: 'ticket' | 'bearer' | 'cookie';
  readonly token?: VerifiedToken;
}

/** Makes of a credential that was presented a basis for its admission. Whether that lives, the store will say. */
export class CredentialVerifier {
  readonly #verifier: TokenVerifier | undefined;
  readonly #userHashKey: KeyObject;
  readonly #timer: AttemptTimer;

  constructor(options: { verifier: TokenVerifier | undefined; userHashKey: KeyObject; timer: AttemptTimer }) {
    this.#verifier = options.verifier;
    this.#userHashKey = options.userHashKey;
    this.#timer = options.timer;
  }

  /**
   * @throws {HandshakeRefused} `unauthorized` for a bad credential
   * @throws {TokenRejected} by the verifier
   */
  async verify(attempt: HandshakeAttempt, credential: PresentedCredential): Promise<VerifiedBasis> {
    if (credential.kind === 'bearer') return this.#verifyBearer(attempt, credential.value);
    return {
      basis: { mode: 'ticket', ticket: this.#readTicket(attempt, credential.value) },
      credential: 'ticket',
    };
  }

  #readTicket(attempt: HandshakeAttempt, value: string): PresentedTicket {
    const key = parseTicket(value);
    if (!key) throw unauthorized(attempt, 'ticket_malformed');
    attempt.ticketHash = key.hash;
    return {
      ...key,
      use: 'connect',
      origin: attempt.handshake!.origin,
      path: attempt.gateway!.path,
      sessionId: attempt.sessionId,
    };
  }

  async #verifyBearer(attempt: HandshakeAttempt, value: string): Promise<VerifiedBasis> {
    if (!this.#verifier) throw unauthorized(attempt, 'credential_kind_not_accepted');
    const verification = this.#verifier.verify(value, attempt.signal);
    const token =
      verification instanceof Promise ? await this.#timer.wait(attempt, verification) : verification;
    attempt.principalId = token.principal.id;
    const userHash = userHashOf(this.#userHashKey, token.principal.id);
    const cookieSession = attempt.sessionId;
    const isOtherUser = cookieSession !== undefined && userHashOfSession(cookieSession) !== userHash;
    const isOtherSession =
      cookieSession !== undefined && token.sessionId !== undefined && cookieSession !== token.sessionId;
    if (isOtherUser || isOtherSession) {
      throw attempt.isRefresh ? identitySwitch() : unauthorized(attempt, 'credential_conflict');
    }
    const tokenHash = token.tokenId === undefined ? undefined : tokenHashOf(token.issuer, token.tokenId);
    if (token.sessionId === undefined) {
      const { principal, issuedAt } = token;
      return {
        basis: { mode: 'principal', principal, userHash, issuedAt, tokenHash },
        credential: 'bearer',
        token,
      };
    }
    if (userHashOfSession(token.sessionId) !== userHash)
      throw unauthorized(attempt, 'session_of_another_user');
    return {
      basis: { mode: 'session', sessionId: token.sessionId, userHash, tokenHash },
      credential: 'bearer',
      token,
    };
  }
}

/** The session that a cookie names. */
export function basisOfCookie(sessionId: string): VerifiedBasis {
  const userHash = userHashOfSession(sessionId);
  return { basis: { mode: 'session', sessionId, userHash }, credential: 'cookie' };
}

/** The user that a basis is of, before the store has said who that is. */
export function userHashOfBasis(basis: AdmissionBasis): string {
  return basis.mode === 'ticket' ? basis.ticket.userHash : basis.userHash;
}
