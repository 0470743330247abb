import type { Type } from '@nestjs/common';
import { ApplicationConfig, type ModulesContainer } from '@nestjs/core';
import { SocketModule } from '@nestjs/websockets/socket-module.js';

/*
 * What Nest 11 does not do for gateways, and Nest 12 does. It is asked of Nest itself, since no version number can be read
 * in the same way from ES modules and CommonJS.
 */

/** The kinds of what an application can set for all handlers, with the decorator that sets it for one gateway. */
const KINDS = [
  {
    metadata: '__guards__',
    decorator: '@UseGuards',
    of: 'getGlobalGuards',
    scoped: 'getGlobalRequestGuards',
  },
  {
    metadata: '__interceptors__',
    decorator: '@UseInterceptors',
    of: 'getGlobalInterceptors',
    scoped: 'getGlobalRequestInterceptors',
  },
  { metadata: '__pipes__', decorator: '@UsePipes', of: 'getGlobalPipes', scoped: 'getGlobalRequestPipes' },
] as const;

/**
 * True when Nest runs the global guards, interceptors and pipes of the application for its gateways, and makes
 * request-scoped gateways. Nest 11 makes the handlers of gateways without the configuration of the application.
 */
export function coversGateways(socketModule: { readonly prototype: object } = SocketModule): boolean {
  const { getContextCreator } = socketModule.prototype as { getContextCreator?: unknown };
  return typeof getContextCreator !== 'function' || getContextCreator.length > 1;
}

/** Names what is global and does not stand before the handlers of a gateway, though its author may think so. */
export function describeUncovered(gateway: Type, config: ApplicationConfig): string | undefined {
  const fixes: string[] = [];
  const missing: string[] = [];
  for (const { metadata, decorator, of, scoped } of KINDS) {
    const own = ((Reflect.getMetadata(metadata, gateway) ?? []) as unknown[]).map(nameOf);
    const names = [
      ...config[of]().map(nameOf),
      ...config[scoped]().map((wrapper) => nameOf(wrapper.metatype)),
    ];
    const uncovered = [...new Set(names)].filter((name) => !own.includes(name));
    if (uncovered.length === 0) continue;
    missing.push(...uncovered);
    fixes.push(`${decorator}(${uncovered.join(', ')})`);
  }
  if (missing.length === 0) return undefined;
  return (
    `gateway ${gateway.name} is not covered by the global ${missing.join(', ')}: Nest 11 runs no global guards, interceptors and ` +
    `pipes for gateways; put ${fixes.join(' ')} on it, or update to Nest 12`
  );
}

/** Why a gateway cannot be request-scoped on Nest 11. */
export function describeRequestScoped(gateway: Type): string {
  return (
    `gateway ${gateway.name} is request-scoped, by itself or by what it injects: Nest 11 never calls the constructor of such a ` +
    'gateway, and its handlers would run without what they inject; make it a singleton, or update to Nest 12'
  );
}

/** Guards, pipes and interceptors are given as classes and as instances. */
function nameOf(enhancer: unknown): string {
  if (typeof enhancer === 'function') return enhancer.name;
  return (enhancer as object | null)?.constructor?.name ?? 'unknown';
}

/** Nest's own configuration of the application: its global guards, interceptors and pipes among others. */
export function findApplicationConfig(modules: ModulesContainer): ApplicationConfig | undefined {
  for (const module of modules.values()) {
    const instance: unknown = module.providers.get(ApplicationConfig)?.instance;
    if (instance) return instance as ApplicationConfig;
  }
  return undefined;
}
