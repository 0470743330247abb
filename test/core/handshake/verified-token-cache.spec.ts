import { beforeEach, describe, expect, it } from 'vitest';
import { TokenRejected } from '../../../lib/core/errors.js';
import type { VerifiedToken } from '../../../lib/core/handshake/token-verifier.js';
import { VerifiedTokenCache } from '../../../lib/core/handshake/verified-token-cache.js';
import { createPrincipal } from '../../../lib/core/principal.js';
import { fakeClock, type FakeClock } from '../../support/fake-clock.js';

describe('VerifiedTokenCache', () => {
  let clock: FakeClock;
  let asked: string[];
  let expiresInMs: number;
  const cancellation = new AbortController();

  beforeEach(() => {
    clock = fakeClock();
    asked = [];
    expiresInMs = 600_000;
  });

  function verified(token: string): VerifiedToken {
    asked.push(token);
    if (token.startsWith('bad')) throw new TokenRejected('signature');
    return {
      principal: createPrincipal({ id: token })!,
      narrowing: undefined,
      issuedAt: clock(),
      authTime: undefined,
      expiresAt: clock() + expiresInMs,
      issuer: 'issuer',
      tokenId: undefined,
      sessionId: undefined,
    };
  }

  const cache = (maxTokens = 10): VerifiedTokenCache =>
    new VerifiedTokenCache({ verify: verified }, clock, maxTokens);

  it('verifies a token once', () => {
    const tokens = cache();
    const first = tokens.verify('t', cancellation);
    expect(tokens.verify('t', cancellation)).toBe(first);
    expect(asked).toEqual(['t']);
  });

  it('takes no variant of a token for it (JW-05)', () => {
    const tokens = cache();
    tokens.verify('t', cancellation);
    for (const variant of ['t=', 't\n', 'T']) tokens.verify(variant, cancellation);
    expect(asked).toHaveLength(4);
  });

  it('forgets a token when it expires, and after five minutes at the latest (JW-06)', () => {
    const tokens = cache();
    expiresInMs = 1_000;
    tokens.verify('short', cancellation);
    expiresInMs = 3_600_000;
    tokens.verify('long', cancellation);
    clock.advance(999);
    tokens.verify('short', cancellation);
    clock.advance(1);
    tokens.verify('short', cancellation);
    expect(asked).toEqual(['short', 'long', 'short']);
    clock.advance(299_000);
    tokens.verify('long', cancellation);
    expect(asked.at(-1)).toBe('long');
  });

  it('remembers no refusal', () => {
    const tokens = cache();
    for (let tries = 0; tries < 3; tries += 1)
      expect(() => tokens.verify('bad', cancellation)).toThrow(TokenRejected);
    expect(asked).toHaveLength(3);
    expect(tokens.size).toBe(0);
  });

  it('remembers what is verified later, and no rejection of it', async () => {
    const tokens = new VerifiedTokenCache({ verify: async (token) => verified(token) }, clock, 10);
    await tokens.verify('t', cancellation);
    expect(tokens.verify('t', cancellation)).not.toBeInstanceOf(Promise);
    await expect(tokens.verify('bad', cancellation)).rejects.toThrow(TokenRejected);
    expect(tokens.size).toBe(1);
  });

  it('is bounded: the token that was used longest ago goes', () => {
    const tokens = cache(3);
    for (const token of ['a', 'b', 'c', 'a', 'd']) tokens.verify(token, cancellation);
    expect(tokens.size).toBe(3);
    tokens.verify('a', cancellation);
    expect(asked).toEqual(['a', 'b', 'c', 'd']);
    tokens.verify('b', cancellation);
    expect(asked.at(-1)).toBe('b');
  });
});
