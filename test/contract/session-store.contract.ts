import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  admission,
  becomes,
  bySession,
  createSession,
  draftOf,
  issueTicket,
  lives,
  newSessionId,
  newUserHash,
  pass,
  revokeSession,
  revokeUser,
  type MakeStores,
  type StoresUnderTest,
} from './store-harness.js';

/** What every session store does, and how revocations change what it holds. */
export function describeSessionStore(name: string, makeStores: MakeStores): void {
  describe(`SessionStore (${name})`, () => {
    let under: StoresUnderTest;
    let userHash: string;

    beforeEach(async () => {
      under = await makeStores();
      userHash = newUserHash();
    });

    afterEach(() => under.stop());

    describe('create', () => {
      it('keeps what it is given and sets the times', async () => {
        const draft = draftOf(userHash, { tenant: 'acme', data: 'Firefox – "Büro"', idleMs: 30_000 });
        const before = under.now();
        const result = await under.stores.sessions.create(draft, 600_000, 10);
        if (result.outcome !== 'created') throw new Error(result.outcome);
        const { session } = result;
        const { createdAt, authenticatedAt, authTime, absoluteEndsAt, ...rest } = draft;
        expect(session).toMatchObject(rest);
        expect([createdAt, authenticatedAt, authTime, absoluteEndsAt]).toEqual([0, 0, 0, 0]);
        expect(session.createdAt).toBeGreaterThanOrEqual(before - 1_000);
        expect(session.authenticatedAt).toBe(session.createdAt);
        expect(session.authTime).toBe(session.createdAt);
        expect(session.absoluteEndsAt).toBe(session.createdAt + 600_000);
        const [live] = await under.stores.sessions.get([session.id]);
        const { remainingMs, lastUsedAt, ...kept } = live!;
        expect(kept).toEqual(session);
        expect(lastUsedAt).toBe(session.createdAt);
        expect(remainingMs).toBeGreaterThan(25_000);
        expect(remainingMs).toBeLessThanOrEqual(30_000);
      });

      it('tells empty lists of rights from missing texts', async () => {
        const session = await createSession(under, userHash, { roles: [], scopes: [] });
        const [live] = await under.stores.sessions.get([session.id]);
        expect(live).toMatchObject({ roles: [], scopes: [] });
        expect([live!.tenant, live!.data]).toEqual([undefined, undefined]);
      });

      it('keeps the time of a login that was earlier', async () => {
        const authenticatedAt = under.now() - 10_000;
        const session = await createSession(under, userHash, { authenticatedAt });
        expect(session.authenticatedAt).toBe(authenticatedAt);
      });

      it('never takes an id that is taken (CK-04)', async () => {
        const session = await createSession(under, userHash, { roles: ['owner'] });
        const thief = draftOf(userHash, { id: session.id, roles: ['thief'] });
        expect((await under.stores.sessions.create(thief, 600_000, 10)).outcome).not.toBe('created');
        const [live] = await under.stores.sessions.get([session.id]);
        expect(live!.roles).toEqual(['owner']);
      });

      it('refuses a login that is older than a revocation of the user', async () => {
        const authenticatedAt = under.now();
        await pass(under, 5);
        await revokeUser(under, userHash);
        const result = await under.stores.sessions.create(
          draftOf(userHash, { authenticatedAt }),
          600_000,
          10,
        );
        expect(result).toEqual({ outcome: 'stale' });
        expect(await under.stores.sessions.list(userHash)).toEqual([]);
      });

      it('refuses a login that is older than the cut of a revocation, and takes one of the cut itself', async () => {
        const issuedBefore = under.now() - 1_000;
        await revokeUser(under, userHash, { issuedBefore });
        const older = draftOf(userHash, { authenticatedAt: issuedBefore - 1 });
        const equal = draftOf(userHash, { authenticatedAt: issuedBefore });
        expect(await under.stores.sessions.create(older, 600_000, 10)).toEqual({ outcome: 'stale' });
        expect((await under.stores.sessions.create(equal, 600_000, 10)).outcome).toBe('created');
      });

      it('does not let a login that claims to be of the future outlive a revocation (SE-06)', async () => {
        const session = await createSession(under, userHash, { authenticatedAt: under.now() + 3_600_000 });
        await revokeUser(under, userHash);
        expect(await lives(under, session.id)).toBe(false);
      });

      it('allows so many sessions of a user, and counts only those that live', async () => {
        const create = () => under.stores.sessions.create(draftOf(userHash), 600_000, 2);
        const first = await create();
        expect((await create()).outcome).toBe('created');
        expect(await create()).toEqual({ outcome: 'too_many' });
        if (first.outcome === 'created') await revokeSession(under, first.session);
        expect((await create()).outcome).toBe('created');
        expect(await create()).toEqual({ outcome: 'too_many' });
      });

      it('counts no session that ran out', async () => {
        await createSession(under, userHash, { idleMs: 100 });
        const create = async () =>
          (await under.stores.sessions.create(draftOf(userHash), 600_000, 1)).outcome === 'created';
        expect(await becomes(under, 101, create)).toBe(true);
      });

      it('allows no more sessions when many are created at once', async () => {
        const results = await Promise.all(
          Array.from({ length: 30 }, () => under.stores.sessions.create(draftOf(userHash), 600_000, 7)),
        );
        expect(results.filter(({ outcome }) => outcome === 'created')).toHaveLength(7);
        expect(results.filter(({ outcome }) => outcome === 'too_many')).toHaveLength(23);
        expect(await under.stores.sessions.list(userHash)).toHaveLength(7);
      });
    });

    describe('get', () => {
      it('answers in the order asked, and null for what is not there', async () => {
        const one = await createSession(under, userHash);
        const two = await createSession(under, newUserHash());
        const found = await under.stores.sessions.get([two.id, newSessionId(userHash), one.id, two.id]);
        expect(found.map((session) => session?.id ?? null)).toEqual([two.id, null, one.id, two.id]);
      });

      it('answers nothing to nothing', async () => {
        expect(await under.stores.sessions.get([])).toEqual([]);
      });

      it('extends nothing', async () => {
        const session = await createSession(under, userHash, { idleMs: 400 });
        for (let index = 0; index < 4; index += 1) {
          await pass(under, 90);
          await under.stores.sessions.get([session.id]);
        }
        expect(await becomes(under, 60, async () => !(await lives(under, session.id)))).toBe(true);
      });
    });

    describe('touch', () => {
      it('restarts the idle time (SE-08)', async () => {
        const session = await createSession(under, userHash, { idleMs: 1_000 });
        for (let index = 0; index < 3; index += 1) {
          await pass(under, 500);
          const [left] = await under.stores.sessions.touch([session.id]);
          expect(left).toBeGreaterThan(900);
          expect(left).toBeLessThanOrEqual(1_000);
        }
        expect(await lives(under, session.id)).toBe(true);
      });

      it('keeps when the session was last used, which looking at it does not change', async () => {
        const session = await createSession(under, userHash);
        const read = async () => (await under.stores.sessions.get([session.id]))[0]!.lastUsedAt;
        await pass(under, 20);
        expect(await read()).toBe(session.createdAt);
        await under.stores.sessions.touch([session.id]);
        const used = await read();
        expect(used).toBeGreaterThanOrEqual(session.createdAt + 20);
        await pass(under, 20);
        const [listed] = await under.stores.sessions.list(userHash);
        expect(listed!.lastUsedAt).toBe(used);
        const admitted = await under.stores.connections.admit(
          admission(under, bySession(userHash, session.id)),
        );
        if (admitted.outcome !== 'admitted') throw new Error(admitted.outcome);
        expect(admitted.session!.lastUsedAt).toBeGreaterThanOrEqual(used + 20);
        expect(await read()).toBe(admitted.session!.lastUsedAt);
      });

      it('lets a session that is not used end (SE-08)', async () => {
        const session = await createSession(under, userHash, { idleMs: 150 });
        expect(await becomes(under, 151, async () => !(await lives(under, session.id)))).toBe(true);
        expect(await under.stores.sessions.touch([session.id])).toEqual([null]);
        expect(await lives(under, session.id)).toBe(false);
      });

      it('never reaches past the absolute end (SE-08)', async () => {
        const session = await createSession(under, userHash, { idleMs: 400 }, 1_000);
        let left: number | null = 0;
        while (left !== null && under.now() < session.absoluteEndsAt + 2_000) {
          await pass(under, 50);
          [left = null] = await under.stores.sessions.touch([session.id]);
          if (left !== null) expect(under.now() + left).toBeLessThanOrEqual(session.absoluteEndsAt + 50);
        }
        expect(left).toBeNull();
        expect(under.now() - session.createdAt).toBeGreaterThanOrEqual(1_000);
        expect(under.now() - session.createdAt).toBeLessThan(2_000);
        expect(await lives(under, session.id)).toBe(false);
      });

      it('answers in the order asked, and null for what has ended', async () => {
        const one = await createSession(under, userHash, { idleMs: 10_000 });
        const two = await createSession(under, userHash, { idleMs: 20_000 });
        const left = await under.stores.sessions.touch([newSessionId(userHash), two.id, one.id]);
        expect(left[0]).toBeNull();
        expect(left[1]).toBeGreaterThan(15_000);
        expect(left[2]).toBeLessThanOrEqual(10_000);
        expect(await under.stores.sessions.touch([])).toEqual([]);
      });

      it('never brings a revoked session back, however the two race', async () => {
        const session = await createSession(under, userHash);
        const touches = Array.from({ length: 400 }, (_, index) =>
          index === 200 ? revokeSession(under, session) : under.stores.sessions.touch([session.id]),
        );
        await Promise.all(touches);
        expect(await lives(under, session.id)).toBe(false);
        expect(await under.stores.sessions.touch([session.id])).toEqual([null]);
        expect(await under.stores.sessions.list(userHash)).toEqual([]);
      });
    });

    describe('list', () => {
      it('answers the sessions of one user, oldest first', async () => {
        const ids = [];
        for (let index = 0; index < 4; index += 1) {
          ids.push((await createSession(under, userHash)).id);
          await pass(under, 3);
        }
        await createSession(under, newUserHash());
        expect((await under.stores.sessions.list(userHash)).map(({ id }) => id)).toEqual(ids);
        expect(await under.stores.sessions.list(newUserHash())).toEqual([]);
      });

      it('leaves out what has ended', async () => {
        const kept = await createSession(under, userHash);
        const revoked = await createSession(under, userHash);
        await createSession(under, userHash, { idleMs: 100 });
        await revokeSession(under, revoked);
        const isPruned = async () => {
          const listed = await under.stores.sessions.list(userHash);
          return listed.length === 1 && listed[0]!.id === kept.id;
        };
        expect(await becomes(under, 101, isPruned)).toBe(true);
      });
    });

    describe('revocation', () => {
      it('of a session ends it and no other', async () => {
        const [one, two] = [await createSession(under, userHash), await createSession(under, userHash)];
        expect((await revokeSession(under, one)).sessions).toBe(1);
        expect([await lives(under, one.id), await lives(under, two.id)]).toEqual([false, true]);
        expect((await revokeSession(under, one)).sessions).toBe(0);
      });

      it('of a user ends all of that user and nobody else', async () => {
        const mine = [await createSession(under, userHash), await createSession(under, userHash)];
        const other = await createSession(under, newUserHash());
        expect((await revokeUser(under, userHash)).sessions).toBe(2);
        for (const { id } of mine) expect(await lives(under, id)).toBe(false);
        expect(await lives(under, other.id)).toBe(true);
      });

      it('of a user lets the next login live, in the same millisecond too (SE-06)', async () => {
        for (let round = 0; round < 20; round += 1) {
          const before = await createSession(under, userHash);
          await revokeUser(under, userHash);
          const after = await createSession(under, userHash);
          expect([await lives(under, before.id), await lives(under, after.id)]).toEqual([false, true]);
          const admitted = await under.stores.connections.admit(
            admission(under, bySession(userHash, after.id)),
          );
          expect(admitted.outcome).toBe('admitted');
        }
      });

      it('of all but one keeps that one, for later handshakes and tickets too (SE-06)', async () => {
        const kept = await createSession(under, userHash);
        const ended = await createSession(under, userHash);
        const ticket = await issueTicket(under, userHash, { record: { sessionId: kept.id } });
        await pass(under, 20);
        const receipt = await revokeUser(under, userHash, { exceptSessionId: kept.id });
        expect(receipt.sessions).toBe(1);
        expect([await lives(under, kept.id), await lives(under, ended.id)]).toEqual([true, false]);
        await pass(under, 20);
        const admitted = await under.stores.connections.admit(admission(under, bySession(userHash, kept.id)));
        expect(admitted).toMatchObject({ outcome: 'admitted', session: { id: kept.id } });
        expect((await under.stores.tickets.consume(ticket)).outcome).toBe('consumed');
        const left = await under.stores.sessions.touch([kept.id]);
        expect(left[0]).toBeGreaterThan(0);
      });

      it('of all but one counts as a fresh login of that one, and the next revocation ends it', async () => {
        const kept = await createSession(under, userHash);
        await pass(under, 20);
        const { entry } = await revokeUser(under, userHash, { exceptSessionId: kept.id });
        const [live] = await under.stores.sessions.get([kept.id]);
        expect(live!.authenticatedAt).toBeGreaterThanOrEqual(entry.cut!);
        await revokeUser(under, userHash);
        expect(await lives(under, kept.id)).toBe(false);
      });

      it('of all but a session that is not there ends all', async () => {
        const session = await createSession(under, userHash);
        await revokeUser(under, userHash, { exceptSessionId: newSessionId(userHash) });
        expect(await lives(under, session.id)).toBe(false);
      });

      it('of what was issued before a time keeps what was issued at it or later (SE-06)', async () => {
        const issuedBefore = under.now() - 5_000;
        const older = await createSession(under, userHash, { authenticatedAt: issuedBefore - 1 });
        const equal = await createSession(under, userHash, { authenticatedAt: issuedBefore });
        const newer = await createSession(under, userHash);
        expect((await revokeUser(under, userHash, { issuedBefore })).sessions).toBe(1);
        expect([
          await lives(under, older.id),
          await lives(under, equal.id),
          await lives(under, newer.id),
        ]).toEqual([false, true, true]);
      });

      it('with an earlier time does not undo one with a later', async () => {
        const issuedBefore = under.now() - 1_000;
        await revokeUser(under, userHash, { issuedBefore });
        await revokeUser(under, userHash, { issuedBefore: issuedBefore - 60_000 });
        const draft = draftOf(userHash, { authenticatedAt: issuedBefore - 1 });
        expect(await under.stores.sessions.create(draft, 600_000, 10)).toEqual({ outcome: 'stale' });
      });

      it('of a time to come ends what there is, and does not forbid logins until then', async () => {
        const old = await createSession(under, userHash, { authenticatedAt: under.now() - 10 });
        const receipt = await revokeUser(under, userHash, { issuedBefore: under.now() + 3_600_000 });
        expect(receipt.entry.cut).toBeLessThanOrEqual(under.now() + 1_000);
        expect(await lives(under, old.id)).toBe(false);
        const fresh = await createSession(under, userHash);
        expect(await lives(under, fresh.id)).toBe(true);
      });

      it('of everyone ends every session, and lets the next login live (SE-06)', async () => {
        const sessions = [await createSession(under, userHash), await createSession(under, newUserHash())];
        await under.stores.revocations.append({ kind: 'everyone', issuedBefore: undefined }, 'test');
        for (const { id } of sessions) expect(await lives(under, id)).toBe(false);
        expect(await under.stores.sessions.list(userHash)).toEqual([]);
        expect(await under.stores.sessions.touch([sessions[0]!.id])).toEqual([null]);
        const fresh = await createSession(under, userHash);
        expect(await lives(under, fresh.id)).toBe(true);
      });

      it('of everyone from before a time keeps what is newer', async () => {
        const issuedBefore = under.now() - 5_000;
        const older = await createSession(under, userHash, { authenticatedAt: issuedBefore - 1 });
        const newer = await createSession(under, userHash, { authenticatedAt: issuedBefore });
        await under.stores.revocations.append({ kind: 'everyone', issuedBefore }, 'test');
        expect([await lives(under, older.id), await lives(under, newer.id)]).toEqual([false, true]);
      });
    });

    describe('rights', () => {
      it('of one session change in it alone, and are counted in its version (SE-09)', async () => {
        const [one, two] = [await createSession(under, userHash), await createSession(under, userHash)];
        const receipt = await under.stores.revocations.append(
          { kind: 'rights', userHash, sessionId: one.id, roles: ['admin'], scopes: undefined },
          'test',
        );
        expect(receipt.sessions).toBe(1);
        const [changed, untouched] = await under.stores.sessions.get([one.id, two.id]);
        expect(changed).toMatchObject({ roles: ['admin'], scopes: ['read', 'write'], version: 2 });
        expect(untouched).toMatchObject({ roles: ['member'], version: 1 });
      });

      it('of a user change in all sessions, to nothing too (SE-09)', async () => {
        const ids = [(await createSession(under, userHash)).id, (await createSession(under, userHash)).id];
        const other = await createSession(under, newUserHash());
        const receipt = await under.stores.revocations.append(
          { kind: 'rights', userHash, sessionId: undefined, roles: [], scopes: ['read'] },
          'test',
        );
        expect(receipt.sessions).toBe(2);
        for (const session of await under.stores.sessions.get(ids)) {
          expect(session).toMatchObject({ roles: [], scopes: ['read'], version: 2 });
        }
        expect(await under.stores.sessions.get([other.id])).toMatchObject([
          { roles: ['member'], version: 1 },
        ]);
      });

      it('do not extend the session, nor change its times', async () => {
        const session = await createSession(under, userHash, { idleMs: 1_000 });
        await pass(under, 400);
        await under.stores.revocations.append(
          { kind: 'rights', userHash, sessionId: session.id, roles: ['admin'], scopes: undefined },
          'test',
        );
        const [live] = await under.stores.sessions.get([session.id]);
        expect(live!.remainingMs).toBeLessThanOrEqual(600);
        const { createdAt, authenticatedAt, absoluteEndsAt } = session;
        expect(live).toMatchObject({ createdAt, authenticatedAt, absoluteEndsAt });
      });

      it('of a session that is not there change nothing', async () => {
        const sessionId = newSessionId(userHash);
        const receipt = await under.stores.revocations.append(
          { kind: 'rights', userHash, sessionId, roles: ['admin'], scopes: undefined },
          'test',
        );
        expect(receipt.sessions).toBe(0);
        expect(await lives(under, sessionId)).toBe(false);
      });
    });

    describe('rotate', () => {
      const rotate = (sessionId: string, newId: string) =>
        under.stores.revocations.append({ kind: 'rotate', userHash, sessionId, newSessionId: newId }, 'test');

      it('gives the session a new id, under which it is the same, and kills the old (CK-04)', async () => {
        const session = await createSession(under, userHash, { data: 'phone', roles: ['a'] });
        const newId = newSessionId(userHash);
        expect((await rotate(session.id, newId)).sessions).toBe(1);
        expect(await lives(under, session.id)).toBe(false);
        const [moved] = await under.stores.sessions.get([newId]);
        const { remainingMs: _, lastUsedAt: __, ...kept } = moved!;
        expect(kept).toEqual({ ...session, id: newId });
        expect((await under.stores.sessions.list(userHash)).map(({ id }) => id)).toEqual([newId]);
        const refused = await under.stores.connections.admit(
          admission(under, bySession(userHash, session.id)),
        );
        expect(refused.outcome).toBe('session_unknown');
      });

      it('of a user who has authenticated again moves the time of that, as nothing else does', async () => {
        const session = await createSession(under, userHash, { authenticatedAt: under.now() - 60_000 });
        expect(session.authTime).toBe(session.authenticatedAt);
        const keep = {
          kind: 'user',
          userHash,
          issuedBefore: undefined,
          exceptSessionId: session.id,
        } as const;
        await under.stores.revocations.append(keep, 'test');
        const [kept] = await under.stores.sessions.get([session.id]);
        expect(kept!.authenticatedAt).toBeGreaterThan(session.authenticatedAt);
        expect(kept!.authTime).toBe(session.authTime);
        const newId = newSessionId(userHash);
        const order = { kind: 'rotate', userHash, sessionId: session.id, newSessionId: newId } as const;
        const { entry } = await under.stores.revocations.append({ ...order, reauthenticated: true }, 'test');
        const [moved] = await under.stores.sessions.get([newId]);
        expect(moved!.authTime).toBeGreaterThanOrEqual(kept!.authenticatedAt);
        expect([moved!.authTime, moved!.authenticatedAt]).toEqual([entry.cut, entry.cut]);
        const again = newSessionId(userHash);
        await rotate(newId, again);
        expect((await under.stores.sessions.get([again]))[0]!.authTime).toBe(entry.cut);
      });

      it('is no use of the session', async () => {
        const session = await createSession(under, userHash);
        await pass(under, 5);
        await under.stores.sessions.touch([session.id]);
        const [used] = await under.stores.sessions.get([session.id]);
        await pass(under, 5);
        const newId = newSessionId(userHash);
        await rotate(session.id, newId);
        const [moved] = await under.stores.sessions.get([newId]);
        expect(moved!.lastUsedAt).toBe(used!.lastUsedAt);
      });

      it('does not extend the session', async () => {
        const session = await createSession(under, userHash, { idleMs: 1_000 });
        await pass(under, 400);
        const newId = newSessionId(userHash);
        await rotate(session.id, newId);
        const [moved] = await under.stores.sessions.get([newId]);
        expect(moved!.remainingMs).toBeLessThanOrEqual(600);
      });

      it('does nothing for a session that has ended, or was rotated already', async () => {
        const session = await createSession(under, userHash);
        const [first, second] = [newSessionId(userHash), newSessionId(userHash)];
        expect((await rotate(session.id, first)).sessions).toBe(1);
        expect((await rotate(session.id, second)).sessions).toBe(0);
        expect([await lives(under, first), await lives(under, second)]).toEqual([true, false]);
      });

      it('lets a session that was rotated be revoked', async () => {
        const session = await createSession(under, userHash);
        const newId = newSessionId(userHash);
        await rotate(session.id, newId);
        expect((await revokeUser(under, userHash)).sessions).toBe(1);
        expect(await lives(under, newId)).toBe(false);
      });
    });
  });
}
