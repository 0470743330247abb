import { describe, expect, it } from 'vitest';
import { ExpiringMap } from '../../lib/memory/expiring-map.js';
import { fakeClock } from '../support/fake-clock.js';

function filled(count: number, ttlMs: number) {
  const clock = fakeClock();
  const map = new ExpiringMap<number>(clock);
  for (let index = 0; index < count; index += 1) map.set(`key-${index}`, index, clock() + ttlMs);
  return { clock, map };
}

describe('ExpiringMap', () => {
  it('answers a value until its time is over, and not at that very time', () => {
    const { clock, map } = filled(1, 100);
    clock.advance(99);
    expect(map.get('key-0')).toBe(0);
    clock.advance(1);
    expect(map.get('key-0')).toBeUndefined();
  });

  it('drops what is over when it is asked for', () => {
    const { clock, map } = filled(1, 100);
    clock.advance(100);
    expect(map.size).toBe(1);
    map.get('key-0');
    expect(map.size).toBe(0);
  });

  it('answers nothing for a key that is not there', () => {
    expect(filled(1, 100).map.get('other')).toBeUndefined();
  });

  it('replaces a value and its time', () => {
    const { clock, map } = filled(1, 100);
    map.set('key-0', 7, clock() + 1_000);
    clock.advance(500);
    expect(map.get('key-0')).toBe(7);
    expect(map.size).toBe(1);
  });

  it('says whether it deleted something', () => {
    const { map } = filled(1, 100);
    expect([map.delete('key-0'), map.delete('key-0')]).toEqual([true, false]);
  });

  it('sweeps a slice at a time, going on where it stopped', () => {
    const { clock, map } = filled(100, 100);
    clock.advance(100);
    const sizes = Array.from({ length: 6 }, () => {
      map.sweep(20);
      return map.size;
    });
    expect(sizes).toEqual([80, 60, 40, 20, 0, 0]);
  });

  it('begins again after the last', () => {
    const { clock, map } = filled(10, 100);
    map.sweep(100);
    expect(map.size).toBe(10);
    clock.advance(100);
    map.sweep(100);
    expect(map.size).toBe(0);
  });

  it('sweeps no entry that has time left', () => {
    const { clock, map } = filled(10, 100);
    map.set('long', 1, clock() + 1_000);
    clock.advance(500);
    map.sweep(100);
    expect([map.size, map.get('long')]).toEqual([1, 1]);
  });

  it('stays bounded while entries come and go', () => {
    const clock = fakeClock();
    const map = new ExpiringMap<number>(clock);
    let largest = 0;
    for (let turn = 0; turn < 300; turn += 1) {
      for (let index = 0; index < 50; index += 1) map.set(`${turn}-${index}`, index, clock() + 1_000);
      clock.advance(100);
      map.sweep(200);
      largest = Math.max(largest, map.size);
    }
    expect(largest).toBeLessThan(50 * 10 * 3);
  });
});
