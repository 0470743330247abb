import { describe, expect, it } from 'vitest';
import { WindowCounter } from '../../../lib/core/anomaly/window-counter.js';
import { fakeClock } from '../../support/fake-clock.js';

describe('WindowCounter', () => {
  it('counts in a window from the first, which further ones do not put off', () => {
    const clock = fakeClock();
    const counter = new WindowCounter(clock);
    expect([counter.add('a', 100), counter.add('a', 100), counter.add('b', 100)]).toEqual([1, 2, 1]);
    clock.advance(99);
    expect(counter.add('a', 100)).toBe(3);
    clock.advance(1);
    expect([counter.of('a'), counter.add('a', 100)]).toEqual([0, 1]);
  });

  it('forgets what was quiet for longest: who goes on is not flushed out by many that come once', () => {
    const counter = new WindowCounter(fakeClock(), 10);
    for (let index = 0; index < 100; index += 1) {
      counter.add('attacker', 1_000);
      for (let other = 0; other < 5; other += 1) counter.add(`${index}-${other}`, 1_000);
    }
    expect(counter.of('attacker')).toBe(100);
    expect(counter.size).toBe(10);
  });

  it('bounds a million keys', () => {
    const counter = new WindowCounter(fakeClock());
    for (let index = 0; index < 1_000_000; index += 1) counter.add(`${index}`, 1_000);
    expect(counter.size).toBe(10_000);
  });
});
