import { describe, expect, it } from 'vitest';
import { HandlerTable, type Subscriber } from '../../lib/nest/handler-table.js';

describe('HandlerTable', () => {
  const subscriber = (message: unknown, answer: string): Subscriber => ({ message, callback: () => answer });
  const run = (table: HandlerTable, event: unknown) => table.get(event)?.run({}, 0, event);

  it('finds the handler of an event', () => {
    const table = HandlerTable.of([subscriber('a', 'of a'), subscriber('b', 'of b')], {});
    expect([run(table, 'a'), run(table, 'b')]).toEqual(['of a', 'of b']);
    expect([table.has('b'), table.has('c'), table.get('c')]).toEqual([true, false, undefined]);
  });

  it('calls the handler as Nest would bind it: on its gateway, with the client first', () => {
    const gateway = {};
    const client = {};
    const seen: unknown[] = [];
    const callback: Subscriber['callback'] = function (...args) {
      seen.push(this, ...args);
    };
    HandlerTable.of([{ message: 'a', callback }], gateway)
      .get('a')!
      .run(client, { id: 1 }, 'a');
    expect(seen[0]).toBe(gateway);
    expect(seen[1]).toBe(client);
    expect(seen.slice(2)).toEqual([{ id: 1 }, 'a']);
  });

  it('calls a handler that Nest has bound to its socket', () => {
    const table = HandlerTable.ofBound([{ message: 'a', callback: (...args: unknown[]) => args }]);
    expect(run(table, 'a')).toEqual([0, 'a']);
    expect(table.get('a')!.direct).toBeUndefined();
  });

  it('knows nothing that every object has (MS-04)', () => {
    const table = HandlerTable.of([subscriber('a', 'a')], {});
    for (const event of ['__proto__', 'constructor', 'toString']) {
      expect(table.has(event)).toBe(false);
      expect(table.get(event)).toBeUndefined();
    }
  });

  it('takes the later of two handlers for one event, as a Map does, and tells 7 from "7"', () => {
    const table = HandlerTable.of(
      [subscriber('a', 'early'), subscriber('a', 'late'), subscriber(7, 'seven')],
      {},
    );
    expect([run(table, 'a'), run(table, 7)]).toEqual(['late', 'seven']);
    expect(table.has('7')).toBe(false);
  });
});
