import type { Type } from '@nestjs/common';
import type { ModulesContainer } from '@nestjs/core';
import { NO_RULES, type AuthorizationRules } from '../core/authorization/authorization-rules.js';
import { reportingPolicy, type PolicyFunction, type PolicyInput } from '../core/authorization/policy.js';
import { WsAuthOptionsError } from '../core/errors.js';
import { declaredRules, describeRuleProblems, ruleDecoratorsOn } from './declared-rules.js';
import { handlerMethodsOf, methodsOf } from './handler-methods.js';
import { findApplicationConfig } from './nest-eleven.js';
import { PolicyProviders } from './policy-providers.js';
import { NEST, WS_AUTH_POLICIES } from './ws-auth.constants.js';

/** The rules of all handlers, of gateways and of controllers, compiled once: metadata is dear to read for each message. */
export class HandlerRules {
  /** By handler: one of a guarded gateway has one class. */
  readonly #known = new WeakMap<object, { readonly owner: Type; readonly rules: AuthorizationRules }>();
  /** By handler and then by class, of those that further classes inherit. */
  readonly #inherited = new WeakMap<object, WeakMap<object, AuthorizationRules>>();
  #providers: PolicyProviders | undefined;
  #report: ((input: PolicyInput) => void) | undefined;

  /** Policies refuse nothing from now on: what they would refuse is reported. Before anything is compiled. */
  reportOnly(report: (input: PolicyInput) => void): void {
    this.#report = report;
  }

  /** The rules of a handler; the one object `NO_RULES` where there is none. */
  of(handler: object, owner: Type): AuthorizationRules {
    const known = this.#known.get(handler);
    if (known?.owner === owner) return known.rules;
    return this.#inherited.get(handler)?.get(owner) ?? this.#compileLate(handler, owner);
  }

  /** Compiles the handlers of a gateway, at boot. */
  compileGateway(gateway: Type, modules: ModulesContainer, problems: string[]): void {
    this.#providers ??= new PolicyProviders(modules);
    for (const { name, handler } of handlerMethodsOf(gateway))
      this.#compile(handler, gateway, `${gateway.name}.${name}()`, problems);
  }

  /**
   * Compiles the handlers of controllers as far as they have policies, at boot: a missing provider is found then, and rules
   * that no guard at all could ask for. Whether another guard than `WsAuthHttpGuard` does is not checked.
   */
  compileControllers(modules: ModulesContainer, problems: string[]): void {
    this.#providers ??= new PolicyProviders(modules);
    const config = findApplicationConfig(modules);
    const guards = config ? [...config.getGlobalGuards(), ...config.getGlobalRequestGuards()] : [];
    const isGuarded = guards.length > 0;
    for (const module of modules.values()) {
      for (const { metatype } of module.controllers.values()) {
        if (typeof metatype === 'function') this.#compileController(metatype as Type, isGuarded, problems);
      }
    }
  }

  #compileController(controller: Type, isGuarded: boolean, problems: string[]): void {
    problems.push(...describeRuleProblems(controller, `controller ${controller.name}`));
    for (const { name, handler } of methodsOf(controller)) {
      const place = `${controller.name}.${name}()`;
      problems.push(...describeRuleProblems(handler, place));
      if (!isGuarded) problems.push(...describeUnguarded(handler, controller, place));
      if ([handler, controller].some((target) => Reflect.hasMetadata(WS_AUTH_POLICIES, target)))
        this.#compile(handler, controller, place, problems);
    }
  }

  /** Of a controller without policies, or of one that was loaded after the boot. */
  #compileLate(handler: object, owner: Type): AuthorizationRules {
    const problems: string[] = [];
    const rules = this.#compile(handler, owner, owner.name, problems);
    if (problems.length > 0) throw new WsAuthOptionsError(problems);
    return rules;
  }

  #compile(handler: object, owner: Type, place: string, problems: string[]): AuthorizationRules {
    const { roles, scopes, maxAuthAgeMs, policies: references } = declaredRules(handler, owner);
    const policies: PolicyFunction[] = [];
    for (const reference of references) {
      if (typeof reference !== 'function') continue;
      const found = this.#providers?.find(reference, owner) ?? `the policies of ${place} are not loaded yet`;
      if (typeof found === 'string') problems.push(`@WsPolicy() on ${place}: ${found}`);
      else policies.push(this.#report ? reportingPolicy(found, this.#report) : found);
    }
    const asksNothing = roles.length + scopes.length + references.length === 0 && maxAuthAgeMs === Infinity;
    const rules = asksNothing ? NO_RULES : Object.freeze({ roles, scopes, maxAuthAgeMs, policies });
    this.#keep(handler, owner, rules);
    return rules;
  }

  #keep(handler: object, owner: Type, rules: AuthorizationRules): void {
    const known = this.#known.get(handler);
    if (!known || known.owner === owner) {
      this.#known.set(handler, { owner, rules });
      return;
    }
    const byOwner = this.#inherited.get(handler) ?? new WeakMap<object, AuthorizationRules>();
    this.#inherited.set(handler, byOwner.set(owner, rules));
  }
}

/** Rules of a route that nobody would hold a request against. */
function describeUnguarded(handler: object, controller: Type, place: string): string[] {
  const targets = [handler, controller];
  const isRoute = Reflect.hasMetadata(NEST.route, handler);
  if (!isRoute || targets.some((target) => Reflect.hasMetadata(NEST.guards, target))) return [];
  const decorators = new Set(targets.flatMap((target) => ruleDecoratorsOn(target)));
  return [...decorators].map(
    (decorator) =>
      `${place} has ${decorator} and no guard: nobody would be asked, add @UseGuards(WsAuthHttpGuard)`,
  );
}
