import type { Clock } from '../../lib/core/clock.js';

/** A clock that stands still until a test moves it. */
export interface FakeClock extends Clock {
  /** Moves the clock, forward or back. */
  advance(ms: number): void;
  /** Sets the clock. */
  set(ms: number): void;
}

/** @param start Unix ms; a round number, so that expectations are readable */
export function fakeClock(start = 1_800_000_000_000): FakeClock {
  let now = start;
  const clock = () => now;
  return Object.assign(clock, {
    advance: (ms: number) => {
      now += ms;
    },
    set: (ms: number) => {
      now = ms;
    },
  });
}
