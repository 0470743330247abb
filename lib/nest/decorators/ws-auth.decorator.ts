import { Inject } from '@nestjs/common';
import { WsAuthFenceGuard } from '../ws-auth.fence-guard.js';
import { WsAuthExceptionFilter } from '../ws-auth.filter.js';
import { WsAuthGuard } from '../ws-auth.guard.js';
import { ENGINE_PROPERTY, NEST, WS_AUTH_ENGINE, WS_AUTH_POLICY } from '../ws-auth.constants.js';
import { appendHandlerGuard, prependEnhancer } from './enhancers.js';
import { containLifecycleErrors } from './lifecycle-errors.js';
import type { WsAuthPolicy } from './ws-auth-policy.js';

/**
 * Guards a gateway: its `handleConnection`, handlers and broadcasts see authenticated sockets only. Stands above or below
 * `@WebSocketGateway()`. Needs `WsAuthModule.forRoot()` and `WsAuthAdapter`; without either the application does not boot.
 *
 * @param policy what this gateway narrows of the module's defaults
 */
export function WsAuth(policy: WsAuthPolicy = {}): ClassDecorator {
  return (gateway) => {
    Reflect.defineMetadata(WS_AUTH_POLICY, Object.freeze({ ...policy }), gateway);
    // A gateway that asks for the engine cannot be made without the module.
    Inject(WS_AUTH_ENGINE)(gateway.prototype as object, ENGINE_PROPERTY);
    containLifecycleErrors(gateway.prototype as object);
    prependEnhancer(NEST.guards, WsAuthGuard, gateway);
    appendHandlerGuard(gateway, WsAuthFenceGuard);
    prependEnhancer(NEST.filters, WsAuthExceptionFilter, gateway);
  };
}
