import { beforeEach, describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../../lib/core/errors.js';
import { GcraLimiter, type Rate, type RateLease } from '../../../lib/core/throttle/gcra.js';
import { LeasedRate } from '../../../lib/core/throttle/leased-rate.js';
import type { ThrottleStore } from '../../../lib/core/throttle/throttle-store.js';
import { fakeClock, type FakeClock } from '../../support/fake-clock.js';

/** A hundred a second, two hundred at once. */
const RATE: Rate = { limit: 6_000, windowMs: 60_000, burst: 200 };

describe('LeasedRate', () => {
  let clock: FakeClock;
  let shared: GcraLimiter;
  /** How much each question to the store wanted. */
  let asked: number[];
  let failure: Error | undefined;
  let told: unknown[];
  let store: ThrottleStore;

  beforeEach(() => {
    clock = fakeClock(1_000_000);
    asked = [];
    told = [];
    failure = undefined;
    shared = new GcraLimiter(RATE);
    store = {
      take: async (key, _, cost) => shared.take(key, clock(), cost),
      takeUpTo: async (key, _, wanted): Promise<RateLease> => {
        asked.push(wanted);
        if (failure) throw failure;
        return shared.takeUpTo(key, clock(), wanted);
      },
      giveBack: async (key, _, count) => shared.giveBack(key, clock(), count),
    };
  });

  const node = (change: { expectedNodes?: number; maxKeys?: number; rate?: Rate } = {}): LeasedRate =>
    new LeasedRate({
      rate: RATE,
      store,
      expectedNodes: 2,
      clock,
      onAway: (error) => told.push(error),
      ...change,
    });

  /** Takes one by one, and counts those that were given out. */
  async function allowedOf(rate: LeasedRate, count: number, key = 'k'): Promise<number> {
    let allowed = 0;
    for (let index = 0; index < count; index += 1) allowed += Number((await rate.take(key, 1)) === 0);
    return allowed;
  }

  it('asks the store for the first message, and rarely for those that follow fast (TH-02)', async () => {
    const rate = node();
    expect(rate.take('k', 1)).toBeInstanceOf(Promise);
    await Promise.resolve();
    let waits = 0;
    for (let index = 0; index < 150; index += 1) {
      const answer = rate.take('k', 1);
      waits += Number(answer instanceof Promise);
      expect(await answer).toBe(0);
      clock.advance(2);
    }
    expect(waits).toBeLessThan(12);
    expect(asked.length).toBeLessThan(20);
  });

  it('gives out exactly the burst on two nodes together (TH-02)', async () => {
    const [a, b] = [node(), node()];
    let allowed = 0;
    for (let index = 0; index < 300; index += 1)
      allowed += Number((await a.take('k', 1)) === 0) + Number((await b.take('k', 1)) === 0);
    expect(allowed).toBeLessThanOrEqual(200);
    // What the nodes have in hand is all that may be missing.
    expect(allowed).toBeGreaterThanOrEqual(200 - 2 * 50);
  });

  it('never gives out more than the rate over time, whatever the order (TH-02)', async () => {
    const nodes = [node(), node(), node()];
    let allowed = 0;
    for (let step = 0; step < 2_000; step += 1) {
      allowed += Number((await nodes[(step * 7) % 3]!.take('k', 1)) === 0);
      clock.advance(3);
    }
    expect(allowed).toBeLessThanOrEqual(200 + 6_000 / 10);
    expect(allowed).toBeGreaterThan(600);
  });

  it('gives somebody who sends little all that the rate allows, and takes nothing in advance', async () => {
    const rate: Rate = { limit: 10, windowMs: 60_000, burst: 10 };
    shared = new GcraLimiter(rate);
    const slow = node({ rate });
    for (let index = 0; index < 60; index += 1) {
      expect(await slow.take('k', 1)).toBe(0);
      clock.advance(6_000);
    }
    expect(asked).toHaveLength(60);
  });

  it('says how long to wait, asks nobody meanwhile, and allows it then', async () => {
    const rate: Rate = { limit: 60, windowMs: 60_000, burst: 2 };
    shared = new GcraLimiter(rate);
    const slow = node({ rate });
    expect(await allowedOf(slow, 2)).toBe(2);
    const wait = await slow.take('k', 1);
    expect(wait).toBeGreaterThan(0);
    expect(wait).toBeLessThanOrEqual(1_000);
    const questions = asked.length;
    expect(await allowedOf(slow, 50)).toBe(0);
    expect(asked).toHaveLength(questions);
    clock.advance(wait);
    expect(await slow.take('k', 1)).toBe(0);
  });

  it('asks once for all that come while it asks', async () => {
    const rate = node();
    const answers = await Promise.all(Array.from({ length: 150 }, () => rate.take('k', 1)));
    expect(answers.filter((wait) => wait !== 0)).toEqual([]);
    expect(asked.length).toBeLessThanOrEqual(4);
  });

  it('refuses of all that come at once only what is over the rate', async () => {
    const rate = node();
    const answers = await Promise.all(Array.from({ length: 260 }, () => rate.take('k', 1)));
    expect(answers.filter((wait) => wait === 0)).toHaveLength(200);
  });

  it('keeps keys apart (TH-08)', async () => {
    const rate = node();
    await allowedOf(rate, 300);
    expect(await rate.take('other', 1)).toBe(0);
  });

  it('takes a cost of several at once, and never one above the burst', async () => {
    const rate = node();
    expect(await rate.take('k', 150)).toBe(0);
    expect(await rate.take('k', 100)).toBeGreaterThan(0);
    expect(await rate.take('k', 201)).toBe(60_000);
  });

  it('charges what has happened already, and makes up for it later (TH-02)', async () => {
    const rate = node();
    for (let index = 0; index < 180; index += 1) rate.charge('k', 1);
    await new Promise(setImmediate);
    const allowed = await allowedOf(rate, 100);
    expect(allowed).toBeLessThanOrEqual(20);
  });

  it('is never deeper in debt than the burst', async () => {
    const rate = node();
    for (let index = 0; index < 10_000; index += 1) rate.charge('k', 1);
    await new Promise(setImmediate);
    clock.advance(5_000);
    expect(await rate.take('k', 1)).toBe(0);
  });

  it('holds its own share while the store is away, and says so once (TH-09)', async () => {
    failure = new StoreUnavailable('away');
    const rate = node({ expectedNodes: 4 });
    expect(await allowedOf(rate, 300)).toBeLessThanOrEqual(50);
    expect(told).toEqual([failure]);
    failure = undefined;
    clock.advance(10_000);
    expect(await rate.take('k', 1)).toBe(0);
    failure = new StoreUnavailable('away again');
    clock.advance(10_000);
    await allowedOf(rate, 300);
    expect(told).toHaveLength(2);
  });

  it('remembers a bounded number of keys', async () => {
    const rate = node({ maxKeys: 10 });
    for (let index = 0; index < 100; index += 1) await rate.take(`k${index}`, 1);
    expect(rate.size).toBe(10);
  });
});
