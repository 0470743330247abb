import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TokenRejected } from '../../../lib/core/errors.js';
import { readVerifiedToken, type ClaimRules } from '../../../lib/core/handshake/token-verifier.js';
import { PRINCIPAL_ID_PATTERN } from '../../../lib/core/principal.js';

const NOW = 1_800_000_000_000;
const SECONDS = NOW / 1_000;
const SESSION_ID = `${'u'.repeat(16)}.${'s'.repeat(22)}`;

const rules: ClaimRules = {
  issuers: ['https://issuer.example'],
  audiences: ['chat', 'chat-beta'],
  types: ['at+jwt', 'jwt'],
  clockToleranceSeconds: 30,
  maxAgeSeconds: 3_600,
  requireSession: false,
  principalIdPattern: PRINCIPAL_ID_PATTERN,
  principal: undefined,
};

const goodHeader = { alg: 'HS256', typ: 'JWT' };
const goodClaims = {
  iss: 'https://issuer.example',
  aud: 'chat',
  sub: 'alice',
  iat: SECONDS - 60,
  exp: SECONDS + 600,
};

type Change = {
  header?: Record<string, unknown>;
  claims?: Record<string, unknown>;
  rules?: Partial<ClaimRules>;
};

/** Reads a good token with something changed about it; `undefined` takes a claim out. */
function read(change: Change = {}) {
  const claims = Object.entries({ ...goodClaims, ...change.claims }).filter(
    ([, value]) => value !== undefined,
  );
  return readVerifiedToken(
    { ...goodHeader, ...change.header },
    Object.fromEntries(claims),
    { ...rules, ...change.rules },
    NOW,
  );
}

/** Why a token is refused, or `null` when it is believed. */
function reasonFor(change: Change): string | null {
  try {
    read(change);
  } catch (error) {
    expect(error).toBeInstanceOf(TokenRejected);
    return (error as TokenRejected).reason;
  }
  return null;
}

describe('readVerifiedToken', () => {
  it('reads when the user has authenticated, which is not after the token was made', () => {
    expect(read().authTime).toBeUndefined();
    expect(read({ claims: { auth_time: SECONDS - 3_000 } }).authTime).toBe(NOW - 3_000_000);
    expect(read({ claims: { auth_time: SECONDS + 100_000 } }).authTime).toBe(NOW - 60_000);
    for (const authTime of ['yesterday', -1, NaN, null, NOW * 1_000])
      expect(reasonFor({ claims: { auth_time: authTime } })).toBe('auth_time');
  });

  it('reads a good token', () => {
    expect(read({ claims: { jti: 'id-1', roles: ['user'], scope: 'read write' } })).toEqual({
      principal: { id: 'alice', roles: ['user'], scopes: ['read', 'write'] },
      narrowing: undefined,
      issuedAt: NOW - 60_000,
      expiresAt: NOW + 630_000,
      issuer: 'https://issuer.example',
      tokenId: 'id-1',
      sessionId: undefined,
    });
  });

  describe('header', () => {
    it.each([['JWT'], ['jwt'], ['at+jwt'], ['AT+JWT'], ['application/at+jwt']])(
      'takes the type %s (JW-03)',
      (typ) => {
        expect(reasonFor({ header: { typ } })).toBeNull();
      },
    );

    it.each([undefined, '', 'id+jwt', 'refresh+jwt', 'dpop+jwt', 'logout+jwt', ['JWT'], null, 1])(
      'refuses the type %j (JW-03)',
      (typ) => {
        expect(reasonFor({ header: { typ } })).toBe('token_type');
      },
    );

    it('takes only the type that is configured (JW-03)', () => {
      expect(reasonFor({ rules: { types: ['at+jwt'] } })).toBe('token_type');
    });

    it.each([[['x']], [[]], ['x'], [null], [false]])('refuses crit %j (JW-04)', (crit) => {
      expect(reasonFor({ header: { crit } })).toBe('crit_header');
    });
  });

  describe('issuer and audience (JW-02)', () => {
    it.each([
      undefined,
      '',
      'https://issuer.example/',
      'https://evil.example',
      ['https://issuer.example'],
      null,
      {},
    ])('refuses the issuer %j', (iss) => {
      expect(reasonFor({ claims: { iss } })).toBe('issuer');
    });

    it.each([['chat'], ['chat-beta'], [['other', 'chat']]])('takes the audience %j', (aud) => {
      expect(reasonFor({ claims: { aud } })).toBeNull();
    });

    it.each([undefined, '', 'chat ', 'CHAT', 'other', [], ['other'], [['chat']], { 0: 'chat' }, null])(
      'refuses the audience %j',
      (aud) => {
        expect(reasonFor({ claims: { aud } })).toBe('audience');
      },
    );
  });

  describe('times (JW-02, JW-06)', () => {
    it.each([
      undefined,
      null,
      '1800000600',
      Number.NaN,
      Number.POSITIVE_INFINITY,
      1e308,
      1e11,
      -1,
      [1],
      true,
    ])('refuses exp and iat of %s', (value) => {
      expect(reasonFor({ claims: { exp: value } })).toBe('times_missing');
      expect(reasonFor({ claims: { iat: value } })).toBe('times_missing');
    });

    it('refuses times in milliseconds', () => {
      expect(reasonFor({ claims: { iat: NOW, exp: NOW + 600_000 } })).toBe('times_missing');
    });

    it('believes a token until the tolerance after its exp, and no longer (JW-06)', () => {
      expect(reasonFor({ claims: { exp: SECONDS - 29 } })).toBeNull();
      expect(reasonFor({ claims: { exp: SECONDS - 30 } })).toBe('expired');
      expect(reasonFor({ claims: { exp: SECONDS - 31 } })).toBe('expired');
      expect(reasonFor({ claims: { exp: SECONDS }, rules: { clockToleranceSeconds: 0 } })).toBe('expired');
    });

    it('ends the connection at exp and the tolerance (JW-06)', () => {
      expect(read({ claims: { exp: SECONDS - 29 } }).expiresAt).toBe(NOW + 1_000);
    });

    it('refuses a token of the future, but for the tolerance', () => {
      expect(reasonFor({ claims: { iat: SECONDS + 30 } })).toBeNull();
      expect(reasonFor({ claims: { iat: SECONDS + 31 } })).toBe('issued_in_the_future');
    });

    it('honours nbf', () => {
      expect(reasonFor({ claims: { nbf: SECONDS + 30 } })).toBeNull();
      expect(reasonFor({ claims: { nbf: SECONDS + 31 } })).toBe('not_yet_valid');
      expect(reasonFor({ claims: { nbf: 'soon' } })).toBe('not_before');
      expect(reasonFor({ claims: { nbf: null } })).toBe('not_before');
    });

    it('refuses a token that lives for longer than tokens may', () => {
      expect(reasonFor({ claims: { exp: SECONDS - 60 + 3_600 } })).toBeNull();
      expect(reasonFor({ claims: { exp: SECONDS - 60 + 3_601 } })).toBe('lives_too_long');
      expect(reasonFor({ claims: { iat: 0 } })).toBe('lives_too_long');
    });

    it('never believes in an end that is no time or lies beyond the longest life', () => {
      const time = fc.oneof(
        fc.double(),
        fc.integer({ min: SECONDS - 5_000, max: SECONDS + 5_000 }),
        fc.string(),
      );
      fc.assert(
        fc.property(time, time, (iat, exp) => {
          if (reasonFor({ claims: { iat, exp } }) !== null) return;
          const { issuedAt, expiresAt } = read({ claims: { iat, exp } });
          expect(expiresAt).toBeGreaterThan(NOW);
          expect(expiresAt).toBeLessThanOrEqual(NOW + (3_600 + 60) * 1_000);
          expect(issuedAt).toBeLessThanOrEqual(NOW + 30_000);
        }),
      );
    });
  });

  describe('subject (CR-06)', () => {
    it.each([undefined, null, 42, {}, ['a', 'b'], true])('refuses the subject %j', (sub) => {
      expect(reasonFor({ claims: { sub } })).toBe('subject');
    });

    it.each(['', 'a b', 'a\n', 'é', 'x'.repeat(129)])('refuses the subject %j by its form', (sub) => {
      expect(reasonFor({ claims: { sub } })).toBe('principal');
    });

    it.each(['a:b*', '__proto__', 'auth0|5f7c'])('takes %s, which is printable', (sub) => {
      expect(read({ claims: { sub } }).principal.id).toBe(sub);
    });
  });

  describe('roles and scopes', () => {
    it.each([
      [undefined, []],
      ['', []],
      ['read', ['read']],
      [' read  write ', ['read', 'write']],
      [
        ['read', 'write'],
        ['read', 'write'],
      ],
    ])('reads the scope %j', (scope, scopes) => {
      expect(read({ claims: { scope } }).principal.scopes).toEqual(scopes);
    });

    it.each([
      { roles: 'admin' },
      { roles: null },
      { roles: [1] },
      { roles: { 0: 'admin' } },
      { scope: 7 },
      { scope: null },
      { scope: 'a\tb' },
    ])('refuses %j', (claims) => {
      expect(reasonFor({ claims })).toBe('principal');
    });
  });

  describe('jti', () => {
    it.each([1, null, ['x'], 'x'.repeat(257)])('refuses %j', (jti) => {
      expect(reasonFor({ claims: { jti } })).toBe('token_id');
    });

    it('may be missing', () => {
      expect(read().tokenId).toBeUndefined();
    });
  });

  describe('sid', () => {
    it('names a session of ours, which the token narrows', () => {
      expect(read({ claims: { sid: SESSION_ID, scope: 'read' } })).toMatchObject({
        sessionId: SESSION_ID,
        narrowing: { roles: undefined, scopes: ['read'] },
      });
    });

    it.each(['another-system', 1, null, [SESSION_ID], `${SESSION_ID}\n`])(
      'is none of ours when it is %j',
      (sid) => {
        expect(read({ claims: { sid } })).toMatchObject({ sessionId: undefined, narrowing: undefined });
        expect(reasonFor({ claims: { sid }, rules: { requireSession: true } })).toBe('session_missing');
      },
    );

    it('is asked for where tokens need a session', () => {
      expect(reasonFor({ rules: { requireSession: true } })).toBe('session_missing');
      expect(reasonFor({ claims: { sid: SESSION_ID }, rules: { requireSession: true } })).toBeNull();
    });
  });

  describe('principal function', () => {
    const withPrincipal = (principal: unknown): Change => ({
      rules: { principal: principal as ClaimRules['principal'] },
    });

    it('makes the principal from the claims', () => {
      const change = withPrincipal((claims: Record<string, unknown>) => ({
        id: `t1:${String(claims.sub)}`,
        tenant: 't1',
      }));
      expect(read(change).principal).toEqual({ id: 't1:alice', roles: [], scopes: [], tenant: 't1' });
    });

    it.each([
      undefined,
      null,
      false,
      true,
      'alice',
      1,
      {},
      { id: '' },
      { id: ['a'] },
      [],
      Promise.resolve({ id: 'a' }),
    ])('refuses the token when it returns %j (CR-06)', (returned) => {
      expect(reasonFor(withPrincipal(() => returned))).toBe('principal');
    });

    it('refuses the token when it throws, and repeats nothing of the error (LG-02)', () => {
      const change = withPrincipal(() => {
        throw new Error('canary');
      });
      expect(reasonFor(change)).toBe('principal_mapping_failed');
      expect(() => read(change)).not.toThrow(/canary/);
    });

    it('gives its own reason when it throws TokenRejected', () => {
      const change = withPrincipal(() => {
        throw new TokenRejected('tenant_closed');
      });
      expect(reasonFor(change)).toBe('tenant_closed');
    });

    it('is not asked about a token that is refused anyway', () => {
      let asked = 0;
      const principal = () => {
        asked += 1;
        return { id: 'a' };
      };
      expect(reasonFor({ claims: { exp: SECONDS - 60 }, rules: { principal } })).toBe('expired');
      expect(asked).toBe(0);
    });
  });

  it('never throws anything but TokenRejected, whatever the header and claims are', () => {
    const json = fc.dictionary(
      fc.constantFrom(
        'iss',
        'aud',
        'sub',
        'iat',
        'exp',
        'nbf',
        'jti',
        'sid',
        'typ',
        'crit',
        'roles',
        'scope',
        '__proto__',
      ),
      fc.jsonValue() as fc.Arbitrary<unknown>,
    );
    fc.assert(
      fc.property(json, json, (header, claims) => {
        expect([null, expect.any(String)]).toContainEqual(reasonFor({ header, claims }));
      }),
    );
  });
});
