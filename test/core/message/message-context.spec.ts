import { describe, expect, it } from 'vitest';
import type { Connection } from '../../../lib/core/connection.js';
import { MessageContext } from '../../../lib/core/message/message-context.js';

const [ada, bob] = [{ id: 'ada' }, { id: 'bob' }] as unknown as [Connection, Connection];

describe('MessageContext', () => {
  it('keeps the connection for all that its work leads to, and for nothing else', async () => {
    const context = new MessageContext(true);
    const later = () => new Promise((resolve) => setImmediate(() => resolve(context.connection)));
    const [first, second] = [context.run(ada, later), context.run(bob, later)];
    expect(context.connection).toBeUndefined();
    expect(await Promise.all([first, second, later()])).toEqual([ada, bob, undefined]);
  });

  it('tells once that a message begins, in whichever part of it that is', () => {
    const context = new MessageContext(true);
    const inMessage = context.beginMessage(ada);
    expect(inMessage(() => context.connection)).toBe(ada);
    expect(inMessage(() => context.takeMessage())).toBe(ada);
    expect(inMessage(() => [context.takeMessage(), context.connection])).toEqual([undefined, ada]);
    expect(context.run(ada, () => context.takeMessage())).toBeUndefined();
  });

  it('knows nothing while it is off, and does the work all the same', () => {
    const context = new MessageContext(false);
    expect(context.run(ada, () => context.connection)).toBeUndefined();
    expect(context.beginMessage(ada)(() => [context.connection, context.takeMessage()])).toEqual([
      undefined,
      undefined,
    ]);
    expect(context.isOn).toBe(false);
  });
});
