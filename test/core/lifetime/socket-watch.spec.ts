import { beforeEach, describe, expect, it } from 'vitest';
import { DeadlineWheel } from '../../../lib/core/lifetime/deadline-wheel.js';
import {
  LIFETIME_DEFAULTS,
  type ResolvedLifetimeOptions,
} from '../../../lib/core/lifetime/lifetime-options.js';
import { Lifetime } from '../../../lib/core/lifetime/lifetime.js';
import type { LifetimeDue, SocketWatch } from '../../../lib/core/lifetime/socket-watch.js';
import { fakeClock, type FakeClock } from '../../support/fake-clock.js';

const TICK = 50;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

describe('SocketWatch', () => {
  let clock: FakeClock;
  let monotonic: FakeClock;
  let wheel: DeadlineWheel;
  let errors: unknown[];

  beforeEach(() => {
    clock = fakeClock();
    monotonic = fakeClock(5_000_000);
    errors = [];
    wheel = new DeadlineWheel({ now: monotonic, tickMs: TICK, onError: (error) => errors.push(error) });
  });

  /** A socket whose peer answers pings, and what was due. */
  function watched(limits: Partial<ResolvedLifetimeOptions> = {}) {
    const lifetime = new Lifetime({
      limits: { ...LIFETIME_DEFAULTS, idleMs: false, ...limits },
      wheel,
      clock,
      monotonic,
      random: () => 0.5,
    });
    const dues: LifetimeDue[] = [];
    const socket = {
      isOpen: true,
      openedAt: clock(),
      lastMessageAfterMs: 0,
      answers: true,
      transport: {
        isReadingPaused: false,
        ping: (payload: Buffer): void => {
          if (socket.answers) watch.pong(payload);
        },
      },
    };
    const watch: SocketWatch = lifetime.watch(socket, {
      applyDue: (_, due) => {
        dues.push(due);
        if (due !== 'revalidate' && due !== 'expiring') watch.stop();
      },
    });
    return {
      watch,
      socket,
      dues,
      ends: () => dues.filter((due) => due !== 'revalidate' && due !== 'expiring'),
    };
  }

  /** Lets time pass as the timer would, in steps of what the wheel is looked at. */
  function pass(ms: number, stepMs = TICK): void {
    for (let left = ms; left > 0; left -= stepMs) {
      clock.advance(Math.min(left, stepMs));
      monotonic.advance(Math.min(left, stepMs));
      wheel.sweep();
    }
  }

  function message(socket: { readonly openedAt: number; lastMessageAfterMs: number }): void {
    socket.lastMessageAfterMs = clock() - socket.openedAt;
  }

  describe('the end of a credential', () => {
    it('comes within a tick (LT-01)', () => {
      const { watch, ends } = watched();
      watch.allowUntil(clock() + 2_000);
      pass(1_999, 1);
      expect([ends(), watch.isExpired]).toEqual([[], false]);
      pass(1 + TICK, 1);
      expect(ends()).toEqual(['expired']);
    });

    it('is at once for one that has ended already', () => {
      const { watch, ends } = watched();
      watch.allowUntil(clock() - 5);
      expect(watch.isExpired).toBe(true);
      pass(2 * TICK);
      expect(ends()).toEqual(['expired']);
    });

    it('in 30 days does not come now, and comes in 30 days (LT-02)', () => {
      const { watch, ends } = watched({ maxMs: 40 * DAY, pingIntervalMs: DAY, revalidateMs: DAY });
      watch.allowUntil(clock() + 30 * DAY);
      pass(5_000);
      expect(ends()).toEqual([]);
      pass(30 * DAY - 5_000 - 1_000, 30_000);
      expect(ends()).toEqual([]);
      pass(1_000 + TICK);
      expect(ends()).toEqual(['expired']);
    });

    it.each([Infinity, Number.MAX_VALUE, 8.64e15])('at %d never comes by itself (LT-02)', (end) => {
      const { watch, ends } = watched();
      watch.allowUntil(end);
      pass(HOUR, 1_000);
      expect([ends(), Number.isFinite(watch.dueAt)]).toEqual([[], true]);
    });

    it('is put off by a fresh one, and brought forward by a shorter one', () => {
      const { watch, ends } = watched();
      watch.allowUntil(clock() + 5_000);
      watch.allowUntil(clock() + 20_000);
      pass(10_000);
      expect(ends()).toEqual([]);
      watch.allowUntil(clock() + 1_000);
      pass(1_000 + TICK);
      expect(ends()).toEqual(['expired']);
    });

    it('is found within a minute when the wall clock was set forward beyond it (LT-01)', () => {
      const { watch, ends } = watched();
      watch.allowUntil(clock() + HOUR);
      clock.advance(HOUR);
      expect(watch.isExpired).toBe(true);
      pass(MINUTE);
      expect(ends()).toEqual(['expired']);
    });

    it('is not moved by a wall clock that is set forward and does not reach it (LT-01)', () => {
      const { watch, ends } = watched();
      watch.allowUntil(clock() + 2 * HOUR);
      clock.advance(HOUR);
      pass(HOUR - 1_000, 500);
      expect(ends()).toEqual([]);
      pass(1_000 + TICK);
      expect(ends()).toEqual(['expired']);
    });

    it('is not put off by a wall clock that is set back (LT-01)', () => {
      const { watch, ends } = watched();
      watch.allowUntil(clock() + 10 * MINUTE);
      clock.advance(-HOUR);
      pass(10 * MINUTE - 1_000, 500);
      expect(ends()).toEqual([]);
      pass(1_000 + TICK);
      expect(ends()).toEqual(['expired']);
    });
  });

  describe('the longest life', () => {
    it.each([0, -HOUR, HOUR])('is a duration, and the wall clock may be set by %d ms (LT-01)', (jumpMs) => {
      const { watch, ends } = watched({ maxMs: 20 * MINUTE });
      watch.allowUntil(Infinity);
      pass(5 * MINUTE);
      clock.advance(jumpMs);
      pass(15 * MINUTE - TICK);
      expect([ends(), watch.isExpired]).toEqual([[], false]);
      pass(2 * TICK);
      expect(ends()).toEqual(['expired']);
    });

    it('is not made longer by a fresh credential (LT-01)', () => {
      const { watch, ends } = watched({ maxMs: MINUTE });
      watch.allowUntil(Infinity);
      pass(50_000);
      watch.allowUntil(clock() + HOUR);
      pass(10_000 + TICK);
      expect(ends()).toEqual(['expired']);
    });
  });

  describe('an end', () => {
    /** Lets all but a moment of a time pass, and then that. @returns what had ended the socket before and after */
    function around(ms: number, ends: () => readonly LifetimeDue[]): readonly LifetimeDue[][] {
      // Never by a minute: that is the longest wait between two looks.
      pass(ms - MINUTE, 59_000);
      pass(MINUTE - 1, 1);
      const before = [...ends()];
      pass(1 + TICK, 1);
      return [before, [...ends()]];
    }

    it.each([
      ['the longest life', 'expired', { maxMs: 30 * DAY }, Infinity],
      ['the idle time', 'idle', { maxMs: 40 * DAY, idleMs: 30 * DAY }, Infinity],
      ['the credential', 'expired', { maxMs: 40 * DAY }, 30 * DAY],
    ] as const)('in 30 days, of %s, comes then and within a tick (LT-02)', (_, due, limits, endsInMs) => {
      const { watch, ends } = watched({ pingIntervalMs: DAY, revalidateMs: DAY, ...limits });
      watch.allowUntil(clock() + endsInMs);
      expect(around(30 * DAY, ends)).toEqual([[], [due]]);
    });

    it.each([
      ['the longest life', 'expired', { maxMs: 5 * MINUTE }, Infinity],
      ['the idle time', 'idle', { idleMs: 5 * MINUTE }, Infinity],
      ['the credential', 'expired', {}, 5 * MINUTE],
    ] as const)(
      'of %s comes within a tick on a node that is up for 25 days, and never early (LT-02)',
      (_, due, limits, endsInMs) => {
        monotonic.set(2 ** 31 - 4 * MINUTE);
        for (const fraction of [0, 0.1, 0.5, 0.9]) {
          monotonic.advance(fraction);
          const { watch, ends } = watched(limits);
          watch.allowUntil(clock() + endsInMs);
          expect(around(5 * MINUTE, ends)).toEqual([[], [due]]);
        }
      },
    );
  });

  describe('the idle time', () => {
    it('ends a socket that sends no message, pings answered or not asked (LT-03)', () => {
      const { watch, ends } = watched({ idleMs: 15 * MINUTE });
      watch.allowUntil(Infinity);
      pass(15 * MINUTE - TICK);
      expect(ends()).toEqual([]);
      pass(2 * TICK);
      expect(ends()).toEqual(['idle']);
    });

    it('begins anew with each message, to the millisecond (LT-03)', () => {
      const { watch, socket, ends } = watched({ idleMs: 10_000 });
      watch.allowUntil(Infinity);
      for (let round = 0; round < 5; round += 1) {
        pass(9_990, 10);
        message(socket);
      }
      pass(9_990, 10);
      expect(ends()).toEqual([]);
      pass(10 + TICK, 10);
      expect(ends()).toEqual(['idle']);
    });

    it.each([-HOUR, HOUR])(
      'neither kills who spoke nor keeps who did not when the wall clock is set by %d ms (LT-01, LT-03)',
      (jumpMs) => {
        const spoke = watched({ idleMs: 10 * MINUTE });
        const silent = watched({ idleMs: 10 * MINUTE });
        for (const { watch } of [spoke, silent]) watch.allowUntil(Infinity);
        pass(9 * MINUTE + 1_000);
        message(spoke.socket);
        clock.advance(jumpMs);
        pass(MINUTE);
        expect([spoke.ends(), silent.ends()]).toEqual([[], ['idle']]);
        pass(8 * MINUTE);
        expect(spoke.ends()).toEqual([]);
        pass(2 * MINUTE);
        expect(spoke.ends()).toEqual(['idle']);
      },
    );

    it('ends nobody when it is false (LT-03)', () => {
      const { watch, ends } = watched({ idleMs: false });
      watch.allowUntil(Infinity);
      pass(11 * HOUR, 1_000);
      expect(ends()).toEqual([]);
    });
  });

  describe('the heartbeat', () => {
    it('ends a socket whose peer does not answer, 40 seconds after it last could (LT-04)', () => {
      const { watch, socket, ends } = watched();
      watch.allowUntil(Infinity);
      socket.answers = false;
      pass(36_000);
      expect(ends()).toEqual([]);
      pass(4_000);
      expect(ends()).toEqual(['silent']);
    });

    it('does not take messages for answers (LT-04)', () => {
      const { watch, socket, ends } = watched();
      watch.allowUntil(Infinity);
      socket.answers = false;
      for (let second = 0; second < 40; second += 1) {
        message(socket);
        pass(1_000);
      }
      expect(ends()).toEqual(['silent']);
    });

    it('ends nobody while this side does not read, nor until the time is over after that (LT-04)', () => {
      const { watch, socket, ends } = watched();
      watch.allowUntil(Infinity);
      socket.answers = false;
      socket.transport.isReadingPaused = true;
      pass(5 * MINUTE);
      expect(ends()).toEqual([]);
      socket.transport.isReadingPaused = false;
      watch.readingResumed();
      pass(9_900);
      expect(ends()).toEqual([]);
      pass(200);
      expect(ends()).toEqual(['silent']);
    });

    it('pings as often as it says, though answers may take longer (LT-04)', () => {
      const { watch, socket } = watched({ pingIntervalMs: 1_000, pongTimeoutMs: 20_000 });
      let pings = 0;
      socket.transport.ping = (payload) => {
        pings += 1;
        watch.pong(payload);
      };
      watch.allowUntil(Infinity);
      pass(20_000);
      expect(pings).toBeGreaterThanOrEqual(20);
    });

    it('is not upset by a wall clock that is set (LT-01, LT-04)', () => {
      const { watch, ends } = watched();
      watch.allowUntil(Infinity);
      for (const jumpMs of [HOUR, -2 * HOUR, HOUR]) {
        clock.advance(jumpMs);
        pass(2 * MINUTE);
      }
      expect(ends()).toEqual([]);
    });
  });

  describe('re-validation', () => {
    it('is due every minute (LT-05)', () => {
      const { watch, dues } = watched();
      watch.allowUntil(Infinity);
      pass(5 * MINUTE + 5 * TICK);
      expect(dues).toEqual(Array.from({ length: 5 }, () => 'revalidate'));
    });

    it('is spread by a fifth to either side (LT-05)', () => {
      const at = (random: number): number => {
        const lifetime = new Lifetime({
          limits: { ...LIFETIME_DEFAULTS, pingIntervalMs: HOUR },
          wheel,
          clock,
          monotonic,
          random: () => random,
        });
        const socket = { isOpen: true, openedAt: clock(), lastMessageAfterMs: 0, transport: undefined };
        const watch = lifetime.watch(socket, { applyDue: () => {} });
        watch.allowUntil(Infinity);
        return watch.dueAt - monotonic();
      };
      expect([at(0), at(0.5)]).toEqual([48_000, 60_000]);
    });

    it('is put off when the store was asked for another reason', () => {
      const { watch, dues } = watched();
      watch.allowUntil(Infinity);
      pass(MINUTE / 2);
      watch.revalidated();
      pass(MINUTE - 2 * TICK);
      expect(dues).toEqual([]);
      pass(3 * TICK);
      expect(dues).toEqual(['revalidate']);
    });

    it('is due when the session may have been idle for too long (SE-08)', () => {
      const { watch, dues } = watched();
      watch.allowUntil(Infinity, 5_000);
      expect(watch.sessionIdleLeftMs).toBe(5_000);
      pass(5_000 + TICK);
      expect(dues).toEqual(['revalidate']);
      watch.sessionLives(7_000);
      pass(6_900);
      expect(dues).toHaveLength(1);
      pass(200);
      expect(dues).toHaveLength(2);
    });
  });

  describe('the announcement of the end', () => {
    const announced = (dues: readonly LifetimeDue[]) => dues.filter((due) => due === 'expiring').length;

    it.each([
      ['a fifth of its time', 10 * MINUTE, 8 * MINUTE],
      ['five minutes, of a long one', 10 * HOUR, 10 * HOUR - 5 * MINUTE],
    ])('comes once, ahead by %s, and before the end', (_, lifeMs, atMs) => {
      const { watch, dues, ends } = watched();
      watch.allowUntil(clock() + lifeMs);
      pass(atMs - 1, 1_000);
      expect(announced(dues)).toBe(0);
      pass(1 + 2 * TICK);
      expect(announced(dues)).toBe(1);
      pass(lifeMs - atMs, 1_000);
      expect([announced(dues), ends()]).toEqual([1, ['expired']]);
    });

    it('comes anew for each refresh, and of the longest life too', () => {
      const { watch, dues, ends } = watched({ maxMs: 30 * MINUTE });
      watch.allowUntil(clock() + 10 * MINUTE);
      pass(8 * MINUTE + 2 * TICK, TICK);
      expect(announced(dues)).toBe(1);
      watch.allowUntil(clock() + DAY);
      pass(17 * MINUTE, 1_000);
      expect(announced(dues)).toBe(1);
      pass(MINUTE, 1_000);
      expect([announced(dues), ends()]).toEqual([2, []]);
    });

    it('comes once for one end, however often that is told again', () => {
      const { watch, dues, ends } = watched({ maxMs: 30 * MINUTE });
      const endsAt = clock() + 10 * MINUTE;
      watch.allowUntil(endsAt);
      pass(8 * MINUTE + 2 * TICK, TICK);
      watch.allowUntil(endsAt);
      pass(2 * MINUTE - 10 * TICK, TICK);
      expect([announced(dues), ends()]).toEqual([1, []]);
      for (const days of [1, 2]) {
        watch.allowUntil(clock() + days * DAY);
        pass(19 * MINUTE, 1_000);
        watch.allowUntil(clock() + (days + 1) * DAY);
      }
      expect([announced(dues), ends()]).toEqual([2, ['expired']]);
    });

    it('is none where nothing ends', () => {
      const { watch, dues } = watched({ maxMs: 2 ** 52 });
      watch.allowUntil(Infinity);
      pass(HOUR, 1_000);
      expect(announced(dues)).toBe(0);
    });
  });

  it('has one deadline, whatever may end it, and none once it is stopped', () => {
    const { watch } = watched({ idleMs: MINUTE });
    expect(wheel.size).toBe(0);
    watch.allowUntil(clock() + HOUR, 10_000);
    pass(30_000);
    expect(wheel.size).toBe(1);
    watch.stop();
    watch.stop();
    watch.allowUntil(clock() + HOUR);
    watch.sessionLives(5);
    expect(wheel.size).toBe(0);
  });

  it('says nothing of a socket that is no longer open', () => {
    const { watch, socket, dues } = watched();
    watch.allowUntil(clock() + 1_000);
    socket.isOpen = false;
    pass(MINUTE);
    expect(dues).toEqual([]);
  });

  it('looks again after a peer that could not be pinged', () => {
    const { watch, socket } = watched();
    watch.allowUntil(Infinity);
    const failure = new Error('no socket to write to');
    socket.transport.ping = () => {
      throw failure;
    };
    pass(30_000);
    expect([errors, wheel.size]).toEqual([[failure], 1]);
  });
});
