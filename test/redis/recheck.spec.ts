import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Recheck } from '../../lib/redis/recheck.js';

describe('Recheck', () => {
  /** What was done, and when. */
  let done: [string, number][];
  /** What fails, when it is tried. */
  let failing: Set<string>;
  let recheck: Recheck;
  /** Of the longest wait, so much is waited. */
  let share: number;
  beforeEach(() => {
    vi.useFakeTimers();
    vi.setSystemTime(0);
    [done, failing, share] = [[], new Set(), 0.5];
    const check = (name: string) => async (): Promise<void> => {
      done.push([name, Date.now()]);
      await Promise.resolve();
      if (failing.has(name)) throw new Error('away');
    };
    recheck = new Recheck({ recover: check('recover'), pick: (maxMs) => maxMs * share });
    recheck.add(check('one'));
    recheck.add(check('two'));
  });
  afterEach(() => {
    recheck.stop();
    vi.useRealTimers();
  });

  const names = (): string[] => done.map(([name]) => name);

  it('puts back at once what others need, and checks when its turn has come (RD-04)', async () => {
    const finished = recheck.run();
    await vi.advanceTimersByTimeAsync(500);
    await finished;
    expect(done).toEqual([
      ['recover', 0],
      ['one', 500],
      ['two', 500],
    ]);
  });

  it('takes its turn within a second', async () => {
    share = 1;
    const finished = recheck.run();
    await vi.advanceTimersByTimeAsync(1_000);
    await finished;
    expect(done.at(-1)).toEqual(['two', 1_000]);
  });

  it('does it once for all losses of the same moment', async () => {
    const losses = Array.from({ length: 16 }, () => recheck.run());
    await vi.advanceTimersByTimeAsync(500);
    await Promise.all(losses);
    expect(names()).toEqual(['recover', 'one', 'two']);
  });

  it('does it again for a loss that comes while it checks, and not beside it', async () => {
    failing.add('one');
    const first = recheck.run();
    await vi.advanceTimersByTimeAsync(500);
    const second = recheck.run();
    await vi.advanceTimersByTimeAsync(900);
    expect(names().filter((name) => name === 'two')).toHaveLength(1);
    failing.clear();
    await vi.advanceTimersByTimeAsync(1_000);
    await Promise.all([first, second]);
    expect(names().filter((name) => name === 'two')).toHaveLength(2);
    expect(names().filter((name) => name === 'recover')).toHaveLength(2);
  });

  it('tries again each second what fails, and nothing else twice (SE-04)', async () => {
    failing.add('recover').add('two');
    let isFinished = false;
    void recheck.run().then(() => (isFinished = true));
    await vi.advanceTimersByTimeAsync(2_500);
    expect(names()).toEqual(['recover', 'recover', 'recover']);
    failing.delete('recover');
    await vi.advanceTimersByTimeAsync(2_000);
    expect(names().filter((name) => name === 'one')).toHaveLength(1);
    expect(isFinished).toBe(false);
    failing.clear();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(isFinished).toBe(true);
  });

  it('gives up when the node stops', async () => {
    failing.add('recover');
    const finished = recheck.run();
    recheck.stop();
    await vi.advanceTimersByTimeAsync(1_000);
    await finished;
    expect(names()).toEqual(['recover']);
  });
});
