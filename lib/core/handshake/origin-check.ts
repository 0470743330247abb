import type { ResolvedOptions } from '../options.js';
import { hasParameter, isAmbientBasic } from './credential-reader.js';
import type { GatewayPolicy } from './gateway-policy.js';
import type { RawUpgrade, UpgradeRequest } from './upgrade-request.js';

type Settings = Pick<ResolvedOptions, 'audit' | 'handshake' | 'readers'>;

/**
 * Why the Origin of a request is refused, or `undefined` where it is not. A missing Origin is no browser's, and an empty
 * one is nobody's (requirements OR-01 to OR-04).
 *
 * @see RFC 6455 §10.2
 */
export function originOffence(
  request: UpgradeRequest,
  gateway: GatewayPolicy,
  raw: RawUpgrade,
  { handshake, readers }: Settings,
): 'origin_not_allowed' | 'origin_missing' | 'origin_missing_beside_cookie' | undefined {
  const { origin } = request;
  if (origin !== undefined) return gateway.origins.allows(origin) ? undefined : 'origin_not_allowed';
  if (gateway.missingOrigin === 'refuse') return 'origin_missing';
  if (request.cookie !== undefined) return 'origin_missing_beside_cookie';
  if (gateway.access === 'public' || gateway.credentials.has('first-message')) return undefined;
  if (request.authorization !== undefined || offersTicket(request)) return undefined;
  const tokenParameter = handshake.dangerouslyAllowTokenInUrl;
  if (tokenParameter !== undefined && hasParameter(request.query, tokenParameter)) return undefined;
  if (raw.certificate && gateway.credentials.has('client-certificate')) return undefined;
  if (readers.some(({ kind, ambient }) => !ambient && gateway.credentials.has(kind))) return undefined;
  return 'origin_missing';
}

/**
 * True where an Origin that is not allowed is told and let pass, because the rule is on trial. Never where a browser may
 * have sent anything by itself: that would be what the Origin check is for.
 */
export function mayReportOrigin(
  request: UpgradeRequest,
  gateway: GatewayPolicy,
  raw: RawUpgrade,
  { audit, readers }: Settings,
): boolean {
  if (!audit.reportOnly.includes('origin') || gateway.access === 'public') return false;
  if (request.origin === undefined || request.cookie !== undefined) return false;
  if (isAmbientBasic(request) || raw.certificate) return false;
  return !readers.some(({ kind, ambient }) => ambient && gateway.credentials.has(kind));
}

function offersTicket(request: UpgradeRequest): boolean {
  return (
    /(?:^|&)ticket=/.test(request.query) ||
    request.protocols.some((protocol) => protocol.startsWith('ticket.ws-auth.'))
  );
}
