import { WsAuthExceptionFilter } from '../ws-auth.filter.js';
import { NEST, WS_AUTH_PUBLIC } from '../ws-auth.constants.js';
import { prependEnhancer } from './enhancers.js';
import type { WsPublicPolicy } from './ws-auth-policy.js';

/**
 * Says that a gateway is public on purpose. Its handshakes still pass the checks that need no credential: syntax, Host,
 * TLS, Origin and connection rate.
 */
export function WsPublic(policy: WsPublicPolicy = {}): ClassDecorator {
  return (gateway) => {
    Reflect.defineMetadata(WS_AUTH_PUBLIC, Object.freeze({ ...policy }), gateway);
    prependEnhancer(NEST.filters, WsAuthExceptionFilter, gateway);
  };
}
