import { describe, expect, it } from 'vitest';
import { NO_RULES, type AuthorizationRules } from '../../../lib/core/authorization/authorization-rules.js';
import { authorize, type Subject } from '../../../lib/core/authorization/authorize.js';
import type { PolicyInput } from '../../../lib/core/authorization/policy.js';
import type { Principal } from '../../../lib/core/principal.js';
import { fakeClock } from '../../support/fake-clock.js';

const NOW = 1_800_000_000_000;

function rules(change: Partial<AuthorizationRules>): AuthorizationRules {
  return { ...NO_RULES, ...change };
}

function principal(roles: readonly string[], scopes: readonly string[] = []): Principal {
  return { id: 'ada', roles, scopes };
}

function subject(change: Partial<Subject> = {}): { -readonly [Key in keyof Subject]: Subject[Key] } {
  return { isOpen: true, principal: principal(['member'], ['read']), authTime: NOW, ...change };
}

const inputOf = (of: Principal): PolicyInput => ({
  principal: of,
  connection: undefined,
  event: 'say',
  payload: { room: 1 },
  params: {},
});

describe('authorize', () => {
  const clock = fakeClock(NOW);
  const decide = (asked: Partial<AuthorizationRules>, who = subject()) =>
    authorize(rules(asked), who, inputOf, clock);

  it.each([
    ['nothing', {}, undefined],
    ['a role that is held', { roles: ['member'] }, undefined],
    ['a role that is not', { roles: ['member', 'admin'] }, 'roles'],
    ['a scope that is held', { scopes: ['read'] }, undefined],
    ['a scope that is not', { scopes: ['read', 'write'] }, 'scopes'],
    ['a policy that permits', { policies: [() => true] }, undefined],
    ['a policy that does not', { policies: [() => true, () => false] }, 'policy'],
    ['a policy that answers something else than true', { policies: [() => 'yes' as never] }, 'policy'],
  ] as [string, Partial<AuthorizationRules>, string | undefined][])(
    'answers at once, without a promise, to %s',
    (_, asked, denial) => {
      expect(decide(asked)).toBe(denial);
    },
  );

  it('asks how long ago the user has authenticated', () => {
    const who = (ageMs: number) => subject({ authTime: NOW - ageMs });
    expect(decide({ maxAuthAgeMs: 1_000 }, who(1_000))).toBeUndefined();
    expect(decide({ maxAuthAgeMs: 1_000 }, who(1_001))).toBe('auth_age');
    expect(decide({ maxAuthAgeMs: 1_000 }, subject({ authTime: 0 }))).toBe('auth_age');
    expect(decide({}, subject({ authTime: 0 }))).toBeUndefined();
  });

  it('does not ask policies for who lacks a right, or has ended', () => {
    let asked = 0;
    const policies = [() => (asked += 1) > 0];
    expect(decide({ roles: ['admin'], policies })).toBe('roles');
    expect(decide({ policies }, subject({ isOpen: false }))).toBe('ended');
    expect(asked).toBe(0);
  });

  it('tells policies who asks, for what and with what, in order, and stops at the first that says no', async () => {
    const told: unknown[] = [];
    const policies = [
      async (input: PolicyInput) => told.push(input.principal.id) > 0,
      (input: PolicyInput) => told.push(input.payload) === 0,
      () => told.push('never') > 0,
    ];
    expect(await decide({ policies })).toBe('policy');
    expect(told).toEqual(['ada', { room: 1 }]);
  });

  it('looks at everything again when a policy has waited', async () => {
    const demoted = subject();
    const demote = async () => ((demoted.principal = principal([])), true);
    expect(await decide({ roles: ['member'], policies: [demote] }, demoted)).toBe('roles');
    const ended = subject();
    const end = async () => ((ended.isOpen = false), true);
    expect(await decide({ policies: [end] }, ended)).toBe('ended');
  });

  it('puts a principal that has changed meanwhile before the policies anew', async () => {
    const who = subject();
    const seen: string[] = [];
    const policy = async ({ principal: of }: PolicyInput) => {
      seen.push(of.roles.join());
      who.principal = principal(['member', 'guest']);
      return !of.roles.includes('guest');
    };
    const first = who.principal;
    expect(await decide({ policies: [policy] }, who)).toBe('policy');
    expect(seen).toEqual(['member', 'member,guest']);
    expect(first.roles).toEqual(['member']);
  });

  it('refuses a principal that never stands still', async () => {
    const who = subject();
    let asked = 0;
    const policy = async () => ((who.principal = principal(['member'])), (asked += 1) > 0);
    expect(await decide({ policies: [policy] }, who)).toBe('policy');
    expect(asked).toBeLessThan(10);
  });

  it('throws what a policy throws', async () => {
    const failure = new Error('no database');
    expect(() =>
      decide({
        policies: [
          () => {
            throw failure;
          },
        ],
      }),
    ).toThrow(failure);
    await expect(decide({ policies: [() => Promise.reject(failure)] })).rejects.toBe(failure);
  });
});
