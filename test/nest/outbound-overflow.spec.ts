import { beforeEach, describe, expect, it } from 'vitest';
import { callbackOf, OutboundOverflow, type OutboundCounts } from '../../lib/nest/outbound-overflow.js';

describe('OutboundOverflow (TH-05)', () => {
  let counts: OutboundCounts;
  let overflow: OutboundOverflow;
  let told: string[];
  const tell = (name: string) => (error?: Error) => void told.push(`${name}: ${error?.message}`);
  const tick = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));

  beforeEach(() => {
    counts = { dropped: 0, coalesced: 0, cut: 0 };
    overflow = new OutboundOverflow(counts);
    told = [];
  });

  it('keeps the newest of each event, in the order in which they were sent', () => {
    overflow.keep('a', 'a1', 2, undefined);
    overflow.keep('b', 'b1', 2, undefined);
    overflow.keep('a', 'a2', 3, undefined);
    expect(overflow.bytes).toBe(5);
    expect(overflow.take().map(({ text }) => text)).toEqual(['b1', 'a2']);
    expect(overflow.bytes).toBe(0);
    expect(overflow.hasKept).toBe(false);
    expect(counts).toEqual({ dropped: 0, coalesced: 1, cut: 0 });
  });

  it('tells whose message gave way, was lost or was thrown away', async () => {
    overflow.keep('a', 'a1', 2, tell('a1'));
    overflow.keep('a', 'a2', 2, tell('a2'));
    overflow.lose(10, tell('lost'));
    overflow.discard();
    expect(told).toEqual([]);
    await tick();
    expect(told).toEqual([
      'a1: a newer message of the event took its place',
      'lost: the peer reads too slowly',
      'a2: the connection has ended',
    ]);
  });

  it('counts what was lost as owed', () => {
    overflow.lose(100, undefined);
    overflow.keep('a', 'a', 1, undefined);
    expect(overflow.bytes).toBe(101);
    expect(counts.dropped).toBe(1);
  });

  it('keeps 64 events at most, and the newest of those', () => {
    for (let index = 0; index < 64; index += 1)
      expect(overflow.keep(`${index}`, 'old', 3, undefined)).toBe(true);
    expect(overflow.keep('one more', 'x', 1, undefined)).toBe(false);
    expect(overflow.keep('7', 'new', 3, undefined)).toBe(true);
    expect(overflow.take()).toHaveLength(64);
  });
});

describe('callbackOf', () => {
  it('finds the callback of send, ping and pong', () => {
    const callback = (): void => {};
    expect(callbackOf([callback])).toBe(callback);
    expect(callbackOf([{ binary: true }, callback])).toBe(callback);
    expect(callbackOf([{ binary: true }])).toBeUndefined();
    expect(callbackOf([])).toBeUndefined();
  });
});
