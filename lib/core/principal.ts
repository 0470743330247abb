/** Who a connection acts for. Frozen: a change of rights replaces the principal, it never edits one. */
export interface Principal {
  /** The user's id: printable ASCII without spaces, 1 to 128 characters, unless `principalIdPattern` says otherwise. */
  readonly id: string;
  readonly roles: readonly string[];
  readonly scopes: readonly string[];
  /** The tenant, for applications that have several. */
  readonly tenant?: string;
}

/** What an application hands over where it names a principal; missing lists are empty. */
export interface PrincipalInit {
  id: string;
  roles?: readonly string[];
  scopes?: readonly string[];
  tenant?: string;
}

/**
 * What a credential allows at most. A narrowed ticket or a token with fewer roles than its session holds is honoured:
 * a credential may narrow what its session grants and never widens it.
 */
export interface Narrowing {
  readonly roles?: readonly string[];
  readonly scopes?: readonly string[];
}

/** Ids that fit in a header, a log line and a key without escaping (requirement CR-06). */
export const PRINCIPAL_ID_PATTERN = /^[\x21-\x7e]{1,128}$/;

const NAME_PATTERN = /^[\x21-\x7e]{1,128}$/;
const MAX_NAMES = 256;
const NO_NAMES: readonly string[] = Object.freeze([]);

/**
 * Builds a frozen principal from what an application or a token says.
 *
 * @returns the principal, or `null` when the id, a role, a scope or the tenant is not a valid string: the caller decides
 * whether that is a refused credential or a programming error.
 */
export function createPrincipal(init: unknown, idPattern: RegExp = PRINCIPAL_ID_PATTERN): Principal | null {
  if (typeof init !== 'object' || init === null) return null;
  const { id, roles = [], scopes = [], tenant } = init as Partial<Record<keyof PrincipalInit, unknown>>;
  if (typeof id !== 'string' || !idPattern.test(id)) return null;
  if (!isNameList(roles) || !isNameList(scopes)) return null;
  if (tenant !== undefined && (typeof tenant !== 'string' || !NAME_PATTERN.test(tenant))) return null;
  return Object.freeze({
    id,
    roles: freezeNames(roles),
    scopes: freezeNames(scopes),
    ...(tenant === undefined ? {} : { tenant }),
  });
}

/** The same principal with at most the roles and scopes that the credential allows. */
export function narrowPrincipal(principal: Principal, narrowing: Narrowing | undefined): Principal {
  if (!narrowing?.roles && !narrowing?.scopes) return principal;
  return Object.freeze({
    ...principal,
    roles: intersect(principal.roles, narrowing.roles),
    scopes: intersect(principal.scopes, narrowing.scopes),
  });
}

/** True for a list of names that a role, a scope or a subprotocol may have. */
export function isNameList(value: unknown): value is readonly string[] {
  if (!Array.isArray(value) || value.length > MAX_NAMES) return false;
  return value.every((name) => typeof name === 'string' && NAME_PATTERN.test(name));
}

/** Most principals have no scopes: one empty list does for all of them. */
function freezeNames(names: readonly string[]): readonly string[] {
  return names.length === 0 ? NO_NAMES : Object.freeze([...names]);
}

function intersect(held: readonly string[], allowed: readonly string[] | undefined): readonly string[] {
  if (!allowed) return held;
  return Object.freeze(held.filter((name) => allowed.includes(name)));
}
