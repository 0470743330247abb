import { describe, expect, it } from 'vitest';
import { FailureLimiter } from '../../../lib/core/throttle/failure-limiter.js';
import { GcraLimiter, type Rate } from '../../../lib/core/throttle/gcra.js';
import type { ThrottleStore } from '../../../lib/core/throttle/throttle-store.js';
import { fakeClock } from '../../support/fake-clock.js';

const A = '192.0.2.1';
const B = '192.0.2.2';

describe('FailureLimiter', () => {
  const clock = fakeClock();

  /** Two nodes on one store. */
  function nodes(): [FailureLimiter, FailureLimiter] {
    const limiters = new Map<string, GcraLimiter>();
    const of = (rate: Rate): GcraLimiter => {
      const name = JSON.stringify(rate);
      if (!limiters.has(name)) limiters.set(name, new GcraLimiter(rate));
      return limiters.get(name)!;
    };
    const store: ThrottleStore = {
      take: async (key, rate, cost) => of(rate).take(key, clock(), cost),
      takeUpTo: async (key, rate, wanted) => of(rate).takeUpTo(key, clock(), wanted),
    };
    const options = { store, expectedNodes: 2, clock, onAway: () => {} };
    return [new FailureLimiter(options), new FailureLimiter(options)];
  }

  it('lets ten failures of an address for a user pass, on all nodes together (CR-05)', async () => {
    const both = nodes();
    for (let count = 0; count < 10; count += 1) {
      expect(await both[count % 2]!.waitMs(A, 'ada')).toBe(0);
      await both[count % 2]!.note(A, 'ada');
    }
    for (const node of both) {
      expect(await node.waitMs(A, 'ada')).toBeGreaterThan(0);
      expect(await node.waitMs(A, 'ada')).toBeLessThanOrEqual(90_000);
    }
  });

  it('locks the user out nowhere else (CR-05)', async () => {
    const [node] = nodes();
    for (let count = 0; count < 50; count += 1) await node.note(A, 'ada');
    expect(await node.waitMs(A, 'ada')).toBeGreaterThan(0);
    expect(await node.waitMs(B, 'ada')).toBe(0);
    expect(await node.waitMs(A, 'bob')).toBe(0);
  });

  it('lets a hundred failures of an address pass, whoever it claims to be (CR-05)', async () => {
    const [node] = nodes();
    for (let count = 0; count < 100; count += 1) await node.note(A, `user ${count}`);
    expect(await node.waitMs(A, 'somebody else')).toBeGreaterThan(0);
    expect(await node.waitMs(B, 'somebody else')).toBe(0);
  });

  it('lets it try again when it has waited', async () => {
    const [node] = nodes();
    for (let count = 0; count < 10; count += 1) await node.note(A, 'ada');
    clock.advance(await node.waitMs(A, 'ada'));
    expect(await node.waitMs(A, 'ada')).toBe(0);
  });

  it('counts nothing by asking', async () => {
    const [node] = nodes();
    for (let count = 0; count < 1_000; count += 1) expect(await node.waitMs(A, 'ada')).toBe(0);
  });
});
