import { NEST } from './ws-auth.constants.js';

/** A method of a class with decorators. */
export interface HandlerMethod {
  readonly name: string;
  readonly handler: object;
}

/** The message handlers of a gateway class, inherited ones too. One that a subclass overrides is the subclass's. */
export function handlerMethodsOf(gateway: object): HandlerMethod[] {
  return methodsOf(gateway).filter(({ handler }) => Reflect.hasMetadata(NEST.isMessageHandler, handler));
}

/** All methods of a class, inherited ones too. */
export function methodsOf(type: object): HandlerMethod[] {
  const methods: HandlerMethod[] = [];
  const seen = new Set<string>();
  let prototype = (type as { prototype?: object }).prototype;
  while (prototype && prototype !== Object.prototype) {
    for (const name of Object.getOwnPropertyNames(prototype)) {
      if (seen.has(name)) continue;
      seen.add(name);
      const value: unknown = Object.getOwnPropertyDescriptor(prototype, name)?.value;
      if (typeof value === 'function') methods.push({ name, handler: value });
    }
    prototype = Object.getPrototypeOf(prototype) as object | undefined;
  }
  return methods;
}
