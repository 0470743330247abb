import type { ModulesContainer } from '@nestjs/core';
import { WsAuthOptionsError } from '../core/errors.js';
import { WS_AUTH_ENGINE } from './ws-auth.constants.js';
import type { WsAuthEngine } from './ws-auth.engine.js';

/**
 * The engine of the application. Looked up in Nest's container and not by `app.get()`, which logs and ends the process
 * when a provider is missing.
 *
 * @throws {WsAuthOptionsError} when `WsAuthModule.forRoot()` was imported more than once
 */
export function findEngine(modules: ModulesContainer): WsAuthEngine | undefined {
  const found = [...modules.values()]
    .map((module) => module.providers.get(WS_AUTH_ENGINE))
    .filter((wrapper) => wrapper);
  if (found.length > 1) {
    throw new WsAuthOptionsError([
      'WsAuthModule.forRoot() is imported more than once: import it in the root module only, it is global',
    ]);
  }
  return found[0]?.instance as WsAuthEngine | undefined;
}
