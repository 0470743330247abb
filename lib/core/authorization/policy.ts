import type { Connection } from '../connection.js';
import type { Principal } from '../principal.js';

/** What a policy decides by. */
export interface PolicyInput {
  /** Who asks, as of now. */
  readonly principal: Principal;
  /** The connection of a message; left out for an HTTP request. */
  readonly connection: Connection | undefined;
  /** The event of a message; method and path of an HTTP request, such as `DELETE /rooms/7`. */
  readonly event: string;
  /** The data of a message, the body of a request: as the client sent it, before any pipe has validated it. */
  readonly payload: unknown;
  /** The route parameters of an HTTP request; empty for a message. */
  readonly params: Readonly<Record<string, string>>;
}

/**
 * Decides by itself. Only `true` permits: anything else is answered `forbidden`. What it throws is answered as what a
 * handler throws.
 */
export type PolicyFunction = (input: PolicyInput) => boolean | Promise<boolean>;

/** A policy on trial: it permits, and reports what it would not. What it throws it throws. */
export function reportingPolicy(
  policy: PolicyFunction,
  report: (input: PolicyInput) => void,
): PolicyFunction {
  const permit = (input: PolicyInput, answer: unknown): true => {
    if (answer !== true) report(input);
    return true;
  };
  return (input) => {
    const answer: unknown = policy(input);
    return isThenable(answer) ? awaitAnswer(answer, (given) => permit(input, given)) : permit(input, answer);
  };
}

async function awaitAnswer(answer: PromiseLike<unknown>, permit: (answer: unknown) => true): Promise<true> {
  return permit(await answer);
}

/** Promises of other realms and libraries too. */
export function isThenable(answer: unknown): answer is PromiseLike<unknown> {
  return typeof (answer as { then?: unknown } | null | undefined)?.then === 'function';
}

/** A policy that needs providers: an `@Injectable()` class of the module that uses it, or of one that it imports. */
export interface Policy {
  /** Only `true` permits. */
  allows(input: PolicyInput): boolean | Promise<boolean>;
}
