import { describe, expect, it } from 'vitest';
import { reactionTo, readClose } from '../../lib/client/close-reaction.js';
import { CLOSE, closeCodeIn, closeReason } from '../../lib/core/close-code.js';

/** PROTOCOL.md, "Close codes": what a client does. */
const EXPECTED = {
  restart: 'back-off',
  tryLater: 'back-off',
  unsupported: 'protocol_error',
  tooBig: 'protocol_error',
  error: 'back-off',
  badMessage: 'bad_message',
  unauthorized: 'once-more',
  forbidden: 'forbidden',
  authTimeout: 'back-off',
  idleTimeout: 'on-demand',
  replaced: 'replaced',
  tooManyConnections: 'too_many_connections',
  revoked: 'revoked',
  expired: 'at-once',
  rateLimited: 'back-off',
} as const satisfies Record<keyof typeof CLOSE, string>;

const rows = Object.entries(EXPECTED).map(([name, reaction]) => ({
  ...CLOSE[name as keyof typeof CLOSE],
  reaction,
}));

describe('reactionTo', () => {
  it.each(rows)('answers $code $word by $reaction, in every scheme of codes', ({ code, word, reaction }) => {
    for (const scheme of ['project', 'iana', 'policy-violation'] as const) {
      const reason = closeReason(word, { retryAfterMs: 250, correlationId: 'JwVE3DOpy6IT' });
      expect(reactionTo(readClose(closeCodeIn(scheme, code), reason))).toBe(reaction);
    }
  });

  it.each([
    [1002, 'protocol_error'],
    [1007, 'protocol_error'],
    [1008, 'protocol_error'],
    [1009, 'protocol_error'],
    [1001, 'back-off'],
    [1006, 'back-off'],
    [1014, 'back-off'],
    [4401, 'once-more'],
    [4408, 'back-off'],
    [4409, 'too_many_connections'],
    [4410, 'revoked'],
    [1000, 'finished'],
    [1005, 'finished'],
    [4000, 'finished'],
    [4500, 'finished'],
  ])('answers %i without a reason by %s', (code, reaction) => {
    expect(reactionTo(readClose(code, ''))).toBe(reaction);
  });

  it.each(['message_timeout', 'control_flood'])('answers 1008 %s by stopping', (word) => {
    expect(reactionTo(readClose(1008, `${word};id=JwVE3DOpy6IT`))).toBe('protocol_error');
  });

  it('stops at a code from 4400 to 4499 that it does not know', () => {
    for (const code of [4402, 4450, 4499])
      expect(reactionTo(readClose(code, 'something_new'))).toBe('bad_message');
  });

  it('does not take the word of one code for that of another', () => {
    expect(reactionTo(readClose(4410, 'expired'))).toBe('revoked');
    expect(reactionTo(readClose(4000, 'unauthorized'))).toBe('finished');
  });
});

describe('readClose', () => {
  it('reads word, retry and correlation id', () => {
    expect(readClose(1012, 'restart;retry=1500;id=JwVE3DOpy6IT')).toEqual({
      code: 1012,
      word: 'restart',
      retryAfterMs: 1_500,
      correlationId: 'JwVE3DOpy6IT',
    });
  });

  it('finds nothing in a reason of another form', () => {
    for (const reason of ['Bye!', 'restart;retry=-1', 'restart;retry=99999999999', 'restart;id=<b>', 'a b'])
      expect(readClose(1012, reason)).toEqual({ code: 1012, word: '' });
  });
});
