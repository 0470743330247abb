import { Inject, Optional } from '@nestjs/common';
import { WsAuthExceptionFilter } from '../ws-auth.filter.js';
import { ENGINE_PROPERTY, NEST, WS_AUTH_ENGINE, WS_AUTH_PUBLIC } from '../ws-auth.constants.js';
import { prependEnhancer } from './enhancers.js';
import { containLifecycleErrors } from './lifecycle-errors.js';
import type { WsPublicPolicy } from './ws-auth-policy.js';

/**
 * Says that a gateway is public on purpose. Its handshakes still pass the checks that need no credential: syntax, Host,
 * TLS, Origin and connection rate.
 */
export function WsPublic(policy: WsPublicPolicy = {}): ClassDecorator {
  return (gateway) => {
    Reflect.defineMetadata(WS_AUTH_PUBLIC, Object.freeze({ ...policy }), gateway);
    Optional()(gateway.prototype as object, ENGINE_PROPERTY);
    Inject(WS_AUTH_ENGINE)(gateway.prototype as object, ENGINE_PROPERTY);
    containLifecycleErrors(gateway.prototype as object);
    prependEnhancer(NEST.filters, WsAuthExceptionFilter, gateway);
  };
}
