import type { Type } from '@nestjs/common';
import { isReservedEvent } from '../core/message/envelope.js';
import { describeValue } from '../core/option-rules.js';
import { describeThrottleProblems, type ThrottleLimit } from '../core/throttle/throttle-limit.js';
import {
  declaredRules,
  describeRuleProblems,
  ruleDecoratorsOn,
  type DeclaredRules,
} from './declared-rules.js';
import { handlerMethodsOf } from './handler-methods.js';
import {
  NEST,
  WS_AUTH_CONCURRENCY,
  WS_AUTH_POLICY,
  WS_AUTH_PUBLIC,
  WS_AUTH_SKIP_THROTTLE,
  WS_AUTH_THROTTLE,
} from './ws-auth.constants.js';
import type { WsAuthPolicy, WsPublicPolicy } from './decorators/ws-auth-policy.js';

/** What `@SkipWsThrottle()` takes. */
export type SkippedLimits = Readonly<Record<string, boolean>> | true | undefined;

/** What gateways and handlers say of their messages. */
interface DeclaredMessages {
  readonly limits: readonly ThrottleLimit[];
  readonly skips: SkippedLimits;
  readonly concurrency: number | undefined;
}

/** A message handler as its decorators declare it. */
export interface DeclaredHandler extends DeclaredMessages {
  readonly method: string;
  /** A text, for all but parsers of the application's own. */
  readonly event: unknown;
  /** Those of the gateway where the handler has none of its own. */
  readonly rules: DeclaredRules;
  /** True when an interceptor stands between us and what the handler returns. */
  readonly isIntercepted: boolean;
}

/** A gateway as its decorators declare it. */
export interface DeclaredGateway extends DeclaredMessages {
  readonly name: string;
  /** 0 is the port of the application. */
  readonly port: number;
  /** The path as it is compared: a leading slash, no trailing one. */
  readonly path: string;
  readonly declaredPath: string | undefined;
  /** `undefined` when neither `@WsAuth()` nor `@WsPublic()` is there. */
  readonly access: 'authenticated' | 'public' | undefined;
  readonly policy: WsAuthPolicy & WsPublicPolicy;
  /** Without these roles and scopes nobody connects. */
  readonly roles: readonly string[];
  readonly scopes: readonly string[];
  readonly handlers: readonly DeclaredHandler[];
  /** What is wrong with the declaration itself. */
  readonly problems: readonly string[];
}

/** Options of `@WebSocketGateway()` that would replace a part of the guard. */
const FORBIDDEN_OPTIONS: Readonly<Record<string, string>> = {
  verifyClient: 'a CredentialReader or a guard of your own takes its place',
  handleProtocols: 'list the subprotocols in @WsAuth({ protocols: [...] })',
  WebSocket: 'the library brings its own class, on which the fence stands',
  server: 'the library builds the server',
  noServer: 'the library builds the server',
  clientTracking: 'the library keeps server.clients',
};

/** Reads what decorators wrote on a gateway class. */
export function describeGateway(gateway: Type): DeclaredGateway {
  const options = (Reflect.getMetadata(NEST.gatewayOptions, gateway) ?? {}) as { path?: string };
  const policy = Reflect.getMetadata(WS_AUTH_POLICY, gateway) as WsAuthPolicy | undefined;
  const publicPolicy = Reflect.getMetadata(WS_AUTH_PUBLIC, gateway) as WsPublicPolicy | undefined;
  const { roles, scopes } = declaredRules(gateway, gateway);
  const access = policy ? 'authenticated' : publicPolicy ? 'public' : undefined;
  const problems: string[] = [];
  for (const [key, decorator] of [
    [WS_AUTH_POLICY, '@WsAuth()'],
    [WS_AUTH_PUBLIC, '@WsPublic()'],
  ]) {
    if (Reflect.hasMetadata(key, gateway) && !Reflect.hasOwnMetadata(key, gateway)) {
      problems.push(
        `gateway ${gateway.name} has ${decorator} from a class that it extends: put it on ${gateway.name} itself, where its own handlers are seen`,
      );
    }
  }
  if (policy && publicPolicy)
    problems.push(`gateway ${gateway.name} has both @WsAuth() and @WsPublic(): keep one`);
  for (const [name, instead] of Object.entries(FORBIDDEN_OPTIONS)) {
    if (Object.hasOwn(options, name))
      problems.push(`gateway ${gateway.name} sets the option "${name}": ${instead}`);
  }
  const handlers = messageHandlersOf(gateway);
  const messages = declaredMessages(gateway);
  problems.push(...describeMessageProblems(messages, `gateway ${gateway.name}`));
  problems.push(...describeRuleProblems(gateway, `gateway ${gateway.name}`));
  for (const { name, handler } of handlerMethodsOf(gateway))
    problems.push(...describeRuleProblems(handler, `${gateway.name}.${name}()`));
  for (const handler of handlers) {
    const { method, event } = handler;
    problems.push(...describeMessageProblems(handler, `${gateway.name}.${method}()`));
    if (access === 'authenticated' && typeof event === 'string' && isReservedEvent(event)) {
      problems.push(
        `${gateway.name}.${method}() handles "${event}": events that begin with "auth" belong to the library, choose another name`,
      );
    }
  }
  if (access !== 'authenticated') problems.push(...describeRulesWithoutAuth(gateway));
  return {
    name: gateway.name,
    port: (Reflect.getMetadata(NEST.port, gateway) as number | undefined) ?? 0,
    path: normalizeGatewayPath(options.path),
    declaredPath: options.path,
    access,
    policy: policy ?? publicPolicy ?? {},
    roles,
    scopes,
    ...messages,
    handlers,
    problems,
  };
}

/** The path as the URL of a client has it; Nest's own rule. */
export function normalizeGatewayPath(path: string | undefined): string {
  if (!path) return '/';
  return `/${path}`.replace(/\/+/g, '/').replace(/(.)\/$/, '$1');
}

/** Rules that nobody would hold a message against. */
function describeRulesWithoutAuth(gateway: Type): string[] {
  const places: [object, string][] = [[gateway, `gateway ${gateway.name}`]];
  for (const { name, handler } of handlerMethodsOf(gateway))
    places.push([handler, `${gateway.name}.${name}()`]);
  return places.flatMap(([target, place]) =>
    ruleDecoratorsOn(target).map(
      (decorator) =>
        `${place} has ${decorator} without @WsAuth() on the gateway: nobody would be asked, add @WsAuth()`,
    ),
  );
}

/** What is wrong with `@WsThrottle()` and `@WsConcurrency()`. */
function describeMessageProblems({ limits, concurrency }: DeclaredMessages, place: string): string[] {
  const problems = limits.flatMap((limit) => describeThrottleProblems(limit, `@WsThrottle() on ${place}`));
  const isCount = concurrency === Infinity || (Number.isSafeInteger(concurrency) && concurrency! >= 1);
  if (concurrency !== undefined && !isCount) {
    problems.push(
      `@WsConcurrency() on ${place} must be a whole number of at least 1 or Infinity, received ${describeValue(concurrency)}`,
    );
  }
  return problems;
}

function declaredMessages(target: object): DeclaredMessages {
  return {
    limits: (Reflect.getMetadata(WS_AUTH_THROTTLE, target) ?? []) as readonly ThrottleLimit[],
    skips: Reflect.getMetadata(WS_AUTH_SKIP_THROTTLE, target) as SkippedLimits,
    concurrency: Reflect.getMetadata(WS_AUTH_CONCURRENCY, target) as number | undefined,
  };
}

function messageHandlersOf(gateway: Type): DeclaredHandler[] {
  return handlerMethodsOf(gateway).map(({ name, handler }) => ({
    method: name,
    event: Reflect.getMetadata(NEST.message, handler) as unknown,
    rules: declaredRules(handler, gateway),
    isIntercepted: isIntercepted(handler) || isIntercepted(gateway),
    ...declaredMessages(handler),
  }));
}

function isIntercepted(target: object): boolean {
  return ((Reflect.getMetadata(NEST.interceptors, target) ?? []) as unknown[]).length > 0;
}
