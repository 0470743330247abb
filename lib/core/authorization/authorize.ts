import type { Clock } from '../clock.js';
import type { Principal } from '../principal.js';
import { missingRight, type AuthorizationRules, type Denial } from './authorization-rules.js';
import { isThenable, type PolicyInput } from './policy.js';

/** Who is held against rules. Read anew at each look, because all of it can change while a policy is awaited. */
export interface Subject {
  readonly isOpen: boolean;
  readonly principal: Principal;
  /** Unix ms of the last authentication of the user that is known. */
  readonly authTime: number;
}

/** A principal that changes while its policies are asked again so many times is refused. */
const MAX_ROUNDS = 3;

/** What can be told without waiting: everything but the policies. @returns the first rule that does not hold */
export function denialOf(rules: AuthorizationRules, subject: Subject, now: Clock): Denial | undefined {
  if (!subject.isOpen) return 'ended';
  const missing = missingRight(subject.principal, rules);
  if (missing !== undefined) return missing;
  return isRecent(rules, subject.authTime, now) ? undefined : 'auth_age';
}

/** True when the authentication is as recent as the rules ask. */
export function isRecent({ maxAuthAgeMs }: AuthorizationRules, authTime: number, now: Clock): boolean {
  return maxAuthAgeMs === Infinity || now() - authTime <= maxAuthAgeMs;
}

/**
 * Holds a subject against rules: rights and age of the authentication first, then the policies in order. A promise only
 * where a policy gives one; when that is fulfilled everything is looked at again, and a principal that has changed
 * meanwhile is put before the policies anew.
 *
 * @param inputOf what the policies are told of a principal
 * @returns the first rule that does not hold
 */
export function authorize(
  rules: AuthorizationRules,
  subject: Subject,
  inputOf: (principal: Principal) => PolicyInput,
  now: Clock,
): Denial | undefined | Promise<Denial | undefined> {
  const denial = denialOf(rules, subject, now);
  if (denial !== undefined || rules.policies.length === 0) return denial;
  const input = inputOf(subject.principal);
  for (const [index, policy] of rules.policies.entries()) {
    const answer: unknown = policy(input);
    if (isThenable(answer)) return awaitPolicies(rules, subject, inputOf, now, { input, index, answer });
    if (answer !== true) return 'policy';
  }
  return undefined;
}

/** The first policy that is awaited, and those after it. */
interface FirstRound {
  readonly input: PolicyInput;
  readonly index: number;
  readonly answer: PromiseLike<unknown>;
}

async function awaitPolicies(
  rules: AuthorizationRules,
  subject: Subject,
  inputOf: (principal: Principal) => PolicyInput,
  now: Clock,
  { input, index, answer }: FirstRound,
): Promise<Denial | undefined> {
  if ((await answer) !== true) return 'policy';
  let asked = input;
  let rest = rules.policies.slice(index + 1);
  for (let round = 1; round <= MAX_ROUNDS; round += 1) {
    for (const policy of rest) if ((await policy(asked)) !== true) return 'policy';
    const denial = denialOf(rules, subject, now);
    if (denial !== undefined || subject.principal === asked.principal) return denial;
    asked = inputOf(subject.principal);
    rest = [...rules.policies];
  }
  return 'policy';
}
