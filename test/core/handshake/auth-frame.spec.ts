import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  isReservedFrame,
  mayBeAuthFrame,
  readAuthFrame,
  readCredentialData,
} from '../../../lib/core/handshake/auth-frame.js';

const auth = (data: unknown) => readAuthFrame(JSON.stringify({ event: 'auth', data }));

describe('readAuthFrame', () => {
  it('reads a token', () => {
    expect(auth({ token: 'abc' })).toEqual({
      kind: 'credential',
      credential: { kind: 'bearer', value: 'abc' },
    });
  });

  it('reads a ticket', () => {
    expect(auth({ ticket: 'wst_x' })).toEqual({
      kind: 'credential',
      credential: { kind: 'ticket', value: 'wst_x' },
    });
  });

  it('reads one whose event is escaped', () => {
    expect(readAuthFrame('{"event":"\\u0061uth","data":{"token":"abc"}}').kind).toBe('credential');
  });

  it.each(['chat', 'auth.refresh', 'auth.ok', 'Auth', 'auth ', 'AUTH'])(
    'knows that %s is another event (FM-01)',
    (event) => {
      expect(readAuthFrame(JSON.stringify({ event, data: { token: 'abc' } }))).toEqual({
        kind: 'other_event',
      });
    },
  );

  it.each([
    '',
    'auth',
    'null',
    '1',
    '"auth"',
    '[]',
    '["auth",{"token":"x"}]',
    '{}',
    '{"data":{"token":"x"}}',
    '{"event":1}',
    '{"event":""}',
    '{"event":null}',
    '{"event":["auth"]}',
    '{"event":"auth"',
    '{"event":"auth"}x',
    "{'event':'auth'}",
    `{"event":"${'a'.repeat(129)}"}`,
  ])('calls %s malformed', (text) => {
    expect(readAuthFrame(text)).toEqual({ kind: 'malformed' });
  });

  it.each([
    [undefined],
    [null],
    ['abc'],
    [1],
    [[]],
    [['token', 'x']],
    [{}],
    [{ token: 'a', ticket: 'b' }],
    [{ token: 'a', extra: 1 }],
    [{ jwt: 'a' }],
    [{ Token: 'a' }],
  ])('calls the data %j malformed: it is exactly one of token and ticket', (data) => {
    expect(auth(data)).toEqual({ kind: 'malformed' });
  });

  it.each([[['a', 'b']], [{}], [null], [1], [true], [''], ['x'.repeat(8_193)], ['x'.repeat(5 * 2 ** 20)]])(
    'calls a credential that is no text, empty or too long unusable (TK-09)',
    (value) => {
      expect(auth({ ticket: value })).toEqual({ kind: 'unusable' });
      expect(auth({ token: value })).toEqual({ kind: 'unusable' });
    },
  );

  it('takes a token of 8,192 characters', () => {
    expect(auth({ token: 'x'.repeat(8_192) }).kind).toBe('credential');
  });

  it('does not take a credential from a prototype', () => {
    expect(readAuthFrame('{"event":"auth","data":{"__proto__":{"token":"x"}}}')).toEqual({
      kind: 'malformed',
    });
    expect(readAuthFrame('{"__proto__":{"event":"auth"},"data":{"token":"x"}}')).toEqual({
      kind: 'malformed',
    });
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json()), (text) => {
        expect(readAuthFrame(text).kind).toMatch(/^(malformed|other_event)$/);
      }),
    );
    expect(readAuthFrame('['.repeat(100_000))).toEqual({ kind: 'malformed' });
    expect(readAuthFrame(`{"event":"auth","data":${'['.repeat(5_000)}${']'.repeat(5_000)}}`)).toEqual({
      kind: 'malformed',
    });
  });
});

describe('readCredentialData', () => {
  it('reads the data of a refresh', () => {
    expect(readCredentialData({ ticket: 'wst_x' })).toEqual({
      kind: 'credential',
      credential: { kind: 'ticket', value: 'wst_x' },
    });
  });
});

describe('isReservedFrame', () => {
  it.each([
    '{"event":"auth"}',
    '{"event":"auth","data":{"token":"x"}}',
    '{"event":"auth.refresh"}',
    '{"event":"auth."}',
    '{"event":"\\u0061uth"}',
    '{"event":"au\\u0074h.refresh"}',
    '{"data":1, "event" : "auth"}',
    '{"event":"chat","event":"auth"}',
  ])('is true for %s (FM-04)', (text) => {
    expect(isReservedFrame(text)).toBe(true);
  });

  it.each([
    '{"event":"chat","data":"auth"}',
    '{"event":"authors"}',
    '{"event":"author.list"}',
    '{"event":"Auth"}',
    '{"event":"auth","event":"chat"}',
    '"auth"',
    '["auth"]',
    'auth',
    '{"event":"auth"',
    '\\u',
    '',
  ])('is false for %s', (text) => {
    expect(isReservedFrame(text)).toBe(false);
  });

  it('finds the event however its letters are escaped (FM-04)', () => {
    const letter = (char: string) =>
      fc.constantFrom(
        char,
        `\\u00${char.charCodeAt(0).toString(16)}`,
        `\\u00${char.charCodeAt(0).toString(16).toUpperCase()}`,
      );
    fc.assert(
      fc.property(
        fc.tuple(...[...'auth'].map(letter)),
        fc.constantFrom('', '.refresh', '.x'),
        (letters, rest) => {
          const text = `{"event":"${letters.join('')}${rest}"}`;
          expect(mayBeAuthFrame(text)).toBe(true);
          expect(isReservedFrame(text)).toBe(true);
        },
      ),
    );
  });
});

describe('mayBeAuthFrame', () => {
  it('passes what cannot name the library without parsing it', () => {
    expect(mayBeAuthFrame('{"event":"chat","data":"hello"}')).toBe(false);
    expect(mayBeAuthFrame('{"event":"chat","data":"auth"}')).toBe(true);
    expect(mayBeAuthFrame('{"event":"chat","data":"\\u0061"}')).toBe(true);
  });
});
