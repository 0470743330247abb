import type { GatewayPolicy } from '../core/handshake/gateway-policy.js';
import { OriginPolicy } from '../core/handshake/origin-policy.js';
import { describeValue } from '../core/option-rules.js';
import type { CredentialKind } from '../core/handshake/credential-kind.js';
import { isSubprotocol } from '../core/handshake/subprotocol.js';
import type { ResolvedOptions } from '../core/options.js';
import type { DeclaredGateway } from './declared-gateway.js';

const KNOWN_KEYS = ['origins', 'credentials', 'missingOrigin', 'protocols', 'refuseBrowsersWith'];

/**
 * The policy of a gateway: the module's defaults, narrowed by what its decorator says. A gateway can take something away
 * from the defaults; what it would add is reported, so that one look at `forRoot()` tells the most that is allowed.
 */
export function resolveGatewayPolicy(
  gateway: DeclaredGateway,
  options: ResolvedOptions,
  problems: string[],
): GatewayPolicy {
  const { policy, name } = gateway;
  for (const key of Object.keys(policy)) {
    if (!KNOWN_KEYS.includes(key))
      problems.push(`gateway ${name}: unknown policy option "${key}", known are ${KNOWN_KEYS.join(', ')}`);
  }
  const isPublic = gateway.access !== 'authenticated';
  return {
    path: gateway.path,
    access: isPublic ? 'public' : 'authenticated',
    origins: new OriginPolicy(narrowed(name, 'origins', policy.origins, options.origins, problems)),
    missingOrigin:
      options.handshake.missingOrigin === 'refuse' ? 'refuse' : (policy.missingOrigin ?? 'explicit'),
    credentials: isPublic ? new Set() : resolveCredentials(gateway, options, problems),
    protocols: resolveProtocols(gateway, options, problems),
    refuseBrowsersWith: policy.refuseBrowsersWith ?? options.handshake.refuseBrowsersWith,
    roles: gateway.roles,
    scopes: gateway.scopes,
  };
}

function resolveCredentials(
  gateway: DeclaredGateway,
  options: ResolvedOptions,
  problems: string[],
): ReadonlySet<CredentialKind> {
  const kinds = narrowed(
    gateway.name,
    'credentials',
    gateway.policy.credentials,
    options.credentials,
    problems,
  );
  if (kinds.length === 1 && kinds[0] === 'first-message') {
    problems.push(
      `gateway ${gateway.name} takes only "first-message": add "bearer" or "ticket", which is what the first message carries`,
    );
  }
  return new Set(kinds);
}

function resolveProtocols(
  gateway: DeclaredGateway,
  options: ResolvedOptions,
  problems: string[],
): readonly string[] {
  const { protocols } = gateway.policy;
  if (protocols === undefined) return options.handshake.protocols;
  for (const protocol of protocols) {
    if (isSubprotocol(protocol)) continue;
    problems.push(
      `gateway ${gateway.name}: "protocols" lists ${describeValue(protocol)}, which is no subprotocol name or carries a credential`,
    );
  }
  return protocols;
}

function narrowed<T extends string>(
  gateway: string,
  key: string,
  own: readonly T[] | undefined,
  defaults: readonly T[],
  problems: string[],
): readonly T[] {
  if (own === undefined) return defaults;
  if (own.length === 0) problems.push(`gateway ${gateway}: "${key}" is empty, so that nobody could connect`);
  for (const entry of own) {
    if (defaults.includes(entry)) continue;
    problems.push(
      `gateway ${gateway}: "${key}" lists ${describeValue(entry)}, which forRoot() does not: a gateway narrows the defaults, add it there`,
    );
  }
  return own;
}
