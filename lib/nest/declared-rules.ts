import type { AuthorizationRules } from '../core/authorization/authorization-rules.js';
import { readDurationMs } from '../core/authorization/duration.js';
import { describeValue } from '../core/option-rules.js';
import { isNameList } from '../core/principal.js';
import type { PolicyReference } from './decorators/ws-policy.decorator.js';
import { WS_AUTH_POLICIES, WS_AUTH_RECENT_AUTH, WS_AUTH_ROLES, WS_AUTH_SCOPES } from './ws-auth.constants.js';

/** The rules of a handler as its decorators declare them: those on the method, and for what these leave out the class's. */
export interface DeclaredRules extends Omit<AuthorizationRules, 'policies'> {
  readonly policies: readonly PolicyReference[];
  /** False when neither the handler nor its class says anything. */
  readonly isDeclared: boolean;
}

const DECORATORS: Readonly<Record<string, string>> = {
  [WS_AUTH_ROLES]: '@WsRoles()',
  [WS_AUTH_SCOPES]: '@WsScopes()',
  [WS_AUTH_POLICIES]: '@WsPolicy()',
  [WS_AUTH_RECENT_AUTH]: '@WsRecentAuth()',
};

const NONE: readonly never[] = Object.freeze([]);

/** Reads the rules that hold for a handler. What is wrong with them {@link describeRuleProblems} says. */
export function declaredRules(handler: object, owner: object): DeclaredRules {
  const read = (key: string): unknown => Reflect.getMetadata(key, handler) ?? Reflect.getMetadata(key, owner);
  const maxAge = read(WS_AUTH_RECENT_AUTH);
  return {
    roles: (read(WS_AUTH_ROLES) ?? NONE) as readonly string[],
    scopes: (read(WS_AUTH_SCOPES) ?? NONE) as readonly string[],
    // What cannot be read stops the boot; where nobody has looked, nothing is recent enough.
    maxAuthAgeMs: maxAge === undefined ? Infinity : (readDurationMs(maxAge) ?? 0),
    policies: (read(WS_AUTH_POLICIES) ?? NONE) as readonly PolicyReference[],
    isDeclared: Object.keys(DECORATORS).some((key) => read(key) !== undefined),
  };
}

/** The decorators with rules that stand on a class or a handler, by name. */
export function ruleDecoratorsOn(target: object): string[] {
  return Object.keys(DECORATORS)
    .filter((key) => Reflect.hasMetadata(key, target))
    .map((key) => DECORATORS[key]!);
}

/** What is wrong with the rules on a class or a handler. */
export function describeRuleProblems(target: object, place: string): string[] {
  const problems: string[] = [];
  for (const key of [WS_AUTH_ROLES, WS_AUTH_SCOPES]) {
    const names: unknown = Reflect.getMetadata(key, target);
    if (names !== undefined && !isNameList(names))
      problems.push(
        `${DECORATORS[key]} on ${place} must name printable words, received ${describeValue(names)}`,
      );
  }
  const maxAge: unknown = Reflect.getMetadata(WS_AUTH_RECENT_AUTH, target);
  if (maxAge !== undefined && readDurationMs(maxAge) === null) {
    problems.push(
      `@WsRecentAuth() on ${place} must be a time such as "5m", or milliseconds above 0, received ${describeValue(maxAge)}`,
    );
  }
  const policies = Reflect.getMetadata(WS_AUTH_POLICIES, target) as readonly unknown[] | undefined;
  if (policies?.length === 0)
    problems.push(`@WsPolicy() on ${place} names no policy: name one, or take it away`);
  if (policies?.some((policy) => typeof policy !== 'function'))
    problems.push(
      `@WsPolicy() on ${place} must name functions or classes; is one of them imported in a circle?`,
    );
  return problems;
}
