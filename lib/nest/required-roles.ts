import type { ExecutionContext } from '@nestjs/common';
import { WS_AUTH_ROLES } from './ws-auth.constants.js';

const NONE: readonly string[] = Object.freeze([]);

/** The roles that handlers ask for by `@WsRoles()`. Metadata is dear to read for each message, so it is read once. */
export class RequiredRoles {
  /** By handler and then by class, because handlers are inherited. */
  readonly #known = new WeakMap<object, WeakMap<object, readonly string[]>>();

  /** The handler's own list, or else the class's. */
  of(context: ExecutionContext): readonly string[] {
    const handler = context.getHandler();
    const gateway = context.getClass();
    let byClass = this.#known.get(handler);
    if (!byClass) this.#known.set(handler, (byClass = new WeakMap()));
    let roles = byClass.get(gateway);
    if (!roles) byClass.set(gateway, (roles = rolesOn(handler) ?? rolesOn(gateway) ?? NONE));
    return roles;
  }
}

function rolesOn(target: object): readonly string[] | undefined {
  return Reflect.getMetadata(WS_AUTH_ROLES, target) as readonly string[] | undefined;
}
