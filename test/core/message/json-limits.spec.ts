import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  findStructureOffence,
  hasForbiddenKey,
  mayHoldForbiddenKey,
} from '../../../lib/core/message/json-limits.js';

const LIMITS = { maxDepth: 32, maxNodes: 10_000 };

const check = (text: string, limits = LIMITS): string | null => findStructureOffence(text, limits);
const nested = (depth: number, open = '[', close = ']'): string => open.repeat(depth) + close.repeat(depth);

describe('findStructureOffence', () => {
  it('takes 32 levels and refuses 33 (MS-05)', () => {
    expect(check(nested(32))).toBeNull();
    expect(check(nested(33))).toBe('too_deep');
    expect(check(`{"event":"e","data":${nested(31)}}`)).toBeNull();
    expect(check(`{"event":"e","data":${nested(32)}}`)).toBe('too_deep');
    expect(check('{"a":'.repeat(33) + '1' + '}'.repeat(33))).toBe('too_deep');
  });

  it('refuses 64 KB of open brackets that nobody closes', () => {
    expect(check('['.repeat(65_536))).toBe('too_deep');
  });

  it('counts keys and items (MS-05)', () => {
    const items = (count: number): string => `[${Array.from({ length: count }, () => 0).join(',')}]`;
    expect(check(items(10_000))).toBeNull();
    expect(check(items(10_001))).toBe('too_many_nodes');
    expect(check(`[${'{"a":1,"b":2},'.repeat(5_000)}0]`)).toBe('too_many_nodes');
    expect(check('[],'.repeat(10_001))).toBe('too_many_nodes');
  });

  it('does not count brackets and commas in texts', () => {
    const text = JSON.stringify({ event: 'e', data: `${'['.repeat(40_000)}${','.repeat(20_000)}` });
    expect(check(text)).toBeNull();
    expect(check(JSON.stringify([`\\"${'['.repeat(100)}`, '\\', '['.repeat(100)]))).toBeNull();
  });

  it('sees brackets behind a text that ends in an escaped backslash', () => {
    expect(check(`["\\\\",${nested(40)}]`)).toBe('too_deep');
    expect(check(`["\\\\\\"",${nested(40)}]`)).toBe('too_deep');
  });

  it('takes what is no JSON as far as it can be read', () => {
    for (const text of ['', '"', '"\\', 'nonsense', ']]]]', `"${'['.repeat(100)}`])
      expect(check(text)).toBeNull();
  });

  it('says of every JSON value what a walk over the parsed value says', () => {
    const limits = { maxDepth: 3, maxNodes: 12 };
    fc.assert(
      fc.property(fc.json(), (text) => {
        const value: unknown = JSON.parse(text);
        const expected = depthOf(value) > limits.maxDepth || nodesOf(value) > limits.maxNodes;
        expect(check(text, limits) !== null).toBe(expected);
      }),
      { numRuns: 500 },
    );
  });
});

describe('hasForbiddenKey', () => {
  const isForbidden = (text: string): boolean =>
    mayHoldForbiddenKey(text) && hasForbiddenKey(JSON.parse(text));

  it('finds __proto__ at any depth, however it is spelt (MS-04)', () => {
    expect(isForbidden('{"__proto__":{"isAdmin":true}}')).toBe(true);
    expect(isForbidden('{"event":"e","data":[{"a":{"__proto__":null}}]}')).toBe(true);
    expect(isForbidden('{"\\u005f_proto__":1}')).toBe(true);
  });

  it('finds a constructor with a prototype in it (MS-04)', () => {
    expect(isForbidden('{"data":{"constructor":{"prototype":{"isAdmin":true}}}}')).toBe(true);
    expect(isForbidden('{"data":{"constr\\u0075ctor":{"prototype":1}}}')).toBe(true);
  });

  it('takes those words where they are no such keys', () => {
    for (const text of [
      '{"data":"__proto__"}',
      '{"constructor":"ACME Builders"}',
      '{"constructor":{"name":"x"}}',
      '{"prototype":{"constructor":1}}',
      '["constructor","prototype"]',
      '{"a":"\\u00e9"}',
    ])
      expect(isForbidden(text)).toBe(false);
  });

  it('looks only at texts that may hold one', () => {
    expect(mayHoldForbiddenKey('{"event":"echo","data":1}')).toBe(false);
  });
});

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

/** One for each bracket and each comma: what lies between them is as much. */
function nodesOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const inner = Object.values(value);
  return Math.max(1, inner.length) + inner.reduce<number>((sum, entry) => sum + nodesOf(entry), 0);
}
