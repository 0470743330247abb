import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PacedCloser } from '../../../lib/core/lifetime/paced-closer.js';

const PER_TURN = 50;
const TURN_MS = 5;

describe('PacedCloser', () => {
  let closed: number[];
  let enqueued: number;
  let closer: PacedCloser;

  beforeEach(() => {
    vi.useFakeTimers();
    closed = [];
    enqueued = 0;
    closer = new PacedCloser();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** Enqueues so many more; each, when it is closed, says the how manieth it was. */
  function enqueue(count: number): void {
    for (const end = enqueued + count; enqueued < end; enqueued += 1) {
      const index = enqueued;
      closer.enqueue(() => closed.push(index));
    }
  }

  describe('enqueue', () => {
    it('closes at once while the turn has room', () => {
      enqueue(1);
      expect(closed).toHaveLength(1);
      enqueue(PER_TURN - 1);
      expect(closed).toHaveLength(PER_TURN);
    });

    it('closes the rest in turns, in their order', () => {
      enqueue(PER_TURN * 2 + 7);
      expect(closed).toHaveLength(PER_TURN);
      vi.advanceTimersByTime(TURN_MS);
      expect(closed).toHaveLength(PER_TURN * 2);
      vi.advanceTimersByTime(TURN_MS);
      expect(closed).toEqual(Array.from({ length: PER_TURN * 2 + 7 }, (_, index) => index));
    });

    it('does not let a late one overtake those that wait', () => {
      enqueue(PER_TURN + 10);
      enqueue(1);
      expect(closed).toHaveLength(PER_TURN);
      vi.advanceTimersByTime(TURN_MS);
      expect(closed).toEqual(Array.from({ length: PER_TURN + 11 }, (_, index) => index));
    });

    it('never closes more in a turn than it may', () => {
      enqueue(1_000);
      for (let turn = 1; turn <= 20; turn += 1) {
        expect(closed).toHaveLength(PER_TURN * turn);
        vi.advanceTimersByTime(TURN_MS);
      }
      expect(closed).toHaveLength(1_000);
    });

    it('counts what comes during a turn towards that turn', () => {
      enqueue(PER_TURN + 10);
      vi.advanceTimersByTime(TURN_MS);
      expect(closed).toHaveLength(PER_TURN + 10);
      enqueue(PER_TURN);
      expect(closed).toHaveLength(PER_TURN * 2);
      vi.advanceTimersByTime(TURN_MS);
      expect(closed).toHaveLength(PER_TURN * 2 + 10);
    });

    it('closes at once again after a pause', () => {
      enqueue(PER_TURN);
      vi.advanceTimersByTime(TURN_MS);
      enqueue(PER_TURN);
      expect(closed).toHaveLength(PER_TURN * 2);
    });

    it('leaves no timer behind', () => {
      enqueue(PER_TURN * 3);
      vi.advanceTimersByTime(TURN_MS * 10);
      expect(vi.getTimerCount()).toBe(0);
    });
  });

  describe('flush', () => {
    it('closes what is left, now and once', () => {
      enqueue(PER_TURN * 3);
      closer.flush();
      expect(closed).toEqual(Array.from({ length: PER_TURN * 3 }, (_, index) => index));
      expect(vi.getTimerCount()).toBe(0);
      vi.advanceTimersByTime(TURN_MS * 10);
      expect(closed).toHaveLength(PER_TURN * 3);
    });

    it('leaves the turns as they were for what comes later', () => {
      enqueue(PER_TURN + 1);
      closer.flush();
      enqueue(PER_TURN * 2);
      expect(closed).toHaveLength(PER_TURN * 2 + 1);
      vi.advanceTimersByTime(TURN_MS);
      expect(closed).toHaveLength(PER_TURN * 3 + 1);
    });

    it('does nothing when nothing waits', () => {
      closer.flush();
      expect(closed).toEqual([]);
    });
  });
});
