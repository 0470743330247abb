import type { Principal } from '../principal.js';
import type { PolicyFunction } from './policy.js';

/** What a handler asks of whoever calls it, compiled once. */
export interface AuthorizationRules {
  /** All of them are needed. */
  readonly roles: readonly string[];
  /** All of them are needed. */
  readonly scopes: readonly string[];
  /** How long ago the user may have authenticated; infinite where that does not matter. */
  readonly maxAuthAgeMs: number;
  /** All of them must permit; asked in order. */
  readonly policies: readonly PolicyFunction[];
}

/** Asks for nothing: whoever is authenticated may. The one object for it, so that it is told by its identity. */
export const NO_RULES: AuthorizationRules = Object.freeze({
  roles: Object.freeze([]),
  scopes: Object.freeze([]),
  maxAuthAgeMs: Infinity,
  policies: Object.freeze([]),
});

/** Which rule does not hold; `ended` when the connection may not speak any more. */
export type Denial = 'ended' | 'roles' | 'scopes' | 'auth_age' | 'policy';

/** True when the principal has all roles and scopes that are asked for. */
export function holdsRights(
  { roles, scopes }: Principal,
  asked: Pick<AuthorizationRules, 'roles' | 'scopes'>,
): boolean {
  return hasAll(roles, asked.roles) && hasAll(scopes, asked.scopes);
}

/** Which right is missing. */
export function missingRight(
  principal: Principal,
  rules: Pick<AuthorizationRules, 'roles' | 'scopes'>,
): 'roles' | 'scopes' | undefined {
  if (!hasAll(principal.roles, rules.roles)) return 'roles';
  return hasAll(principal.scopes, rules.scopes) ? undefined : 'scopes';
}

function hasAll(held: readonly string[], asked: readonly string[]): boolean {
  for (const name of asked) if (!held.includes(name)) return false;
  return true;
}
