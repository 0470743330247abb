import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPrincipal, isNameList, narrowPrincipal, type Principal } from '../../lib/core/principal.js';

const alice: Principal = createPrincipal({
  id: 'alice',
  roles: ['admin', 'user'],
  scopes: ['read', 'write'],
})!;

describe('createPrincipal', () => {
  it('fills in empty lists and leaves the tenant out', () => {
    expect(createPrincipal({ id: 'alice' })).toStrictEqual({ id: 'alice', roles: [], scopes: [] });
  });

  it('keeps roles, scopes and tenant', () => {
    expect(createPrincipal({ id: 'a', roles: ['r'], scopes: ['s:1'], tenant: 'acme' })).toStrictEqual({
      id: 'a',
      roles: ['r'],
      scopes: ['s:1'],
      tenant: 'acme',
    });
  });

  it('drops what is no part of a principal', () => {
    expect(createPrincipal({ id: 'a', isAdmin: true })).toStrictEqual({ id: 'a', roles: [], scopes: [] });
  });

  it('freezes the principal and its lists', () => {
    expect(Object.isFrozen(alice)).toBe(true);
    expect(Object.isFrozen(alice.roles)).toBe(true);
    expect(Object.isFrozen(alice.scopes)).toBe(true);
  });

  it('copies the lists, so that a later change of them changes nothing', () => {
    const roles = ['user'];
    const principal = createPrincipal({ id: 'a', roles })!;
    roles.push('admin');
    expect(principal.roles).toEqual(['user']);
  });

  it.each([
    ['undefined', undefined],
    ['null', null],
    ['false', false],
    ['true', true],
    ['a number', 42],
    ['a string', 'alice'],
    ['a function', () => ({ id: 'a' })],
    ['an object without id', {}],
    ['a list', ['alice']],
    ['a promise of a principal', Promise.resolve({ id: 'a' })],
  ])('refuses %s (CR-06)', (_, init) => {
    expect(createPrincipal(init)).toBeNull();
  });

  it.each([
    ['a list', ['a', 'b']],
    ['an object', {}],
    ['an object with toString', { toString: () => 'alice' }],
    ['an empty text', ''],
    ['a number', 7],
    ['a text with a space', 'al ice'],
    ['a text with a line feed at its end', 'alice\n'],
    ['a text with NUL', 'al\0ice'],
    ['a text with a letter outside ASCII', 'alicé'],
    ['129 characters', 'a'.repeat(129)],
  ])('refuses an id that is %s (CR-06)', (_, id) => {
    expect(createPrincipal({ id })).toBeNull();
  });

  it('takes __proto__ and a:b* for what they are: printable ids (CR-06)', () => {
    expect(createPrincipal({ id: '__proto__' })?.id).toBe('__proto__');
    expect(createPrincipal({ id: 'a:b*' })?.id).toBe('a:b*');
    expect(
      Object.getPrototypeOf(createPrincipal(JSON.parse('{"id":"a","__proto__":{"roles":["admin"]}}'))),
    ).toBe(Object.prototype);
  });

  it('takes exactly the ids of the default pattern', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 140 }), (id) => {
        const isPrintable = [...id].every((c) => c > ' ' && c < '\x7f') && id.length >= 1 && id.length <= 128;
        expect(createPrincipal({ id }) !== null).toBe(isPrintable);
      }),
    );
  });

  it('holds the id against the pattern of the application', () => {
    expect(createPrincipal({ id: 'a b' }, /^[a-z ]+$/)?.id).toBe('a b');
    expect(createPrincipal({ id: 'A' }, /^[a-z ]+$/)).toBeNull();
  });

  it.each([
    ['roles that are a text', { roles: 'admin' }],
    ['roles that are null', { roles: null }],
    ['a role that is no text', { roles: [1] }],
    ['a role with a space', { roles: ['a b'] }],
    ['an empty scope', { scopes: [''] }],
    ['257 scopes', { scopes: Array.from({ length: 257 }, (_, index) => `s${index}`) }],
    ['an empty tenant', { tenant: '' }],
    ['a tenant that is null', { tenant: null }],
    ['a tenant with a line feed', { tenant: 'a\nb' }],
  ])('refuses %s', (_, part) => {
    expect(createPrincipal({ id: 'a', ...part })).toBeNull();
  });
});

describe('narrowPrincipal', () => {
  it('returns the principal itself when nothing is narrowed', () => {
    expect(narrowPrincipal(alice, undefined)).toBe(alice);
    expect(narrowPrincipal(alice, {})).toBe(alice);
    expect(narrowPrincipal(alice, { roles: undefined, scopes: undefined })).toBe(alice);
  });

  it('keeps only what both have', () => {
    expect(narrowPrincipal(alice, { scopes: ['write', 'delete'] })).toEqual({
      id: 'alice',
      roles: ['admin', 'user'],
      scopes: ['write'],
    });
  });

  it('takes everything away for an empty list', () => {
    expect(narrowPrincipal(alice, { roles: [] }).roles).toEqual([]);
  });

  it('freezes what it makes', () => {
    const narrowed = narrowPrincipal(alice, { roles: ['user'] });
    expect(Object.isFrozen(narrowed)).toBe(true);
    expect(Object.isFrozen(narrowed.roles)).toBe(true);
  });

  it('never widens, whatever the credential asks for', () => {
    const names = fc.array(fc.constantFrom('admin', 'user', 'read', 'write', 'root'));
    const narrowings = fc.record({ roles: names, scopes: names }, { requiredKeys: [] });
    fc.assert(
      fc.property(narrowings, (narrowing) => {
        const narrowed = narrowPrincipal(alice, narrowing);
        expect(narrowed.id).toBe('alice');
        expect(alice.roles).toEqual(expect.arrayContaining([...narrowed.roles]));
        expect(alice.scopes).toEqual(expect.arrayContaining([...narrowed.scopes]));
        for (const role of narrowed.roles) expect(narrowing.roles ?? alice.roles).toContain(role);
        for (const scope of narrowed.scopes) expect(narrowing.scopes ?? alice.scopes).toContain(scope);
      }),
    );
  });
});

describe('isNameList', () => {
  it('takes up to 256 printable names', () => {
    expect(isNameList([])).toBe(true);
    expect(isNameList(Array.from({ length: 256 }, () => 'a'))).toBe(true);
    expect(isNameList(Array.from({ length: 257 }, () => 'a'))).toBe(false);
  });

  it('refuses what only looks like a list', () => {
    expect(isNameList({ length: 1, 0: 'a' })).toBe(false);
    expect(isNameList('abc')).toBe(false);
    expect(isNameList(new Set(['a']))).toBe(false);
  });
});
