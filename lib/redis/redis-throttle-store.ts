import type { Rate, RateDecision } from '../core/throttle/gcra.js';
import type { ThrottleStore } from '../core/throttle/throttle-store.js';
import { asText } from './redis-client.js';
import type { RedisConnection } from './redis-connection.js';
import { RedisScript } from './redis-script.js';
import { GCRA } from './redis-scripts.js';

const TAKE = new RedisScript(GCRA);

/** Rates in Redis: one number for each key, on the server's clock, gone when the key is whole again. */
export class RedisThrottleStore implements ThrottleStore {
  readonly #redis: RedisConnection;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
  }

  async take(key: string, rate: Rate, cost: number): Promise<RateDecision> {
    const emission = Math.max(1, Math.round((rate.windowMs * 1_000) / rate.limit));
    const name = `${this.#redis.prefixOf(key)}r:${key}:${emission}:${rate.burst}`;
    const reply = await TAKE.run(this.#redis.commands, [name], [emission, rate.burst, cost]);
    const retryAfterMs = Number.parseInt(asText(reply), 10);
    if (Number.isNaN(retryAfterMs))
      throw new TypeError('the rate script answered with something that is no number');
    return { allowed: retryAfterMs === 0, retryAfterMs };
  }
}
