import { createHash } from 'node:crypto';
import { StoreUnavailable } from '../core/errors.js';
import type { CommandClient } from './guarded-client.js';

/** A Lua script: sent by its hash, and whole when the server does not know it (after a restart or a failover). */
export class RedisScript {
  readonly #lua: string;
  readonly #sha: string;

  constructor(lua: string) {
    this.#lua = lua;
    this.#sha = createHash('sha1').update(lua).digest('hex');
  }

  /** @throws {StoreUnavailable} when the server is away, too slow, or refuses */
  async run(
    client: CommandClient,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<unknown> {
    try {
      return await client.call('EVALSHA', this.#sha, keys.length, ...keys, ...args);
    } catch (error) {
      if (!isUnknownScript(error)) throw unavailable(error);
    }
    try {
      return await client.call('EVAL', this.#lua, keys.length, ...keys, ...args);
    } catch (error) {
      throw unavailable(error);
    }
  }
}

/** What the client threw, as what it means here: nothing was decided. */
export function unavailable(error: unknown): StoreUnavailable {
  const reason = error instanceof Error ? error.message.slice(0, 120) : 'unknown';
  return new StoreUnavailable(`the Redis store did not answer: ${reason}`, { cause: error });
}

function isUnknownScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}
