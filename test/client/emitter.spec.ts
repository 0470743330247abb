import { describe, expect, it } from 'vitest';
import { emitter } from '../../lib/client/emitter.js';
import { settled } from './support/fake-host.js';

describe('emitter', () => {
  it('calls the handlers of an event, in the order in which they came, until they are taken away', () => {
    const { on, emit } = emitter<number>();
    const seen: string[] = [];
    const off = on('a', (data) => seen.push(`first ${data}`));
    on('a', (data) => seen.push(`second ${data}`));
    on('b', () => seen.push('b'));
    emit('a', 1);
    off();
    emit('a', 2);
    expect(seen).toEqual(['first 1', 'second 1', 'second 2']);
  });

  it('does not call the same function twice for one addition, and once for each of two', () => {
    const { on, emit } = emitter<number>();
    let calls = 0;
    const handler = (): void => {
      calls += 1;
    };
    const off = on('a', handler);
    on('a', handler);
    off();
    emit('a', 1);
    expect(calls).toBe(1);
  });

  it('goes on when a handler throws, and lets the host see the error', async () => {
    const { on, emit } = emitter<number>();
    const seen: unknown[] = [];
    const listeners = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.once('uncaughtException', (error) => seen.push(error.message));
    on('a', () => {
      throw new Error('handler');
    });
    on('a', () => seen.push('second'));
    emit('a', 1);
    await settled();
    for (const listener of listeners) process.on('uncaughtException', listener);
    expect(seen).toEqual(['second', 'handler']);
  });
});
