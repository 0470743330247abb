import { describe, expect, it } from 'vitest';
import { benchModule } from './bench-module.js';

interface Goal {
  what: string;
  goal: string;
  measured: string;
  isMet: boolean;
}

interface Measure {
  name: string;
  goals?: (result: unknown, settings: unknown) => Goal[];
}

const { atLeast, atMost, goalsOf, goalsTable } = await benchModule<{
  atLeast(what: string, values: number[], bound: number, digits?: number): Goal;
  atMost(what: string, values: number[], bound: number, digits?: number, unit?: string): Goal;
  goalsOf(measures: Measure[], result: Record<string, unknown>): Goal[];
  goalsTable(rows: Goal[]): string;
}>('harness/goals.mjs');

describe('atLeast', () => {
  it('goes by the median, and tells the least and the most', () => {
    expect(atLeast('echo', [1.7, 1.9, 2.5], 1.8)).toEqual({
      what: 'echo',
      goal: '≥ 1.8',
      measured: '1.90 (1.70–2.50)',
      isMet: true,
    });
  });

  it('is not met when the median is below, however high the best was', () => {
    expect(atLeast('echo', [1.7, 1.79, 9], 1.8).isMet).toBe(false);
  });

  it('is met at the bound itself', () => {
    expect(atLeast('echo', [1.8], 1.8).isMet).toBe(true);
  });
});

describe('atMost', () => {
  it('goes by the median, with a unit behind the bound', () => {
    expect(atMost('closed', [590, 610, 580], 600, 0, 'ms')).toEqual({
      what: 'closed',
      goal: '≤ 600 ms',
      measured: '590 (580–610)',
      isMet: true,
    });
  });

  it('is not met when the median is above', () => {
    expect(atMost('closed', [601, 602, 1], 600).isMet).toBe(false);
  });
});

describe('goalsOf', () => {
  const goal: Goal = { what: 'a', goal: '≥ 1', measured: '1', isMet: true };

  it('asks only measures that were taken, and those that have goals', () => {
    const measures: Measure[] = [
      { name: 'echo', goals: (result) => [{ ...goal, measured: String(result) }] },
      { name: 'memory', goals: () => [goal] },
      { name: 'options' },
    ];
    expect(goalsOf(measures, { settings: {}, echo: 7, options: {} })).toEqual([{ ...goal, measured: '7' }]);
  });
});

describe('goalsTable', () => {
  it('says of each whether it is met, and of how many in all', () => {
    const rows = [
      { what: 'a', goal: '≥ 1', measured: '2.00', isMet: true },
      { what: 'b', goal: '≤ 5 ms', measured: '6.0', isMet: false },
    ];
    expect(goalsTable(rows)).toBe(
      [
        '| what | goal   | median (min–max) | met |',
        '| ---- | ------ | ---------------- | --- |',
        '| a    | ≥ 1    | 2.00             | yes |',
        '| b    | ≤ 5 ms | 6.0              | no  |',
        '',
        '1 of 2 are met.',
      ].join('\n'),
    );
  });
});
