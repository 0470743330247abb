import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { drainWindowMs, spreadCloses, type Drainable } from '../../../lib/core/lifetime/drain.js';

/** Connections that say when they were closed. */
function makeDrainables(count: number): (Drainable & { isOpen: boolean; closedAt: number | undefined })[] {
  return Array.from({ length: count }, () => ({
    isOpen: true as boolean,
    closedAt: undefined as number | undefined,
    close() {
      this.isOpen = false;
      this.closedAt = performance.now();
    },
  }));
}

describe('drainWindowMs', () => {
  it('is 20 ms for each connection, up to the longest (decision 32)', () => {
    expect(drainWindowMs(0, 20_000)).toBe(0);
    expect(drainWindowMs(5, 20_000)).toBe(100);
    expect(drainWindowMs(1_000, 20_000)).toBe(20_000);
    expect(drainWindowMs(100_000, 20_000)).toBe(20_000);
  });
});

describe('spreadCloses (LT-07)', () => {
  const noError = (error: unknown): never => {
    throw error;
  };

  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('is over at once when there is nothing to close', async () => {
    await spreadCloses([], 1_000, noError);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('closes everything at once in a window of nothing', async () => {
    const drainables = makeDrainables(100);
    await spreadCloses(drainables, 0, noError);
    expect(drainables.some(({ isOpen }) => isOpen)).toBe(false);
  });

  it.each([
    [10, 200],
    [1_000, 20_000],
    [5_000, 3_000],
  ])('closes %d connections evenly over %d ms, in their order', async (count, windowMs) => {
    const drainables = makeDrainables(count);
    const began = performance.now();
    const done = spreadCloses(drainables, windowMs, noError);
    expect(drainables[0]!.isOpen).toBe(false);
    await vi.advanceTimersByTimeAsync(windowMs + 20);
    await done;
    const times = drainables.map(({ closedAt }) => closedAt! - began);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(times.at(-1)).toBeLessThanOrEqual(windowMs + 10);
    for (let fifth = 0; fifth < 5; fifth += 1) {
      const from = (windowMs / 5) * fifth;
      const inFifth = times.filter((time) => time >= from && time < from + windowMs / 5).length;
      expect(inFifth).toBeGreaterThanOrEqual(count / 5 / 2);
      expect(inFifth).toBeLessThanOrEqual((count / 5) * 2);
    }
    expect(vi.getTimerCount()).toBe(0);
  });

  it('spends no time on those that have left', async () => {
    const drainables = makeDrainables(100);
    const done = spreadCloses(drainables, 2_000, noError);
    for (const drainable of drainables.slice(1, 99)) drainable.isOpen = false;
    await vi.advanceTimersByTimeAsync(40);
    await done;
    expect(drainables[99]!.closedAt).toBeDefined();
    expect(drainables.filter(({ closedAt }) => closedAt !== undefined)).toHaveLength(2);
  });

  it('is over with the next turn when all have left', async () => {
    const drainables = makeDrainables(100);
    const done = spreadCloses(drainables, 2_000, noError);
    for (const drainable of drainables) drainable.isOpen = false;
    await vi.advanceTimersByTimeAsync(10);
    await done;
  });

  it('closes the others when one cannot be closed, and tells', async () => {
    const failure = new Error('no');
    const drainables = makeDrainables(3);
    drainables[1]!.close = () => {
      throw failure;
    };
    const errors: unknown[] = [];
    const done = spreadCloses(drainables, 60, (error) => errors.push(error));
    await vi.advanceTimersByTimeAsync(100);
    await done;
    expect(errors).toEqual([failure]);
    expect([drainables[0]!.isOpen, drainables[2]!.isOpen]).toEqual([false, false]);
  });
});
