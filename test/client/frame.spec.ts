import { describe, expect, it } from 'vitest';
import { byteLength, fieldsOf, readFrame, writeFrame } from '../../lib/client/frame.js';

describe('readFrame', () => {
  it('reads the envelope, and nothing beside it', () => {
    expect(readFrame('{"event":"echo","data":{"a":1},"more":2}', 100)).toEqual({
      event: 'echo',
      data: { a: 1 },
    });
    expect(readFrame('{"event":"echo"}', 100)).toEqual({ event: 'echo', data: undefined });
  });

  it.each([
    'text',
    'null',
    '[]',
    '"echo"',
    '{}',
    '{"event":1}',
    '{"event":""}',
    `{"event":"${'e'.repeat(129)}"}`,
    new ArrayBuffer(4),
    undefined,
  ])('finds %j malformed', (message) => {
    expect(readFrame(message, 1_000)).toBe('malformed');
  });

  it('counts bytes, not characters', () => {
    const text = writeFrame('echo', 'ä€');
    expect(byteLength(text)).toBe(text.length + 3);
    expect(readFrame(text, byteLength(text))).toEqual({ event: 'echo', data: 'ä€' });
    expect(readFrame(text, byteLength(text) - 1)).toBe('too_big');
    expect(readFrame('x'.repeat(11), 10)).toBe('too_big');
  });
});

describe('fieldsOf', () => {
  it('has none for what has none', () => {
    for (const data of [null, undefined, 'text', 1]) expect(fieldsOf(data)).toEqual({});
  });
});
