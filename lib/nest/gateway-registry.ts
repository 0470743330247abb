import type { Type } from '@nestjs/common';
import type { ModulesContainer } from '@nestjs/core';
import { WsAuthOptionsError } from '../core/errors.js';
import { describePolicyDifference, type GatewayPolicy } from '../core/handshake/gateway-policy.js';
import type { ResolvedOptions } from '../core/options.js';
import { describeGateway, type DeclaredGateway } from './declared-gateway.js';
import { resolveGatewayPolicy } from './gateway-policy.resolver.js';
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
  #paths: readonly GuardedPath[] | undefined;
  #gateways: readonly DeclaredGateway[] = [];
  #warnings: readonly string[] = [];

  constructor(options: ResolvedOptions) {
    this.#options = options;
  }

  /** Reads the gateways from Nest's container, once. @throws {WsAuthOptionsError} */
  load(modules: ModulesContainer): readonly GuardedPath[] {
    if (this.#paths) return this.#paths;
    const problems: string[] = [];
    const warnings: string[] = [];
    this.#gateways = findGateways(modules);
    for (const gateway of this.#gateways) {
      problems.push(...gateway.problems);
      if (gateway.access !== undefined) continue;
      const sentence = `gateway ${gateway.name} has neither @WsAuth() nor @WsPublic(), so anybody may connect to it: say which is meant`;
      if (this.#options.strict) problems.push(sentence);
      else warnings.push(sentence);
    }
    const paths = this.#groupByPath(problems);
    if (problems.length > 0) throw new WsAuthOptionsError(problems);
    this.#warnings = warnings;
    return (this.#paths = paths);
  }

  /** Sentences to log once at boot. */
  get warnings(): readonly string[] {
    return this.#warnings;
  }

  /** The paths on which a ticket can open a connection. */
  get ticketPaths(): readonly string[] {
    const guarded = (this.#paths ?? []).filter(({ policy }) => policy.credentials.has('ticket'));
    return [...new Set(guarded.map(({ policy }) => policy.path))];
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

function findGateways(modules: ModulesContainer): DeclaredGateway[] {
  const classes = new Set<Type>();
  for (const module of modules.values()) {
    for (const { metatype } of module.providers.values()) {
      if (typeof metatype !== 'function' || !Reflect.hasMetadata(NEST.isGateway, metatype)) continue;
      classes.add(metatype as Type);
    }
  }
  return [...classes].map((gateway) => describeGateway(gateway));
}
