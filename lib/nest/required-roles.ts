import type { ExecutionContext } from '@nestjs/common';
import { WS_AUTH_ROLES } from './ws-auth.constants.js';

/** The roles that `@WsRoles()` asks for: the handler's own list, or else the class's. */
export function requiredRoles(context: ExecutionContext): readonly string[] {
  return rolesOn(context.getHandler()) ?? rolesOn(context.getClass()) ?? [];
}

function rolesOn(target: object): readonly string[] | undefined {
  return Reflect.getMetadata(WS_AUTH_ROLES, target) as readonly string[] | undefined;
}
