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
      giveBack: async (key, rate, count) => of(rate).giveBack(key, clock(), count),
    };
    const options = { store, expectedNodes: 2, clock, onAway: () => {} };
    return [new FailureLimiter(options), new FailureLimiter(options)];
  }

  /** Guesses, and fails or not. @returns how long to wait, 0 when it was let guess */
  async function guess(
    node: FailureLimiter,
    address: string,
    claim: string,
    hasFailed = true,
  ): Promise<number> {
    const { retryAfterMs, end } = await node.begin(address, claim);
    end(hasFailed);
    await new Promise(setImmediate);
    return retryAfterMs;
  }

  it('lets ten failures of an address for a user pass, on all nodes together (CR-05)', async () => {
    const both = nodes();
    for (let count = 0; count < 10; count += 1) expect(await guess(both[count % 2]!, A, 'ada')).toBe(0);
    for (const node of both) {
      const wait = await guess(node, A, 'ada');
      expect(wait).toBeGreaterThan(0);
      expect(wait).toBeLessThanOrEqual(90_000);
    }
  });

  it('locks the user out nowhere else (CR-05)', async () => {
    const [node] = nodes();
    for (let count = 0; count < 50; count += 1) await guess(node, A, 'ada');
    expect(await guess(node, A, 'ada')).toBeGreaterThan(0);
    expect(await guess(node, B, 'ada')).toBe(0);
    expect(await guess(node, A, 'bob')).toBe(0);
  });

  it('lets a hundred failures of an address pass, whoever it claims to be (CR-05)', async () => {
    const [node] = nodes();
    for (let count = 0; count < 100; count += 1) expect(await guess(node, A, `user ${count}`)).toBe(0);
    expect(await guess(node, A, 'somebody else')).toBeGreaterThan(0);
    expect(await guess(node, B, 'somebody else')).toBe(0);
  });

  it('lets it try again when it has waited', async () => {
    const [node] = nodes();
    for (let count = 0; count < 10; count += 1) await guess(node, A, 'ada');
    clock.advance(await guess(node, A, 'ada'));
    expect(await guess(node, A, 'ada')).toBe(0);
  });

  it('counts nothing that did not fail', async () => {
    const [node] = nodes();
    for (let count = 0; count < 1_000; count += 1) expect(await guess(node, A, 'ada', false)).toBe(0);
  });

  it('lets no more be guessed at the same time than one after the other (CR-05)', async () => {
    const [node] = nodes();
    const begun: { retryAfterMs: number; end: (hasFailed: boolean) => void }[] = [];
    const all = Array.from({ length: 48 }, async () => {
      const next = await node.begin(A, 'ada');
      begun.push(next);
      return next.retryAfterMs;
    });
    await new Promise(setImmediate);
    expect(begun).toHaveLength(10);
    for (const { end } of begun) end(true);
    const waits = await Promise.all(all);
    expect(waits.filter((wait) => wait === 0)).toHaveLength(10);
  });

  it('lets in everybody who knows the password, however many come at the same time', async () => {
    const [node] = nodes();
    let underWay = 0;
    let most = 0;
    const waits = await Promise.all(
      Array.from({ length: 60 }, async () => {
        const { retryAfterMs, end } = await node.begin(A, 'ada');
        underWay += 1;
        most = Math.max(most, underWay);
        await new Promise(setImmediate);
        underWay -= 1;
        end(false);
        return retryAfterMs;
      }),
    );
    expect(waits).toEqual(Array(60).fill(0));
    expect(most).toBe(10);
  });
});
