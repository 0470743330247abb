import type { CredentialKind } from './credential-kind.js';
import type { BrowserRefusal } from './handshake-options.js';
import type { MissingOriginPolicy, OriginPolicy } from './origin-policy.js';

/** What one path demands of a handshake, and of its connections after it: the module's defaults, narrowed by its gateways. */
export interface GatewayPolicy {
  readonly path: string;
  /** `public` gateways pass steps 1 to 9 and prove nothing. */
  readonly access: 'authenticated' | 'public';
  readonly origins: OriginPolicy;
  readonly missingOrigin: MissingOriginPolicy;
  readonly credentials: ReadonlySet<CredentialKind>;
  /** Subprotocols in order of preference, without `ws-auth.v1`. */
  readonly protocols: readonly string[];
  readonly refuseBrowsersWith: BrowserRefusal;
  /** Roles without which nobody connects. */
  readonly roles: readonly string[];
  /** Scopes, likewise. */
  readonly scopes: readonly string[];
}

/** Finds the policy of a path; the paths of one server. */
export type GatewayLookup = (path: string) => GatewayPolicy | undefined;

/** Says in what two policies differ, or `null` when they are the same in everything. */
export function describePolicyDifference(a: GatewayPolicy, b: GatewayPolicy): string | null {
  if (a.access !== b.access) return 'one is public and the other is not';
  if (!a.origins.equals(b.origins)) return 'their origins differ';
  if (a.missingOrigin !== b.missingOrigin) return 'their missingOrigin differs';
  if (!isSameSet([...a.credentials], [...b.credentials])) return 'their credentials differ';
  if (a.protocols.join() !== b.protocols.join()) return 'their protocols differ';
  if (a.refuseBrowsersWith !== b.refuseBrowsersWith) return 'their refuseBrowsersWith differs';
  if (!isSameSet(a.roles, b.roles)) return 'their @WsRoles differ';
  if (!isSameSet(a.scopes, b.scopes)) return 'their @WsScopes differ';
  return null;
}

function isSameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.every((entry) => b.includes(entry)) && b.every((entry) => a.includes(entry));
}
