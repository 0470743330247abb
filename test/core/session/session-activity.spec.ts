import { beforeEach, describe, expect, it } from 'vitest';
import { DeadlineWheel } from '../../../lib/core/lifetime/deadline-wheel.js';
import { SessionActivity } from '../../../lib/core/session/session-activity.js';
import type { SessionStore } from '../../../lib/core/session/session-store.js';
import type { LiveSession } from '../../../lib/core/session/session.js';
import { latch, settle } from '../../support/core-harness.js';
import { fakeClock, type FakeClock } from '../../support/fake-clock.js';

const PLENTY_MS = 1_000_000;

describe('SessionActivity', () => {
  let clock: FakeClock;
  let wheel: DeadlineWheel;
  let left: Map<string, number>;
  let touches: (readonly string[])[];
  let gets: (readonly string[])[];
  let verdicts: [string, number | null][];
  let errors: unknown[];
  let failure: Error | undefined;
  let gate: Promise<void> | undefined;
  /** What the randomness answers. */
  let chance: number;

  beforeEach(() => {
    clock = fakeClock();
    wheel = new DeadlineWheel({ now: clock });
    left = new Map();
    [touches, gets, verdicts, errors] = [[], [], [], []];
    [failure, gate] = [undefined, undefined];
    chance = 1;
  });

  function activityFor(idleMs: number): SessionActivity {
    const answer = async (): Promise<void> => {
      await gate;
      if (failure) throw failure;
    };
    const sessions = {
      touch: async (ids: readonly string[]) => {
        touches.push(ids);
        await answer();
        return ids.map((id) => left.get(id) ?? null);
      },
      get: async (ids: readonly string[]) => {
        gets.push(ids);
        await answer();
        return ids.map((id) => (left.has(id) ? ({ remainingMs: left.get(id) } as LiveSession) : null));
      },
    };
    return new SessionActivity({
      sessions: sessions as unknown as SessionStore,
      wheel,
      idleMs,
      onVerdict: (id, remainingMs) => verdicts.push([id, remainingMs]),
      onError: (error) => errors.push(error),
      random: () => chance,
    });
  }

  async function advance(ms: number): Promise<void> {
    clock.advance(ms);
    wheel.sweep();
    await settle();
  }

  it('tells the store of all sessions that were used, in one call, ten seconds after the first', async () => {
    const activity = activityFor(1_800_000);
    left.set('one', 5).set('two', 7);
    activity.markUsed('one', PLENTY_MS);
    await advance(5_000);
    activity.markUsed('two', PLENTY_MS);
    activity.markUsed('one', PLENTY_MS);
    await advance(4_900);
    expect(touches).toEqual([]);
    await advance(150);
    expect(touches).toEqual([['one', 'two']]);
    expect(verdicts).toEqual([
      ['one', 5],
      ['two', 7],
    ]);
  });

  it('tells the store sooner where sessions are idle sooner (SE-08)', async () => {
    const activity = activityFor(2_000);
    activity.markUsed('one', PLENTY_MS);
    await advance(450);
    expect(touches).toEqual([]);
    await advance(100);
    expect(touches).toEqual([['one']]);
  });

  it('tells the store at once of a session that would be idle for too long before the next call (SE-08)', async () => {
    const activity = activityFor(1_800_000);
    left.set('quiet', 1_800_000);
    activity.markUsed('quiet', 15_000);
    await settle();
    expect(touches).toEqual([['quiet']]);
    await advance(10_050);
    expect(touches).toHaveLength(1);
  });

  it('begins anew after a flush', async () => {
    const activity = activityFor(1_800_000);
    activity.markUsed('one', PLENTY_MS);
    await advance(10_050);
    await advance(10_050);
    expect(touches).toEqual([['one']]);
    activity.markUsed('one', PLENTY_MS);
    await advance(10_050);
    expect(touches).toEqual([['one'], ['one']]);
    expect(wheel.size).toBe(0);
  });

  it('says that a session which was used has ended', async () => {
    const activity = activityFor(1_800_000);
    activity.markUsed('gone', PLENTY_MS);
    await advance(10_050);
    expect(verdicts).toEqual([['gone', null]]);
  });

  it('asks about all sessions of one turn in one call, which is no use of them (SE-08)', async () => {
    const activity = activityFor(1_800_000);
    left.set('one', 5);
    activity.ask('one');
    activity.ask('gone');
    activity.ask('one');
    await settle();
    expect(gets).toEqual([['one', 'gone']]);
    expect(touches).toEqual([]);
    expect(verdicts).toEqual([
      ['one', 5],
      ['gone', null],
    ]);
  });

  it('tells of a use rather than to ask, when a session was used', async () => {
    const activity = activityFor(1_800_000);
    left.set('used', 9).set('unused', 5);
    activity.markUsed('used', PLENTY_MS);
    activity.ask('used');
    activity.ask('unused');
    await settle();
    expect([touches, gets]).toEqual([[['used']], [['unused']]]);
    expect(verdicts).toEqual([
      ['used', 9],
      ['unused', 5],
    ]);
  });

  it('asks the store nothing when nothing is left to tell', async () => {
    const activity = activityFor(1_800_000);
    activity.markUsed('used', PLENTY_MS);
    activity.ask('used');
    await settle();
    await advance(10_050);
    expect(touches).toEqual([['used']]);
  });

  it('asks again for questions that come while it waits for an answer', async () => {
    const activity = activityFor(1_800_000);
    const { opened, open } = latch();
    gate = opened;
    activity.ask('one');
    await settle();
    activity.ask('two');
    await settle();
    expect(gets).toEqual([['one'], ['two']]);
    open();
    await settle();
    expect(verdicts.map(([id]) => id)).toEqual(['one', 'two']);
  });

  it('reports a store that fails, gives no verdict, and goes on', async () => {
    const activity = activityFor(1_800_000);
    failure = new Error('store is away');
    activity.ask('one');
    activity.markUsed('two', PLENTY_MS);
    await advance(10_050);
    expect(errors).toEqual([failure, failure]);
    expect(verdicts).toEqual([]);
    failure = undefined;
    left.set('one', 5);
    activity.ask('one');
    await settle();
    expect(verdicts).toEqual([['one', 5]]);
  });

  describe('asks again what the store did not answer (SE-04)', () => {
    it('within seconds, however long the store is away', async () => {
      const activity = activityFor(1_800_000);
      failure = new Error('store is away');
      left.set('one', 5);
      for (const id of ['one', 'gone']) activity.ask(id);
      await settle();
      for (let second = 0; second < 600; second += 1) await advance(1_000);
      expect(verdicts).toEqual([]);
      failure = undefined;
      for (let second = 0; second < 6; second += 1) await advance(1_000);
      expect(verdicts).toEqual([
        ['one', 5],
        ['gone', null],
      ]);
      expect(wheel.size).toBe(0);
    });

    it('less and less often, and tells the operator once', async () => {
      const activity = activityFor(1_800_000);
      failure = new Error('store is away');
      activity.ask('one');
      await settle();
      const askedAt: number[] = [];
      for (let ms = 0; ms < 30_000; ms += 50) {
        const before = gets.length;
        await advance(50);
        if (gets.length > before) askedAt.push(ms + 50);
      }
      const waits = askedAt.map((at, index) => at - (askedAt[index - 1] ?? 0));
      expect(waits).toEqual([250, 500, 1_000, 2_000, 4_000, 5_000, 5_000, 5_000, 5_000]);
      expect(errors).toEqual([failure]);
    });

    it('at a time by chance, never sooner than half of the wait', async () => {
      const activity = activityFor(1_800_000);
      failure = new Error('store is away');
      chance = 0;
      activity.ask('one');
      await settle();
      await advance(100);
      expect(gets).toHaveLength(1);
      await advance(50);
      expect(gets).toHaveLength(2);
    });

    it('and tells of the uses that it did not hear of', async () => {
      const activity = activityFor(1_800_000);
      failure = new Error('store is away');
      left.set('used', 9);
      activity.markUsed('used', PLENTY_MS);
      await advance(10_050);
      failure = undefined;
      await advance(300);
      expect(touches).toEqual([['used'], ['used']]);
      expect(verdicts).toEqual([['used', 9]]);
      await advance(10_050);
      expect(touches).toHaveLength(2);
    });

    it('beside what is asked meanwhile, which waits for nothing', async () => {
      const activity = activityFor(1_800_000);
      failure = new Error('store is away');
      activity.ask('one');
      await settle();
      failure = undefined;
      activity.ask('two');
      await settle();
      expect(verdicts).toEqual([['two', null]]);
      await advance(300);
      expect(verdicts).toEqual([
        ['two', null],
        ['one', null],
      ]);
    });

    it('soon again after the next outage', async () => {
      const activity = activityFor(1_800_000);
      failure = new Error('store is away');
      activity.ask('one');
      for (let ms = 0; ms < 20_000; ms += 500) await advance(500);
      failure = undefined;
      for (let ms = 0; ms < 6_000; ms += 500) await advance(500);
      failure = new Error('store is away again');
      activity.ask('one');
      await settle();
      const before = gets.length;
      await advance(300);
      expect(gets).toHaveLength(before + 1);
    });
  });

  describe('many questions of one turn', () => {
    const ids = (count: number): string[] => Array.from({ length: count }, (_, index) => `s${index}`);

    it('go to the store one slice after the other, and are all answered (SE-04)', async () => {
      const activity = activityFor(1_800_000);
      for (const id of ids(1_200)) activity.ask(id);
      await settle();
      expect(gets.map(({ length }) => length)).toEqual([500]);
      await advance(100);
      await advance(100);
      expect(gets.map(({ length }) => length)).toEqual([500, 500, 200]);
      expect(new Set(verdicts.map(([id]) => id)).size).toBe(1_200);
    });

    it('are answered within seconds, however many they are', async () => {
      const activity = activityFor(1_800_000);
      for (const id of ids(100_000)) activity.ask(id);
      for (let ms = 0; ms < 2_500; ms += 50) await advance(50);
      expect(gets).toHaveLength(40);
      expect(verdicts).toHaveLength(100_000);
    });

    it('are all asked again where one slice failed', async () => {
      const activity = activityFor(1_800_000);
      failure = new Error('store is away');
      for (const id of ids(1_200)) activity.ask(id);
      await settle();
      expect(gets).toHaveLength(1);
      failure = undefined;
      for (let ms = 0; ms < 1_000; ms += 50) await advance(50);
      expect(new Set(verdicts.map(([id]) => id)).size).toBe(1_200);
    });
  });
});
