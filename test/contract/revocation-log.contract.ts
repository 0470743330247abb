import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isLaterEntry, type RevocationOrder } from '../../lib/core/revocation/revocation-log.js';
import {
  createSession,
  hear,
  newSessionId,
  newUserHash,
  pass,
  becomes,
  revokeUser,
  sessionOrder,
  type MakeStores,
  type StoresUnderTest,
} from './store-harness.js';

/** What every revocation log does. What its orders do to sessions and admissions is in the suites of those. */
export function describeRevocationLog(name: string, makeStores: MakeStores): void {
  describe(`RevocationLog (${name})`, () => {
    let under: StoresUnderTest;
    let userHash: string;

    beforeEach(async () => {
      under = await makeStores();
      userHash = newUserHash();
    });

    afterEach(() => under.stop());

    const ordersOfEachKind = (): RevocationOrder[] => {
      const sessionId = newSessionId(userHash);
      return [
        sessionOrder(sessionId),
        { kind: 'user', userHash, issuedBefore: undefined, exceptSessionId: undefined },
        { kind: 'user', userHash, issuedBefore: under.now() - 1_000, exceptSessionId: sessionId },
        { kind: 'token', userHash, tokenHash: `token-${userHash}`, rememberMs: 60_000 },
        { kind: 'rights', userHash, sessionId: undefined, roles: ['a', 'b'], scopes: [] },
        { kind: 'rights', userHash, sessionId, roles: undefined, scopes: ['read'] },
        { kind: 'rotate', userHash, sessionId, newSessionId: newSessionId(userHash) },
        { kind: 'replace', userHash, node: 'some-node', connectionId: 'some-connection' },
      ];
    };

    it('answers entries whose ids strictly increase', async () => {
      const ids: string[] = [];
      for (let index = 0; index < 30; index += 1) {
        const { entry } = await under.stores.revocations.append(sessionOrder(newSessionId(userHash)), 'test');
        ids.push(entry.id);
      }
      const steps = ids.slice(1).map((id, index) => isLaterEntry(id, ids[index]!));
      expect(steps).toEqual(Array(29).fill(true));
    });

    it('tells a follower of each entry as it was ordered, before append resolves', async () => {
      const heard = hear(under, userHash);
      for (const order of ordersOfEachKind()) {
        const { entry } = await under.stores.revocations.append(order, `reason-of-${order.kind}`);
        expect(heard.at(-1)).toEqual(entry);
        expect(entry).toMatchObject({ order, reason: `reason-of-${order.kind}` });
      }
      expect(heard).toHaveLength(ordersOfEachKind().length);
    });

    it('is fresh for a user who was just told of, and no less than for everybody', async () => {
      const before = under.now() - 10_000;
      await revokeUser(under, userHash);
      expect(under.stores.freshAtOf(userHash)).toBeGreaterThan(before);
      expect(under.stores.freshAtOf(userHash)).toBeGreaterThanOrEqual(under.stores.freshAt);
    });

    it('tells a follower of revocations of everyone', async () => {
      const heard: string[] = [];
      under.stores.revocations.follow((entry) => {
        if (entry.order.kind === 'everyone') heard.push(entry.id);
        return 0;
      });
      const { entry } = await under.stores.revocations.append(
        { kind: 'everyone', issuedBefore: undefined },
        'test',
      );
      expect(heard).toContain(entry.id);
      expect(entry.cut).toBeGreaterThan(under.now() - 5_000);
    });

    it('tells each follower of every entry once and in order, when many are appended at once', async () => {
      const [one, two] = [hear(under, userHash), hear(under, userHash)];
      const receipts = await Promise.all(
        Array.from({ length: 50 }, () =>
          under.stores.revocations.append(sessionOrder(newSessionId(userHash)), 'test'),
        ),
      );
      const ids = one.map(({ id }) => id);
      expect(new Set(ids)).toEqual(new Set(receipts.map(({ entry }) => entry.id)));
      expect(ids).toHaveLength(50);
      expect(ids.every((id, index) => index === 0 || isLaterEntry(id, ids[index - 1]!))).toBe(true);
      expect(two.map(({ id }) => id)).toEqual(ids);
    });

    it('resolves the cut of a revocation to its own time, and keeps one that was asked for', async () => {
      const before = under.now();
      const now = await revokeUser(under, userHash);
      expect(now.entry.cut).toBeGreaterThanOrEqual(before - 1_000);
      expect(now.entry.cut).toBeLessThanOrEqual(under.now() + 1_000);
      const issuedBefore = before - 7_000;
      const then = await revokeUser(under, userHash, { issuedBefore });
      expect(then.entry).toMatchObject({ cut: issuedBefore, cutInclusive: false });
    });

    it('adds up what the listeners of the nodes answered', async () => {
      under.stores.revocations.follow(() => 2);
      under.stores.revocations.follow(() => 3);
      const { entry } = await under.stores.revocations.append(sessionOrder(newSessionId(userHash)), 'test');
      const result = await under.stores.revocations.acknowledgements(entry, 2_000);
      expect(result).toEqual({ sockets: 5, nodes: 1, pending: 0 });
    });

    describe('isRevoked', () => {
      const isRevoked = (change: { issuedAt?: number; tokenHash?: string } = {}): Promise<boolean> =>
        under.stores.revocations.isRevoked({
          userHash,
          issuedAt: undefined,
          tokenHash: undefined,
          ...change,
        });

      it('is false for a user of whom nothing was revoked', async () => {
        await createSession(under, userHash);
        await revokeUser(under, newUserHash());
        expect(await isRevoked({ issuedAt: under.now() - 60_000, tokenHash: `token-${userHash}` })).toBe(
          false,
        );
      });

      it('is true for what was issued until a revocation of the user, false for what comes later (SE-06)', async () => {
        const issuedAt = under.now();
        await revokeUser(under, userHash);
        expect(await isRevoked({ issuedAt: issuedAt - 1_000 })).toBe(true);
        expect(await isRevoked({ issuedAt })).toBe(true);
        expect(await isRevoked({ issuedAt: under.now() + 2_000 })).toBe(false);
      });

      it('is true for a token of the second in which its user was revoked (SE-06)', async () => {
        const issuedAt = Math.floor(under.now() / 1_000) * 1_000;
        await revokeUser(under, userHash);
        expect(await isRevoked({ issuedAt })).toBe(true);
      });

      it('goes by the time that was asked for, to the millisecond', async () => {
        const issuedBefore = under.now() - 5_000;
        await revokeUser(under, userHash, { issuedBefore });
        expect(await isRevoked({ issuedAt: issuedBefore - 1 })).toBe(true);
        expect(await isRevoked({ issuedAt: issuedBefore })).toBe(false);
      });

      it('remembers the stricter of two revocations of the same millisecond', async () => {
        const issuedAt = under.now();
        await revokeUser(under, userHash);
        await revokeUser(under, userHash, { issuedBefore: issuedAt });
        expect(await isRevoked({ issuedAt })).toBe(true);
      });

      it('is false for a credential whose session says when it was issued', async () => {
        await revokeUser(under, userHash);
        expect(await isRevoked()).toBe(false);
      });

      it('is true for everybody after a revocation of everyone', async () => {
        const issuedAt = under.now();
        await under.stores.revocations.append({ kind: 'everyone', issuedBefore: undefined }, 'test');
        expect(await isRevoked({ issuedAt })).toBe(true);
        expect(await isRevoked({ issuedAt: under.now() + 2_000 })).toBe(false);
      });

      it('is true for a revoked token, and for no other (JW-05)', async () => {
        const tokenHash = `token-${userHash}`;
        await under.stores.revocations.append(
          { kind: 'token', tokenHash, userHash, rememberMs: 60_000 },
          'test',
        );
        expect(await isRevoked({ tokenHash })).toBe(true);
        expect(await isRevoked({ tokenHash, issuedAt: under.now() + 2_000 })).toBe(true);
        expect(await isRevoked({ tokenHash: `other-${userHash}` })).toBe(false);
        expect(await isRevoked()).toBe(false);
      });

      it('remembers a token for as long as it was told (SE-06)', async () => {
        const tokenHash = `token-${userHash}`;
        await under.stores.revocations.append(
          { kind: 'token', tokenHash, userHash, rememberMs: 500 },
          'test',
        );
        await pass(under, 100);
        expect(await isRevoked({ tokenHash })).toBe(true);
        expect(await becomes(under, 401, async () => !(await isRevoked({ tokenHash })))).toBe(true);
      });
    });
  });
}
