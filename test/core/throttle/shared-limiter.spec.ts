import { beforeEach, describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../../lib/core/errors.js';
import { GcraLimiter, type Rate, type RateDecision } from '../../../lib/core/throttle/gcra.js';
import { SharedLimiter } from '../../../lib/core/throttle/shared-limiter.js';
import type { ThrottleStore } from '../../../lib/core/throttle/throttle-store.js';
import { fakeClock, type FakeClock } from '../../support/fake-clock.js';

/** One in a second, eight at once. */
const RATE: Rate = { limit: 60, windowMs: 60_000, burst: 8 };
const ALLOWED: RateDecision = { allowed: true, retryAfterMs: 0 };

describe('SharedLimiter', () => {
  let clock: FakeClock;
  /** What the store was asked for. */
  let asked: { key: string; rate: Rate; cost: number }[];
  /** What the store fails with, when it does. */
  let failure: Error | undefined;
  let told: unknown[];
  let store: ThrottleStore;

  beforeEach(() => {
    clock = fakeClock(5_000_000);
    asked = [];
    failure = undefined;
    told = [];
    const shared = new GcraLimiter(RATE);
    store = {
      take: async (key, rate, cost) => {
        asked.push({ key, rate, cost });
        if (failure) throw failure;
        return shared.take(key, clock(), cost);
      },
      takeUpTo: async (key, _, wanted) => shared.takeUpTo(key, clock(), wanted),
      giveBack: async (key, _, count) => shared.giveBack(key, clock(), count),
    };
  });

  const limiter = (change: { rate?: Rate; expectedNodes?: number } = {}): SharedLimiter =>
    new SharedLimiter({
      rate: RATE,
      store,
      expectedNodes: 4,
      clock,
      onAway: (error) => told.push(error),
      ...change,
    });

  /** How many of so many are allowed. */
  async function allowedOf(count: number, take: () => Promise<RateDecision> | RateDecision): Promise<number> {
    let allowed = 0;
    for (let index = 0; index < count; index += 1) allowed += Number((await take()).allowed);
    return allowed;
  }

  describe('with a store that answers', () => {
    it('asks it for each one, and answers what it says', async () => {
      const node = limiter();
      expect(await node.take('key', 7)).toEqual(ALLOWED);
      expect(await node.take('key', 2)).toEqual({ allowed: false, retryAfterMs: 1_000 });
      expect(asked).toEqual([
        { key: 'key', rate: RATE, cost: 7 },
        { key: 'key', rate: RATE, cost: 2 },
      ]);
    });

    it('asks for one when it is not told how many', async () => {
      await limiter().take('key');
      expect(asked[0]!.cost).toBe(1);
    });

    it('refuses a key that was refused without asking, until it may come again (TH-01, TH-09)', async () => {
      const node = limiter();
      expect(await allowedOf(8, () => node.take('key'))).toBe(8);
      expect(await node.take('key')).toEqual({ allowed: false, retryAfterMs: 1_000 });
      expect(asked).toHaveLength(9);
      clock.advance(400);
      expect(await node.take('key')).toEqual({ allowed: false, retryAfterMs: 600 });
      clock.advance(599.5);
      expect(await node.take('key')).toEqual({ allowed: false, retryAfterMs: 1 });
      expect(asked).toHaveLength(9);
      clock.advance(0.5);
      expect(await node.take('key')).toEqual(ALLOWED);
      expect(asked).toHaveLength(10);
    });

    it('asks about other keys while one is refused', async () => {
      const node = limiter();
      await node.take('key', 9);
      expect(await node.take('another')).toEqual(ALLOWED);
    });

    it('tells nobody of anything', async () => {
      const node = limiter();
      await allowedOf(20, () => node.take('key'));
      expect(told).toEqual([]);
    });
  });

  describe('with a store that is away', () => {
    beforeEach(() => {
      failure = new StoreUnavailable('away');
    });

    it('lets its own share of the burst and of the rate through, and no more (TH-09)', async () => {
      const node = limiter();
      expect(await allowedOf(50, () => node.take('key'))).toBe(2);
      expect(await node.take('key')).toEqual({ allowed: false, retryAfterMs: 4_000 });
      clock.advance(4_000);
      expect(await allowedOf(50, () => node.take('key'))).toBe(1);
    });

    it('lets all nodes together no more through than the rate (TH-09)', async () => {
      const nodes = [limiter(), limiter(), limiter(), limiter()];
      const allowed = await Promise.all(nodes.map((node) => allowedOf(50, () => node.take('key'))));
      expect(allowed.reduce((sum, one) => sum + one)).toBe(8);
    });

    it('still lets one at a time through where there are more nodes than the burst has', async () => {
      const node = limiter({ expectedNodes: 100 });
      expect(await allowedOf(50, () => node.take('key'))).toBe(1);
      clock.advance(99_999);
      expect(await node.take('key')).toEqual({ allowed: false, retryAfterMs: 1 });
      clock.advance(1);
      expect(await node.take('key')).toEqual(ALLOWED);
    });

    it('bites in the middle of a burst: what is left is this share, and not the whole burst (TH-09)', async () => {
      failure = undefined;
      const node = limiter();
      expect(await allowedOf(4, () => node.take('key'))).toBe(4);
      failure = new StoreUnavailable('away');
      expect(await allowedOf(50, () => node.take('key'))).toBe(2);
    });

    it('goes on refusing a key that the store has refused', async () => {
      failure = undefined;
      const node = limiter();
      await node.take('key', 9);
      failure = new StoreUnavailable('away');
      expect(await node.take('key')).toEqual({ allowed: false, retryAfterMs: 1_000 });
      expect(told).toEqual([]);
    });

    it('tells once, and again only when it was back meanwhile (TH-09)', async () => {
      const node = limiter();
      await allowedOf(20, () => node.take('key'));
      expect(told).toEqual([failure]);
      failure = undefined;
      expect(await node.take('key')).toEqual(ALLOWED);
      failure = new StoreUnavailable('away again');
      await allowedOf(20, () => node.take('key'));
      expect(told).toEqual([new StoreUnavailable('away'), failure]);
    });

    it('asks it each time, and follows it as soon as it is back', async () => {
      const node = limiter();
      await allowedOf(20, () => node.take('key'));
      expect(asked).toHaveLength(20);
      failure = undefined;
      expect(await allowedOf(20, () => node.take('key'))).toBe(8);
    });

    it('hides no fault of another kind', async () => {
      failure = new TypeError('a bug');
      await expect(limiter().take('key')).rejects.toBe(failure);
      expect(told).toEqual([]);
    });
  });

  describe('for a caller that has looked before it asks', () => {
    /** As a handshake does that needs no admission. */
    const pass = async (node: SharedLimiter): Promise<RateDecision> => {
      const decision = node.check('key');
      return decision.allowed ? node.takeChecked('key') : decision;
    };

    it('counts each one at the store (TH-01)', async () => {
      const [one, other] = [limiter(), limiter()];
      expect((await allowedOf(5, () => pass(one))) + (await allowedOf(5, () => pass(other)))).toBe(8);
      expect(asked.every(({ cost }) => cost === 1)).toBe(true);
    });

    it('counts each one once in the share of this node while the store is away (TH-09)', async () => {
      failure = new StoreUnavailable('away');
      const node = limiter();
      expect(await allowedOf(50, () => pass(node))).toBe(2);
      clock.advance(4_000);
      expect(await allowedOf(50, () => pass(node))).toBe(1);
      expect(told).toEqual([failure]);
    });

    it('remembers what was refused, and hides no fault', async () => {
      const node = limiter();
      await allowedOf(9, () => pass(node));
      expect(node.check('key')).toEqual({ allowed: false, retryAfterMs: 1_000 });
      failure = new TypeError('a bug');
      await expect(limiter().takeChecked('other')).rejects.toBe(failure);
    });
  });

  describe('for a caller whose store decides as a part of something larger', () => {
    it('lets everything through of which nothing is known', async () => {
      const node = limiter();
      expect(await allowedOf(50, () => node.check('key'))).toBe(50);
      expect(asked).toEqual([]);
    });

    it('refuses what was refused, until it may come again (TH-01)', () => {
      const node = limiter();
      node.noteAnswer('key', { allowed: false, retryAfterMs: 1_500 });
      expect(node.check('key')).toEqual({ allowed: false, retryAfterMs: 1_500 });
      expect(node.check('another')).toEqual(ALLOWED);
      clock.advance(1_500);
      expect(node.check('key')).toEqual(ALLOWED);
    });

    it('holds its share while the store is away, and lets go when it is back (TH-09)', async () => {
      const node = limiter();
      const error = new StoreUnavailable('away');
      node.noteAway(error);
      node.noteAway(error);
      expect(told).toEqual([error]);
      expect(await allowedOf(50, () => node.check('key'))).toBe(2);
      node.noteAnswer('another', ALLOWED);
      expect(await allowedOf(50, () => node.check('key'))).toBe(50);
    });
  });
});
