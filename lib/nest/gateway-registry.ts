import type { Type } from '@nestjs/common';
import type { ModulesContainer } from '@nestjs/core';
import { WsAuthOptionsError } from '../core/errors.js';
import { describePolicyDifference, type GatewayPolicy } from '../core/handshake/gateway-policy.js';
import type { ResolvedOptions } from '../core/options.js';
import { describeGateway, type DeclaredGateway } from './declared-gateway.js';
import { resolveGatewayPolicy } from './gateway-policy.resolver.js';
import { HandlerRules } from './handler-rules.js';
import {
  coversGateways,
  describeRequestScoped,
  describeUncovered,
  findApplicationConfig,
} from './nest-eleven.js';
import { NEST } from './ws-auth.constants.js';

/** What one path of one port demands, and of whom. */
export interface GuardedPath {
  readonly port: number;
  readonly policy: GatewayPolicy;
  readonly gateways: readonly DeclaredGateway[];
}

/**
 * The gateways of the application with the policies of their paths. Everything that is contradictory or unsafe about
 * them is found here, while the application boots.
 */
export class GatewayRegistry {
  readonly #options: ResolvedOptions;
  /** What handlers ask of whoever calls them. */
  readonly handlerRules = new HandlerRules();
  readonly #isCovered: boolean;
  #paths: readonly GuardedPath[] | undefined;
  #gateways: readonly DeclaredGateway[] = [];
  #warnings: readonly string[] = [];

  /** @param isCovered whether this Nest does for gateways what it does for controllers */
  constructor(options: ResolvedOptions, isCovered = coversGateways()) {
    this.#options = options;
    this.#isCovered = isCovered;
  }

  /** Reads the gateways from Nest's container, once. @throws {WsAuthOptionsError} */
  load(modules: ModulesContainer): readonly GuardedPath[] {
    if (this.#paths) return this.#paths;
    const problems: string[] = [];
    const warnings: string[] = [];
    const found = findGateways(modules);
    this.#gateways = found.map(({ declared }) => declared);
    for (const gateway of found) {
      problems.push(...gateway.declared.problems);
      if (!this.#isCovered) this.#describeUncovered(gateway, modules, problems, warnings);
      if (gateway.declared.access !== 'authenticated') continue;
      this.handlerRules.compileGateway(gateway.metatype, modules, problems);
    }
    const paths = this.#groupByPath(problems);
    if (problems.length > 0) throw new WsAuthOptionsError(problems);
    this.#warnings = warnings;
    return (this.#paths = paths);
  }

  /** Sentences for the doctor to tell at boot. */
  get warnings(): readonly string[] {
    return this.#warnings;
  }

  /** The policies on a path: one for each port. */
  policiesOf(path: string | undefined): readonly GatewayPolicy[] {
    return (this.#paths ?? []).map(({ policy }) => policy).filter((policy) => policy.path === path);
  }

  /** The paths on which a ticket can open a connection. */
  get ticketPaths(): readonly string[] {
    const guarded = (this.#paths ?? []).filter(({ policy }) => policy.credentials.has('ticket'));
    return [...new Set(guarded.map(({ policy }) => policy.path))];
  }

  #describeUncovered(
    { metatype, isStatic, declared }: FoundGateway,
    modules: ModulesContainer,
    problems: string[],
    warnings: string[],
  ): void {
    const config = findApplicationConfig(modules);
    const uncovered = config && declared.handlers.length > 0 && describeUncovered(metatype, config);
    if (uncovered) warnings.push(uncovered);
    // Without its constructor ours cannot contain what its handleConnection throws: one client would end the process.
    if (!isStatic) (declared.access ? problems : warnings).push(describeRequestScoped(metatype));
  }

  #groupByPath(problems: string[]): GuardedPath[] {
    const groups = new Map<string, DeclaredGateway[]>();
    for (const gateway of this.#gateways) {
      const key = `${gateway.port} ${gateway.path}`;
      groups.set(key, [...(groups.get(key) ?? []), gateway]);
    }
    return [...groups.values()].map((gateways) => {
      const [first, ...others] = gateways as [DeclaredGateway, ...DeclaredGateway[]];
      const policy = resolveGatewayPolicy(first, this.#options, problems);
      for (const other of others) {
        reportSpelling(first, other, problems);
        const otherPolicy = resolveGatewayPolicy(other, this.#options, problems);
        const difference = describePolicyDifference(policy, otherPolicy);
        if (!difference) continue;
        problems.push(
          `gateways ${first.name} and ${other.name} share ${describePlace(first)}, and ${difference}: one socket serves both, ` +
            'so give them the same policy or paths of their own',
        );
      }
      return { port: first.port, policy, gateways };
    });
  }
}

/** Nest makes a server for each spelling, and the second never gets a client. */
function reportSpelling(a: DeclaredGateway, b: DeclaredGateway, problems: string[]): void {
  if (a.declaredPath === b.declaredPath) return;
  problems.push(
    `gateways ${a.name} and ${b.name} spell one path as "${a.declaredPath ?? ''}" and "${b.declaredPath ?? ''}": Nest would make two ` +
      'servers of it and give the second no client; write it the same in both',
  );
}

function describePlace({ port, path }: DeclaredGateway): string {
  return port === 0 ? `the path "${path}"` : `the path "${path}" on port ${port}`;
}

/** A gateway class as Nest has it. */
interface FoundGateway {
  readonly metatype: Type;
  readonly declared: DeclaredGateway;
  /** One instance for the whole application. */
  readonly isStatic: boolean;
}

function findGateways(modules: ModulesContainer): FoundGateway[] {
  const found = new Map<Type, FoundGateway>();
  for (const module of modules.values()) {
    for (const wrapper of module.providers.values()) {
      const metatype = wrapper.metatype as Type | null;
      if (typeof metatype !== 'function' || !Reflect.hasMetadata(NEST.isGateway, metatype)) continue;
      if (found.has(metatype)) continue;
      const declared = describeGateway(metatype);
      found.set(metatype, { metatype, declared, isStatic: wrapper.isDependencyTreeStatic() });
    }
  }
  return [...found.values()];
}
