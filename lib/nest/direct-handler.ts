import { catchError, EMPTY, isObservable } from 'rxjs';
import { NO_RULES, type AuthorizationRules } from '../core/authorization/authorization-rules.js';
import { denialOf } from '../core/authorization/authorize.js';
import { isThenable } from '../core/authorization/policy.js';
import { refuseMessage } from './refuse-message.js';
import type { WsAuthEngine } from './ws-auth.engine.js';
import type { WsAuthExceptionFilter } from './ws-auth.filter.js';
import { wsConnection } from './ws-connection.js';

/** Finds what a parameter of a handler is given. */
export type ParameterReader = (client: object, data: unknown) => unknown;

/** What a direct handler is built from. */
export interface DirectHandlerParts {
  readonly engine: Pick<WsAuthEngine, 'audit' | 'clock'>;
  readonly gateway: object;
  readonly method: (...args: unknown[]) => unknown;
  /** By place; `undefined` where a parameter has no decorator. */
  readonly parameters: readonly (ParameterReader | undefined)[];
  /** Without policies. */
  readonly rules: AuthorizationRules;
  readonly filter: WsAuthExceptionFilter;
  /** What the handler subscribes to. */
  readonly pattern: unknown;
}

/**
 * A handler that is called without Nest's pipeline: whoever makes one has seen that nothing stands in there but the guards
 * and the filter of this library, whose work is done here. The fence has been looked at when it is called.
 */
export class DirectHandler {
  readonly #parts: DirectHandlerParts;

  constructor(parts: DirectHandlerParts) {
    this.#parts = parts;
  }

  /**
   * Calls the handler. What it throws, now or later, is answered by the filter.
   *
   * @returns what it returned, a promise of that, or an Observable that has no errors
   */
  run(client: object, data: unknown): unknown {
    try {
      const { gateway, method, rules } = this.#parts;
      if (rules !== NO_RULES) this.#authorize(client, rules);
      const result = method.apply(gateway, this.#argumentsOf(client, data));
      if ((typeof result !== 'object' && typeof result !== 'function') || result === null) return result;
      if (isThenable(result)) return this.#settle(result, client, data);
      return this.#contain(result, client, data);
    } catch (error) {
      return this.#answer(error, client, data);
    }
  }

  #authorize(client: object, rules: AuthorizationRules): void {
    const { engine } = this.#parts;
    const connection = wsConnection(client);
    const denial = denialOf(rules, connection, engine.clock);
    if (denial !== undefined) throw refuseMessage(engine, connection, denial);
  }

  #argumentsOf(client: object, data: unknown): unknown[] {
    const { parameters } = this.#parts;
    const args: unknown[] = [];
    for (const read of parameters) args.push(read?.(client, data));
    return args;
  }

  async #settle(result: PromiseLike<unknown>, client: object, data: unknown): Promise<unknown> {
    try {
      return this.#contain(await result, client, data);
    } catch (error) {
      return this.#answer(error, client, data);
    }
  }

  #contain(result: unknown, client: object, data: unknown): unknown {
    if (!isObservable(result)) return result;
    return result.pipe(
      catchError((error) => {
        this.#answer(error, client, data);
        return EMPTY;
      }),
    );
  }

  #answer(error: unknown, client: object, data: unknown): void {
    const { filter, pattern } = this.#parts;
    filter.answer(error, client, data, pattern);
  }
}
