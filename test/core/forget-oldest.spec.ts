import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { forgetOldest } from '../../lib/core/forget-oldest.js';
import { GcraLimiter } from '../../lib/core/throttle/gcra.js';

const mapOf = (keys: string) => new Map([...keys].map((key) => [key, key]));

describe('forgetOldest', () => {
  it('forgets in the order in which entries came, and came again', () => {
    const map = mapOf('abc');
    forgetOldest(map);
    map.set('a', 'a');
    map.delete('b');
    map.set('b', 'b');
    expect([...map.keys()]).toEqual(['c', 'a', 'b']);
    for (const left of ['ab', 'b', '']) {
      expect(forgetOldest(map)).toBe(true);
      expect([...map.keys()].join('')).toBe(left);
    }
    expect(forgetOldest(map)).toBe(false);
  });

  it('forgets a sixteenth of a large map, or as many as it is told', () => {
    const map = new Map(Array.from({ length: 1_600 }, (_, index) => [index, index]));
    forgetOldest(map);
    expect([map.size, map.keys().next().value]).toEqual([1_500, 100]);
    forgetOldest(map, 1);
    expect([map.size, map.keys().next().value]).toEqual([1_499, 101]);
  });

  it('leaves what must stay', () => {
    const map = new Map([...'abc'].map((key) => [key, key === 'b']));
    expect(forgetOldest(map, 1, (mayGo) => mayGo)).toBe(true);
    expect(forgetOldest(map, 1, (mayGo) => mayGo)).toBe(false);
    expect([...map.keys()]).toEqual(['a', 'c']);
  });
});

describe('a rate limit that is used and used', () => {
  it('takes no more memory after a million messages than before (TH-09)', () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const heap = (): number => {
      collect();
      return process.memoryUsage().heapUsed;
    };
    const limiter = new GcraLimiter({ limit: 1_000_000_000, windowMs: 60_000, burst: 1_000_000_000 });
    const round = (now: number): void => {
      for (let user = 0; user < 1_000; user += 1) limiter.take(`user-${user}`, now);
    };
    round(0);
    const before = heap();
    for (let now = 1; now <= 1_000; now += 1) round(now);
    expect(heap() - before).toBeLessThan(5_000_000);
    expect(limiter.size).toBe(1_000);
  });
});
