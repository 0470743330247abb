import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../lib/core/identifiers.js';
import { isLaterEntry } from '../../lib/core/revocation/revocation-log.js';
import type {
  AdmissionBasis,
  AdmissionRequest,
  AdmissionResult,
  Admitted,
  ConnectionPlace,
} from '../../lib/core/session/connection-registry.js';
import {
  admission,
  byPrincipal,
  bySession,
  byTicket,
  createSession,
  hear,
  issueTicket,
  newSessionId,
  newUserHash,
  pass,
  principalFor,
  revokeSession,
  revokeUser,
  type MakeStores,
  type StoresUnderTest,
} from './store-harness.js';

/** What every connection registry does. */
export function describeConnectionRegistry(name: string, makeStores: MakeStores): void {
  describe(`ConnectionRegistry (${name})`, () => {
    let under: StoresUnderTest;
    let userHash: string;

    beforeEach(async () => {
      under = await makeStores();
      userHash = newUserHash();
    });

    afterEach(() => under.stop());

    const admit = (basis: AdmissionBasis, change: Partial<AdmissionRequest> = {}): Promise<AdmissionResult> =>
      under.stores.connections.admit(admission(under, basis, change));

    const mustAdmit = async (
      basis: AdmissionBasis,
      change: Partial<AdmissionRequest> = {},
    ): Promise<Admitted> => {
      const result = await admit(basis, change);
      if (result.outcome !== 'admitted') throw new Error(`not admitted: ${result.outcome}`);
      return result;
    };

    const count = (): Promise<number> => under.stores.connections.countOf(userHash);

    describe('admit', () => {
      it('admits by a session, and answers it as it is', async () => {
        const session = await createSession(under, userHash, { tenant: 'acme' });
        const connectionId = newId();
        const admitted = await mustAdmit(bySession(userHash, session.id), { connectionId });
        expect(admitted).toMatchObject({
          connectionId,
          userHash,
          session,
          ticket: undefined,
          evicted: undefined,
        });
        const { userId: id, roles, scopes } = session;
        expect(admitted.principal).toEqual({ id, roles, scopes, tenant: 'acme' });
        expect(await count()).toBe(1);
      });

      it('admits by a ticket of a session, and answers both', async () => {
        const session = await createSession(under, userHash);
        const record = {
          sessionId: session.id,
          narrowing: { scopes: ['read'] },
          origin: 'https://app.example.com',
        };
        const ticket = await issueTicket(under, userHash, { record });
        const admitted = await mustAdmit(byTicket(ticket));
        expect(admitted).toMatchObject({ userHash, session: { id: session.id }, ticket: record });
        expect(admitted.principal.scopes).toEqual(session.scopes);
        expect(await admit(byTicket(ticket))).toEqual({ outcome: 'ticket_unknown', replayed: true });
        expect(await count()).toBe(1);
      });

      it('admits by a ticket of a principal', async () => {
        const principal = principalFor(userHash, ['machine']);
        const ticket = await issueTicket(under, userHash, { record: { principal } });
        const admitted = await mustAdmit(byTicket(ticket));
        expect(admitted.principal).toEqual(principal);
        expect(admitted.session).toBeUndefined();
        expect(await count()).toBe(1);
      });

      it('admits by a principal', async () => {
        const admitted = await mustAdmit(byPrincipal(under, userHash));
        expect(admitted).toMatchObject({ userHash, session: undefined, ticket: undefined });
        expect(admitted.principal).toEqual(principalFor(userHash));
      });

      it('refuses a session that never was or has ended, and registers nothing', async () => {
        const session = await createSession(under, userHash);
        await revokeSession(under, session);
        expect(await admit(bySession(userHash, session.id))).toEqual({ outcome: 'session_unknown' });
        expect(await admit(bySession(userHash, newSessionId(userHash)))).toEqual({
          outcome: 'session_unknown',
        });
        expect(await count()).toBe(0);
      });

      it('refuses an unknown ticket, and a known one for another path, which it burns (TK-04, TK-05)', async () => {
        const session = await createSession(under, userHash);
        const ticket = await issueTicket(under, userHash, { record: { sessionId: session.id, path: '/ws' } });
        const never = { ...ticket, hash: 'x'.repeat(22) };
        expect(await admit(byTicket(never))).toEqual({ outcome: 'ticket_unknown', replayed: false });
        const elsewhere = { ...ticket, path: '/other' };
        expect(await admit(byTicket(elsewhere))).toEqual({ outcome: 'ticket_mismatch', binding: 'path' });
        expect(await admit(byTicket(ticket))).toEqual({ outcome: 'ticket_unknown', replayed: true });
        expect(await count()).toBe(0);
      });

      it('refuses, and burns, a ticket whose session has ended (TK-06)', async () => {
        const session = await createSession(under, userHash);
        const ticket = await issueTicket(under, userHash, { record: { sessionId: session.id } });
        await revokeSession(under, session);
        expect(await admit(byTicket(ticket))).toEqual({ outcome: 'session_unknown' });
        expect(await admit(byTicket(ticket))).toEqual({ outcome: 'ticket_unknown', replayed: true });
      });

      it('refuses a ticket that was issued for a connection of another kind', async () => {
        const session = await createSession(under, userHash);
        const record = { sessionId: session.id, use: 'cookie' as const };
        const ticket = await issueTicket(under, userHash, { record });
        const presented = { ...ticket, use: 'connect' as const };
        expect(await admit(byTicket(presented))).toEqual({ outcome: 'ticket_mismatch', binding: 'use' });
      });

      it('refuses what a revocation of the user has overtaken, in its very millisecond too (SE-06)', async () => {
        const basis = byPrincipal(under, userHash);
        const ticket = await issueTicket(under, userHash, { record: { principal: principalFor(userHash) } });
        await revokeUser(under, userHash);
        expect(await admit(basis)).toEqual({ outcome: 'revoked' });
        expect(await admit(byTicket(ticket))).toEqual({ outcome: 'revoked' });
        expect(await admit(byPrincipal(under, userHash, { issuedAt: under.now() + 2_000 }))).toMatchObject({
          outcome: 'admitted',
        });
      });

      it('admits a principal whose credential was issued at the time from which on credentials are good', async () => {
        const issuedBefore = under.now() - 2_000;
        await revokeUser(under, userHash, { issuedBefore });
        const older = byPrincipal(under, userHash, { issuedAt: issuedBefore - 1 });
        expect(await admit(older)).toEqual({ outcome: 'revoked' });
        await mustAdmit(byPrincipal(under, userHash, { issuedAt: issuedBefore }));
      });

      it('refuses what a revocation of everyone has overtaken', async () => {
        const basis = byPrincipal(under, userHash);
        await under.stores.revocations.append({ kind: 'everyone', issuedBefore: undefined }, 'test');
        expect(await admit(basis)).toEqual({ outcome: 'revoked' });
      });

      it('refuses a token that was revoked, whatever it is used for (JW-05, TK-06)', async () => {
        const tokenHash = `token-${userHash}`;
        const session = await createSession(under, userHash);
        const token = { hash: tokenHash, expiresAt: under.now() + 60_000 };
        const ticket = await issueTicket(under, userHash, { record: { sessionId: session.id, token } });
        const other = await issueTicket(under, userHash, {
          record: { principal: principalFor(userHash), token },
        });
        await under.stores.revocations.append(
          { kind: 'token', tokenHash, userHash, rememberMs: 60_000 },
          'test',
        );
        expect(await admit(byPrincipal(under, userHash, { tokenHash }))).toEqual({ outcome: 'revoked' });
        expect(await admit(bySession(userHash, session.id, tokenHash))).toEqual({ outcome: 'revoked' });
        expect(await admit(byTicket(ticket))).toEqual({ outcome: 'revoked' });
        expect(await admit(byTicket(other))).toEqual({ outcome: 'revoked' });
        await mustAdmit(bySession(userHash, session.id, `other-${userHash}`));
        await mustAdmit(bySession(userHash, session.id));
      });

      it('restarts the idle time of the session when that is asked, and only then (SE-08)', async () => {
        const session = await createSession(under, userHash, { idleMs: 1_000 });
        await pass(under, 400);
        const untouched = await mustAdmit(bySession(userHash, session.id), { touch: false });
        expect(untouched.session!.remainingMs).toBeLessThanOrEqual(600);
        const touched = await mustAdmit(bySession(userHash, session.id), { touch: true });
        expect(touched.session!.remainingMs).toBeGreaterThan(900);
        const [live] = await under.stores.sessions.get([session.id]);
        expect(live!.remainingMs).toBeGreaterThan(800);
      });

      it('answers the last entry of the log that it has seen', async () => {
        const session = await createSession(under, userHash);
        const other = await createSession(under, userHash);
        const before = await revokeSession(under, other);
        const { logTail } = await mustAdmit(bySession(userHash, session.id));
        const after = await revokeSession(under, session);
        expect(isLaterEntry(before.entry.id, logTail)).toBe(false);
        expect(isLaterEntry(after.entry.id, logTail)).toBe(true);
      });
    });

    describe('order of the checks', () => {
      const rate = () => ({ key: `address-${userHash}`, limit: 60, windowMs: 60_000, burst: 2 });

      it('changes nothing when it comes too late', async () => {
        const session = await createSession(under, userHash, { idleMs: 1_000 });
        const ticket = await issueTicket(under, userHash, { record: { sessionId: session.id } });
        await pass(under, 300);
        const late = { deadline: under.now() - 1_000, rate: { ...rate(), burst: 1 } };
        expect((await admit(byTicket(ticket), late)).outcome).toBe('late');
        expect((await admit(byTicket(ticket), late)).outcome).toBe('late');
        expect(await count()).toBe(0);
        const [live] = await under.stores.sessions.get([session.id]);
        expect(live!.remainingMs).toBeLessThanOrEqual(700);
        await mustAdmit(byTicket(ticket), { rate: { ...rate(), burst: 1 } });
      });

      it('refuses by rate before it looks at the ticket, which stays good (TH-01)', async () => {
        const session = await createSession(under, userHash);
        const ticket = await issueTicket(under, userHash, { record: { sessionId: session.id } });
        await mustAdmit(byPrincipal(under, userHash), { rate: rate() });
        await mustAdmit(byPrincipal(under, userHash), { rate: rate() });
        const refused = await admit(byTicket(ticket), { rate: rate() });
        expect(refused.outcome).toBe('rate');
        const { retryAfterMs } = refused as { retryAfterMs: number };
        expect(retryAfterMs).toBeGreaterThan(0);
        expect(retryAfterMs).toBeLessThanOrEqual(1_000);
        expect(await count()).toBe(2);
        await mustAdmit(byTicket(ticket), { rate: { ...rate(), key: `elsewhere-${userHash}` } });
      });

      it('lets exactly the burst of an address through when all come at once (TH-01)', async () => {
        const results = await Promise.all(
          Array.from({ length: 40 }, () =>
            admit(byPrincipal(under, userHash), { rate: { ...rate(), burst: 10 } }),
          ),
        );
        expect(results.filter(({ outcome }) => outcome === 'admitted')).toHaveLength(10);
        expect(results.filter(({ outcome }) => outcome === 'rate')).toHaveLength(30);
      });

      it('counts what the throttle store counts under the same key and rate (TH-01)', async () => {
        const { key, ...each } = rate();
        expect(await under.stores.throttle.take(key, each, 1)).toMatchObject({ allowed: true });
        await mustAdmit(byPrincipal(under, userHash), { rate: rate() });
        expect((await admit(byPrincipal(under, userHash), { rate: rate() })).outcome).toBe('rate');
        expect(await under.stores.throttle.take(key, each, 1)).toMatchObject({ allowed: false });
        await mustAdmit(byPrincipal(under, userHash), { rate: { ...rate(), burst: 3 } });
      });

      it('counts a refused credential in the rate (TH-01)', async () => {
        const bad = bySession(userHash, newSessionId(userHash));
        expect((await admit(bad, { rate: rate() })).outcome).toBe('session_unknown');
        expect((await admit(bad, { rate: rate() })).outcome).toBe('session_unknown');
        expect((await admit(bad, { rate: rate() })).outcome).toBe('rate');
      });

      it('burns the ticket of a connection that is refused by a limit', async () => {
        const session = await createSession(under, userHash);
        const ticket = await issueTicket(under, userHash, { record: { sessionId: session.id } });
        await mustAdmit(bySession(userHash, session.id));
        expect(await admit(byTicket(ticket), { maxPerUser: 1 })).toEqual({ outcome: 'limit', of: 'user' });
        expect(await admit(byTicket(ticket))).toEqual({ outcome: 'ticket_unknown', replayed: true });
        expect(await count()).toBe(1);
      });
    });

    describe('limits (SE-07)', () => {
      it('are exact for a user when 40 ask at once', async () => {
        const results = await Promise.all(
          Array.from({ length: 40 }, () => admit(byPrincipal(under, userHash), { maxPerUser: 5 })),
        );
        expect(results.filter(({ outcome }) => outcome === 'admitted')).toHaveLength(5);
        expect(results.filter(({ outcome }) => outcome === 'limit')).toHaveLength(35);
        expect(await count()).toBe(5);
      });

      it('are exact for a session when 40 ask at once', async () => {
        const session = await createSession(under, userHash);
        const results = await Promise.all(
          Array.from({ length: 40 }, () => admit(bySession(userHash, session.id), { maxPerSession: 5 })),
        );
        expect(results.filter(({ outcome }) => outcome === 'admitted')).toHaveLength(5);
        expect(results).toContainEqual({ outcome: 'limit', of: 'session' });
        expect(await count()).toBe(5);
      });

      it('of a session do not count other sessions, those of a user count all', async () => {
        const [one, two] = [await createSession(under, userHash), await createSession(under, userHash)];
        await mustAdmit(bySession(userHash, one.id), { maxPerSession: 1, maxPerUser: 3 });
        await mustAdmit(bySession(userHash, two.id), { maxPerSession: 1, maxPerUser: 3 });
        await mustAdmit(byPrincipal(under, userHash), { maxPerSession: 1, maxPerUser: 3 });
        expect(await admit(bySession(userHash, one.id), { maxPerSession: 1, maxPerUser: 4 })).toEqual({
          outcome: 'limit',
          of: 'session',
        });
        expect(await admit(byPrincipal(under, userHash), { maxPerSession: 1, maxPerUser: 3 })).toEqual({
          outcome: 'limit',
          of: 'user',
        });
      });

      it('do not count other users', async () => {
        await mustAdmit(byPrincipal(under, newUserHash()), { maxPerUser: 1 });
        await mustAdmit(byPrincipal(under, userHash), { maxPerUser: 1 });
        expect(await count()).toBe(1);
      });

      it('make room by the oldest connection of the user, and say which', async () => {
        const ids = [];
        for (let index = 0; index < 3; index += 1) {
          ids.push((await mustAdmit(byPrincipal(under, userHash))).connectionId);
          await pass(under, 5);
        }
        const change = { maxPerUser: 3, onLimit: 'replace-oldest' as const };
        const fourth = await mustAdmit(byPrincipal(under, userHash), change);
        expect(fourth.evicted).toEqual({ node: expect.any(String), connectionId: ids[0] });
        await pass(under, 5);
        const fifth = await mustAdmit(byPrincipal(under, userHash), change);
        expect(fifth.evicted?.connectionId).toBe(ids[1]);
        expect(await count()).toBe(3);
      });

      it('make room by the oldest connection of the session when the session is full', async () => {
        const [one, two] = [await createSession(under, userHash), await createSession(under, userHash)];
        await mustAdmit(bySession(userHash, one.id));
        await pass(under, 5);
        const oldest = await mustAdmit(bySession(userHash, two.id));
        await pass(under, 5);
        await mustAdmit(bySession(userHash, two.id));
        const change = { maxPerSession: 2, onLimit: 'replace-oldest' as const };
        const admitted = await mustAdmit(bySession(userHash, two.id), change);
        expect(admitted.evicted?.connectionId).toBe(oldest.connectionId);
        expect(await count()).toBe(3);
      });

      it('write into the log who has to make room, before they answer (SE-07)', async () => {
        const heard = hear(under, userHash);
        const { connectionId } = await mustAdmit(byPrincipal(under, userHash));
        const change = { maxPerUser: 1, onLimit: 'replace-oldest' as const };
        const { evicted, logTail } = await mustAdmit(byPrincipal(under, userHash), change);
        const order = { kind: 'replace', userHash, connectionId, node: evicted!.node };
        expect(heard).toMatchObject([{ order, id: logTail, reason: 'replaced', cut: undefined }]);
        // In its place, between what was before and what comes after.
        await revokeUser(under, userHash);
        expect(heard.map((entry) => entry.order.kind)).toEqual(['replace', 'user']);
        expect(isLaterEntry(heard[1]!.id, logTail)).toBe(true);
      });

      it('write nothing into the log where nobody has to make room', async () => {
        const heard = hear(under, userHash);
        await mustAdmit(byPrincipal(under, userHash));
        await admit(byPrincipal(under, userHash), { maxPerUser: 1 });
        expect(heard).toEqual([]);
      });

      it('evict nobody while there is room', async () => {
        await mustAdmit(byPrincipal(under, userHash));
        const change = { maxPerUser: 2, onLimit: 'replace-oldest' as const };
        expect((await mustAdmit(byPrincipal(under, userHash), change)).evicted).toBeUndefined();
      });

      it('are exact when 40 push each other out at once', async () => {
        const change = { maxPerUser: 5, onLimit: 'replace-oldest' as const };
        const admitted = await Promise.all(
          Array.from({ length: 40 }, () => mustAdmit(byPrincipal(under, userHash), change)),
        );
        const evicted = admitted
          .map((result) => result.evicted?.connectionId)
          .filter((id) => id !== undefined);
        expect(evicted).toHaveLength(35);
        expect(new Set(evicted).size).toBe(35);
        expect(await count()).toBe(5);
      });
    });

    describe('admission of a connection that has its place', () => {
      it('is not counted twice, and needs no room', async () => {
        const session = await createSession(under, userHash);
        const connectionId = newId();
        const change = { connectionId, maxPerUser: 1, maxPerSession: 1 };
        await mustAdmit(bySession(userHash, session.id), change);
        await mustAdmit(bySession(userHash, session.id), change);
        const ticket = await issueTicket(under, userHash, { record: { sessionId: session.id } });
        await mustAdmit(byTicket(ticket), change);
        expect(await count()).toBe(1);
        expect(
          (await admit(bySession(userHash, session.id), { ...change, connectionId: newId() })).outcome,
        ).toBe('limit');
      });

      it('checks the credential anew, and leaves the place when it is refused', async () => {
        const session = await createSession(under, userHash);
        const connectionId = newId();
        await mustAdmit(bySession(userHash, session.id), { connectionId });
        await revokeSession(under, session);
        expect((await admit(bySession(userHash, session.id), { connectionId })).outcome).toBe(
          'session_unknown',
        );
        expect(await count()).toBe(1);
      });

      it('does not make it the newest', async () => {
        const oldest = newId();
        await mustAdmit(byPrincipal(under, userHash), { connectionId: oldest });
        await pass(under, 5);
        await mustAdmit(byPrincipal(under, userHash));
        await pass(under, 5);
        await mustAdmit(byPrincipal(under, userHash), { connectionId: oldest });
        const change = { maxPerUser: 2, onLimit: 'replace-oldest' as const };
        expect((await mustAdmit(byPrincipal(under, userHash), change)).evicted?.connectionId).toBe(oldest);
      });

      it('never pushes it out itself, when the limit is lower than before', async () => {
        const oldest = newId();
        await mustAdmit(byPrincipal(under, userHash), { connectionId: oldest });
        await pass(under, 5);
        const second = await mustAdmit(byPrincipal(under, userHash));
        const change = { connectionId: oldest, maxPerUser: 1, onLimit: 'replace-oldest' as const };
        expect((await mustAdmit(byPrincipal(under, userHash), change)).evicted?.connectionId).toBe(
          second.connectionId,
        );
        expect(await count()).toBe(1);
      });
    });

    describe('release', () => {
      it('gives the place back, once however often it is called', async () => {
        const { connectionId: id } = await mustAdmit(byPrincipal(under, userHash), { maxPerUser: 2 });
        await mustAdmit(byPrincipal(under, userHash), { maxPerUser: 2 });
        await under.stores.connections.release({ id, userHash });
        await under.stores.connections.release({ id, userHash });
        expect(await count()).toBe(1);
        await mustAdmit(byPrincipal(under, userHash), { maxPerUser: 2 });
        expect((await admit(byPrincipal(under, userHash), { maxPerUser: 2 })).outcome).toBe('limit');
      });

      it('gives many places back at once, of many users, and no others', async () => {
        const { connections } = under.stores;
        const users = Array.from({ length: 6 }, () => newUserHash());
        const places = await Promise.all(
          users.flatMap((user) =>
            [1, 2, 3].map(async () => ({
              id: (await mustAdmit(byPrincipal(under, user))).connectionId,
              userHash: user,
            })),
          ),
        );
        const isKept = (index: number): boolean => index % 3 === 2 || index < 3;
        await connections.releaseAll([
          ...places.filter((_, index) => !isKept(index)),
          { id: newId(), userHash: users[0]! },
        ]);
        const left = await Promise.all(users.map((user) => connections.list(user)));
        expect(
          left
            .flat()
            .map(({ id }) => id)
            .toSorted(),
        ).toEqual(places.flatMap(({ id }, index) => (isKept(index) ? [id] : [])).toSorted());
        await expect(connections.releaseAll([])).resolves.toBeUndefined();
      });

      it('does not mind a connection that never was', async () => {
        await expect(under.stores.connections.release({ id: newId(), userHash })).resolves.toBeUndefined();
        expect(await count()).toBe(0);
      });
    });

    describe('list', () => {
      const list = (): Promise<readonly ConnectionPlace[]> => under.stores.connections.list(userHash);

      it('answers where a user is connected, oldest first, and by which session', async () => {
        const session = await createSession(under, userHash);
        const before = under.now();
        const first = await mustAdmit(bySession(userHash, session.id));
        await pass(under, 5);
        const second = await mustAdmit(byPrincipal(under, userHash));
        const node = expect.any(String);
        const since = expect.any(Number);
        expect(await list()).toEqual([
          { id: first.connectionId, node, sessionId: session.id, since },
          { id: second.connectionId, node, sessionId: undefined, since },
        ]);
        for (const place of await list()) {
          expect(place.since).toBeGreaterThanOrEqual(before - 1_000);
          expect(place.since).toBeLessThanOrEqual(under.now() + 1_000);
        }
      });

      it('leaves out who has given the place back, and other users', async () => {
        const { connectionId: id } = await mustAdmit(byPrincipal(under, userHash));
        const stayed = await mustAdmit(byPrincipal(under, userHash));
        await mustAdmit(byPrincipal(under, newUserHash()));
        await under.stores.connections.release({ id, userHash });
        expect((await list()).map((place) => place.id)).toEqual([stayed.connectionId]);
        expect(await under.stores.connections.list(newUserHash())).toEqual([]);
      });

      it('names the new id of a session that was rotated', async () => {
        const session = await createSession(under, userHash);
        await mustAdmit(bySession(userHash, session.id));
        const newId = newSessionId(userHash);
        const order = { kind: 'rotate', userHash, sessionId: session.id, newSessionId: newId } as const;
        await under.stores.revocations.append(order, 'test');
        expect((await list()).map(({ sessionId }) => sessionId)).toEqual([newId]);
      });
    });

    it('moves the connections of a session that is rotated to its new id', async () => {
      const session = await createSession(under, userHash);
      await mustAdmit(bySession(userHash, session.id));
      await mustAdmit(bySession(userHash, session.id));
      const sessionId = newSessionId(userHash);
      const order = { kind: 'rotate', userHash, sessionId: session.id, newSessionId: sessionId } as const;
      await under.stores.revocations.append(order, 'test');
      expect(await count()).toBe(2);
      expect(await admit(bySession(userHash, sessionId), { maxPerSession: 2 })).toEqual({
        outcome: 'limit',
        of: 'session',
      });
      await mustAdmit(bySession(userHash, sessionId), { maxPerSession: 3 });
    });
  });
}
