import type { Principal } from '../principal.js';

/** Roles and scopes by name. */
export interface Rights {
  readonly roles: readonly string[];
  readonly scopes: readonly string[];
}

/** What has become of the rights of a live connection. */
export interface RightsChange {
  readonly added: Rights;
  readonly removed: Rights;
  /** The principal as it was. The connection has the new one already. */
  readonly before: Principal;
}

/** What has changed between two principals of one user, or `undefined` when their rights are the same. */
export function rightsChange(before: Principal, after: Principal): RightsChange | undefined {
  if (before.roles === after.roles && before.scopes === after.scopes) return undefined;
  const added = beyond(after, before);
  const removed = beyond(before, after);
  const isSame = [added, removed].every(({ roles, scopes }) => roles.length + scopes.length === 0);
  return isSame ? undefined : Object.freeze({ added, removed, before });
}

function beyond(one: Rights, other: Rights): Rights {
  return Object.freeze({
    roles: Object.freeze(one.roles.filter((name) => !other.roles.includes(name))),
    scopes: Object.freeze(one.scopes.filter((name) => !other.scopes.includes(name))),
  });
}

/** Names of both kinds in one list, each once. */
export function namesOf({ roles, scopes }: Rights): string[] {
  return [...new Set([...roles, ...scopes])];
}
