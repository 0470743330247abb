import { describe, expect, it } from 'vitest';
import { readDurationMs } from '../../../lib/core/authorization/duration.js';

describe('readDurationMs', () => {
  it.each([
    ['250ms', 250],
    ['90s', 90_000],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
    [1_500, 1_500],
  ])('reads %s', (given, ms) => {
    expect(readDurationMs(given)).toBe(ms);
  });

  it.each([
    ['5'],
    ['5 m'],
    ['m'],
    ['-5m'],
    ['0m'],
    ['5min'],
    ['1e3s'],
    [0],
    [-1],
    [NaN],
    [Infinity],
    [null],
    [{}],
  ])('refuses %s', (given) => {
    expect(readDurationMs(given)).toBeNull();
  });
});
