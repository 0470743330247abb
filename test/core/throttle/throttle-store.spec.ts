import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { throttleKey } from '../../../lib/core/throttle/throttle-store.js';

describe('throttleKey', () => {
  it('is the same for the same parts, short, and shows none of them (TH-08)', () => {
    const key = throttleKey('message', 'user-of-somebody', '203.0.113.7');
    expect(throttleKey('message', 'user-of-somebody', '203.0.113.7')).toBe(key);
    expect(key).toMatch(/^[A-Za-z0-9_-]{22}$/);
  });

  it.each([
    [
      ['a', 'bc'],
      ['ab', 'c'],
    ],
    [['a', ''], ['a']],
    [
      ['', 'a'],
      ['a', ''],
    ],
    [
      ['a:1', 'b'],
      ['a', '1:b'],
    ],
    [['1:a'], ['a']],
    [['a2:bc'], ['a', 'bc']],
    [
      ['x', '\ud800'],
      ['x', '\udfff'],
    ],
    [
      ['x', '\ufffd'],
      ['x', '\udfff'],
    ],
  ] as [[string, ...string[]], [string, ...string[]]][])(
    'differs between %j and %j (TH-08)',
    (one, other) => {
      expect(throttleKey(...one)).not.toBe(throttleKey(...other));
    },
  );

  it('never gives two lists of parts one key (TH-08)', () => {
    const part = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom('1', ':', 'a', '\ud800') }));
    const parts = fc.tuple(part, fc.array(part, { maxLength: 3 }));
    fc.assert(
      fc.property(parts, parts, ([name, rest], [otherName, otherRest]) => {
        fc.pre(JSON.stringify([name, rest]) !== JSON.stringify([otherName, otherRest]));
        expect(throttleKey(name, ...rest)).not.toBe(throttleKey(otherName, ...otherRest));
      }),
    );
  });
});
