import { handlerMethodsOf } from '../handler-methods.js';
import { NEST } from '../ws-auth.constants.js';

/**
 * Puts a guard, interceptor or filter in front of those that a class has, whatever the order of its decorators: our guard
 * runs before the application's, and the application's filters are asked before ours.
 */
export function prependEnhancer(key: string, enhancer: unknown, target: object): void {
  // Those of a base class too: what is defined here takes their place.
  const others = (Reflect.getMetadata(key, target) ?? []) as unknown[];
  Reflect.defineMetadata(key, [enhancer, ...others.filter((other) => other !== enhancer)], target);
}

/** Puts a guard behind all others of every message handler of a gateway. */
export function appendHandlerGuard(gateway: object, guard: unknown): void {
  for (const { handler } of handlerMethodsOf(gateway)) {
    const others = (Reflect.getOwnMetadata(NEST.guards, handler) ?? []) as unknown[];
    Reflect.defineMetadata(NEST.guards, [...others.filter((other) => other !== guard), guard], handler);
  }
}
