import type { Connection } from '../connection.js';
import { MAX_DURATION_MS, describeValue } from '../option-rules.js';
import { Gcra, type Rate } from './gcra.js';

/** A message, as a limit sees it. */
export interface ThrottledMessage {
  /** A text, unless a parser of the application's own makes something else of it. */
  readonly event: unknown;
  readonly data: unknown;
}

/** Names whoever a limit counts a message for. */
export type ThrottleKeyFunction = (connection: Connection, message: ThrottledMessage) => string | undefined;

/** A limit of `@WsThrottle()` or of the option `throttle.limits`. At least one of `limit` and `bytes` is given. */
export interface ThrottleLimit {
  /** Two limits of one name: the handler's stands instead of the gateway's, and that instead of the module's. @default 'default' */
  name?: string;
  /** Messages in a window, or their cost. */
  limit?: number;
  /** Bytes of payload in a window. */
  bytes?: number;
  /** Milliseconds. */
  windowMs: number;
  /** How many messages may come at once. @default limit */
  burst?: number;
  /**
   * Whom to count for: this connection, all connections of the user, of the address prefix or of the tenant, or what a
   * function answers (nothing: the user). On a public gateway `user` and `tenant` are the address, and functions are not asked.
   * @default 'user'
   */
  per?: 'connection' | 'user' | 'address' | 'tenant' | ThrottleKeyFunction;
  /** Count on all nodes together, through the store. @default false */
  shared?: boolean;
  /** What a message costs, at least 0. @default 1 */
  cost?: number | ((message: ThrottledMessage, connection: Connection | undefined) => number);
}

/** What a rule counts. */
export type ThrottleUnit = 'messages' | 'bytes';

/** A limit that has been looked through: one unit, with its rate. */
export interface ThrottleRule {
  readonly name: string;
  /** Where it was written: rules of two places are counted apart. */
  readonly scope: string;
  readonly unit: ThrottleUnit;
  readonly rate: Rate;
  readonly gcra: Gcra;
  readonly per: NonNullable<ThrottleLimit['per']>;
  readonly shared: boolean;
  readonly cost: NonNullable<ThrottleLimit['cost']>;
}

const KNOWN_KEYS = ['name', 'limit', 'bytes', 'windowMs', 'burst', 'per', 'shared', 'cost'];
const SENDERS = ['connection', 'user', 'address', 'tenant'];
const NAME = /^[A-Za-z0-9_.:-]{1,64}$/;

/**
 * Looks through a limit.
 *
 * @param place where it was written, for the sentences
 * @returns what is wrong with it, one sentence each; none when it can be used
 */
export function describeThrottleProblems(given: unknown, place: string): string[] {
  if (typeof given !== 'object' || given === null)
    return [`${place}: a limit is an object such as { limit: 10, windowMs: 1_000 }`];
  const { name, limit, bytes, windowMs, burst, per, shared, cost } = given as Record<string, unknown>;
  const problems: string[] = [];
  const check = (isRight: boolean, sentence: string): void => {
    if (!isRight) problems.push(`${place}: ${sentence}`);
  };
  for (const key of Object.keys(given))
    check(KNOWN_KEYS.includes(key), `unknown option "${key}", known are ${KNOWN_KEYS.join(', ')}`);
  check(
    name === undefined || (typeof name === 'string' && NAME.test(name)),
    `"name" must be 1 to 64 letters, digits or one of _.:-, received ${describeValue(name)}`,
  );
  check(limit !== undefined || bytes !== undefined, 'give "limit" (messages) or "bytes", or both');
  for (const [key, value] of Object.entries({ limit, bytes, burst })) {
    check(
      value === undefined || (Number.isSafeInteger(value) && (value as number) > 0),
      `"${key}" must be a whole number above 0, received ${describeValue(value)}`,
    );
  }
  check(
    typeof windowMs === 'number' && windowMs > 0 && windowMs <= MAX_DURATION_MS,
    `"windowMs" must be a number of milliseconds above 0, received ${describeValue(windowMs)}`,
  );
  check(burst === undefined || limit !== undefined, '"burst" belongs to "limit", which is missing');
  check(
    per === undefined || typeof per === 'function' || SENDERS.includes(per as string),
    `"per" must be one of ${SENDERS.join(', ')} or a function, received ${describeValue(per)}`,
  );
  check(
    shared === undefined || typeof shared === 'boolean',
    `"shared" must be true or false, received ${describeValue(shared)}`,
  );
  check(
    !(shared === true && per === 'connection'),
    '"shared" makes no difference per connection: leave it out',
  );
  check(
    cost === undefined || typeof cost === 'function' || (typeof cost === 'number' && isCost(cost)),
    `"cost" must be a number of at least 0 or a function, received ${describeValue(cost)}`,
  );
  return problems;
}

/** The rules of limits that have no problems. */
export function compileThrottleLimits(limits: readonly ThrottleLimit[], scope: string): ThrottleRule[] {
  return limits.flatMap((limit) => {
    const { name = 'default', per = 'user', shared = false, cost = 1, windowMs } = limit;
    const common = { name, scope, per, shared, cost };
    const rules: ThrottleRule[] = [];
    if (limit.limit !== undefined) {
      const rate = { limit: limit.limit, windowMs, burst: limit.burst ?? limit.limit };
      rules.push({ ...common, unit: 'messages', rate, gcra: new Gcra(rate) });
    }
    if (limit.bytes !== undefined) {
      const rate = { limit: limit.bytes, windowMs, burst: limit.bytes };
      rules.push({ ...common, unit: 'bytes', rate, gcra: new Gcra(rate) });
    }
    return rules;
  });
}

/** True for what a message may cost. */
export function isCost(cost: unknown): cost is number {
  return typeof cost === 'number' && cost >= 0 && cost <= Number.MAX_SAFE_INTEGER;
}
