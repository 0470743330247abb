import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PacedCloser } from '../../../lib/core/lifetime/paced-closer.js';

/** Each close takes so long, and a turn has half a millisecond for them. */
const CLOSE_MS = 0.05;
const PER_TURN = 10;
/** In place of an index: a close that takes long, and one that fails. */
const SLOW = -1;
const THROWS = -2;

describe('PacedCloser', () => {
  let now: number;
  let closed: number[];
  /** How many were closed at each pause. */
  let closedByPause: number[];
  let enqueued: number;
  let closer: PacedCloser<number>;

  beforeEach(() => {
    vi.useFakeTimers();
    now = 0;
    closed = [];
    closedByPause = [];
    enqueued = 0;
    closer = new PacedCloser({
      now: () => now,
      close: (index) => {
        if (index === THROWS) throw new Error('of this one');
        if (index !== SLOW) closed.push(index);
        now = Number((now + (index === SLOW ? 10 : CLOSE_MS)).toFixed(2));
      },
      onPause: () => closedByPause.push(closed.length),
    });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** Enqueues so many more; each, when it is closed, says the how manieth it was. */
  function enqueue(count: number): void {
    for (const end = enqueued + count; enqueued < end; enqueued += 1) closer.enqueue(enqueued);
  }

  function enqueueAll(count: number): void {
    closer.enqueueAll(Array.from({ length: count }, (_, index) => enqueued + index));
    enqueued += count;
  }

  const nextTurn = (): void => void vi.runOnlyPendingTimers();
  const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

  describe('enqueue', () => {
    it('closes at once while the turn has time', () => {
      enqueue(1);
      expect(closed).toHaveLength(1);
      enqueue(PER_TURN - 1);
      expect(closed).toHaveLength(PER_TURN);
    });

    it('closes the rest in turns, in their order', () => {
      enqueue(PER_TURN * 2 + 7);
      expect(closed).toHaveLength(PER_TURN);
      nextTurn();
      expect(closed).toHaveLength(PER_TURN * 2);
      nextTurn();
      expect(closed).toEqual(upTo(PER_TURN * 2 + 7));
    });

    it('does not let a late one overtake those that wait', () => {
      enqueue(PER_TURN + 5);
      now += 10;
      enqueue(1);
      expect(closed).toHaveLength(PER_TURN);
      nextTurn();
      expect(closed).toEqual(upTo(PER_TURN + 6));
    });

    it('never closes for longer in a turn than it may', () => {
      enqueue(1_000);
      for (let turn = 1; turn <= 100; turn += 1) {
        expect(closed).toHaveLength(PER_TURN * turn);
        nextTurn();
      }
      expect(closed).toHaveLength(1_000);
    });

    it('closes one in a turn that has no time at all', () => {
      enqueue(PER_TURN);
      closer.enqueue(SLOW);
      closer.enqueue(SLOW);
      nextTurn();
      expect(now).toBe(10.5);
      nextTurn();
      expect(now).toBe(20.5);
    });

    it('closes at once what comes while the turn has time left', () => {
      enqueue(PER_TURN + 5);
      nextTurn();
      expect(closed).toHaveLength(PER_TURN + 5);
      enqueue(PER_TURN);
      expect(closed).toHaveLength(PER_TURN * 2);
      nextTurn();
      expect(closed).toHaveLength(PER_TURN * 2 + 5);
    });

    it('closes at once again after a pause', () => {
      enqueue(PER_TURN);
      nextTurn();
      enqueue(PER_TURN);
      expect(closed).toHaveLength(PER_TURN * 2);
    });

    it('goes on behind one that throws', () => {
      enqueue(PER_TURN);
      closer.enqueue(THROWS);
      enqueue(1);
      expect(nextTurn).toThrow('of this one');
      nextTurn();
      expect(closed).toEqual(upTo(PER_TURN + 1));
    });

    it('leaves nothing behind', () => {
      enqueue(PER_TURN * 3);
      for (let turn = 0; turn < 10; turn += 1) nextTurn();
      expect(vi.getTimerCount()).toBe(0);
    });
  });

  describe('onPause', () => {
    it('comes once behind the closes of a turn', () => {
      enqueueAll(PER_TURN * 2 + 5);
      nextTurn();
      nextTurn();
      expect(closedByPause).toEqual([PER_TURN, PER_TURN * 2, PER_TURN * 2 + 5]);
      nextTurn();
      enqueueAll(PER_TURN * 2);
      closer.flush();
      expect(closedByPause.slice(3)).toEqual([PER_TURN * 3 + 5, PER_TURN * 4 + 5]);
    });

    it('comes behind a close that throws, too', () => {
      expect(() => closer.enqueueAll([0, THROWS])).toThrow('of this one');
      expect(closedByPause).toEqual([1]);
    });
  });

  describe('enqueueAll', () => {
    it('closes many as it closes each: while the turn has time, and behind those that wait', () => {
      enqueueAll(PER_TURN + 5);
      expect(closed).toHaveLength(PER_TURN);
      enqueueAll(PER_TURN);
      enqueue(1);
      expect(closed).toHaveLength(PER_TURN);
      nextTurn();
      expect(closed).toHaveLength(PER_TURN * 2);
      nextTurn();
      expect(closed).toEqual(upTo(PER_TURN * 2 + 6));
    });

    it('does nothing for none', () => {
      closer.enqueueAll([]);
      nextTurn();
      expect(closed).toEqual([]);
      expect(vi.getTimerCount()).toBe(0);
    });
  });

  it('closes what a close enqueues behind the others, and once', () => {
    const order: number[] = [];
    const nested: PacedCloser<number> = new PacedCloser({
      now: () => now,
      close: (index) => {
        order.push(index);
        if (index === 0) nested.enqueue(2);
      },
      onPause: () => {},
    });
    nested.enqueueAll([0, 1]);
    expect(order).toEqual([0, 1, 2]);
    nextTurn();
    expect(order).toEqual([0, 1, 2]);
  });

  it('begins no turn for nobody', () => {
    closer.enqueueAll([]);
    expect(vi.getTimerCount()).toBe(0);
    expect(closedByPause).toEqual([]);
  });

  describe('flush', () => {
    it('closes what is left, now and once', () => {
      enqueue(PER_TURN * 3);
      closer.flush();
      expect(closed).toEqual(upTo(PER_TURN * 3));
      expect(vi.getTimerCount()).toBe(0);
      nextTurn();
      expect(closed).toHaveLength(PER_TURN * 3);
    });

    it('leaves the turns as they were for what comes later', () => {
      enqueue(PER_TURN + 1);
      closer.flush();
      enqueue(PER_TURN * 2);
      expect(closed).toHaveLength(PER_TURN * 2 + 1);
      nextTurn();
      expect(closed).toHaveLength(PER_TURN * 3 + 1);
    });

    it('does nothing when nothing waits', () => {
      closer.flush();
      expect(closed).toEqual([]);
    });

    it('leaves those behind one that fails to the next turn', () => {
      closer.enqueueAll([SLOW, 0, THROWS, 1, 2]);
      expect(() => closer.flush()).toThrow('of this one');
      expect(closed).toEqual([0]);
      nextTurn();
      expect(closed).toEqual([0, 1, 2]);
      expect(vi.getTimerCount()).toBe(1);
      nextTurn();
      expect(vi.getTimerCount()).toBe(0);
    });
  });
});
