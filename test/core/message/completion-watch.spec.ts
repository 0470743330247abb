import { beforeEach, describe, expect, it } from 'vitest';
import { DeadlineWheel } from '../../../lib/core/lifetime/deadline-wheel.js';
import { CompletionWatch } from '../../../lib/core/message/completion-watch.js';

const TICK_MS = 50;
const TIMEOUT_MS = 10_000;

describe('CompletionWatch (TH-04)', () => {
  let now: number;
  let wheel: DeadlineWheel;
  let heldUp: Set<object>;
  let late: object[];
  let watch: CompletionWatch<object>;
  const [a, b] = [{ name: 'a' }, { name: 'b' }];

  beforeEach(() => {
    now = 0;
    heldUp = new Set();
    late = [];
    wheel = new DeadlineWheel({ now: () => now, tickMs: TICK_MS });
    watch = new CompletionWatch({
      wheel,
      now: () => now,
      timeoutMs: TIMEOUT_MS,
      isHeldUp: (peer) => heldUp.has(peer),
      onLate: (peer) => late.push(peer),
    });
  });

  function advance(ms: number): void {
    for (const end = now + ms; now < end;) {
      now = Math.min(end, now + TICK_MS);
      wheel.sweep();
    }
  }

  it('tells once of a message that does not end in time, within a tick', () => {
    watch.begin(a);
    advance(TIMEOUT_MS - TICK_MS);
    expect(late).toEqual([]);
    advance(2 * TICK_MS);
    expect(late).toEqual([a]);
    advance(10 * TIMEOUT_MS);
    expect(late).toEqual([a]);
    expect(wheel.size).toBe(0);
  });

  it('says nothing of one that ends in time, and leaves nothing behind', () => {
    watch.begin(a);
    advance(TIMEOUT_MS - TICK_MS);
    watch.end(a);
    expect(wheel.size).toBe(0);
    advance(TIMEOUT_MS);
    expect(late).toEqual([]);
  });

  it('counts each from its own beginning, with one deadline for all', () => {
    watch.begin(a);
    advance(4_000);
    watch.begin(b);
    expect(wheel.size).toBe(1);
    advance(6_000 + TICK_MS);
    expect(late).toEqual([a]);
    advance(3_900);
    expect(late).toEqual([a]);
    advance(200);
    expect(late).toEqual([a, b]);
  });

  it('keeps the others when the oldest ends', () => {
    watch.begin(a);
    advance(4_000);
    watch.begin(b);
    watch.end(a);
    advance(TIMEOUT_MS + TICK_MS);
    expect(late).toEqual([b]);
  });

  it('counts anew for the next message', () => {
    watch.begin(a);
    advance(9_000);
    watch.end(a);
    watch.begin(a);
    advance(9_000);
    expect(late).toEqual([]);
    advance(1_100);
    expect(late).toEqual([a]);
  });

  it('gives a peer that we do not read from the whole time again', () => {
    heldUp.add(a);
    watch.begin(a);
    advance(25_000);
    expect(late).toEqual([]);
    heldUp.delete(a);
    advance(TIMEOUT_MS);
    expect(late).toEqual([a]);
  });

  it('takes the end of what never began, twice too', () => {
    watch.end(a);
    watch.begin(a);
    watch.end(a);
    watch.end(a);
    expect(wheel.size).toBe(0);
  });
});
