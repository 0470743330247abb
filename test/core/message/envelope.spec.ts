import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { frame, isReservedEvent, readEnvelope } from '../../../lib/core/message/envelope.js';

describe('readEnvelope', () => {
  it('reads event and data, and nothing else', () => {
    expect(readEnvelope({ event: 'chat', data: { a: 1 }, extra: true })).toStrictEqual({
      event: 'chat',
      data: { a: 1 },
    });
  });

  it.each([[undefined], [null], [0], [false], [''], [[1]]])('leaves data as it is: %j', (data) => {
    expect(readEnvelope({ event: 'chat', data })?.data).toStrictEqual(data);
  });

  it('takes a message without data', () => {
    expect(readEnvelope({ event: 'ping' })).toStrictEqual({ event: 'ping', data: undefined });
  });

  it.each([
    [undefined],
    [null],
    ['chat'],
    [1],
    [true],
    [[]],
    [['chat', {}]],
    [{}],
    [{ data: 1 }],
    [{ event: '' }],
    [{ event: null }],
    [{ event: 1 }],
    [{ event: ['chat'] }],
    [{ event: { toString: () => 'chat' } }],
    [{ Event: 'chat' }],
    [{ event: 'x'.repeat(129) }],
  ])('refuses %j', (message) => {
    expect(readEnvelope(message)).toBeNull();
  });

  it('takes an event of 128 characters', () => {
    expect(readEnvelope({ event: 'x'.repeat(128) })?.event).toHaveLength(128);
  });

  it('takes no event from a prototype (MS-03)', () => {
    expect(readEnvelope(Object.create({ event: 'chat' }))).toBeNull();
    expect(readEnvelope(JSON.parse('{"__proto__":{"event":"chat"},"data":1}'))).toBeNull();
  });

  it('never throws on parsed JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (message) => {
        const envelope = readEnvelope(message);
        if (envelope) expect(envelope.event).toBe((message as { event: string }).event);
      }),
    );
  });
});

describe('isReservedEvent', () => {
  it.each(['auth', 'auth.refresh', 'auth.ok', 'auth.', 'auth.anything.else'])('is true for %s', (event) => {
    expect(isReservedEvent(event)).toBe(true);
  });

  it.each(['', 'author', 'authors.list', 'Auth', 'AUTH', ' auth', 'auth ', 'my.auth', 'auth-ok'])(
    'is false for "%s"',
    (event) => {
      expect(isReservedEvent(event)).toBe(false);
    },
  );
});

describe('frame', () => {
  it('is the envelope of Nest, event first', () => {
    expect(frame('auth.ok', { connectionId: 'a', sessionId: undefined })).toBe(
      '{"event":"auth.ok","data":{"connectionId":"a"}}',
    );
  });
});
