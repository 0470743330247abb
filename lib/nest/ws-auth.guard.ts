import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import type { Connection } from '../core/connection.js';
import { hasRoles } from '../core/principal.js';
import { MessageRefused } from './message-refused.js';
import { RequiredRoles } from './required-roles.js';
import { WS_AUTH_ENGINE } from './ws-auth.constants.js';
import type { WsAuthEngine } from './ws-auth.engine.js';
import { findConnection } from './ws-connection.js';

/**
 * The first guard of every `@WsAuth()` gateway. It lets a message through when its socket has a connection that may still
 * speak, and the principal, as it is now, has the roles that the handler asks for.
 */
@Injectable()
export class WsAuthGuard implements CanActivate {
  readonly #roles = new RequiredRoles();
  readonly #engine: Pick<WsAuthEngine, 'audit'>;

  constructor(@Inject(WS_AUTH_ENGINE) engine: Pick<WsAuthEngine, 'audit'>) {
    this.#engine = engine;
  }

  canActivate(context: ExecutionContext): boolean {
    const connection = findConnection(context.switchToWs().getClient());
    if (!connection?.isOpen) throw new MessageRefused('unauthorized', 'not authenticated');
    if (hasRoles(connection.principal, this.#roles.of(context))) return true;
    this.#auditRefusal(connection);
    throw new MessageRefused('forbidden', 'not permitted');
  }

  #auditRefusal(connection: Connection): void {
    this.#engine.audit.record({
      ...connection.facts,
      event: 'authz_fail',
      outcome: 'refused',
      reasonCode: 'message_roles',
    });
  }
}
