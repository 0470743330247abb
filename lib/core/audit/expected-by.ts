import type { GatewayPolicy } from '../handshake/gateway-policy.js';
import type { ResolvedOptions } from '../options.js';
import type { AuditEvent } from './audit-event.js';

const MAX_NAMES = 50;

/**
 * What a rule has compared with, in the words of the options: what these gateways take, or the module where no gateway is
 * there. No key and no secret is among it.
 */
export function expectedBy(
  event: AuditEvent,
  options: Pick<
    ResolvedOptions,
    'origins' | 'credentials' | 'hosts' | 'jwt' | 'handshake' | 'connections' | 'lifetime'
  >,
  policies: readonly GatewayPolicy[],
): string | undefined {
  const ofPolicies = (read: (policy: GatewayPolicy) => Iterable<string>, otherwise: readonly string[]) =>
    list(policies.length > 0 ? policies.flatMap((policy) => [...read(policy)]) : otherwise);
  switch (event.reasonCode) {
    case 'origin_not_allowed':
      return ofPolicies(({ origins }) => origins.list, options.origins);
    case 'credential_missing':
    case 'credential_kind_not_accepted':
      return ofPolicies(({ credentials }) => credentials, options.credentials);
    case 'no_common_subprotocol':
      return ofPolicies(({ protocols }) => [...protocols, 'ws-auth.v1'], options.handshake.protocols);
    case 'gateway_roles':
      return ofPolicies(({ roles }) => roles, []);
    case 'gateway_scopes':
      return ofPolicies(({ scopes }) => scopes, []);
    case 'host_not_allowed':
      return list(options.hosts ?? ['the loopback names']);
    case 'token_issuer':
      return list(options.jwt.flatMap(({ issuers }) => issuers));
    case 'token_audience':
      return list(options.jwt.flatMap(({ audiences }) => audiences));
    case 'token_token_type':
      return list(options.jwt.flatMap(({ types }) => types));
    case 'token_algorithm':
      return list(options.jwt.flatMap(({ algorithms }) => algorithms));
    case 'connect_rate': {
      const { limit, windowMs, burst } = options.handshake.connectRate;
      return `${limit} in ${windowMs} ms, ${burst} at once`;
    }
    case 'limit_of_user':
      return `${options.connections.maxPerUser}`;
    case 'limit_of_session':
      return `${options.connections.maxPerSession}`;
    case 'idle_timeout':
      return `${options.lifetime.idleMs} ms`;
    default:
      return undefined;
  }
}

function list(names: readonly string[]): string {
  const different = [...new Set(names)];
  const rest = different.length - MAX_NAMES;
  return different.slice(0, MAX_NAMES).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}
