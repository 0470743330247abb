import type { Type } from '@nestjs/common';
import type { ModulesContainer } from '@nestjs/core';
import type { Policy, PolicyFunction } from '../core/authorization/policy.js';
import type { PolicyReference } from './decorators/ws-policy.decorator.js';

type Module = NonNullable<ReturnType<ModulesContainer['get']>>;
type Provider = NonNullable<ReturnType<Module['providers']['get']>>;

/** Finds what `@WsPolicy()` names: functions are there, classes are providers that Nest has made. */
export class PolicyProviders {
  readonly #modules: ModulesContainer;

  constructor(modules: ModulesContainer) {
    this.#modules = modules;
  }

  /**
   * The policy as a function, with its provider bound.
   *
   * @param owner the gateway or controller: its module is where a provider is looked for, as for an injection
   * @returns a sentence when it cannot be used
   */
  find(policy: PolicyReference, owner: Type): PolicyFunction | string {
    if (!isClass(policy)) return policy;
    const provider = this.#providerOf(policy, owner);
    if (!provider) {
      return (
        `policy ${policy.name} is no provider of the module of ${owner.name}: add it to the providers there, ` +
        'or to the exports of a module that is imported there'
      );
    }
    if (!provider.isDependencyTreeStatic())
      return `policy ${policy.name} is request-scoped: a policy serves all messages, make it a singleton`;
    const instance = provider.instance as Policy | undefined;
    if (typeof instance?.allows !== 'function')
      return `policy ${policy.name} has no method "allows": implement Policy of nestjs-ws-auth`;
    return (input) => instance.allows(input);
  }

  #providerOf(token: Type, owner: Type): Provider | undefined {
    for (const module of this.#modules.values()) {
      if (!holds(module, owner)) continue;
      const provider = module.providers.get(token) ?? exportedTo(module.imports, token, new Set());
      if (provider) return provider;
    }
    return undefined;
  }
}

function holds(module: Module, owner: Type): boolean {
  for (const collection of [module.providers, module.controllers]) {
    for (const { metatype } of collection.values()) if (metatype === owner) return true;
  }
  return false;
}

/** What modules export themselves, and what they re-export of those that they import. */
function exportedTo(modules: Iterable<Module>, token: Type, seen: Set<Module>): Provider | undefined {
  for (const module of modules) {
    if (seen.has(module)) continue;
    seen.add(module);
    const own = module.exports.has(token) ? module.providers.get(token) : undefined;
    const reexported = [...module.imports].filter(({ metatype }) => module.exports.has(metatype));
    const found = own ?? exportedTo(reexported, token, seen);
    if (found) return found;
  }
  return undefined;
}

/** A class by its method, or by how it is written: called as a function, that would throw. */
function isClass(policy: PolicyReference): policy is Type<Policy> {
  const { prototype } = policy as { prototype?: Partial<Policy> };
  if (prototype === undefined) return false;
  return typeof prototype.allows === 'function' || /^class\b/.test(Function.prototype.toString.call(policy));
}
