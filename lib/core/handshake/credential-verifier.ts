import type { KeyObject } from 'node:crypto';
import type { Clock } from '../clock.js';
import { createPrincipal, type PrincipalInit } from '../principal.js';
import type { FailureLimiter, Guess } from '../throttle/failure-limiter.js';
import { parseTicket, tokenHashOf, userHashOf, userHashOfSession } from '../identifiers.js';
import type { AdmissionBasis } from '../session/connection-registry.js';
import type { PresentedTicket } from '../ticket/ticket-store.js';
import type { PeerCertificate } from 'node:tls';
import { identitySwitch, unauthorized } from './attempt-refusals.js';
import type { CredentialKind } from './credential-kind.js';
import type { AttemptTimer } from './attempt-timer.js';
import type { BasicCredential } from './basic-credential.js';
import type { PresentedCredential, PresentedToken } from './credential-reader.js';
import type { HandshakeAttempt } from './handshake-attempt.js';
import type { BasicOptions, ClientCertificateOptions, PrincipalAnswer } from './own-credentials.js';
import { HandshakeRefused } from './refusal.js';
import type { TokenVerifier, VerifiedToken } from './token-verifier.js';

/** A credential that is good as far as this node can tell, and by what the store is to admit it. */
export interface VerifiedBasis {
  readonly basis: AdmissionBasis;
  readonly credential: CredentialKind;
  readonly token?: VerifiedToken;
  /** Unix ms at which it was proved, for credentials that do not say so themselves. */
  readonly provedAt?: number;
  /** Unix ms at which it ends, for the same. */
  readonly endsAt?: number;
}

/** What the verifier is built from. */
export interface CredentialVerifierOptions {
  readonly verifier: TokenVerifier | undefined;
  readonly basic: BasicOptions | undefined;
  readonly clientCertificate: ClientCertificateOptions | undefined;
  readonly principalIdPattern: RegExp;
  readonly failures: FailureLimiter;
  readonly userHashKey: KeyObject;
  readonly timer: AttemptTimer;
  readonly clock: Clock;
}

/** Makes of a credential that was presented a basis for its admission. Whether that lives, the store will say. */
export class CredentialVerifier {
  readonly #options: CredentialVerifierOptions;
  readonly #verifier: TokenVerifier | undefined;
  readonly #userHashKey: KeyObject;
  readonly #timer: AttemptTimer;

  constructor(options: CredentialVerifierOptions) {
    this.#options = options;
    this.#verifier = options.verifier;
    this.#userHashKey = options.userHashKey;
    this.#timer = options.timer;
  }

  /**
   * Answers at once where nobody has to be asked, and throws at once then, too.
   *
   * @throws {HandshakeRefused} `unauthorized` for a bad credential, `rate_limited` for one guess too many
   * @throws {TokenRejected} by the verifier
   */
  verify(attempt: HandshakeAttempt, credential: PresentedCredential): VerifiedBasis | Promise<VerifiedBasis> {
    switch (credential.kind) {
      case 'ticket':
      case 'bearer':
        return this.#verifyToken(attempt, credential);
      case 'basic':
        return this.#verifyBasic(attempt, credential.value);
      case 'client-certificate':
        return this.#verifyCertificate(attempt, credential.value);
      case 'own': {
        const { reader, value } = credential;
        const verify = (): PrincipalAnswer => reader.verify(value, attempt.signal, attempt.handshake!);
        return this.#guess(attempt, reader.kind, reader.kind, verify);
      }
    }
  }

  #verifyToken(
    attempt: HandshakeAttempt,
    credential: PresentedToken,
  ): VerifiedBasis | Promise<VerifiedBasis> {
    if (credential.kind === 'bearer') return this.#verifyBearer(attempt, credential.value);
    return {
      basis: { mode: 'ticket', ticket: this.#readTicket(attempt, credential.value) },
      credential: 'ticket',
    };
  }

  async #verifyBasic(attempt: HandshakeAttempt, { user, password }: BasicCredential): Promise<VerifiedBasis> {
    const { basic } = this.#options;
    if (basic?.tokenUser !== undefined && user === basic.tokenUser) {
      const kind = password.startsWith('wst_') ? 'ticket' : 'bearer';
      return { ...(await this.#verifyToken(attempt, { kind, value: password })), credential: 'basic' };
    }
    const verify = basic?.verify;
    if (!verify) throw unauthorized(attempt, 'basic_user_unknown');
    return this.#guess(attempt, 'basic', user, () => verify(user, password, attempt.handshake!));
  }

  /** A certificate cannot be guessed: TLS has seen that its key is there. */
  async #verifyCertificate(attempt: HandshakeAttempt, certificate: PeerCertificate): Promise<VerifiedBasis> {
    const ask = this.#options.clientCertificate?.principal;
    const verify = (): PrincipalAnswer => ask?.(certificate, attempt.handshake!) ?? null;
    const basis = await this.#ask(attempt, 'client-certificate', verify);
    const endsAt = Date.parse(certificate.valid_to);
    return Number.isNaN(endsAt) ? basis : { ...basis, endsAt };
  }

  /** Verifies what could be guessed: after too many failures of this address nobody looks at it any more. */
  async #guess(
    attempt: HandshakeAttempt,
    kind: CredentialKind,
    claim: string,
    verify: () => PrincipalAnswer,
  ): Promise<VerifiedBasis> {
    attempt.claim = `${kind}:${claim}`;
    const guess = await this.#beginGuess(attempt, claim);
    if (guess.retryAfterMs > 0) {
      const { retryAfterMs } = guess;
      throw new HandshakeRefused('rate_limited', 'too_many_failures', { retryAfterMs });
    }
    let hasFailed = true;
    try {
      const basis = await this.#ask(attempt, kind, verify);
      hasFailed = false;
      return basis;
    } catch (error) {
      // Where nobody could tell, nothing was learnt. A client that leaves before it is told has guessed.
      hasFailed = error instanceof HandshakeRefused;
      throw error;
    } finally {
      guess.end(hasFailed);
    }
  }

  /** One that nobody waits for any more is ended when it begins. */
  async #beginGuess(attempt: HandshakeAttempt, claim: string): Promise<Guess> {
    const beginning = this.#options.failures.begin(attempt.address!.prefix, claim);
    try {
      return await this.#timer.wait(attempt, beginning);
    } catch (error) {
      beginning.then(({ end }) => end(false)).catch(() => {});
      throw error;
    }
  }

  async #ask(
    attempt: HandshakeAttempt,
    credential: CredentialKind,
    verify: () => PrincipalAnswer,
  ): Promise<VerifiedBasis> {
    // Before anybody is asked: what is revoked while the answer is awaited was proved before that.
    const provedAt = this.#options.clock();
    const answer = verify();
    const init: unknown = isThenable(answer)
      ? await this.#timer.wait(attempt, Promise.resolve(answer))
      : answer;
    const principal = init === null ? null : createPrincipal(init, this.#options.principalIdPattern);
    if (!principal) throw unauthorized(attempt, `${credential}_refused`);
    attempt.principalId = principal.id;
    const userHash = userHashOf(this.#userHashKey, principal.id);
    if (attempt.sessionId !== undefined && userHashOfSession(attempt.sessionId) !== userHash)
      throw unauthorized(attempt, 'credential_conflict');
    return {
      basis: { mode: 'principal', principal, userHash, issuedAt: provedAt, tokenHash: undefined },
      credential,
      provedAt,
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

  #verifyBearer(attempt: HandshakeAttempt, value: string): VerifiedBasis | Promise<VerifiedBasis> {
    if (!this.#verifier) throw unauthorized(attempt, 'credential_kind_not_accepted');
    const verification = this.#verifier.verify(value, attempt);
    if (!(verification instanceof Promise)) return this.#basisOfToken(attempt, verification);
    return this.#timer.wait(attempt, verification).then((token) => this.#basisOfToken(attempt, token));
  }

  #basisOfToken(attempt: HandshakeAttempt, token: VerifiedToken): VerifiedBasis {
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

/** Promises of other realms and libraries too. */
function isThenable(answer: PrincipalAnswer): answer is Promise<PrincipalInit | null> {
  return typeof (answer as { then?: unknown } | null)?.then === 'function';
}
