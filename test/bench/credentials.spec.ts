import jsonwebtoken from 'jsonwebtoken';
import { describe, expect, it } from 'vitest';
import { benchModule } from './bench-module.js';

const { AUDIENCE, ISSUER, signToken, wrongTokens } = await benchModule<{
  AUDIENCE: string;
  ISSUER: string;
  signToken(key: string, user: string): string;
  wrongTokens(key: string, algorithm: string): Record<string, string | undefined>;
}>('load/credentials.mjs');

const KEY = 'a secret of the bench, long enough for HS256';
const RULES: jsonwebtoken.VerifyOptions = { algorithms: ['HS256'], issuer: ISSUER, audience: AUDIENCE };

describe('wrongTokens', () => {
  const wrong = wrongTokens(KEY, 'HS256');

  it('has one thing wrong in each, and what a good one has besides', () => {
    expect(jsonwebtoken.verify(signToken(KEY, 'ada'), KEY, RULES)).toMatchObject({ sub: 'ada' });
    const messageOf = (what: string): string => {
      try {
        jsonwebtoken.verify(wrong[what]!, KEY, RULES);
        return 'taken';
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(messageOf('a signature by another key')).toBe('invalid signature');
    expect(messageOf('another issuer')).toContain('jwt issuer invalid');
    expect(messageOf('another audience')).toContain('jwt audience invalid');
    expect(messageOf('an end that is over')).toBe('jwt expired');
  });

  it('has a client with nothing among them', () => {
    expect(Object.entries(wrong)).toContainEqual(['nothing', undefined]);
  });
});
