import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CLOSE,
  closeCodeIn,
  closeReason,
  MAX_CLOSE_REASON_BYTES,
  truncateUtf8,
} from '../../lib/core/close-code.js';

describe('CLOSE', () => {
  it('is the table that clients were promised', () => {
    expect(CLOSE).toStrictEqual({
      restart: { code: 1012, word: 'restart' },
      tryLater: { code: 1013, word: 'try_later' },
      unsupported: { code: 1003, word: 'text_only' },
      tooBig: { code: 1009, word: 'too_big' },
      error: { code: 1011, word: 'error' },
      badMessage: { code: 4400, word: 'bad_message' },
      unauthorized: { code: 4401, word: 'unauthorized' },
      forbidden: { code: 4403, word: 'forbidden' },
      authTimeout: { code: 4408, word: 'auth_timeout' },
      idleTimeout: { code: 4408, word: 'idle_timeout' },
      replaced: { code: 4409, word: 'replaced' },
      tooManyConnections: { code: 4409, word: 'too_many_connections' },
      revoked: { code: 4410, word: 'revoked' },
      expired: { code: 4419, word: 'expired' },
      rateLimited: { code: 4429, word: 'rate_limited' },
    });
  });

  it('has only codes that an endpoint may send (RFC 6455 §7.4)', () => {
    for (const { code } of Object.values(CLOSE)) {
      expect([1004, 1005, 1006, 1015]).not.toContain(code);
      expect((code >= 1000 && code < 1015) || (code >= 4000 && code < 5000)).toBe(true);
    }
  });
});

describe('closeCodeIn', () => {
  it('leaves every code alone in the scheme of the project', () => {
    for (const { code } of Object.values(CLOSE)) expect(closeCodeIn('project', code)).toBe(code);
  });

  it('maps 4401, 4403 and 4408 to the registered codes, and nothing else', () => {
    const mapped = Object.values(CLOSE).map(({ code }) => [code, closeCodeIn('iana', code)]);
    expect(mapped.filter(([from, to]) => from !== to)).toEqual([
      [4401, 3000],
      [4403, 3003],
      [4408, 3008],
      [4408, 3008],
    ]);
  });

  it('maps every 44xx to 1008, and nothing else', () => {
    for (const { code } of Object.values(CLOSE)) {
      expect(closeCodeIn('policy-violation', code)).toBe(code >= 4400 ? 1008 : code);
    }
    expect(closeCodeIn('policy-violation', 4399)).toBe(4399);
    expect(closeCodeIn('policy-violation', 4500)).toBe(4500);
  });
});

describe('closeReason', () => {
  it('is the word alone when nothing else is known', () => {
    expect(closeReason('unauthorized')).toBe('unauthorized');
  });

  it('adds the wait in whole milliseconds, then the correlation id', () => {
    expect(closeReason('rate_limited', { retryAfterMs: 1200.2, correlationId: 'abc' })).toBe(
      'rate_limited;retry=1201;id=abc',
    );
  });

  it('tells a wait of 0', () => {
    expect(closeReason('try_later', { retryAfterMs: 0 })).toBe('try_later;retry=0');
  });

  it('is never longer than a control frame allows (RFC 6455 §5.5)', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 300 }),
        fc.nat(),
        fc.string(),
        (word, retryAfterMs, id) => {
          const reason = closeReason(word, { retryAfterMs, correlationId: id });
          expect(Buffer.byteLength(reason)).toBeLessThanOrEqual(MAX_CLOSE_REASON_BYTES);
        },
      ),
    );
  });

  it('is ASCII and whole for every word of the table', () => {
    for (const { word } of Object.values(CLOSE)) {
      const reason = closeReason(word, { retryAfterMs: 2 ** 31, correlationId: 'a'.repeat(12) });
      expect(reason).toMatch(/^[a-z_]+;retry=2147483648;id=a{12}$/);
    }
  });
});

describe('truncateUtf8', () => {
  it('leaves a text that fits as it is', () => {
    expect(truncateUtf8('héllo', 6)).toBe('héllo');
  });

  it('cuts no character in two', () => {
    expect(truncateUtf8('ab€', 4)).toBe('ab');
    expect(truncateUtf8('a😀b', 4)).toBe('a');
    expect(truncateUtf8('a😀b', 5)).toBe('a😀');
  });

  it('leaves nothing of a text for which there is no room', () => {
    expect(truncateUtf8('€', 2)).toBe('');
    expect(truncateUtf8('a', 0)).toBe('');
  });

  it('keeps the longest beginning that fits, and never more', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(80), (text, maxBytes) => {
        const cut = truncateUtf8(text, maxBytes);
        expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(maxBytes);
        expect(text.startsWith(cut)).toBe(true);
        const [next] = text.slice(cut.length);
        if (next !== undefined) expect(Buffer.byteLength(cut + next)).toBeGreaterThan(maxBytes);
      }),
    );
  });

  it('stays within the bytes for lone surrogates too', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('\ud83d', '\ude00', 'a', '€') }),
        fc.nat(40),
        (text, maxBytes) => {
          expect(Buffer.byteLength(truncateUtf8(text, maxBytes))).toBeLessThanOrEqual(maxBytes);
        },
      ),
    );
  });
});
