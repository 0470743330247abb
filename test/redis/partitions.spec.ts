import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Partitions } from '../../lib/redis/partitions.js';

const hashOf = (...bytes: number[]): string =>
  Buffer.concat([Buffer.from(bytes), randomBytes(12 - bytes.length)]).toString('base64url');

describe('Partitions', () => {
  it.each([
    [1, ['0']],
    [16, [...'0123456789abcdef']],
  ])('of %s are named in hexadecimal', (count, names) => {
    expect(new Partitions(count).names).toEqual(names);
  });

  it.each([64, 256])('of %s have names of one length', (count) => {
    const { names } = new Partitions(count);
    expect(new Set(names).size).toBe(count);
    expect(names[0]).toBe('00');
    expect(names.at(-1)).toBe((count - 1).toString(16));
  });

  it.each([
    [1, [0xab, 0xcd], '0'],
    [16, [0xab, 0xcd], 'a'],
    [16, [0x0f], '0'],
    [16, [0xff], 'f'],
    [64, [0xab, 0xcd], '2a'],
    [64, [0xff], '3f'],
    [256, [0xab, 0xcd], 'ab'],
    [256, [0x07], '07'],
  ])('of %s take the first bits of a hash (RD-04)', (count, bytes, expected) => {
    expect(new Partitions(count).of(hashOf(...bytes))).toBe(expected);
  });

  it.each([16, 64, 256])('of %s are filled evenly', (count) => {
    const partitions = new Partitions(count);
    const filled = new Map<string, number>(partitions.names.map((name) => [name, 0]));
    for (let index = 0; index < count * 400; index += 1) {
      const name = partitions.of(randomBytes(12).toString('base64url'));
      filled.set(name, filled.get(name)! + 1);
    }
    expect(filled.size).toBe(count);
    expect(Math.min(...filled.values())).toBeGreaterThan(250);
    expect(Math.max(...filled.values())).toBeLessThan(550);
  });

  it('has a place for a text that is no hash', () => {
    const partitions = new Partitions(256);
    for (const text of ['', '{', '\u{1f600}', '*a']) expect(partitions.names).toContain(partitions.of(text));
  });
});
