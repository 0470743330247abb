import type { Rate, RateDecision, RateLease } from '../core/throttle/gcra.js';
import type { ThrottleStore } from '../core/throttle/throttle-store.js';
import { asText } from './redis-client.js';
import { emissionOf, type RedisConnection } from './redis-connection.js';
import { RedisScript } from './redis-script.js';
import { GCRA, GIVE_BACK, LEASE } from './redis-scripts.js';

const TAKE = new RedisScript(GCRA);
const TAKE_UP_TO = new RedisScript(LEASE);
const RETURN = new RedisScript(GIVE_BACK);

/** Rates in Redis: one number for each key, on the server's clock, gone when the key is whole again. */
export class RedisThrottleStore implements ThrottleStore {
  readonly #redis: RedisConnection;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
  }

  async take(key: string, rate: Rate, cost: number): Promise<RateDecision> {
    const retryAfterMs = toNumber(await this.#run(TAKE, key, rate, cost));
    return { allowed: retryAfterMs === 0, retryAfterMs };
  }

  async takeUpTo(key: string, rate: Rate, wanted: number): Promise<RateLease> {
    const reply = await this.#run(TAKE_UP_TO, key, rate, wanted);
    const [taken, retryAfterMs] = Array.isArray(reply) ? reply : [];
    return { taken: toNumber(taken), retryAfterMs: toNumber(retryAfterMs) };
  }

  async giveBack(key: string, rate: Rate, count: number): Promise<void> {
    await this.#run(RETURN, key, rate, count);
  }

  #run(script: RedisScript, key: string, rate: Rate, count: number): Promise<unknown> {
    const { name } = this.#redis.rateOf(key, rate);
    return script.run(this.#redis.commands, [name], [emissionOf(rate), rate.burst, count]);
  }
}

function toNumber(reply: unknown): number {
  const number = Number.parseInt(asText(reply), 10);
  if (Number.isNaN(number)) throw new TypeError('a rate script answered with something that is no number');
  return number;
}
