import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DeadlineWheel, type Deadline } from '../../../lib/core/lifetime/deadline-wheel.js';
import { fakeClock } from '../../support/fake-clock.js';

const TICK = 50;
const DAY = 86_400_000;

/** A wheel on a clock of its own, and what it has fired, in order. */
function wheelWithClock(start = 0) {
  const now = fakeClock(start);
  const errors: unknown[] = [];
  const fired: string[] = [];
  const wheel = new DeadlineWheel({ now, tickMs: TICK, onError: (error) => errors.push(error) });
  return {
    now,
    wheel,
    errors,
    fired,
    schedule: (name: string, delayMs: number) => wheel.schedule(delayMs, () => fired.push(name)),
    /** Lets time pass as the timer would: tick by tick. */
    pass: (ms: number) => {
      for (let left = ms; left > 0; left -= TICK) {
        now.advance(Math.min(left, TICK));
        wheel.sweep();
      }
    },
  };
}

describe('DeadlineWheel', () => {
  describe('schedule', () => {
    it('fires once, not before its time and at most one tick after it', () => {
      for (const delayMs of [0, 1, 49, 50, 51, 99, 100, 1_234.5]) {
        const { fired, schedule, pass, wheel } = wheelWithClock(17);
        schedule('a', delayMs);
        pass(delayMs - 1);
        expect(fired).toEqual([]);
        pass(1 + TICK);
        expect(fired).toEqual(['a']);
        pass(10 * TICK);
        expect(fired).toEqual(['a']);
        expect(wheel.size).toBe(0);
      }
    });

    it('fires in the order of the slots', () => {
      const { fired, schedule, pass } = wheelWithClock();
      schedule('late', 300);
      schedule('early', 100);
      schedule('middle', 200);
      pass(400);
      expect(fired).toEqual(['early', 'middle', 'late']);
    });

    it('waits for 30 days, where a timer would fire at once (LT-02)', () => {
      const { now, fired, schedule, pass, wheel } = wheelWithClock();
      schedule('a', 30 * DAY);
      pass(5_000);
      expect(fired).toEqual([]);
      now.set(30 * DAY - 1);
      wheel.sweep();
      expect(fired).toEqual([]);
      now.set(30 * DAY);
      wheel.sweep();
      expect(fired).toEqual(['a']);
    });

    it('waits for ever for what is never due (LT-02)', () => {
      const { now, fired, schedule, wheel } = wheelWithClock();
      const deadline = schedule('a', Number.POSITIVE_INFINITY);
      now.set(1_000 * DAY);
      wheel.sweep();
      expect(fired).toEqual([]);
      wheel.cancel(deadline);
      expect(wheel.size).toBe(0);
    });

    it('fires what was due already with the next tick', () => {
      const { fired, schedule, pass } = wheelWithClock(1_000);
      schedule('now', 0);
      schedule('before', -500);
      pass(TICK);
      expect(fired).toEqual(['now', 'before']);
    });

    it('fires what a callback scheduled, though it was due at once', () => {
      const { fired, schedule, pass, wheel } = wheelWithClock();
      // Others that wait, so that the wheel goes from slot to slot.
      for (let index = 1; index <= 20; index += 1) schedule('far', index * DAY);
      wheel.schedule(100, () => {
        schedule('at once', 0);
        schedule('in the past', -1_000);
        schedule('soon', 1);
      });
      pass(100);
      expect(fired).toEqual([]);
      pass(TICK);
      expect(fired.toSorted()).toEqual(['at once', 'in the past', 'soon']);
    });

    it('does not run away with a callback that schedules itself', () => {
      const { wheel, now } = wheelWithClock();
      let runs = 0;
      const again = () => {
        runs += 1;
        wheel.schedule(0, again);
      };
      wheel.schedule(0, again);
      for (let tick = 0; tick < 10; tick += 1) {
        now.advance(TICK);
        wheel.sweep();
      }
      expect(runs).toBe(10);
    });
  });

  describe('sweep', () => {
    it('fires everything after a long sleep of the machine, in order', () => {
      const { now, fired, schedule, wheel } = wheelWithClock();
      schedule('b', 2_000);
      schedule('c', 5 * DAY);
      schedule('a', 1_000);
      schedule('d', 50 * DAY);
      now.advance(10 * DAY);
      wheel.sweep();
      expect(fired).toEqual(['a', 'b', 'c']);
      expect(wheel.size).toBe(1);
    });

    it('does not walk through ten years of empty slots', () => {
      const { now, fired, schedule, wheel } = wheelWithClock();
      schedule('a', 1_000);
      now.advance(3_650 * DAY);
      const started = performance.now();
      wheel.sweep();
      expect(performance.now() - started).toBeLessThan(500);
      expect(fired).toEqual(['a']);
    });

    it('does nothing when no time has passed, or when the clock went back', () => {
      const { now, fired, schedule, wheel } = wheelWithClock(10_000);
      schedule('a', 100);
      wheel.sweep();
      now.advance(-5_000);
      wheel.sweep();
      expect(fired).toEqual([]);
      now.advance(5_200);
      wheel.sweep();
      expect(fired).toEqual(['a']);
    });

    it('tells of a callback that throws, and fires the others', () => {
      const { fired, errors, schedule, pass, wheel } = wheelWithClock();
      const error = new Error('callback');
      schedule('before', 100);
      wheel.schedule(100, () => {
        throw error;
      });
      schedule('after', 100);
      schedule('later', 200);
      pass(200);
      expect(fired).toEqual(['before', 'after', 'later']);
      expect(errors).toEqual([error]);
    });

    it('lets a callback cancel another that is due with it', () => {
      const { fired, schedule, pass, wheel } = wheelWithClock();
      wheel.schedule(100, () => {
        wheel.cancel(second);
        wheel.cancel(third);
      });
      const second = schedule('same slot', 100);
      const third = schedule('next slot', 140);
      pass(300);
      expect(fired).toEqual([]);
      expect(wheel.size).toBe(0);
    });

    it('lets a callback move another that is due with it', () => {
      const { fired, schedule, pass, now, wheel } = wheelWithClock();
      wheel.schedule(100, () => wheel.reschedule(second, now() + 1_000));
      const second = schedule('moved', 100);
      pass(1_000);
      expect(fired).toEqual([]);
      pass(200);
      expect(fired).toEqual(['moved']);
    });
  });

  describe('reschedule', () => {
    it('moves a deadline later', () => {
      const { fired, schedule, pass, now, wheel } = wheelWithClock();
      const deadline = schedule('a', 100);
      pass(TICK);
      wheel.reschedule(deadline, now() + 1_000);
      pass(950);
      expect(fired).toEqual([]);
      pass(100);
      expect(fired).toEqual(['a']);
    });

    it('moves a deadline earlier', () => {
      const { fired, schedule, pass, now, wheel } = wheelWithClock();
      const deadline = schedule('a', 30 * DAY);
      wheel.reschedule(deadline, now() + 100);
      pass(100);
      expect(fired).toEqual(['a']);
      expect(wheel.size).toBe(0);
    });

    it('fires once for a deadline that was moved over and over', () => {
      const { fired, schedule, pass, now, wheel } = wheelWithClock();
      const deadline = schedule('a', 100);
      for (let move = 0; move < 100; move += 1) {
        pass(TICK);
        wheel.reschedule(deadline, now() + 500);
        expect(wheel.size).toBe(1);
      }
      expect(fired).toEqual([]);
      pass(600);
      expect(fired).toEqual(['a']);
    });

    it('wakes a deadline that has fired or was cancelled', () => {
      const { fired, schedule, pass, now, wheel } = wheelWithClock();
      const deadline = schedule('a', 100);
      pass(100);
      wheel.reschedule(deadline, now() + 100);
      pass(100);
      wheel.reschedule(deadline, now() + 100);
      wheel.cancel(deadline);
      wheel.reschedule(deadline, now() + 100);
      pass(100);
      expect(fired).toEqual(['a', 'a', 'a']);
    });
  });

  describe('cancel', () => {
    it('takes a deadline out, and leaves those beside it', () => {
      const { fired, schedule, pass, wheel } = wheelWithClock();
      const [a] = [schedule('a', 100), schedule('b', 100)];
      wheel.cancel(a);
      wheel.cancel(a);
      pass(200);
      expect(fired).toEqual(['b']);
    });

    it('is harmless for one that has fired, and for none', () => {
      const { schedule, pass, wheel } = wheelWithClock();
      const deadline = schedule('a', 100);
      pass(100);
      expect(() => wheel.cancel(deadline)).not.toThrow();
      expect(() => wheel.cancel(undefined)).not.toThrow();
    });
  });

  describe('size', () => {
    it('is zero when everything has fired or was cancelled (HS-04)', () => {
      const { schedule, pass, wheel } = wheelWithClock();
      const deadlines = Array.from({ length: 1_000 }, (_, index) => schedule('a', index));
      expect(wheel.size).toBe(1_000);
      for (const deadline of deadlines.slice(0, 500)) wheel.cancel(deadline);
      expect(wheel.size).toBe(500);
      pass(1_100);
      expect(wheel.size).toBe(0);
    });
  });

  it('agrees with a plain list of deadlines, whatever is done to it', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('schedule' as const), delayMs: fc.integer({ min: -50, max: 2_000 }) }),
      fc.record({
        kind: fc.constant('reschedule' as const),
        which: fc.nat(20),
        delayMs: fc.integer({ min: -50, max: 2_000 }),
      }),
      fc.record({ kind: fc.constant('cancel' as const), which: fc.nat(20) }),
      fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 900 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { now, wheel } = wheelWithClock();
        /** What each deadline should still do, and what it has done. */
        const model: {
          deadline: Deadline;
          dueAt: number | undefined;
          firedAt: number[];
          toldAt: number[];
        }[] = [];
        const check = () => {
          wheel.sweep();
          for (const entry of model) {
            const { dueAt } = entry;
            const hasFired = entry.firedAt.length > entry.toldAt.length;
            if (hasFired) {
              expect(dueAt).toBeDefined();
              expect(entry.firedAt.at(-1)).toBeGreaterThanOrEqual(dueAt!);
              entry.toldAt.push(entry.firedAt.at(-1)!);
              entry.dueAt = undefined;
            } else if (dueAt !== undefined) {
              // Not later than one tick behind its time.
              expect(now() - dueAt).toBeLessThan(TICK + 1);
            }
            expect(entry.firedAt.length).toBe(entry.toldAt.length);
          }
          expect(wheel.size).toBe(model.filter(({ dueAt }) => dueAt !== undefined).length);
        };
        for (const action of steps) {
          if (action.kind === 'schedule') {
            const firedAt: number[] = [];
            const deadline = wheel.schedule(action.delayMs, () => firedAt.push(now()));
            // What is due in the past is due now.
            model.push({ deadline, dueAt: now() + action.delayMs, firedAt, toldAt: [] });
            if (action.delayMs < 0) model.at(-1)!.dueAt = now();
          } else if (action.kind === 'pass') {
            now.advance(action.ms);
            check();
          } else {
            const entry = model[action.which % Math.max(1, model.length)];
            if (!entry) continue;
            if (action.kind === 'cancel') {
              wheel.cancel(entry.deadline);
              entry.dueAt = undefined;
            } else {
              wheel.reschedule(entry.deadline, now() + action.delayMs);
              entry.dueAt = now() + Math.max(0, action.delayMs);
            }
          }
        }
      }),
    );
  });

  describe('start', () => {
    beforeEach(() => {
      vi.useFakeTimers();
    });
    afterEach(() => {
      vi.useRealTimers();
    });

    it('sweeps by one timer, however many deadlines there are', () => {
      const wheel = new DeadlineWheel({ now: () => Date.now(), tickMs: TICK });
      const fired = vi.fn();
      wheel.start();
      wheel.start();
      for (let index = 0; index < 100; index += 1) wheel.schedule(120, fired);
      expect(vi.getTimerCount()).toBe(1);
      vi.advanceTimersByTime(100);
      expect(fired).not.toHaveBeenCalled();
      vi.advanceTimersByTime(100);
      expect(fired).toHaveBeenCalledTimes(100);
      wheel.stop();
      expect(vi.getTimerCount()).toBe(0);
    });

    it('keeps its own time, to 50 ms, when nothing else is said', () => {
      const wheel = new DeadlineWheel();
      const fired = vi.fn();
      wheel.start();
      wheel.schedule(1_000, fired);
      vi.advanceTimersByTime(999);
      expect(fired).not.toHaveBeenCalled();
      vi.advanceTimersByTime(101);
      expect(fired).toHaveBeenCalledTimes(1);
      wheel.stop();
    });

    it('goes on when a callback throws and nobody wants to know', () => {
      const wheel = new DeadlineWheel();
      const fired = vi.fn();
      wheel.start();
      wheel.schedule(100, () => {
        throw new Error('callback');
      });
      wheel.schedule(200, fired);
      vi.advanceTimersByTime(400);
      expect(fired).toHaveBeenCalledTimes(1);
      wheel.stop();
    });

    it('goes on after a stop', () => {
      const wheel = new DeadlineWheel({ now: () => Date.now(), tickMs: TICK });
      const fired = vi.fn();
      wheel.start();
      wheel.stop();
      wheel.schedule(100, fired);
      vi.advanceTimersByTime(1_000);
      expect(fired).not.toHaveBeenCalled();
      wheel.start();
      vi.advanceTimersByTime(100);
      expect(fired).toHaveBeenCalledTimes(1);
      wheel.stop();
    });
  });
});
