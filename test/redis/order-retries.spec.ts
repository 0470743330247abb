import { afterEach, describe, expect, it, vi } from 'vitest';
import type { LogEntry } from '../../lib/redis/log-entry.js';
import { OrderRetries } from '../../lib/redis/order-retries.js';
import { fakeClock } from '../support/fake-clock.js';

const REMEMBER_MS = 60_000;

function entryOf(nonce: string, partition = '0'): LogEntry {
  const order = { kind: 'everyone', issuedBefore: undefined } as const;
  const entry = { partition, id: '1-0', order, cut: 1, cutInclusive: false, reason: 'test' };
  return { previous: undefined, nonce, issuer: 'node', entry };
}

describe('OrderRetries', () => {
  const all: OrderRetries[] = [];
  afterEach(() => {
    for (const retries of all.splice(0)) retries.stop();
    vi.useRealTimers();
  });

  /** Retries of a store that refuses some orders, and a record of what it was asked. */
  function setUp() {
    const clock = fakeClock();
    const given: string[] = [];
    const refused = new Set<string>();
    const errors: unknown[] = [];
    const retries = new OrderRetries({
      order: async ({ nonce }) => {
        given.push(nonce);
        if (refused.has(nonce)) throw new Error('away');
      },
      rememberMs: REMEMBER_MS,
      clock,
      onError: (error) => errors.push(error),
    });
    all.push(retries);
    return { clock, given, refused, errors, retries };
  }

  it('gives orders again in their order, and each until it was taken (SE-01)', async () => {
    const { given, refused, retries } = setUp();
    for (const nonce of ['a', 'b', 'c']) retries.add(entryOf(nonce));
    refused.add('a');
    await retries.flush();
    expect(given).toEqual(['a']);
    refused.clear();
    await retries.flush();
    expect(given).toEqual(['a', 'b', 'c', 'a']);
    expect(retries.size).toBe(0);
  });

  it('lets no order that is always refused hold up the others', async () => {
    const { given, refused, retries } = setUp();
    refused.add('bad');
    for (const nonce of ['bad', 'b', 'c']) retries.add(entryOf(nonce));
    await retries.flush();
    await retries.flush();
    expect(given).toEqual(['bad', 'b', 'c', 'bad']);
    expect(retries.size).toBe(1);
  });

  it('keeps an order apart for each partition, and once for each', () => {
    const { retries } = setUp();
    for (const partition of ['0', '1', '1']) retries.add(entryOf('n', partition));
    expect(retries.size).toBe(2);
  });

  it('drops an order when nothing lives any more that it could concern', async () => {
    const { clock, given, retries } = setUp();
    retries.add(entryOf('a'));
    clock.advance(REMEMBER_MS);
    await retries.flush();
    expect(given).toEqual([]);
    expect(retries.size).toBe(0);
  });

  it('is bounded, and says what it drops', () => {
    const { errors, retries } = setUp();
    for (let index = 0; index <= 10_000; index += 1) retries.add(entryOf(`n${index}`));
    expect(retries.size).toBe(10_000);
    expect(errors).toHaveLength(1);
  });

  it('tries by itself once a second', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const { given, retries } = setUp();
    retries.add(entryOf('a'));
    await vi.advanceTimersByTimeAsync(999);
    expect(given).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(given).toEqual(['a']);
  });
});
