import { randomInt } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../lib/core/identifiers.js';
import type { BanNotice } from '../../lib/core/notice-board.js';
import { throttleKey } from '../../lib/core/throttle/throttle-store.js';
import { becomes, type MakeStores, type StoresUnderTest } from './store-harness.js';

const LONG = 60_000;
const SHORT = 40;
const newKey = (): string => throttleKey('anomaly', newId());
const newAddress = (): string => `10.${randomInt(256)}.${randomInt(256)}.${randomInt(256)}`;

/** What every store of anomalies does, in whatever it keeps them. */
export function describeAnomalyStore(name: string, makeStores: MakeStores): void {
  describe(`anomaly store: ${name}`, () => {
    let under: StoresUnderTest;
    let prefix: string;
    beforeEach(async () => {
      under = await makeStores();
      prefix = newAddress();
    });
    afterEach(() => under.stop());
    const store = () => under.stores.anomalies;
    const banOf = (changes: Partial<BanNotice> = {}): BanNotice => ({
      prefix,
      remainingMs: LONG,
      reason: 'ticketReplayed',
      isAutomatic: true,
      ...changes,
    });
    const kept = async (of = prefix) => (await store().bans()).find((ban) => ban.prefix === of);

    it('counts each key by itself, from one', async () => {
      const [one, other] = [newKey(), newKey()];
      expect([await store().count(one, LONG), await store().count(one, LONG)]).toEqual([1, 2]);
      expect(await store().count(other, LONG)).toBe(1);
    });

    it('gives each of many at once a number of its own', async () => {
      const key = newKey();
      const counts = await Promise.all(Array.from({ length: 50 }, () => store().count(key, LONG)));
      expect(counts.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
    });

    it('begins anew when the window is over, which further ones do not put off', async () => {
      const key = newKey();
      await store().count(key, SHORT);
      await store().count(key, SHORT);
      expect(await becomes(under, SHORT, async () => (await store().count(key, SHORT)) === 1)).toBe(true);
    });

    it('says how many different members there were and are', async () => {
      const key = newKey();
      expect(await store().addMembers(key, ['a', 'b'], LONG, 10)).toEqual({ before: 0, after: 2 });
      expect(await store().addMembers(key, ['b'], LONG, 10)).toEqual({ before: 2, after: 2 });
      expect(await store().addMembers(key, ['c', 'a'], LONG, 10)).toEqual({ before: 2, after: 3 });
    });

    it('keeps no more members than it may, and for no longer than the window', async () => {
      const key = newKey();
      const members = Array.from({ length: 20 }, (_, index) => `${index}`);
      expect(await store().addMembers(key, members, SHORT, 3)).toEqual({ before: 0, after: 3 });
      const isEmpty = async () => (await store().addMembers(key, ['x'], SHORT, 3)).before === 0;
      expect(await becomes(under, SHORT, isEmpty)).toBe(true);
    });

    it('lists bans with what is left of them', async () => {
      const network = `${newAddress()}:0:0/64`;
      await store().ban(banOf());
      await store().ban(banOf({ prefix: network, isAutomatic: false, reason: 'a word | more' }));
      const { remainingMs, ...rest } = (await kept())!;
      expect(rest).toEqual({ prefix, reason: 'ticketReplayed', isAutomatic: true });
      expect(remainingMs).toBeGreaterThan(LONG - 5_000);
      expect(remainingMs).toBeLessThanOrEqual(LONG);
      expect(await kept(network)).toMatchObject({ isAutomatic: false, reason: 'a word | more' });
    });

    it('makes a ban by a rule longer, and never shorter', async () => {
      expect(await store().ban(banOf({ remainingMs: 10_000 }))).toBe(true);
      expect(await store().ban(banOf({ remainingMs: 20_000 }))).toBe(true);
      expect(await store().ban(banOf({ remainingMs: 5_000 }))).toBe(false);
      expect((await kept())!.remainingMs).toBeGreaterThan(10_000);
    });

    it('keeps a ban by an operator as the operator says, whatever a rule does', async () => {
      await store().ban(banOf());
      expect(await store().ban(banOf({ remainingMs: 10_000, reason: 'me', isAutomatic: false }))).toBe(true);
      expect(await store().ban(banOf())).toBe(false);
      expect(await kept()).toMatchObject({ reason: 'me', isAutomatic: false });
      expect((await kept())!.remainingMs).toBeLessThanOrEqual(10_000);
    });

    it('takes a ban back once', async () => {
      await store().ban(banOf());
      expect(await store().lift(prefix)).toBe(true);
      expect(await store().lift(prefix)).toBe(false);
      expect(await kept()).toBeUndefined();
    });

    it('takes back no ban by an operator where one by a rule is meant', async () => {
      await store().ban(banOf({ isAutomatic: false }));
      expect(await store().lift(prefix, { isAutomatic: true })).toBe(false);
      expect(await kept()).toMatchObject({ isAutomatic: false });
      expect(await store().lift(prefix)).toBe(true);
      await store().ban(banOf());
      expect(await store().lift(prefix, { isAutomatic: true })).toBe(true);
      expect(await store().lift(prefix, { isAutomatic: true })).toBe(false);
    });

    it('forgets a ban that is over', async () => {
      await store().ban(banOf({ remainingMs: SHORT }));
      expect(await becomes(under, SHORT, async () => (await kept()) === undefined)).toBe(true);
      expect(await store().lift(prefix)).toBe(false);
    });

    it('is full at 10,000 bans, of which one by a rule makes room for the next, and none by an operator', async () => {
      await store().ban(banOf({ isAutomatic: false }));
      for (let batch = 0; batch < 101; batch += 1) {
        const bans = Array.from({ length: 100 }, (_, index) =>
          banOf({ prefix: `172.16.${batch}.${index}`, remainingMs: 20_000 }),
        );
        expect(await Promise.all(bans.map((ban) => store().ban(ban)))).toEqual(Array(100).fill(true));
      }
      const bans = await store().bans();
      expect(bans).toHaveLength(10_000);
      expect(await kept()).toMatchObject({ isAutomatic: false });
      expect(await kept('172.16.100.99')).toBeDefined();
    });
  });
}
