import { describe, expect, it } from 'vitest';
import { outgoingQueue } from '../../lib/client/outgoing-queue.js';

describe('outgoingQueue', () => {
  it('keeps messages in order, up to a number of bytes in all', () => {
    const queue = outgoingQueue();
    const [first, second, third] = [{ text: 'aaa' }, { text: 'é' }, { text: 'b' }];
    expect([queue.add(first, 5), queue.add(second, 5), queue.add(third, 5)]).toEqual([true, true, false]);
    const taken: object[] = [];
    expect(queue.drain((message) => taken.push(message))).toBe(true);
    expect(taken).toEqual([first, second]);
    expect([queue.drain(() => {}), queue.add(third, 1)]).toEqual([false, true]);
  });

  it('has room again when a message was taken back', () => {
    const queue = outgoingQueue();
    const message = { text: 'aaa' };
    queue.add(message, 3);
    queue.delete(message);
    expect(queue.add({ text: 'bbb' }, 3)).toBe(true);
  });

  it('takes nothing when it is off', () => {
    expect(outgoingQueue().add({ text: 'a' }, 0)).toBe(false);
  });
});
