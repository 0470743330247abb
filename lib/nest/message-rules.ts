import type { AuthorizationRules } from '../core/authorization/authorization-rules.js';
import {
  compileThrottleLimits,
  type ThrottleLimit,
  type ThrottleRule,
} from '../core/throttle/throttle-limit.js';
import type { DeclaredGateway, DeclaredHandler } from './declared-gateway.js';
import type { StepUpRules } from './step-up.js';

/** Roles and scopes, all of them. */
type AskedRights = Pick<AuthorizationRules, 'roles' | 'scopes'>;

/** What is asked of the messages of one event before they are handled. */
export interface MessageRules {
  readonly throttle: readonly ThrottleRule[];
  /** How many run at once in a line of their own; `undefined` for those in the line of the socket. */
  readonly concurrency: number | undefined;
  /** What the handler returns comes as an Observable whatever it was: its slot is free with the first value. */
  readonly isIntercepted: boolean;
  /** What its handlers ask for, each by itself; empty when one of them asks for nothing. */
  readonly rights: readonly AskedRights[];
  /** Rules of its handlers that ask for a recent authentication. */
  readonly stepUp: readonly StepUpRules[];
}

/** What a path asks of its messages. */
export interface PathRules {
  /** How many messages of one socket run at once. */
  readonly concurrency: number;
  readonly byEvent: ReadonlyMap<unknown, MessageRules>;
  /** True when an event asks for a recent authentication. */
  readonly hasStepUp: boolean;
}

/** Defaults of the module. */
export interface ModuleRules {
  readonly concurrency: number;
  readonly throttle: readonly ThrottleRule[];
  /** True when interceptors stand before every handler. */
  readonly isIntercepted: boolean;
}

/**
 * The rules of a path, put together once at boot. Where gateways share a path and an event, a message is one message: it
 * is held against the rules of all of them, and the smallest concurrency counts.
 */
export function resolvePathRules(gateways: readonly DeclaredGateway[], module: ModuleRules): PathRules {
  const byEvent = new Map<unknown, MessageRules>();
  for (const gateway of gateways) {
    const ofGateway = namedRules(gateway.limits, gateway.name);
    for (const handler of gateway.handlers) {
      const rules = {
        throttle: throttleOf(handler, gateway, ofGateway, module.throttle),
        concurrency: handler.concurrency,
        isIntercepted: module.isIntercepted || handler.isIntercepted,
        rights: asksRights(handler.rules) ? [handler.rules] : [],
        stepUp: handler.rules.maxAuthAgeMs === Infinity ? [] : [handler.rules],
      };
      byEvent.set(handler.event, merge(byEvent.get(handler.event), rules));
    }
  }
  const concurrency = Math.min(...gateways.map((gateway) => gateway.concurrency ?? module.concurrency));
  const hasStepUp = [...byEvent.values()].some(({ stepUp }) => stepUp.length > 0);
  return { concurrency, byEvent, hasStepUp };
}

function asksRights({ roles, scopes }: AskedRights): boolean {
  return roles.length + scopes.length > 0;
}

function throttleOf(
  handler: DeclaredHandler,
  gateway: DeclaredGateway,
  ofGateway: ReadonlyMap<string, readonly ThrottleRule[]>,
  ofModule: readonly ThrottleRule[],
): ThrottleRule[] {
  const own = namedRules(handler.limits, `${gateway.name}.${handler.method}`);
  const above = ofModule.filter(({ name }) => !ofGateway.has(name));
  const inherited = [...above, ...[...ofGateway.values()].flat()].filter(
    ({ name }) => !own.has(name) && !isSkipped(name, handler, gateway),
  );
  return [...inherited, ...[...own.values()].flat()];
}

/** The handler's word counts before the gateway's; what either says of a name before what it says of all. */
function isSkipped(name: string, handler: DeclaredHandler, gateway: DeclaredGateway): boolean {
  for (const skip of [handler.skips, gateway.skips]) {
    if (skip === true) return true;
    if (skip && Object.hasOwn(skip, name)) return skip[name]!;
  }
  return false;
}

function namedRules(limits: readonly ThrottleLimit[], scope: string): Map<string, ThrottleRule[]> {
  const rules = new Map<string, ThrottleRule[]>();
  for (const rule of compileThrottleLimits(limits, scope))
    rules.set(rule.name, [...(rules.get(rule.name) ?? []), rule]);
  return rules;
}

function merge(known: MessageRules | undefined, added: MessageRules): MessageRules {
  if (!known) return added;
  const concurrencies = [known.concurrency, added.concurrency].filter((count) => count !== undefined);
  return {
    throttle: [...new Set([...known.throttle, ...added.throttle])],
    concurrency: concurrencies.length > 0 ? Math.min(...concurrencies) : undefined,
    isIntercepted: known.isIntercepted || added.isIntercepted,
    rights: known.rights.length === 0 || added.rights.length === 0 ? [] : [...known.rights, ...added.rights],
    stepUp: [...known.stepUp, ...added.stepUp],
  };
}
