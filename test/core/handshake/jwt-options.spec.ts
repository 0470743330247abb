import { createSecretKey, generateKeyPairSync, KeyObject } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  normalTokenType,
  resolveJwtOptions,
  type JwtOptions,
} from '../../../lib/core/handshake/jwt-options.js';
import { OptionProblems } from '../../../lib/core/option-rules.js';

const secret = 'an HMAC secret of more than 32 bytes, for tests';
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const rsaPem = rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString();
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey;
const ed25519 = generateKeyPairSync('ed25519').publicKey;

const good = { secret, algorithms: ['HS256'], issuer: 'https://issuer.example', audience: 'chat' } as const;
const asymmetric = { ...good, secret: undefined };

function resolve(change: Record<string, unknown> = {}, base: object = good, production = false) {
  const problems = new OptionProblems();
  const [value] = resolveJwtOptions({ ...base, ...change } as unknown as JwtOptions, production, problems);
  return { value: value!, sentences: problems.sentences };
}

const problemsOf = (change: Record<string, unknown>, base?: object) => resolve(change, base).sentences;

describe('resolveJwtOptions', () => {
  it('fills in the defaults and imports the key once', () => {
    const { value, sentences } = resolve();
    expect(sentences).toEqual([]);
    expect(value).toMatchObject({
      keys: undefined,
      algorithms: ['HS256'],
      issuers: ['https://issuer.example'],
      audiences: ['chat'],
      types: ['at+jwt', 'jwt'],
      clockToleranceSeconds: 30,
      maxAgeSeconds: 3_600,
      requireSession: false,
      principal: undefined,
    });
    expect(value.key).toBeInstanceOf(KeyObject);
    expect(value.key!.equals(createSecretKey(Buffer.from(secret)))).toBe(true);
  });

  it('names the nearest for a misspelt key', () => {
    expect(problemsOf({ audiance: 'x' })).toEqual([
      'unknown option "jwt.audiance": did you mean "audience"?',
    ]);
    expect(problemsOf({ ignoreExpiration: true })[0]).toMatch(
      /^unknown option "jwt\.ignoreExpiration": known are /,
    );
  });

  describe('of several issuers', () => {
    const resolveAll = (...groups: object[]) => {
      const problems = new OptionProblems();
      const values = resolveJwtOptions(groups as unknown as JwtOptions[], false, problems);
      return { values, sentences: problems.sentences };
    };

    it('gives each its own keys and rules', () => {
      const other = {
        ...asymmetric,
        publicKey: rsaPem,
        algorithms: ['RS256'],
        issuer: 'https://other.example',
      };
      const { values, sentences } = resolveAll(good, other);
      expect(sentences).toEqual([]);
      expect(values.map(({ issuers, algorithms }) => [issuers, algorithms])).toEqual([
        [['https://issuer.example'], ['HS256']],
        [['https://other.example'], ['RS256']],
      ]);
    });

    it('refuses one that is named twice', () => {
      expect(resolveAll(good, good).sentences).toEqual([
        'option "jwt" names the issuer "https://issuer.example" twice: one set of keys and rules for each',
      ]);
    });

    it('refuses an empty list', () => {
      expect(resolveAll().sentences[0]).toMatch(/^option "jwt" is an empty list/);
    });
  });

  describe('jwksUri (JW-04)', () => {
    const published = { ...asymmetric, algorithms: ['RS256'] };

    it('is taken over https, and over plain http on loopback outside production', () => {
      const { value, sentences } = resolve({ jwksUri: 'https://issuer.example/keys' }, published);
      expect(sentences).toEqual([]);
      expect(value.jwksUri?.href).toBe('https://issuer.example/keys');
      for (const host of ['localhost:9', '127.0.0.1:9', '[::1]:9'])
        expect(problemsOf({ jwksUri: `http://${host}/keys` }, published)).toEqual([]);
    });

    it.each([
      'http://issuer.example/keys',
      'http://127.0.0.1.evil.example/',
      'ftp://x/',
      'x',
      '',
      5,
      'https://u:p@x/',
    ])('is not %j', (jwksUri) => {
      expect(problemsOf({ jwksUri }, published)[0]).toMatch(/^option "jwt.jwksUri" must be an https URL/);
    });

    it('is not plain http in production, loopback or not', () => {
      const { sentences } = resolve({ jwksUri: 'http://127.0.0.1:9/keys' }, published, true);
      expect(sentences[0]).toMatch(/^option "jwt.jwksUri" must be an https URL/);
    });

    it('is not for HS algorithms, nor beside another key', () => {
      expect(problemsOf({ jwksUri: 'https://x/', secret: undefined })[0]).toMatch(/is for RS, PS and ES/);
      expect(problemsOf({ jwksUri: 'https://x/' })[0]).toMatch(/more than one of/);
    });
  });

  it('needs an object', () => {
    const problems = new OptionProblems();
    resolveJwtOptions('secret' as never, false, problems);
    expect(problems.sentences[0]).toBe('option "jwt" must be an object, received a string');
  });

  describe('algorithms (JW-01)', () => {
    it.each([[undefined], [[]], ['HS256'], [null]])('are required: not %j', (algorithms) => {
      expect(problemsOf({ algorithms })).toContain(
        'option "jwt.algorithms" is missing: list what your tokens are signed with, such as ["HS256"]',
      );
    });

    it.each(['none', 'None', 'nOnE', 'NONE'])('never include %s', (algorithm) => {
      for (const algorithms of [[algorithm], ['HS256', algorithm]]) {
        expect(problemsOf({ algorithms })).toEqual([
          'option "jwt.algorithms" lists "none": unsigned tokens prove nothing',
        ]);
      }
    });

    it.each(['EdDSA', 'Ed25519', 'ed448'])(
      'do not include %s, which cannot be verified here',
      (algorithm) => {
        expect(problemsOf({ algorithms: [algorithm] })).toEqual([
          `option "jwt.algorithms" lists "${algorithm}", which jsonwebtoken cannot verify: use ES256, or a credential reader of your own`,
        ]);
      },
    );

    it.each(['hs256', 'HS1', 'HS256 ', 'RS', '', 'HS256\n', '__proto__'])(
      'do not include %j',
      (algorithm) => {
        expect(problemsOf({ algorithms: [algorithm] })).toEqual([
          `option "jwt.algorithms" lists "${algorithm}": known are HS, RS, PS and ES with 256, 384 or 512`,
        ]);
      },
    );

    it.each([
      ['null', null],
      ['a number', 256],
      ['a list', ['HS256']],
      ['an object', { name: 'HS256' }],
      ['an object', Object.create(null)],
    ])('are texts, not %s', (described, algorithm) => {
      expect(problemsOf({ algorithms: [algorithm] })).toEqual([
        `option "jwt.algorithms" lists ${described}: write names such as "HS256"`,
      ]);
    });

    it.each([[['HS256', 'RS256']], [['HS256', 'PS256']], [['HS256', 'ES256']], [['RS256', 'ES256']]])(
      'are of one family, not %j',
      (algorithms) => {
        expect(problemsOf({ algorithms })).toContain(
          'option "jwt.algorithms" mixes families: with HS beside RS, PS or ES, a public key could be used as a secret (CVE-2015-9235)',
        );
      },
    );

    it('may be several of one family', () => {
      expect(problemsOf({ algorithms: ['HS256', 'HS384'] })[0]).toContain(
        'has 47 bytes, and HS256, HS384 needs at least 48',
      );
      expect(problemsOf({ publicKey: rsaPem, algorithms: ['RS256', 'PS512'] }, asymmetric)).toEqual([]);
    });
  });

  describe('issuer and audience (JW-02)', () => {
    it.each([[undefined], [''], [[]], [['']], [[1]], [null], [/x/]])('are required: not %j', (given) => {
      expect(problemsOf({ issuer: given })).toEqual([
        'option "jwt.issuer" is missing: it is the "iss" of the tokens you accept, a string or a list of strings',
      ]);
      expect(problemsOf({ audience: given })).toEqual([
        'option "jwt.audience" is missing: it is the "aud" by which your tokens name this service, a string or a list of strings',
      ]);
    });

    it('may be several', () => {
      const { value } = resolve({ issuer: ['a', 'b'], audience: ['c', 'd'] });
      expect(value.issuers).toEqual(['a', 'b']);
      expect(value.audiences).toEqual(['c', 'd']);
    });
  });

  describe('keys (JW-04)', () => {
    it('are needed', () => {
      expect(problemsOf({}, asymmetric)).toEqual([
        'option "jwt" has no key: set "jwt.secret" for HS algorithms, "jwt.publicKey" or "jwt.jwksUri" for the others, or "jwt.keys" by kid',
      ]);
    });

    it('come from one place', () => {
      expect(problemsOf({ publicKey: rsaPem })).toEqual([
        'option "jwt" has more than one of "secret", "publicKey", "keys" and "jwksUri": keep one',
      ]);
      expect(problemsOf({ keys: { a: secret } })).toHaveLength(1);
    });

    it('are of the family of the algorithms', () => {
      expect(problemsOf({ algorithms: ['RS256'] })).toContain(
        'option "jwt.secret" is for HS algorithms: set "jwt.publicKey" for RS, PS and ES',
      );
      expect(problemsOf({ publicKey: rsaPem }, asymmetric)).toContain(
        'option "jwt.publicKey" is for RS, PS and ES algorithms: set "jwt.secret" for HS',
      );
    });

    it.each([
      ['HS256', 31, 32],
      ['HS384', 47, 48],
      ['HS512', 63, 64],
    ])('for %s have at least as many bytes as the hash: not %d', (algorithm, size, needed) => {
      expect(problemsOf({ algorithms: [algorithm], secret: Buffer.alloc(size, 1) })).toEqual([
        `option "jwt.secret" has ${size} bytes, and ${algorithm} needs at least ${needed} (RFC 7518 §3.2): take one from \`openssl rand -base64 48\``,
      ]);
      expect(problemsOf({ algorithms: [algorithm], secret: Buffer.alloc(needed, 1) })).toEqual([]);
    });

    it('refuse the word secret, and do not repeat it', () => {
      expect(problemsOf({ secret: 'secret' })[0]).toContain('option "jwt.secret" has 6 bytes');
      expect(problemsOf({ secret: 'hunter2' })[0]).not.toContain('hunter2');
    });

    it.each([
      ['a number', 5],
      ['null', null],
      ['an object', {}],
    ])('are texts, bytes or KeyObjects, not %s', (described, material) => {
      expect(problemsOf({ secret: material })).toEqual([
        `option "jwt.secret" must be a string, a Buffer or a KeyObject, received ${described}`,
      ]);
    });

    it('may be PEM, bytes of PEM or a KeyObject', () => {
      for (const publicKey of [rsaPem, Buffer.from(rsaPem), rsa.publicKey]) {
        const { value, sentences } = resolve({ publicKey, algorithms: ['RS256'] }, asymmetric);
        expect(sentences).toEqual([]);
        expect(value.key!.type).toBe('public');
        expect(value.key!.equals(rsa.publicKey)).toBe(true);
      }
    });

    it('keep no private key, even when one was given', () => {
      const { value } = resolve({ publicKey: rsa.privateKey, algorithms: ['RS256'] }, asymmetric);
      expect(value.key!.type).toBe('public');
    });

    it.each([['garbage'], [''], [createSecretKey(Buffer.alloc(32, 1))], [Buffer.alloc(10)]])(
      'for RS256 are public keys, not %s',
      (publicKey) => {
        expect(problemsOf({ publicKey, algorithms: ['RS256'] }, asymmetric)).toEqual([
          'option "jwt.publicKey" is not a public key: give a PEM text that begins with -----BEGIN PUBLIC KEY-----',
        ]);
      },
    );

    it('for HS256 are secret, not public', () => {
      expect(problemsOf({ secret: rsa.publicKey })).toEqual([
        'option "jwt.secret" holds a public key, and HS algorithms need a secret one',
      ]);
    });

    it('fit the algorithm', () => {
      const withKey = (publicKey: KeyObject, ...algorithms: string[]) =>
        problemsOf({ publicKey, algorithms }, asymmetric);
      expect(withKey(p256, 'ES256')).toEqual([]);
      expect(withKey(p384, 'ES256', 'ES384')).toEqual([]);
      expect(withKey(p384, 'ES256')).toEqual(['option "jwt.publicKey" is not on a curve of ES256']);
      expect(withKey(ed25519, 'ES256')).toEqual(['option "jwt.publicKey" is not on a curve of ES256']);
      expect(withKey(p256, 'RS256')).toEqual([
        'option "jwt.publicKey" is a key of type ec, and RS256 needs an RSA key',
      ]);
    });

    it('for RSA have at least 2,048 bits', () => {
      const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
      expect(problemsOf({ publicKey, algorithms: ['RS256'] }, asymmetric)).toEqual([
        'option "jwt.publicKey" has 1024 bits, and RSA needs at least 2048',
      ]);
    });

    it('are found by kid, in a map that has no prototype to fall through to', () => {
      const { value, sentences } = resolve({ keys: { a: secret, b: `${secret}!` } }, asymmetric);
      expect(sentences).toEqual([]);
      expect(value.key).toBeUndefined();
      expect([...value.keys!.keys()]).toEqual(['a', 'b']);
      expect(value.keys!.get('constructor')).toBeUndefined();
    });

    it('by kid are each held to the rules', () => {
      expect(problemsOf({ keys: { short: 'short' } }, asymmetric)).toEqual([
        'option "jwt.keys.short" has 5 bytes, and HS256 needs at least 32 (RFC 7518 §3.2): take one from `openssl rand -base64 48`',
      ]);
      expect(problemsOf({ keys: {} }, asymmetric)).toEqual(['option "jwt.keys" has no usable key']);
      expect(problemsOf({ keys: { ['k'.repeat(128)]: secret } }, asymmetric)).toEqual([]);
      expect(problemsOf({ keys: { ['k'.repeat(129)]: secret } }, asymmetric)).toEqual([
        'option "jwt.keys" has a kid of more than 128 characters',
      ]);
    });
  });

  describe('types, tolerance and age', () => {
    it('normalises the types (JW-03)', () => {
      expect(resolve({ types: ['application/at+JWT', 'custom'] }).value.types).toEqual(['at+jwt', 'custom']);
    });

    it('refuses types that no token could have (JW-03)', () => {
      expect(problemsOf({ types: [] })).toEqual([
        'option "jwt.types" is empty, so that every token would be refused',
      ]);
      for (const type of ['', 'jeton-privé', 'at jwt'])
        expect(problemsOf({ types: [type] })[0]).toBe(
          `option "jwt.types" must be a list of token types in printable ASCII; "${type}" is none`,
        );
    });

    it('keeps the tolerance within a minute (JW-06)', () => {
      expect(resolve({ clockToleranceSeconds: 0 }).value.clockToleranceSeconds).toBe(0);
      expect(resolve({ clockToleranceSeconds: 60 }).sentences).toEqual([]);
      expect(problemsOf({ clockToleranceSeconds: 61 })).toEqual([
        'option "jwt.clockToleranceSeconds" must be a whole number from 0 to 60, received 61',
      ]);
    });

    it('asks for an age in whole seconds', () => {
      expect(problemsOf({ maxAgeSeconds: '1h' })[0]).toContain(
        'option "jwt.maxAgeSeconds" must be a whole number',
      );
      expect(problemsOf({ maxAgeSeconds: 0 })[0]).toContain('received 0');
    });

    it('asks for a function that makes the principal', () => {
      expect(problemsOf({ principal: 'sub' })).toEqual([
        'option "jwt.principal" must be a function, received a string',
      ]);
    });
  });
});

describe('normalTokenType', () => {
  it('compares without case and without application/ (RFC 7515 §4.1.9)', () => {
    expect(normalTokenType('application/AT+JWT')).toBe('at+jwt');
    expect(normalTokenType('JWT')).toBe('jwt');
    expect(normalTokenType('application/application/jwt')).toBe('application/jwt');
  });
});
