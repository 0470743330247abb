import { describe, expect, it } from 'vitest';
import { BlockCache } from '../../../lib/core/throttle/block-cache.js';

const NOW = 5_000_000;

describe('BlockCache', () => {
  it('blocks a key to the millisecond, and no other', () => {
    const cache = new BlockCache();
    cache.block('a', NOW + 1_000);
    expect(cache.remaining('a', NOW)).toBe(1_000);
    expect(cache.remaining('a', NOW + 999)).toBe(1);
    expect(cache.remaining('b', NOW)).toBe(0);
    expect(cache.remaining('a', NOW + 1_000)).toBe(0);
  });

  it('takes the last word on a key, be it later or earlier', () => {
    const cache = new BlockCache();
    cache.block('a', NOW + 1_000);
    cache.block('a', NOW + 3_000);
    expect(cache.remaining('a', NOW)).toBe(3_000);
    cache.block('a', NOW + 500);
    expect(cache.remaining('a', NOW)).toBe(500);
  });

  it('forgets a block that is over when it is asked about', () => {
    const cache = new BlockCache();
    cache.block('a', NOW + 1);
    expect(cache.remaining('a', NOW + 1)).toBe(0);
    expect(cache.size).toBe(0);
  });

  it('never holds more keys than it may, and drops the one that was refused longest ago (TH-09)', () => {
    const cache = new BlockCache(3);
    for (const key of ['a', 'b', 'c', 'a', 'd']) cache.block(key, NOW + 1_000);
    expect(cache.size).toBe(3);
    const blocked = ['a', 'b', 'c', 'd'].filter((key) => cache.remaining(key, NOW) > 0);
    expect(blocked).toEqual(['a', 'c', 'd']);
  });

  it('holds ten thousand keys unless told otherwise (TH-09)', () => {
    const cache = new BlockCache();
    for (let key = 0; key < 12_000; key += 1) cache.block(`key ${key}`, NOW + 1_000);
    expect(cache.size).toBeLessThanOrEqual(10_000);
    expect(cache.size).toBeGreaterThan(9_000);
  });
});
