import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { NO_RULES, type Denial } from '../core/authorization/authorization-rules.js';
import { authorize } from '../core/authorization/authorize.js';
import type { PolicyInput } from '../core/authorization/policy.js';
import type { Connection } from '../core/connection.js';
import type { Principal } from '../core/principal.js';
import { refuseMessage } from './refuse-message.js';
import { WS_AUTH_ENGINE } from './ws-auth.constants.js';
import type { WsAuthEngine } from './ws-auth.engine.js';
import { findConnection } from './ws-connection.js';

const NO_PARAMS: PolicyInput['params'] = Object.freeze({});

/**
 * The last guard of every handler of a `@WsAuth()` gateway. A guard before it may have waited: what was revoked meanwhile
 * must not reach the handler (requirement SE-02), and who has lost a right meanwhile has lost it for this message. Policies
 * are asked here, and who waits for one is held against everything once more.
 *
 * Not checked: what a pipe or an interceptor behind it waits for. With `message.asyncContext` the handler itself looks.
 */
@Injectable()
export class WsAuthFenceGuard implements CanActivate {
  readonly #engine: Pick<WsAuthEngine, 'audit' | 'clock' | 'handlerRules'>;

  constructor(@Inject(WS_AUTH_ENGINE) engine: Pick<WsAuthEngine, 'audit' | 'clock' | 'handlerRules'>) {
    this.#engine = engine;
  }

  /** @returns a promise only where a policy does */
  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const connection = findConnection(context.switchToWs().getClient());
    // Without a connection it is a handler that a gateway of another kind inherits.
    if (connection === undefined) return true;
    if (!connection.isOpen) throw refuseMessage(this.#engine, connection, 'ended');
    const rules = this.#engine.handlerRules.of(context.getHandler(), context.getClass());
    if (rules === NO_RULES) return true;
    const inputOf = (principal: Principal) => inputOfMessage(context, connection, principal);
    const denial = authorize(rules, connection, inputOf, this.#engine.clock);
    return denial instanceof Promise
      ? denial.then((late) => this.#judge(connection, late))
      : this.#judge(connection, denial);
  }

  #judge(connection: Connection, denial: Denial | undefined): boolean {
    if (denial !== undefined) throw refuseMessage(this.#engine, connection, denial);
    return true;
  }
}

function inputOfMessage(
  context: ExecutionContext,
  connection: Connection,
  principal: Principal,
): PolicyInput {
  const ws = context.switchToWs();
  const pattern: unknown = ws.getPattern();
  const event = typeof pattern === 'string' ? pattern : JSON.stringify(pattern);
  return { principal, connection, event, payload: ws.getData(), params: NO_PARAMS };
}
