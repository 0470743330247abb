import { describe, expect, it } from 'vitest';
import { HandlerTables } from '../../lib/nest/handler-table.js';

describe('HandlerTables', () => {
  const handler = (message: unknown, answer: string) => ({ message, callback: () => answer });

  it('finds the handler of an event, bound to its own socket', () => {
    const tables = new HandlerTables();
    const first = tables.make([handler('a', 'first a'), handler('b', 'first b')]);
    const second = tables.make([handler('a', 'second a'), handler('b', 'second b')]);
    expect(first.get('a')!(0, 'a')).toBe('first a');
    expect(second.get('a')!(0, 'a')).toBe('second a');
    expect(second.get('b')!(0, 'b')).toBe('second b');
    expect([first.has('b'), first.has('c'), first.get('c')]).toEqual([true, false, undefined]);
  });

  it('keeps gateways apart, whatever their events are called', () => {
    const tables = new HandlerTables();
    const one = tables.make([handler('a,b', 'one')]);
    const two = tables.make([handler('a', 'a'), handler('b', 'b')]);
    expect(one.has('a')).toBe(false);
    expect(two.get('b')!(0, 'b')).toBe('b');
    expect(tables.make([]).has('a')).toBe(false);
  });

  it('knows nothing that every object has (MS-04)', () => {
    const table = new HandlerTables().make([handler('a', 'a')]);
    for (const event of ['__proto__', 'constructor', 'toString']) {
      expect(table.has(event)).toBe(false);
      expect(table.get(event)).toBeUndefined();
    }
  });

  it('takes the later of two handlers for one event, as a Map does, and tells 7 from "7"', () => {
    const table = new HandlerTables().make([
      handler('a', 'early'),
      handler('a', 'late'),
      handler(7, 'seven'),
    ]);
    expect(table.get('a')!(0, 'a')).toBe('late');
    expect(table.get(7)!(0, 7)).toBe('seven');
    expect(table.has('7')).toBe(false);
  });
});
