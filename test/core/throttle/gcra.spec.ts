import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GcraLimiter, type Rate } from '../../../lib/core/throttle/gcra.js';

const NOW = 1_800_000_000_000;
const rates = fc.record({
  limit: fc.integer({ min: 1, max: 6_000 }),
  windowMs: fc.constantFrom(1_000, 10_000, 60_000, 3_600_000),
  burst: fc.integer({ min: 1, max: 300 }),
});

/** How many are allowed at once. */
function burstOf(limiter: GcraLimiter, now: number): number {
  for (let count = 0; count < 1_000; count += 1) if (!limiter.take('key', now).allowed) return count;
  return Number.POSITIVE_INFINITY;
}

describe('GcraLimiter', () => {
  describe('take', () => {
    it('allows the burst at once, and then one for each part of the window', () => {
      const limiter = new GcraLimiter({ limit: 60, windowMs: 60_000, burst: 3 });
      expect(burstOf(limiter, NOW)).toBe(3);
      expect(limiter.take('key', NOW + 999)).toEqual({ allowed: false, retryAfterMs: 1 });
      expect(limiter.take('key', NOW + 1_000)).toEqual({ allowed: true, retryAfterMs: 0 });
      expect(limiter.take('key', NOW + 1_000)).toEqual({ allowed: false, retryAfterMs: 1_000 });
    });

    it('is whole again after a pause', () => {
      const limiter = new GcraLimiter({ limit: 60, windowMs: 60_000, burst: 3 });
      burstOf(limiter, NOW);
      expect(burstOf(limiter, NOW + 3_000)).toBe(3);
      expect(burstOf(limiter, NOW + 1_000_000)).toBe(3);
    });

    it('counts a refusal for nothing', () => {
      const limiter = new GcraLimiter({ limit: 1, windowMs: 1_000, burst: 1 });
      limiter.take('key', NOW);
      for (let ms = 0; ms < 1_000; ms += 100) limiter.take('key', NOW + ms);
      expect(limiter.take('key', NOW + 1_000).allowed).toBe(true);
    });

    it('counts keys apart', () => {
      const limiter = new GcraLimiter({ limit: 1, windowMs: 1_000, burst: 1 });
      expect(limiter.take('a', NOW).allowed).toBe(true);
      expect(limiter.take('b', NOW).allowed).toBe(true);
      expect(limiter.take('a', NOW).allowed).toBe(false);
    });

    it('counts a cost of several as that many', () => {
      const limiter = new GcraLimiter({ limit: 10, windowMs: 1_000, burst: 10 });
      expect(limiter.take('key', NOW, 7).allowed).toBe(true);
      expect(limiter.take('key', NOW, 4)).toEqual({ allowed: false, retryAfterMs: 100 });
      expect(limiter.take('key', NOW, 3).allowed).toBe(true);
    });

    it('allows exactly the burst at once, whatever the fractions add up to', () => {
      fc.assert(
        fc.property(rates, fc.double({ min: 0, max: NOW, noNaN: true }), (rate, now) => {
          expect(burstOf(new GcraLimiter(rate), now)).toBe(rate.burst);
        }),
      );
    });

    it('never allows more in a window than the limit and the burst', () => {
      const waits = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 50, maxLength: 400 });
      fc.assert(
        fc.property(
          fc.integer({ min: 1, max: 50 }),
          fc.integer({ min: 1, max: 20 }),
          waits,
          (limit, burst, steps) => {
            const rate: Rate = { limit, windowMs: 10_000, burst };
            const limiter = new GcraLimiter(rate);
            const allowedAt: number[] = [];
            let now = NOW;
            for (const step of steps) {
              now += step;
              if (limiter.take('key', now).allowed) allowedAt.push(now);
            }
            for (const start of allowedAt) {
              const within = allowedAt.filter((at) => at >= start && at < start + rate.windowMs);
              expect(within.length).toBeLessThanOrEqual(limit + burst);
            }
          },
        ),
      );
    });

    it('tells the truth about the wait: refused before it, allowed after it', () => {
      fc.assert(
        fc.property(rates, fc.integer({ min: 1, max: 20 }), (rate, taken) => {
          const limiter = new GcraLimiter(rate);
          for (let count = 0; count < taken; count += 1) limiter.take('key', NOW);
          const decision = limiter.take('key', NOW);
          if (decision.allowed) return;
          expect(Number.isInteger(decision.retryAfterMs)).toBe(true);
          expect(decision.retryAfterMs).toBeGreaterThan(0);
          // To the millisecond, and a rounding.
          if (decision.retryAfterMs > 2) {
            expect(limiter.take('key', NOW + decision.retryAfterMs - 2).allowed).toBe(false);
          }
          expect(limiter.take('key', NOW + decision.retryAfterMs).allowed).toBe(true);
        }),
      );
    });
  });

  describe('memory', () => {
    it('holds little for each key, and never more than it may', () => {
      const limiter = new GcraLimiter({ limit: 1, windowMs: 60_000, burst: 1 }, 100);
      for (let key = 0; key < 10_000; key += 1) limiter.take(`key ${key}`, NOW);
      expect(limiter.size).toBeLessThanOrEqual(100);
      expect(limiter.size).toBeGreaterThan(90);
    });

    it('forgets what was used longest ago, to the second', () => {
      const limiter = new GcraLimiter({ limit: 2, windowMs: 3_600_000, burst: 2 }, 2);
      limiter.take('a', NOW);
      limiter.take('b', NOW);
      limiter.take('a', NOW + 1_000);
      limiter.take('c', NOW + 1_000);
      expect(limiter.take('a', NOW + 1_000).allowed).toBe(false);
      expect(limiter.take('b', NOW + 1_000).allowed).toBe(true);
    });

    it('does not grow by refusals', () => {
      const limiter = new GcraLimiter({ limit: 1, windowMs: 60_000, burst: 1 });
      for (let count = 0; count < 100; count += 1) limiter.take('key', NOW);
      limiter.take('another', NOW, 5);
      expect(limiter.size).toBe(1);
    });
  });
});
