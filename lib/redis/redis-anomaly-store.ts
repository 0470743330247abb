import { MAX_BANS, type AnomalyStore } from '../core/anomaly/anomaly-store.js';
import type { BanNotice } from '../core/notice-board.js';
import { writeNotice } from './notice-message.js';
import { asList, asText } from './redis-client.js';
import type { RedisConnection } from './redis-connection.js';
import { RedisScript } from './redis-script.js';
import { ANOMALY_COUNT, ANOMALY_MEMBERS, BAN_ADD, BAN_LIFT, BAN_LIST } from './redis-scripts.js';

const COUNT = new RedisScript(ANOMALY_COUNT);
const MEMBERS = new RedisScript(ANOMALY_MEMBERS);
const ADD = new RedisScript(BAN_ADD);
const LIFT = new RedisScript(BAN_LIFT);
const LIST = new RedisScript(BAN_LIST);

/** What all nodes know of attacks, in Redis. Addresses stand there in the values of bans alone. */
export class RedisAnomalyStore implements AnomalyStore {
  readonly #redis: RedisConnection;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
  }

  async count(key: string, windowMs: number): Promise<number> {
    return Number(await this.#run(COUNT, this.#keyOf(key), [Math.ceil(windowMs)]));
  }

  async addMembers(
    key: string,
    members: readonly string[],
    windowMs: number,
    maximum: number,
  ): Promise<{ before: number; after: number }> {
    const args = [Math.ceil(windowMs), maximum, ...members];
    const [before, after] = asList(await this.#run(MEMBERS, this.#keyOf(key), args));
    return { before: Number(before), after: Number(after) };
  }

  async ban(ban: BanNotice): Promise<boolean> {
    const { prefix, remainingMs, reason, isAutomatic } = ban;
    const { keys, node } = this.#redis;
    const notice = writeNotice(node, { kind: 'ban', ban });
    const flag = isAutomatic ? '1' : '0';
    const args = [prefix, Math.ceil(remainingMs), flag, reason, MAX_BANS, keys.notices, notice];
    return Number(await this.#run(ADD, keys.bans, args)) === 1;
  }

  async lift(prefix: string, only?: { isAutomatic: true }): Promise<boolean> {
    const { keys, node } = this.#redis;
    const notice = writeNotice(node, { kind: 'lift', prefix });
    const args = [prefix, keys.notices, notice, only ? '1' : '0'];
    return Number(await this.#run(LIFT, keys.bans, args)) === 1;
  }

  async bans(): Promise<readonly BanNotice[]> {
    const rows = asList(await this.#run(LIST, this.#redis.keys.bans, []));
    return rows.map((row) => {
      const [prefix, remaining, byRule, reason] = asList(row).map(asText) as [string, string, string, string];
      return { prefix, remainingMs: Number(remaining), reason, isAutomatic: byRule === '1' };
    });
  }

  #run(script: RedisScript, key: string, args: readonly (string | number)[]): Promise<unknown> {
    return script.run(this.#redis.commands, [key], args);
  }

  /** @param key of `throttleKey()` */
  #keyOf(key: string): string {
    return `${this.#redis.prefixOf(key)}an:${key}`;
  }
}
