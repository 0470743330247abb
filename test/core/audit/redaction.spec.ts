import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutText, toLogLine } from '../../../lib/core/audit/redaction.js';

/** What ends a line, hides one, or turns the direction of text around. */
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/;

describe('cutText', () => {
  it('leaves 256 characters as they are', () => {
    expect(cutText('a'.repeat(256))).toBe('a'.repeat(256));
    expect(cutText('')).toBe('');
  });

  it('cuts what is longer, and shows that it did (LG-03)', () => {
    expect(cutText('a'.repeat(257))).toBe(`${'a'.repeat(256)}…`);
    expect(cutText('a'.repeat(15_360))).toHaveLength(257);
  });
});

describe('toLogLine', () => {
  it('is JSON', () => {
    expect(toLogLine({ event: 'x', n: 1 })).toBe('{"event":"x","n":1}');
  });

  it.each([
    ['NEL and CSI', 'a\u0085FAKE\u009b31m', '{"v":"a\\u0085FAKE\\u009b31m"}'],
    ['CR and LF', 'user\r\nFAKE: line', '{"v":"user\\r\\nFAKE: line"}'],
    ['ESC', '\u001b[31m', '{"v":"\\u001b[31m"}'],
    ['DEL', '\u007f', '{"v":"\\u007f"}'],
    ['line separators', '\u2028\u2029', '{"v":"\\u2028\\u2029"}'],
    ['a bidirectional override', '\u202egnp.exe', '{"v":"\\u202egnp.exe"}'],
    ['isolates', '\u2066\u2069', '{"v":"\\u2066\\u2069"}'],
    ['zero-width characters', '\u200b\u200d\ufeff', '{"v":"\\u200b\\u200d\\ufeff"}'],
    ['an Arabic letter mark', '\u061c', '{"v":"\\u061c"}'],
  ])('escapes %s (LG-03)', (_, value, line) => {
    expect(toLogLine({ v: value })).toBe(line);
  });

  it('leaves letters of every language as they are', () => {
    expect(toLogLine({ v: 'Zoë 王 😀 שלום' })).toBe('{"v":"Zoë 王 😀 שלום"}');
  });

  it('is one line that says the same, whatever the keys and values (LG-03)', () => {
    const text = fc.string({ unit: 'binary' });
    const hostile = fc.string({
      unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
    });
    fc.assert(
      fc.property(fc.dictionary(fc.oneof(text, hostile), fc.oneof(text, hostile)), (value) => {
        const line = toLogLine(value);
        expect(line).not.toMatch(UNSAFE);
        expect(JSON.parse(line)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});
