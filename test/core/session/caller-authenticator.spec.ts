import { beforeEach, describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../../lib/core/errors.js';
import { newSessionToken, tokenHashOf } from '../../../lib/core/identifiers.js';
import { CallerAuthenticator, type CallerFacts } from '../../../lib/core/session/caller-authenticator.js';
import type { IssuedSession } from '../../../lib/core/session/session-service.js';
import { coreHarness, ISSUER, type CoreHarness } from '../../support/core-harness.js';

describe('CallerAuthenticator', () => {
  let core: CoreHarness;
  let callers: CallerAuthenticator;
  let login: IssuedSession;

  beforeEach(async () => {
    core = coreHarness();
    callers = new CallerAuthenticator(core);
    login = await core.sessions.create({ userId: 'u1', roles: ['member'], scopes: ['read', 'write'] });
  });

  const ask = (facts: Partial<CallerFacts>) =>
    callers.authenticate({
      authorization: undefined,
      cookie: undefined,
      transport: { secure: true, loopback: false },
      ...facts,
    });
  const cookieOf = (token: string) => `__Host-sid=${token}`;

  it('finds nobody in a request without a credential', async () => {
    expect(await ask({})).toBeNull();
    expect(await ask({ cookie: 'other=1' })).toBeNull();
  });

  describe('by cookie', () => {
    it('finds the session', async () => {
      expect(await ask({ cookie: cookieOf(login.token) })).toMatchObject({
        principal: { id: 'u1', roles: ['member'], scopes: ['read', 'write'] },
        session: { id: login.session.id },
        sessionToken: login.token,
        narrowing: undefined,
        authenticatedAt: login.session.authenticatedAt,
        token: undefined,
      });
    });

    it.each([
      ['of an unknown session (CK-04)', () => cookieOf(newSessionToken('user-hash-000001'))],
      ['of another form', () => cookieOf('nonsense')],
      ['that holds the id instead of the token', () => cookieOf(login.session.id)],
      ['that is there twice (CK-02)', () => `${cookieOf(login.token)}; ${cookieOf(login.token)}`],
      ['without its prefix (CK-01)', () => `sid=${login.token}`],
    ])('finds nobody by a cookie %s', async (_, cookie) => {
      expect(await ask({ cookie: cookie() })).toBeNull();
    });

    it('tells the audit log of two cookies, and of nothing else that finds nobody (CK-02)', async () => {
      const place = {
        ip: '203.0.113.9',
        ipSource: 'socket',
        origin: 'https://app.example',
        path: '/orders',
      } as const;
      const before = core.events.length;
      await ask({ cookie: 'other=1', place });
      await ask({ cookie: cookieOf('nonsense'), place });
      expect(core.events).toHaveLength(before);
      const twice = `${cookieOf(login.token)}; ${cookieOf('planted')}`;
      const authorization = `Bearer ${core.verifier.mint({ user: 'u1' })}`;
      for (const facts of [{ cookie: twice }, { cookie: twice, authorization }])
        expect(await ask({ ...facts, place })).toBeNull();
      expect(core.events.slice(before)).toEqual(
        Array(2).fill(
          expect.objectContaining({
            ...place,
            event: 'authn_login_fail',
            outcome: 'refused',
            reasonCode: 'cookie_tossing_suspected',
            status: 401,
            method: 'cookie',
          }),
        ),
      );
      expect(JSON.stringify(core.events.slice(before))).not.toMatch(/planted/);
    });

    it('finds nobody when the session was revoked or ran out', async () => {
      const other = await core.sessions.create({ userId: 'u1' });
      await core.revocations.revoke({ session: other.token });
      expect(await ask({ cookie: cookieOf(other.token) })).toBeNull();
      await core.advance(1_800_000);
      expect(await ask({ cookie: cookieOf(login.token) })).toBeNull();
    });
  });

  describe('by bearer token', () => {
    it('finds a principal without session', async () => {
      const issuedAt = core.clock() - 5_000;
      const token = core.verifier.mint({ user: 'machine', roles: ['worker'], jti: 'jti-1', issuedAt });
      expect(await ask({ authorization: `bearer ${token}` })).toEqual({
        principal: { id: 'machine', roles: ['worker'], scopes: [] },
        session: undefined,
        sessionToken: undefined,
        narrowing: undefined,
        authenticatedAt: issuedAt,
        authTime: issuedAt,
        token: { hash: tokenHashOf(ISSUER, 'jti-1'), expiresAt: core.clock() + 3_600_000 },
      });
    });

    it('finds the session that the token names, with no more rights than the token has', async () => {
      const narrowing = { scopes: ['read', 'admin'] };
      const token = core.verifier.mint({ user: 'u1', sid: login.session.id, narrowing });
      expect(await ask({ authorization: `Bearer ${token}` })).toMatchObject({
        principal: { id: 'u1', roles: ['member'], scopes: ['read'] },
        session: { id: login.session.id },
        sessionToken: undefined,
        narrowing,
      });
    });

    it('takes it together with the cookie of the same session, or of the same user', async () => {
      const inSession = core.verifier.mint({ user: 'u1', sid: login.session.id });
      const alone = core.verifier.mint({ user: 'u1' });
      for (const token of [inSession, alone]) {
        const caller = await ask({ authorization: `Bearer ${token}`, cookie: cookieOf(login.token) });
        expect(caller?.principal.id).toBe('u1');
      }
    });

    it('finds nobody when token and cookie do not agree on user or session (CR-01)', async () => {
      const stranger = core.verifier.mint({ user: 'u2' });
      expect(await ask({ authorization: `Bearer ${stranger}`, cookie: cookieOf(login.token) })).toBeNull();
      const other = await core.sessions.create({ userId: 'u1' });
      const elsewhere = core.verifier.mint({ user: 'u1', sid: other.session.id });
      expect(await ask({ authorization: `Bearer ${elsewhere}`, cookie: cookieOf(login.token) })).toBeNull();
    });

    it('finds nobody by a token that names the session of another user', async () => {
      const token = core.verifier.mint({ user: 'u2', sid: login.session.id });
      expect(await ask({ authorization: `Bearer ${token}` })).toBeNull();
    });

    it('finds nobody by a token whose session has ended (TK-06)', async () => {
      const token = core.verifier.mint({ user: 'u1', sid: login.session.id });
      await core.revocations.revoke({ session: login.token });
      expect(await ask({ authorization: `Bearer ${token}` })).toBeNull();
    });

    it('finds nobody by a token that was revoked: itself, by its user or with everyone (JW-05, SE-06)', async () => {
      const mint = (jti: string) => core.verifier.mint({ user: 'u2', jti });
      const [byToken, byUser] = [mint('jti-1'), mint('jti-2')];
      await core.revocations.revoke({ token: byToken });
      expect(await ask({ authorization: `Bearer ${byToken}` })).toBeNull();
      expect(await ask({ authorization: `Bearer ${mint('jti-1')}` })).toBeNull();
      expect(await ask({ authorization: `Bearer ${byUser}` })).not.toBeNull();
      await core.revocations.revoke({ user: 'u2' });
      expect(await ask({ authorization: `Bearer ${byUser}` })).toBeNull();
      const stranger = core.verifier.mint({ user: 'u3' });
      await core.revocations.revoke({ everyone: true });
      expect(await ask({ authorization: `Bearer ${stranger}` })).toBeNull();
    });

    it('keeps a token whose session was kept when all others were revoked (SE-06)', async () => {
      const token = core.verifier.mint({ user: 'u1', sid: login.session.id, issuedAt: core.clock() - 5_000 });
      await core.advance(10);
      await core.revocations.revoke({ user: 'u1', except: login.token });
      expect(await ask({ authorization: `Bearer ${token}` })).not.toBeNull();
    });

    it.each(['Bearer forged', 'Bearer', 'Bearer  a', 'Bearer a b', 'Digest x', ''])(
      'finds nobody by "%s", whatever the cookie says (CR-03)',
      async (authorization) => {
        expect(await ask({ authorization, cookie: cookieOf(login.token) })).toBeNull();
      },
    );

    it('goes by the cookie beside Basic, which a browser adds by itself', async () => {
      const caller = await ask({ authorization: 'Basic dTpw', cookie: cookieOf(login.token) });
      expect(caller?.session?.id).toBe(login.session.id);
      expect(await ask({ authorization: 'Basic dTpw' })).toBeNull();
    });

    it('finds nobody where nothing can verify a token', async () => {
      const deaf = new CallerAuthenticator({ ...core, verifier: undefined });
      const token = core.verifier.mint();
      const transport = { secure: true, loopback: false };
      const facts = { authorization: `Bearer ${token}`, cookie: undefined, transport };
      expect(await deaf.authenticate(facts)).toBeNull();
    });
  });

  it('throws when nobody can tell', async () => {
    core.verifier.failure = new StoreUnavailable('keys are away');
    await expect(ask({ authorization: 'Bearer token' })).rejects.toBe(core.verifier.failure);
  });
});
