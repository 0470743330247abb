import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Rate, RateDecision, RateLease } from '../../lib/core/throttle/gcra.js';
import { throttleKey } from '../../lib/core/throttle/throttle-store.js';
import { becomes, newUserHash, type MakeStores, type StoresUnderTest } from './store-harness.js';

const ALLOWED: RateDecision = { allowed: true, retryAfterMs: 0 };
/** Slow enough that nothing comes back while a test looks. */
const HOURLY: Rate = { limit: 60, windowMs: 3_600_000, burst: 10 };

/** What every throttle store does. */
export function describeThrottleStore(name: string, makeStores: MakeStores): void {
  describe(`ThrottleStore (${name})`, () => {
    let under: StoresUnderTest;
    let key: string;

    beforeEach(async () => {
      under = await makeStores();
      key = throttleKey('contract', newUserHash());
    });

    afterEach(() => under.stop());

    const take = (cost = 1, rate = HOURLY, of = key): Promise<RateDecision> =>
      under.stores.throttle.take(of, rate, cost);

    it('allows the burst, and then says how long to wait', async () => {
      for (let count = 0; count < 10; count += 1) expect(await take()).toEqual(ALLOWED);
      const refused = await take();
      expect(refused.allowed).toBe(false);
      expect(Number.isInteger(refused.retryAfterMs)).toBe(true);
      expect(refused.retryAfterMs).toBeGreaterThan(30_000);
      expect(refused.retryAfterMs).toBeLessThanOrEqual(60_000);
    });

    it('lets exactly the burst through when all come at once (TH-09)', async () => {
      const decisions = await Promise.all(Array.from({ length: 100 }, () => take()));
      expect(decisions.filter(({ allowed }) => allowed)).toHaveLength(10);
    });

    it('allows one as soon as it said that it would, and no second one (TH-09)', async () => {
      const rate = { limit: 60, windowMs: 60_000, burst: 2 };
      await Promise.all([take(1, rate), take(1, rate)]);
      const refused = await take(1, rate);
      expect(refused.retryAfterMs).toBeGreaterThan(0);
      expect(refused.retryAfterMs).toBeLessThanOrEqual(1_000);
      const later: RateDecision[] = [];
      const again = async (): Promise<boolean> => {
        later.push(...(await Promise.all([take(1, rate), take(1, rate)])));
        return later.some(({ allowed }) => allowed);
      };
      expect(await becomes(under, refused.retryAfterMs, again)).toBe(true);
      expect(later.filter(({ allowed }) => allowed)).toHaveLength(1);
    });

    it('is whole again after a pause', async () => {
      const rate = { limit: 100, windowMs: 10_000, burst: 3 };
      await Promise.all([take(1, rate), take(1, rate), take(1, rate)]);
      expect(await becomes(under, 300, async () => (await take(3, rate)).allowed)).toBe(true);
    });

    it('counts a cost of several as that many, in one step', async () => {
      expect(await take(7)).toEqual(ALLOWED);
      expect((await take(4)).allowed).toBe(false);
      expect(await take(3)).toEqual(ALLOWED);
      expect((await take(1)).allowed).toBe(false);
    });

    it('counts nothing for a refusal', async () => {
      for (let count = 0; count < 20; count += 1) expect((await take(11)).allowed).toBe(false);
      expect(await take(10)).toEqual(ALLOWED);
    });

    it('counts keys apart (TH-08)', async () => {
      await take(10);
      const other = throttleKey('contract', newUserHash());
      expect((await take(1)).allowed).toBe(false);
      expect(await take(10, HOURLY, other)).toEqual(ALLOWED);
    });

    describe('takeUpTo', () => {
      const takeUpTo = (wanted: number): Promise<RateLease> =>
        under.stores.throttle.takeUpTo(key, HOURLY, wanted);

      it('takes all that is wanted while there is enough, and counts it', async () => {
        expect(await takeUpTo(7)).toEqual({ taken: 7, retryAfterMs: 0 });
        expect((await take(4)).allowed).toBe(false);
        expect(await take(3)).toEqual(ALLOWED);
      });

      it('takes what is left, and says when there is one more', async () => {
        await take(6);
        const { taken, retryAfterMs } = await takeUpTo(9);
        expect(taken).toBe(4);
        expect(retryAfterMs).toBeGreaterThan(30_000);
        expect(retryAfterMs).toBeLessThanOrEqual(60_000);
        expect((await take(1)).allowed).toBe(false);
      });

      it('takes nothing where there is nothing, and counts nothing for it', async () => {
        await take(10);
        for (let count = 0; count < 5; count += 1) {
          const { taken, retryAfterMs } = await takeUpTo(100);
          expect(taken).toBe(0);
          expect(retryAfterMs).toBeLessThanOrEqual(60_000);
        }
      });

      it('gives out no more than the burst to all that come at once (TH-09)', async () => {
        const leases = await Promise.all(Array.from({ length: 20 }, () => takeUpTo(3)));
        expect(leases.reduce((sum, { taken }) => sum + taken, 0)).toBe(10);
      });
    });

    describe('giveBack', () => {
      const giveBack = (count: number): Promise<void> => under.stores.throttle.giveBack(key, HOURLY, count);

      it('makes room for as many again', async () => {
        await take(10);
        await giveBack(3);
        expect((await take(4)).allowed).toBe(false);
        expect(await take(3)).toEqual(ALLOWED);
      });

      it('never makes more room than there was, and none for a key that nobody counted', async () => {
        await giveBack(5);
        await take(2);
        await giveBack(100);
        expect((await take(11)).allowed).toBe(false);
        expect(await take(10)).toEqual(ALLOWED);
        expect((await take(1)).allowed).toBe(false);
      });
    });

    it('counts two rates of one key apart', async () => {
      await take(10);
      expect((await take(1)).allowed).toBe(false);
      expect(await take(5, { ...HOURLY, burst: 5 })).toEqual(ALLOWED);
      expect(await take(10, { ...HOURLY, limit: 61 })).toEqual(ALLOWED);
    });
  });
}
