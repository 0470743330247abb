import { describe, expect, it } from 'vitest';
import { TurnCork } from '../../lib/nest/turn-cork.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('TurnCork', () => {
  it('lets go when the turn is over, each in its order', async () => {
    const cork = new TurnCork();
    const freed: string[] = [];
    cork.hold({ uncork: () => freed.push('a') });
    cork.hold({ uncork: () => freed.push('b') });
    expect(freed).toEqual([]);
    await turn();
    expect(freed).toEqual(['a', 'b']);
  });

  it('waits for whatever microtasks and ticks bring, and for nothing else', async () => {
    const cork = new TurnCork();
    const happened: string[] = [];
    setImmediate(() => happened.push('next turn'));
    cork.hold({ uncork: () => happened.push('free') });
    for (let index = 0; index < 50; index += 1) await Promise.resolve();
    happened.push('after fifty microtasks');
    await turn();
    expect(happened).toEqual(['after fifty microtasks', 'free', 'next turn']);
  });

  it('is there for the next turn again', async () => {
    const cork = new TurnCork();
    let freed = 0;
    for (let round = 1; round <= 3; round += 1) {
      cork.hold({ uncork: () => (freed += 1) });
      await turn();
      expect(freed).toBe(round);
    }
  });
});
