import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { missingRight, NO_RULES } from '../core/authorization/authorization-rules.js';
import { MessageRefused } from './message-refused.js';
import { refuseMessage } from './refuse-message.js';
import { WS_AUTH_ENGINE } from './ws-auth.constants.js';
import type { WsAuthEngine } from './ws-auth.engine.js';
import { findConnection } from './ws-connection.js';

/**
 * The first guard of every `@WsAuth()` gateway. It lets a message through when its socket has a connection that may still
 * speak, and the principal, as it is now, has the roles and scopes that the handler asks for. What may wait, the last guard
 * asks.
 */
@Injectable()
export class WsAuthGuard implements CanActivate {
  readonly #engine: Pick<WsAuthEngine, 'audit' | 'handlerRules'>;

  constructor(@Inject(WS_AUTH_ENGINE) engine: Pick<WsAuthEngine, 'audit' | 'handlerRules'>) {
    this.#engine = engine;
  }

  canActivate(context: ExecutionContext): boolean {
    const connection = findConnection(context.switchToWs().getClient());
    if (!connection?.isOpen) throw new MessageRefused('unauthorized', 'not authenticated');
    const rules = this.#engine.handlerRules.of(context.getHandler(), context.getClass());
    if (rules === NO_RULES) return true;
    const missing = missingRight(connection.principal, rules);
    if (missing !== undefined) throw refuseMessage(this.#engine, connection, missing);
    return true;
  }
}
