import { describe, expect, it } from 'vitest';
import type { Place } from '../../lib/core/session/connection-registry.js';
import { ReleaseQueue } from '../../lib/redis/release-queue.js';

/** A queue in front of a store that is away for some, and a record of what it was asked. */
function setUp() {
  const asked: string[] = [];
  const away = new Set<string>();
  const queue = new ReleaseQueue(async (places: readonly Place[]) => {
    asked.push(...places.map(({ id }) => id));
    return places.filter(({ id }) => away.has(id));
  });
  const add = (count: number, prefix = 'c'): void => {
    for (let index = 0; index < count; index += 1) queue.add({ id: `${prefix}${index}`, userHash: 'user' });
  };
  return { asked, away, queue, add };
}

describe('ReleaseQueue', () => {
  it('keeps a place until the store has taken it back (SE-07)', async () => {
    const { away, queue, add } = setUp();
    add(3);
    away.add('c1');
    await queue.flush();
    expect(queue.size).toBe(1);
    away.clear();
    await queue.flush();
    expect(queue.size).toBe(0);
  });

  it('goes on behind a place that cannot be given back', async () => {
    const { asked, away, queue, add } = setUp();
    add(1_200);
    away.add('c0');
    await queue.flush();
    expect(asked).toHaveLength(1_200);
    expect(queue.size).toBe(1);
  });

  it('asks in slices, and no more once the whole of one has failed', async () => {
    const { asked, away, queue, add } = setUp();
    add(1_200);
    for (let index = 0; index < 500; index += 1) away.add(`c${index}`);
    await queue.flush();
    expect(asked).toHaveLength(500);
    away.clear();
    await queue.flush();
    expect(queue.size).toBe(0);
    expect(new Set(asked).size).toBe(1_200);
  });

  it('asks once for a place that is given back twice', async () => {
    const { asked, queue, add } = setUp();
    add(1);
    add(1);
    await queue.flush();
    expect(asked).toEqual(['c0']);
  });

  it('is bounded', () => {
    const { queue, add } = setUp();
    add(100_500);
    expect(queue.size).toBe(100_000);
  });
});
