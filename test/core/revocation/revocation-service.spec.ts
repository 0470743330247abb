import { beforeEach, describe, expect, it } from 'vitest';
import { newId, tokenHashOf } from '../../../lib/core/identifiers.js';
import type { RevocationEntry } from '../../../lib/core/revocation/revocation-log.js';
import {
  readSessionId,
  RevocationService,
  type RevocationSelector,
} from '../../../lib/core/revocation/revocation-service.js';
import type { IssuedSession } from '../../../lib/core/session/session-service.js';
import {
  coreHarness,
  grantOf,
  HANDSHAKE,
  ISSUER,
  principalOf,
  record,
  type CoreHarness,
} from '../../support/core-harness.js';

describe('RevocationService', () => {
  let core: CoreHarness;
  let login: IssuedSession;
  let entries: RevocationEntry[];

  beforeEach(async () => {
    core = coreHarness();
    login = await core.sessions.create({ userId: 'u1' });
    core.events.length = 0;
    entries = [];
    core.stores.revocations.follow((entry) => {
      entries.push(entry);
      return 0;
    });
  });

  const revoke = (selector: RevocationSelector) => core.revocations.revoke(selector);

  describe('revoke', () => {
    it.each(['id', 'token'] as const)('ends a session by its %s', async (by) => {
      await revoke({ session: by === 'id' ? login.session.id : login.token, reason: 'logout' });
      expect(entries).toMatchObject([
        {
          order: { kind: 'session', sessionId: login.session.id, userHash: core.hashOf('u1') },
          reason: 'logout',
        },
      ]);
      expect(await core.sessions.get(login.token)).toBeNull();
    });

    it('ends everything of a user', async () => {
      await revoke({ user: 'u1' });
      const order = {
        kind: 'user',
        userHash: core.hashOf('u1'),
        issuedBefore: undefined,
        exceptSessionId: undefined,
      };
      expect(entries).toMatchObject([{ order, reason: 'revoked', cut: core.clock() }]);
      expect(await core.sessions.get(login.token)).toBeNull();
    });

    it('keeps one session of a user, by its id or its token (SE-06)', async () => {
      const other = await core.sessions.create({ userId: 'u1' });
      await core.advance(10);
      await revoke({ user: 'u1', except: login.token });
      await revoke({ user: 'u1', except: login.session.id });
      expect(await core.sessions.get(login.token)).not.toBeNull();
      expect(await core.sessions.get(other.token)).toBeNull();
    });

    it.each([
      ['a number', (time: number) => time],
      ['a Date', (time: number) => new Date(time)],
    ])('takes "issuedBefore" as %s', async (_, form) => {
      await revoke({ user: 'u1', issuedBefore: form(core.clock() - 1_000) });
      await revoke({ everyone: true, issuedBefore: form(core.clock() - 1_000) });
      expect(entries).toMatchObject([{ cut: core.clock() - 1_000 }, { cut: core.clock() - 1_000 }]);
      expect(await core.sessions.get(login.token)).not.toBeNull();
    });

    it('ends everybody', async () => {
      const other = await core.sessions.create({ userId: 'u2' });
      await revoke({ everyone: true });
      expect([await core.sessions.get(login.token), await core.sessions.get(other.token)]).toEqual([
        null,
        null,
      ]);
    });

    it('ends a token that it can verify, remembered until five minutes after its end (JW-05)', async () => {
      const token = core.verifier.mint({ user: 'u1', jti: 'jti-1', expiresAt: core.clock() + 60_000 });
      await revoke({ token });
      const tokenHash = tokenHashOf(ISSUER, 'jti-1');
      expect(entries).toMatchObject([
        { order: { kind: 'token', tokenHash, userHash: core.hashOf('u1'), rememberMs: 360_000 } },
      ]);
    });

    it('ends a token by what identifies it, without verifying anything (JW-05)', async () => {
      const token = { issuer: ISSUER, jti: 'jti-1', subject: 'u1', expiresAt: core.clock() - 60_000 };
      await revoke({ token });
      expect(entries).toMatchObject([
        { order: { kind: 'token', tokenHash: tokenHashOf(ISSUER, 'jti-1'), rememberMs: 300_000 } },
      ]);
      expect(core.verifier.calls).toBe(0);
    });

    it('refuses a JWT that does not verify, or that cannot be told from others', async () => {
      await expect(revoke({ token: 'forged' })).rejects.toMatchObject({ code: 'token_rejected' });
      const nameless = core.verifier.mint({ user: 'u1' });
      await expect(revoke({ token: nameless })).rejects.toMatchObject({ code: 'invalid_selector' });
      expect(entries).toEqual([]);
    });

    it('refuses a JWT where nothing can verify one', async () => {
      const { stores, audit, clock, userHashKey } = core;
      const service = new RevocationService({ stores, audit, clock, userHashKey, verifier: undefined });
      await expect(service.revoke({ token: 'jwt' })).rejects.toMatchObject({ code: 'invalid_selector' });
    });

    it.each([
      ['nothing', {}],
      ['two things', { user: 'u1', everyone: true }],
      ['everyone that is not true', { everyone: false }],
      ['a user that is no text', { user: 1 }],
      ['a session of another form', { session: 'nonsense' }],
      ['"except" without a user', { everyone: true, except: 'x' }],
      ['"except" of another form', { user: 'u1', except: 'nonsense' }],
      ['"issuedBefore" with a session', { session: 'x', issuedBefore: 1 }],
      ['"issuedBefore" that is no number', { user: 'u1', issuedBefore: Number.NaN }],
      ['"issuedBefore" that is no date', { user: 'u1', issuedBefore: new Date('nonsense') }],
      ['a token reference without jti', { token: { issuer: ISSUER, subject: 'u1', expiresAt: 1 } }],
      [
        'a token reference without end',
        { token: { issuer: ISSUER, jti: 'j', subject: 'u1', expiresAt: Number.NaN } },
      ],
      ['a token that is null', { token: null }],
    ])('refuses %s', async (_, selector) => {
      const work = revoke(selector as unknown as RevocationSelector);
      await expect(work).rejects.toMatchObject({ code: 'invalid_selector' });
      expect([entries, core.events]).toEqual([[], []]);
    });

    it('answers how many sockets complied, when they are fenced (SE-01, SE-02)', async () => {
      const grant = grantOf({
        principal: principalOf('u1'),
        userHash: core.hashOf('u1'),
        session: login.session,
      });
      const connections = [1, 2, 3].map(() =>
        core.connections.open(newId(), HANDSHAKE, grant, '0-0', undefined),
      );
      const { closes } = record(connections[0]!);
      expect(await revoke({ session: login.token })).toEqual({ sockets: 3, nodes: 1, pending: 0 });
      expect(connections.map(({ isOpen }) => isOpen)).toEqual([false, false, false]);
      expect(closes).toEqual([{ code: 4410, reason: 'revoked;id=correlation-1' }]);
    });

    it('tells the audit log, with references instead of ids', async () => {
      await revoke({ session: login.token, reason: 'logout' });
      await revoke({ session: login.token });
      await revoke({ user: 'u1', reason: 'password_changed' });
      const sessionRef = core.audit.referenceOf(login.session.id);
      expect(core.events).toMatchObject([
        { event: 'session_logout', reasonCode: 'logout', sessionRef, sockets: 0 },
        { event: 'authn_token_revoked', reasonCode: 'revoked', sessionRef },
        { event: 'authn_token_revoked', reasonCode: 'password_changed', principal: 'u1' },
      ]);
      expect(JSON.stringify(core.events)).not.toContain(login.session.id);
    });
  });

  describe('readSessionId', () => {
    it('answers the id of an id and of a token', () => {
      expect([readSessionId(login.session.id), readSessionId(login.token)]).toEqual(
        Array(2).fill(login.session.id),
      );
    });

    it.each([undefined, null, 1, '', 'x', {}, ['a']])('refuses %j', (value) => {
      expect(() => readSessionId(value)).toThrow(expect.objectContaining({ code: 'invalid_selector' }));
    });
  });
});
