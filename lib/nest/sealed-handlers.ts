import type { Type } from '@nestjs/common';
import type { ModulesContainer } from '@nestjs/core';
import { missingRight } from '../core/authorization/authorization-rules.js';
import { handlerMethodsOf } from './handler-methods.js';
import { refuseMessage } from './refuse-message.js';
import { ENGINE_PROPERTY, WS_AUTH_POLICY } from './ws-auth.constants.js';
import type { WsAuthEngine } from './ws-auth.engine.js';

type Handler = (this: { [ENGINE_PROPERTY]?: WsAuthEngine }, ...args: unknown[]) => unknown;

/** What stands behind a sealed handler: a subclass, or another application of the process, seals that and not the seal. */
const SEALED = new WeakMap<object, Handler>();

/**
 * Puts a last look into the message handlers of all guarded gateways: right before the first line of one, behind guards,
 * interceptors and pipes, fence and rights are looked at once more. A handler that is called in another way than by a
 * message, as by a test, is a method like any other.
 *
 * Called before Nest binds the handlers, and only where `message.asyncContext` says whose message it is.
 */
export function sealHandlers(modules: ModulesContainer): void {
  for (const module of modules.values()) {
    for (const { metatype } of module.providers.values()) {
      if (typeof metatype === 'function' && Reflect.hasMetadata(WS_AUTH_POLICY, metatype))
        sealGateway(metatype as Type);
    }
  }
}

function sealGateway(gateway: Type): void {
  for (const { name, handler } of handlerMethodsOf(gateway)) {
    const original = SEALED.get(handler) ?? (handler as Handler);
    const sealed: Handler = function (...args) {
      const engine = this?.[ENGINE_PROPERTY];
      if (engine) lookAgain(engine, sealed, gateway);
      return original.apply(this, args);
    };
    SEALED.set(sealed, original);
    Object.defineProperty(sealed, 'name', { value: name, configurable: true });
    for (const key of Reflect.getMetadataKeys(handler) as string[])
      Reflect.defineMetadata(key, Reflect.getMetadata(key, handler), sealed);
    Object.defineProperty(gateway.prototype, name, { value: sealed, configurable: true, writable: true });
  }
}

function lookAgain(engine: WsAuthEngine, handler: object, gateway: Type): void {
  const connection = engine.messageContext.takeMessage();
  if (!connection) return;
  const rules = engine.handlerRules.of(handler, gateway);
  const denial = connection.isOpen ? missingRight(connection.principal, rules) : 'ended';
  if (denial !== undefined) throw refuseMessage(engine, connection, denial);
}
