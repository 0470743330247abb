import { types } from 'node:util';
import type { Type } from '@nestjs/common';
import type { ApplicationConfig, ModulesContainer } from '@nestjs/core';
import { connectionParameterOf } from './decorators/parameters.decorator.js';
import { DirectHandler, type ParameterReader } from './direct-handler.js';
import { handlerMethodsOf, type HandlerMethod } from './handler-methods.js';
import { NEST } from './ws-auth.constants.js';
import type { WsAuthEngine } from './ws-auth.engine.js';
import { WsAuthFenceGuard } from './ws-auth.fence-guard.js';
import { WsAuthExceptionFilter } from './ws-auth.filter.js';
import { WsAuthGuard } from './ws-auth.guard.js';

/** A module of Nest's container. */
type NestModule = ModulesContainer extends Map<string, infer Module> ? Module : never;

/** The handlers of gateways that need no pipeline: by gateway, and then by method. */
export type DirectHandlers = ReadonlyMap<object, ReadonlyMap<string, DirectHandler>>;

/** What a parameter of a handler declares. */
interface DeclaredParameter {
  readonly index: number;
  readonly data?: unknown;
  readonly pipes?: readonly unknown[];
  readonly schema?: unknown;
  readonly factory?: unknown;
}

const SOCKET = 0;
const PAYLOAD = 3;
const CUSTOM = '__customRouteArgs__';

/** What Nest passes to a handler without parameter decorators: the client, the data, and an acknowledgement, which ws has none of. */
const UNDECORATED: readonly (ParameterReader | undefined)[] = [
  (client) => client,
  (_client, data) => data,
  undefined,
];

/** What Nest keeps of guards, interceptors, pipes and filters, with what of it is ours. */
const ON_CLASS = [
  [NEST.guards, [WsAuthGuard]],
  [NEST.filters, [WsAuthExceptionFilter]],
  [NEST.interceptors, []],
  [NEST.pipes, []],
] as const;
const ON_METHOD = [
  [NEST.guards, [WsAuthFenceGuard]],
  [NEST.filters, []],
  [NEST.interceptors, []],
  [NEST.pipes, []],
] as const;

/**
 * Finds the handlers around which Nest's pipeline would do nothing: no guard, pipe, interceptor or filter but ours, nothing
 * global, no parameter decorators but Nest's and ours. When in doubt there is doubt, and the pipeline runs.
 *
 * Called once, when Nest makes its handlers: what is added later, Nest does not run either.
 */
export function findDirectHandlers(
  modules: ModulesContainer,
  config: ApplicationConfig,
  engine: WsAuthEngine,
): DirectHandlers {
  const found = new Map<object, ReadonlyMap<string, DirectHandler>>();
  // Behind an own last look, the pipeline is what carries the message from one to the other.
  if (engine.messageContext.isOn || hasGlobalEnhancers(config)) return found;
  for (const module of modules.values()) {
    for (const { metatype, instance, isStatic } of gatewaysIn(module)) {
      const handlers = directHandlersOf(metatype, instance, module, engine);
      if (isStatic && handlers) found.set(instance, handlers);
    }
  }
  return found;
}

function* gatewaysIn(
  module: NestModule,
): Generator<{ metatype: Type; instance: object; isStatic: boolean }, void> {
  for (const wrapper of module.providers.values()) {
    const { metatype } = wrapper;
    const instance: unknown = wrapper.instance;
    if (typeof metatype !== 'function' || !Reflect.hasMetadata(NEST.isGateway, metatype)) continue;
    if (typeof instance !== 'object' || instance === null) continue;
    yield { metatype: metatype as Type, instance, isStatic: wrapper.isDependencyTreeStatic() };
  }
}

function directHandlersOf(
  metatype: Type,
  instance: object,
  module: NestModule,
  engine: WsAuthEngine,
): ReadonlyMap<string, DirectHandler> | undefined {
  const prototype = metatype.prototype as object;
  // A proxy, or methods that a mixin has copied: whose metadata counts is for Nest to say.
  if (prototype.constructor !== metatype || Object.getPrototypeOf(instance) !== prototype) return undefined;
  const filter = ownInstance(module, WsAuthExceptionFilter);
  if (!filter || !hasOnly(ON_CLASS, metatype, module)) return undefined;
  const handlers = new Map<string, DirectHandler>();
  for (const method of handlerMethodsOf(metatype)) {
    const handler = directHandlerOf(method, metatype, instance, module, engine, filter);
    if (handler) handlers.set(method.name, handler);
  }
  return handlers;
}

function directHandlerOf(
  { name, handler }: HandlerMethod,
  metatype: Type,
  gateway: object,
  module: NestModule,
  engine: WsAuthEngine,
  filter: WsAuthExceptionFilter,
): DirectHandler | undefined {
  if (!hasOnly(ON_METHOD, handler, module)) return undefined;
  const parameters = parametersOf(metatype, name);
  const rules = engine.handlerRules.of(handler, metatype);
  if (!parameters || rules.policies.length > 0) return undefined;
  return new DirectHandler({
    engine,
    gateway,
    method: handler as (...args: unknown[]) => unknown,
    parameters,
    rules,
    filter,
    pattern: (Reflect.getMetadata(NEST.message, handler) as unknown) ?? 'unknown',
  });
}

function parametersOf(metatype: Type, method: string): readonly (ParameterReader | undefined)[] | undefined {
  const declared = Reflect.getMetadata(NEST.parameters, metatype, method) as
    Readonly<Record<string, DeclaredParameter>> | undefined;
  if (!declared) return UNDECORATED;
  const readers: (ParameterReader | undefined)[] = [];
  for (const [key, parameter] of Object.entries(declared)) {
    const read = readerOf(key, parameter);
    if (!read) return undefined;
    while (readers.length <= parameter.index) readers.push(undefined);
    readers[parameter.index] = read;
  }
  return readers;
}

function readerOf(key: string, parameter: DeclaredParameter): ParameterReader | undefined {
  const { data, pipes, schema, factory } = parameter;
  if ((pipes?.length ?? 0) > 0 || schema !== undefined) return undefined;
  if (key.includes(CUSTOM)) return connectionParameterOf(factory, data);
  switch (Number(key.split(':')[0])) {
    case SOCKET:
      return (client) => client;
    case PAYLOAD:
      return data
        ? (_client, message) => (message as Record<string, unknown> | null | undefined)?.[data as string]
        : (_client, message) => message;
    default:
      return undefined;
  }
}

function hasOnly(
  known: readonly (readonly [string, readonly Type[]])[],
  target: object,
  module: NestModule,
): boolean {
  return known.every(([key, ours]) =>
    ((Reflect.getMetadata(key, target) ?? []) as unknown[]).every(
      (enhancer) => ours.includes(enhancer as Type) && ownInstance(module, enhancer as Type) !== undefined,
    ),
  );
}

/** The instance that Nest would use, unless an application, or a test of it, has put something else in its place or around it. */
function ownInstance<T>(module: NestModule, type: Type<T>): T | undefined {
  const instance = module.injectables.get(type)?.instance as object | undefined;
  if (instance?.constructor !== type || types.isProxy(instance)) return undefined;
  const isChanged = Object.keys(instance).some((name) => name in (type.prototype as object));
  return isChanged ? undefined : (instance as T);
}

function hasGlobalEnhancers(config: ApplicationConfig): boolean {
  const globals: readonly (readonly unknown[])[] = [
    config.getGlobalGuards(),
    config.getGlobalRequestGuards(),
    config.getGlobalInterceptors(),
    config.getGlobalRequestInterceptors(),
    config.getGlobalPipes(),
    config.getGlobalRequestPipes(),
  ];
  return globals.some((enhancers) => enhancers.length > 0);
}
