import { describe, expect, it } from 'vitest';
import { OldestEntry } from '../../lib/core/oldest-entry.js';

describe('OldestEntry', () => {
  it('forgets in the order in which entries came, and came again', () => {
    const map = new Map([...'abc'].map((key) => [key, key]));
    const oldest = new OldestEntry(map);
    oldest.forget();
    map.set('a', 'a');
    map.delete('b');
    map.set('b', 'b');
    expect([...map.keys()]).toEqual(['c', 'a', 'b']);
    for (const left of ['ab', 'b', '']) {
      expect(oldest.forget()).toBe(true);
      expect([...map.keys()].join('')).toBe(left);
    }
    expect(oldest.forget()).toBe(false);
  });

  it('goes on after the map was emptied', () => {
    const map = new Map([['a', 1]]);
    const oldest = new OldestEntry(map);
    map.clear();
    expect(oldest.forget()).toBe(false);
    map.set('b', 1).set('c', 1);
    oldest.forget();
    expect([...map.keys()]).toEqual(['c']);
  });

  it('leaves what must stay, and comes back to what has become free to go', () => {
    const map = new Map([...'abc'].map((key) => [key, key === 'b']));
    const oldest = new OldestEntry(map);
    expect(oldest.forget((mayGo) => mayGo)).toBe(true);
    expect(oldest.forget((mayGo) => mayGo)).toBe(false);
    map.set('a', true);
    expect(oldest.forget((mayGo) => mayGo)).toBe(true);
    expect([...map.keys()]).toEqual(['c']);
  });

  it('is always the first of the map, whatever is done to it', () => {
    const map = new Map<number, number>();
    const oldest = new OldestEntry(map);
    for (let step = 0; step < 50_000; step += 1) {
      const key = (step * 7_919) % 501;
      if (step % 3 === 0) map.delete(key);
      map.set((step * 104_729) % 1_009, step);
      if (map.size <= 100) continue;
      const first = map.keys().next().value!;
      oldest.forget();
      if (map.has(first)) throw new Error(`step ${step}`);
    }
    expect(map.size).toBeLessThanOrEqual(100);
  });
});
