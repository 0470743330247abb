import type { Clock } from '../clock.js';
import type { Connection } from '../connection.js';
import { Gcra, GcraLimiter, type Rate } from './gcra.js';
import { LeasedRate } from './leased-rate.js';
import { compileThrottleLimits, isCost, type ThrottledMessage, type ThrottleRule } from './throttle-limit.js';
import type { ResolvedThrottleOptions } from './throttle-options.js';
import { throttleKey, type ThrottleStore } from './throttle-store.js';

/** Who sends: the connection, or on a public gateway the address alone. */
export interface Sender {
  readonly connection: Connection | undefined;
  /** The address prefix that counts as one client. */
  readonly address: string;
}

/** Why a message is not handled: what a `rate` notice says. */
export interface RateRefusal {
  /** The name of the limit. */
  readonly name: string;
  readonly limit: number;
  readonly remaining: number;
  readonly retryAfterMs: number;
}

/** What a check answers: `null` when the message may pass, or a promise where the store must be asked. */
export type RateAnswer = RateRefusal | null | Promise<RateRefusal | null>;

/** What the throttle is built from. */
export interface MessageThrottleOptions {
  readonly options: ResolvedThrottleOptions;
  /** Left out where there is one node: nothing is shared then. */
  readonly store: ThrottleStore | undefined;
  readonly expectedNodes: number;
  /** Monotonic. */
  readonly clock: Clock;
  readonly onStoreAway: (error: unknown) => void;
  /** A key or cost function of the application's that failed. */
  readonly onError: (error: unknown) => void;
}

/** The rates of a connection itself: its numbers are kept with the socket. */
export interface ConnectionRates {
  readonly frames: Gcra;
  readonly bytes: Gcra;
  readonly malformed: Gcra;
  readonly violations: Gcra;
  readonly refreshes: Gcra;
}

/** Fresh credentials of one connection. A client refreshes once in the life of a token. */
export const REFRESH_RATE: Rate = { limit: 10, windowMs: 60_000, burst: 10 };

/** The rule for all messages of a user. */
const USER_RULE = 'user';

/**
 * Holds messages against the limits that span more than one connection: per user, address, tenant or whatever a function
 * names. Connections come and go, these counts stay, so that a reconnect resets nothing (requirement TH-02).
 */
export class MessageThrottle {
  readonly #options: MessageThrottleOptions;
  readonly rates: ConnectionRates;
  /** Limits for every handler, of the option `throttle.limits`. */
  readonly moduleRules: readonly ThrottleRule[];
  readonly #userRule: ThrottleRule;
  readonly #local = new Map<ThrottleRule, GcraLimiter>();
  readonly #shared = new Map<ThrottleRule, LeasedRate>();

  constructor(options: MessageThrottleOptions) {
    this.#options = options;
    const { perConnection, perConnectionBytes, malformed, violations, perUser, limits } = options.options;
    this.rates = {
      frames: new Gcra(perConnection),
      bytes: new Gcra(perConnectionBytes),
      malformed: new Gcra(malformed),
      violations: new Gcra(violations),
      refreshes: new Gcra(REFRESH_RATE),
    };
    this.moduleRules = compileThrottleLimits(limits, 'module');
    this.#userRule = {
      name: USER_RULE,
      scope: 'budget',
      unit: 'messages',
      rate: perUser,
      gcra: new Gcra(perUser),
      per: 'user',
      shared: perUser.shared,
      cost: 1,
    };
  }

  get clock(): Clock {
    return this.#options.clock;
  }

  get options(): ResolvedThrottleOptions {
    return this.#options.options;
  }

  /** The key of a sender for the rule of all messages of a user. */
  userKeyOf(sender: Sender): string {
    return userKey(this.#userRule, sender);
  }

  /** Counts a message of a user. @param key of {@link userKeyOf} */
  takeOfUser(key: string): RateAnswer {
    return this.#take(this.#userRule, key, 1);
  }

  /** Counts a frame of a user that was no message. */
  chargeUser(key: string): void {
    if (this.#isShared(this.#userRule)) this.#sharedOf(this.#userRule).charge(key, 1);
    else this.#localOf(this.#userRule).take(key, this.#options.clock());
  }

  /** Counts a message by a rule that is not per connection. @param key of {@link keyOf} */
  take(rule: ThrottleRule, key: string, cost: number): RateAnswer {
    return cost === 0 ? null : this.#take(rule, key, cost);
  }

  /** What a message costs. A function of the application's that fails makes it cost 1. */
  costOf(rule: ThrottleRule, { connection }: Sender, message: ThrottledMessage, bytes: number): number {
    if (rule.unit === 'bytes') return bytes;
    if (typeof rule.cost === 'number') return rule.cost;
    try {
      const cost = rule.cost(message, connection);
      if (isCost(cost)) return cost;
      throw new TypeError(
        `the cost function of the limit "${rule.name}" must answer with a number of at least 0`,
      );
    } catch (error) {
      this.#options.onError(error);
      return 1;
    }
  }

  #take(rule: ThrottleRule, key: string, cost: number): RateAnswer {
    if (this.#isShared(rule)) return this.#takeShared(rule, key, cost);
    const limiter = this.#localOf(rule);
    const now = this.#options.clock();
    const { allowed, retryAfterMs } = limiter.take(key, now, cost);
    return allowed ? null : refusalOf(rule, limiter.remaining(key, now), retryAfterMs);
  }

  #takeShared(rule: ThrottleRule, key: string, cost: number): RateAnswer {
    const wait = this.#sharedOf(rule).take(key, cost);
    if (wait === 0) return null;
    if (typeof wait === 'number') return refusalOf(rule, 0, wait);
    return wait.then((ms) => (ms === 0 ? null : refusalOf(rule, 0, ms)));
  }

  #isShared(rule: ThrottleRule): boolean {
    return rule.shared && this.#options.store !== undefined;
  }

  #localOf(rule: ThrottleRule): GcraLimiter {
    let limiter = this.#local.get(rule);
    if (!limiter) this.#local.set(rule, (limiter = new GcraLimiter(rule.rate)));
    return limiter;
  }

  #sharedOf(rule: ThrottleRule): LeasedRate {
    let rate = this.#shared.get(rule);
    if (rate) return rate;
    const { store, expectedNodes, clock, onStoreAway: onAway } = this.#options;
    rate = new LeasedRate({ rate: rule.rate, store: store!, expectedNodes, clock, onAway });
    this.#shared.set(rule, rate);
    return rate;
  }

  /** The key under which a rule counts a message. */
  keyOf(rule: ThrottleRule, sender: Sender, message: ThrottledMessage): string {
    const { per } = rule;
    const { connection, address } = sender;
    if (!connection || per === 'address')
      return throttleKey(rule.scope, rule.name, rule.unit, 'address', address);
    const { tenant } = connection.principal;
    if (per === 'tenant' && tenant !== undefined)
      return throttleKey(rule.scope, rule.name, rule.unit, 'tenant', tenant);
    const own = typeof per === 'function' ? this.#askFunction(per, rule, connection, message) : undefined;
    return own === undefined
      ? userKey(rule, sender)
      : throttleKey(rule.scope, rule.name, rule.unit, 'own', own);
  }

  /** A key function that fails or knows nobody makes the message count for its user: never for nobody, never for all. */
  #askFunction(
    per: (connection: Connection, message: ThrottledMessage) => unknown,
    rule: ThrottleRule,
    connection: Connection,
    message: ThrottledMessage,
  ): string | undefined {
    try {
      const key = per(connection, message);
      if (key === undefined || key === null || key === '') return undefined;
      if (typeof key === 'string') return key;
      throw new TypeError(
        `the function "per" of the limit "${rule.name}" must answer with a text or nothing`,
      );
    } catch (error) {
      this.#options.onError(error);
      return undefined;
    }
  }
}

function userKey({ scope, name, unit }: ThrottleRule, { connection, address }: Sender): string {
  if (!connection) return throttleKey(scope, name, unit, 'address', address);
  return throttleKey(scope, name, unit, 'user', connection.grant.userHash);
}

export function refusalOf(rule: ThrottleRule, remaining: number, retryAfterMs: number): RateRefusal {
  return { name: rule.name, limit: rule.rate.limit, remaining, retryAfterMs: Math.ceil(retryAfterMs) };
}
