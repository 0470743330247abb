import { beforeEach, describe, expect, it } from 'vitest';
import { AttemptTimer } from '../../../lib/core/handshake/attempt-timer.js';
import {
  basisOfCookie,
  CredentialVerifier,
  userHashOfBasis,
  type CredentialVerifierOptions,
  type VerifiedBasis,
} from '../../../lib/core/handshake/credential-verifier.js';
import type { PresentedCredential } from '../../../lib/core/handshake/credential-reader.js';
import { HandshakeAttempt } from '../../../lib/core/handshake/handshake-attempt.js';
import { PRINCIPAL_ID_PATTERN } from '../../../lib/core/principal.js';
import { FailureLimiter } from '../../../lib/core/throttle/failure-limiter.js';
import { newSessionToken, newTicket, parseTicket, sessionIdOf } from '../../../lib/core/identifiers.js';
import {
  coreHarness,
  GATEWAY_PATH,
  gatewayPolicy,
  HANDSHAKE,
  refusalOf,
  type CoreHarness,
} from '../../support/core-harness.js';

describe('CredentialVerifier', () => {
  let core: CoreHarness;
  let attempt: HandshakeAttempt;
  let credentials: CredentialVerifier;
  beforeEach(() => {
    core = coreHarness();
    attempt = new HandshakeAttempt();
    attempt.gateway = gatewayPolicy();
    attempt.handshake = HANDSHAKE;
    credentials = build();
  });

  function build(change: Partial<CredentialVerifierOptions> = {}): CredentialVerifier {
    const { verifier, userHashKey, wheel, clock } = core;
    const failures = new FailureLimiter({
      store: core.stores.throttle,
      expectedNodes: 2,
      clock,
      onAway: () => {},
    });
    return new CredentialVerifier({
      verifier,
      basic: undefined,
      clientCertificate: undefined,
      principalIdPattern: PRINCIPAL_ID_PATTERN,
      failures,
      userHashKey,
      timer: new AttemptTimer(wheel, 5_000),
      clock,
      ...change,
    });
  }

  const sessionIdFor = (user: string): string => sessionIdOf(newSessionToken(core.hashOf(user)))!;
  const verify = async (credential: PresentedCredential, by = credentials): Promise<VerifiedBasis> =>
    by.verify(attempt, credential);
  const bearer = (facts: Parameters<CoreHarness['verifier']['mint']>[0] = {}) =>
    verify({ kind: 'bearer', value: core.verifier.mint(facts) });

  it('makes of a ticket what it is compared with', async () => {
    const { ticket } = newTicket(core.hashOf('u1'));
    attempt.sessionId = sessionIdFor('u1');
    const { basis, credential } = await verify({ kind: 'ticket', value: ticket });
    const { origin } = HANDSHAKE;
    const { sessionId } = attempt;
    const presented = { ...parseTicket(ticket), use: 'connect', origin, path: GATEWAY_PATH, sessionId };
    expect({ basis, credential }).toEqual({
      basis: { mode: 'ticket', ticket: presented },
      credential: 'ticket',
    });
    expect(userHashOfBasis(basis)).toBe(core.hashOf('u1'));
    expect(attempt.ticketHash).toBe(parseTicket(ticket)!.hash);
  });

  it('refuses a ticket that cannot be one, and asks nobody (TK-09)', async () => {
    const work = verify({ kind: 'ticket', value: 'wst_short' });
    expect(await refusalOf(work)).toMatchObject({ reason: 'ticket_malformed' });
  });

  it('makes a principal of a token, and a session of one that names it', async () => {
    const alone = await bearer({ user: 'u1', jti: 'j' });
    expect(alone.basis).toMatchObject({
      mode: 'principal',
      userHash: core.hashOf('u1'),
      issuedAt: core.clock(),
    });
    const sid = sessionIdFor('u1');
    expect((await bearer({ user: 'u1', sid })).basis).toMatchObject({ mode: 'session', sessionId: sid });
  });

  it.each([
    ['a cookie of another user', () => ({ cookie: sessionIdFor('u2') }), 'credential_conflict'],
    [
      'a cookie of another session',
      () => ({ cookie: sessionIdFor('u1'), sid: sessionIdFor('u1') }),
      'credential_conflict',
    ],
    ['the session of another user', () => ({ sid: sessionIdFor('u2') }), 'session_of_another_user'],
  ])('refuses a token beside %s', async (_, make, reason) => {
    const { cookie, sid } = make() as { cookie?: string; sid?: string };
    attempt.sessionId = cookie;
    expect(await refusalOf(bearer({ user: 'u1', ...(sid ? { sid } : {}) }))).toMatchObject({ reason });
  });

  it('refuses every token where none can be verified', async () => {
    const none = build({ verifier: undefined });
    const work = verify({ kind: 'bearer', value: 'any' }, none);
    expect(await refusalOf(work)).toMatchObject({ reason: 'credential_kind_not_accepted' });
  });

  it('takes a cookie by the session that it names', () => {
    const sessionId = sessionIdFor('u1');
    const { basis, credential } = basisOfCookie(sessionId);
    expect(basis).toEqual({ mode: 'session', sessionId, userHash: core.hashOf('u1') });
    expect([credential, userHashOfBasis(basis)]).toEqual(['cookie', core.hashOf('u1')]);
  });
});
