import { describe, expect, it } from 'vitest';
import {
  compileThrottleLimits,
  describeThrottleProblems,
  type ThrottleLimit,
} from '../../../lib/core/throttle/throttle-limit.js';

const problemsOf = (limit: unknown): string[] => describeThrottleProblems(limit, 'here');

describe('describeThrottleProblems', () => {
  it.each<[string, ThrottleLimit]>([
    ['messages', { limit: 5, windowMs: 1_000 }],
    ['bytes', { bytes: 1_024, windowMs: 1_000 }],
    ['both, of a tenant, on all nodes', { limit: 5, bytes: 9, windowMs: 1, per: 'tenant', shared: true }],
    ['a cost and a key of the own', { limit: 5, windowMs: 1, per: () => 'k', cost: () => 2, name: 'a.b' }],
    ['messages that cost nothing', { limit: 5, windowMs: 1, cost: 0 }],
  ])('takes %s', (_, limit) => {
    expect(problemsOf(limit)).toEqual([]);
  });

  it.each<[string, unknown, RegExp]>([
    ['no object', 5, /a limit is an object/],
    ['neither limit nor bytes', { windowMs: 1_000 }, /give "limit" \(messages\) or "bytes"/],
    ['no window', { limit: 1 }, /"windowMs" must be a number of milliseconds/],
    ['a limit of 0', { limit: 0, windowMs: 1 }, /"limit" must be a whole number above 0, received 0/],
    ['a broken number', { limit: 1.5, windowMs: 1 }, /"limit" must be/],
    ['a text', { limit: '5', windowMs: 1 }, /"limit" must be .* received "5"/],
    ['an endless window', { limit: 5, windowMs: Infinity }, /"windowMs"/],
    ["the neighbour's spelling", { limit: 5, ttl: 1_000, windowMs: 1 }, /unknown option "ttl"/],
    ['a burst of bytes', { bytes: 5, burst: 1, windowMs: 1 }, /"burst" belongs to "limit"/],
    ['an unknown sender', { limit: 5, windowMs: 1, per: 'ip' }, /"per" must be one of connection, user/],
    [
      'a shared limit of one connection',
      { limit: 5, windowMs: 1, per: 'connection', shared: true },
      /"shared"/,
    ],
    ['a negative cost', { limit: 5, windowMs: 1, cost: -1 }, /"cost"/],
    ['an odd name', { limit: 5, windowMs: 1, name: 'a b' }, /"name"/],
  ])('refuses %s with a sentence', (_, limit, sentence) => {
    const problems = problemsOf(limit);
    expect(problems[0]).toMatch(sentence);
    expect(problems[0]).toMatch(/^here: /);
  });
});

describe('compileThrottleLimits', () => {
  it('counts for the user, one for each message, the limit at once, when nothing else is said', () => {
    const [rule] = compileThrottleLimits([{ limit: 5, windowMs: 1_000 }], 'scope');
    expect(rule).toMatchObject({
      name: 'default',
      scope: 'scope',
      unit: 'messages',
      rate: { limit: 5, windowMs: 1_000, burst: 5 },
      per: 'user',
      shared: false,
      cost: 1,
    });
  });

  it('makes a rule of each unit', () => {
    const rules = compileThrottleLimits([{ limit: 5, bytes: 100, windowMs: 1_000, burst: 2 }], 'scope');
    expect(rules.map(({ unit, rate }) => [unit, rate.limit, rate.burst])).toEqual([
      ['messages', 5, 2],
      ['bytes', 100, 100],
    ]);
  });
});
