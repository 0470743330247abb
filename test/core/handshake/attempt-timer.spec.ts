import { beforeEach, describe, expect, it } from 'vitest';
import { AttemptTimer } from '../../../lib/core/handshake/attempt-timer.js';
import { HandshakeAttempt } from '../../../lib/core/handshake/handshake-attempt.js';
import { DeadlineWheel } from '../../../lib/core/lifetime/deadline-wheel.js';
import { latch, refusalOf } from '../../support/core-harness.js';
import { fakeClock, type FakeClock } from '../../support/fake-clock.js';

describe('AttemptTimer', () => {
  let clock: FakeClock;
  let wheel: DeadlineWheel;
  let timer: AttemptTimer;
  let attempt: HandshakeAttempt;
  beforeEach(() => {
    clock = fakeClock();
    wheel = new DeadlineWheel({ now: clock });
    timer = new AttemptTimer(wheel, 5_000);
    attempt = new HandshakeAttempt();
  });

  const pass = (ms: number): void => {
    clock.advance(ms);
    wheel.sweep();
  };

  it('answers what the work answers, and leaves no deadline behind', async () => {
    expect(await timer.wait(attempt, Promise.resolve(7))).toBe(7);
    const failure = new Error('the work failed');
    await expect(timer.wait(attempt, Promise.reject(failure))).rejects.toBe(failure);
    expect(wheel.size).toBe(0);
  });

  it('gives the attempt up when the work takes too long (HS-02)', async () => {
    const waiting = timer.wait(attempt, latch().opened);
    waiting.catch(() => {});
    pass(4_900);
    expect(attempt.signal.aborted).toBe(false);
    pass(150);
    expect(await refusalOf(waiting)).toMatchObject({ refusal: 'unavailable', reason: 'timeout' });
    expect(attempt.abortReason).toBe('timeout');
    expect(wheel.size).toBe(0);
  });

  it('waits no longer for a client that has gone (HS-04)', async () => {
    const waiting = timer.wait(attempt, latch().opened);
    attempt.abort('client_gone');
    expect(await refusalOf(waiting)).toMatchObject({ reason: 'client_gone' });
    expect(wheel.size).toBe(0);
  });
});
