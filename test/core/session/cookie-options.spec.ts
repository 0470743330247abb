import { describe, expect, it } from 'vitest';
import { OptionProblems } from '../../../lib/core/option-rules.js';
import { resolveCookieOptions } from '../../../lib/core/session/cookie-options.js';

function resolve(given: unknown, production = false) {
  const problems = new OptionProblems();
  const value = resolveCookieOptions(given, production, problems);
  return { value, sentences: problems.sentences };
}

describe('resolveCookieOptions', () => {
  it('fills in the defaults (CK-01)', () => {
    expect(resolve(undefined)).toEqual({
      value: { name: 'sid', secure: 'auto', sameSite: 'strict', partitioned: false },
      sentences: [],
    });
  });

  it('keeps what it is given', () => {
    const given = { name: 'chat', secure: true, sameSite: 'lax', partitioned: true };
    expect(resolve(given)).toEqual({ value: given, sentences: [] });
  });

  it('is always Secure in production (CK-01)', () => {
    expect(resolve({ secure: 'auto' }, true).value.secure).toBe(true);
    expect(resolve(undefined, true).value.secure).toBe(true);
  });

  it.each([false, 'never', 1, null])(
    'refuses secure: %j: no session cookie in the clear on purpose (CK-01)',
    (secure) => {
      expect(resolve({ secure }).sentences).toEqual([
        'option "cookie.secure" must be "auto" or true: a session cookie is never sent in the clear on purpose',
      ]);
    },
  );

  it('refuses SameSite=None without Partitioned (CK-01)', () => {
    expect(resolve({ sameSite: 'none' }).sentences).toEqual([
      'option "cookie.sameSite" is "none": set "cookie.partitioned" too, browsers send no other cross-site cookie',
    ]);
  });

  it('makes SameSite=None Secure (CK-01)', () => {
    const { value, sentences } = resolve({ sameSite: 'none', partitioned: true });
    expect(sentences).toEqual([]);
    expect(value.secure).toBe(true);
  });

  it.each([
    '__Host-sid',
    '__host-sid',
    '__Secure-sid',
    '__SECURE-sid',
    '_Host-sid',
    'Host__sid',
    'Host_sid',
    'secure__sid',
  ])('refuses the name %s, whose prefix is not for the application to write (CK-01)', (name) => {
    expect(resolve({ name }).sentences).toEqual([
      `option "cookie.name" is "${name}": leave the prefix out, "__Host-" is added where the cookie is Secure`,
    ]);
  });

  it.each([
    '',
    'a b',
    'a=b',
    'a;b',
    'a,b',
    'a"b',
    'sid\r\nSet-Cookie: x=1',
    'sïd',
    '\u00a0sid',
    'x'.repeat(65),
    1,
    null,
    ['sid'],
  ])('refuses the name %j', (name) => {
    const { value, sentences } = resolve({ name });
    expect(sentences).toEqual([
      'option "cookie.name" must be 1 to 64 characters that a cookie name may have',
    ]);
    expect(value.name).toBe('sid');
  });

  it.each(['sid', 'hostsid', 'secure-sid', 'x'.repeat(64), "!#$%&'*+-.^_`|~"])(
    'takes the name %s',
    (name) => {
      expect(resolve({ name })).toMatchObject({ value: { name }, sentences: [] });
    },
  );

  it('names the nearest for a misspelt key, and knows no way to widen the cookie', () => {
    expect(resolve({ samesite: 'lax' }).sentences).toEqual([
      'unknown option "cookie.samesite": did you mean "sameSite"?',
    ]);
    expect(resolve({ domain: 'example.com' }).sentences).toEqual([
      'unknown option "cookie.domain": known are name, secure, sameSite, partitioned',
    ]);
    expect(resolve({ httpOnly: false }).sentences).toHaveLength(1);
  });
});
