import { beforeEach, describe, expect, it } from 'vitest';
import { DeadlineWheel } from '../../../lib/core/lifetime/deadline-wheel.js';
import { ParkedMessages } from '../../../lib/core/message/parked-messages.js';
import { fakeClock, type FakeClock } from '../../support/fake-clock.js';

interface Note {
  readonly name: string;
  readonly bytes: number;
}

describe('ParkedMessages', () => {
  let clock: FakeClock;
  let wheel: DeadlineWheel;
  let late: string[];
  let parked: ParkedMessages<Note>;
  beforeEach(() => {
    clock = fakeClock(1_000);
    wheel = new DeadlineWheel({ now: clock });
    late = [];
    parked = new ParkedMessages<Note>({
      wheel,
      now: clock,
      limits: { timeoutMs: 1_000, maxParked: 3, maxParkedBytes: 100 },
      onTimeout: ({ name }) => late.push(name),
    });
  });
  const park = (name: string, bytes = 10) => parked.park({ name, bytes });
  const pass = (ms: number) => {
    clock.advance(ms);
    wheel.sweep();
  };

  it('takes so many, and so much of them', () => {
    expect([park('a', 60), park('b', 41), park('c', 40), park('d', 0), park('e', 0)]).toEqual([
      true,
      false,
      true,
      true,
      false,
    ]);
    parked.take(({ name }) => name === 'a');
    expect(park('f', 60)).toBe(true);
    expect(parked.size).toBe(3);
  });

  it('gives out what fits, in order, and keeps the others', () => {
    for (const name of ['a', 'b', 'c']) park(name);
    expect(parked.take(({ name }) => name !== 'b').map(({ name }) => name)).toEqual(['a', 'c']);
    expect(parked.size).toBe(1);
  });

  it('gives each its whole time, by one deadline', () => {
    park('a');
    pass(600);
    park('b');
    expect(wheel.size).toBe(1);
    pass(450);
    expect(late).toEqual(['a']);
    expect(wheel.size).toBe(1);
    pass(650);
    expect(late).toEqual(['a', 'b']);
    expect(wheel.size).toBe(0);
  });

  it('leaves no deadline behind what was taken or let go', () => {
    park('a');
    parked.take(() => true);
    expect(wheel.size).toBe(0);
    park('b');
    parked.clear();
    expect([wheel.size, parked.size]).toEqual([0, 0]);
    pass(2_000);
    expect(late).toEqual([]);
  });
});
