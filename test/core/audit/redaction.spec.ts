import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutText, toLogLine, safeText } from '../../../lib/core/audit/redaction.js';

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

describe('safeText', () => {
  const secret = 'c'.repeat(43);

  it.each([
    ['a ticket', `/ws/wst_${'a'.repeat(16)}.${secret}`, '/ws/[redacted]'],
    ['a ticket in a word', `xwst_${'a'.repeat(16)}.${secret}`, 'x[redacted]'],
    ['a session token', `sid=${'a'.repeat(16)}.${secret}`, 'sid=[redacted]'],
    ['a JWT', `https://eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.${secret}`, 'https://[redacted]'],
    ['a JWT without signature', 'eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.', '[redacted]'],
    ['a JWT in mid-word', `/token-eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.${secret}`, '/token-[redacted]'],
    [
      'a session token whose ticket mark is spelt oddly',
      `/wst%5F${'a'.repeat(16)}.${secret}`,
      '/wst%5F[redacted]',
    ],
    ['user and password in a URL', 'https://ada:hunter2@app.example', 'https://[redacted]@app.example'],
    ['a user alone', 'wss://hunter2@app.example/x', 'wss://[redacted]@app.example/x'],
    [
      'what the cut would leave of one',
      `${'x'.repeat(200)} wst_${'a'.repeat(300)}`,
      `${'x'.repeat(200)} [redacted]`,
    ],
  ])('redacts %s (LG-02)', (_, text, safe) => {
    expect(safeText(text)).toBe(safe);
  });

  it('leaves a session id, which opens nothing, and ordinary words', () => {
    for (const text of [
      `${'a'.repeat(16)}.${'b'.repeat(22)}`,
      'https://app.example',
      '/rooms/eyJ',
      'keyJar.example.com',
      'https://app.example/@ada',
      'wst_short',
    ])
      expect(safeText(text)).toBe(text);
  });

  it('is on one line in a log of any format (LG-03)', () => {
    expect(safeText('a\r\nFAKE\u0085\u2028\u202eb\u0000')).toBe(
      'a\\u000d\\u000aFAKE\\u0085\\u2028\\u202eb\\u0000',
    );
  });

  it('takes no longer for what is made to take long', () => {
    const started = performance.now();
    for (const text of [
      'eyJ'.repeat(50_000),
      '//'.repeat(50_000),
      'eyJa-'.repeat(50_000),
      'x-eyJabcd.'.repeat(50_000),
      'wst_'.repeat(50_000),
      'a'.repeat(200_000),
      'a.'.repeat(100_000),
    ])
      safeText(text);
    expect(performance.now() - started).toBeLessThan(200);
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
