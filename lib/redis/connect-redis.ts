import { WsAuthOptionsError } from '../core/errors.js';
import type { RedisClient } from './redis-client.js';
import type { RedisClients } from './redis-connection.js';
import { COMMAND_OPTIONS, REVOCATION_OPTIONS, SUBSCRIBER_OPTIONS } from './redis-options.js';

type RedisConstructor = new (...args: unknown[]) => RedisClient;

/**
 * Makes the three connections of a node from the `redis` option: a URL, ioredis options, or a client, of which copies are
 * made. They connect in the background; the application's own client is left alone.
 *
 * @throws {WsAuthOptionsError} for a client with `keyPrefix`, or when ioredis is not installed
 */
export async function connectRedis(option: string | object): Promise<RedisClients> {
  const make = isClient(option) ? copyOf(option) : await newClientOf(option);
  return {
    commands: silenced(make(COMMAND_OPTIONS)),
    revocations: silenced(make(REVOCATION_OPTIONS)),
    subscriber: silenced(make(SUBSCRIBER_OPTIONS)),
  };
}

function copyOf(client: RedisClient): (options: object) => RedisClient {
  const { options } = client as { options?: { keyPrefix?: string } };
  if (options?.keyPrefix) {
    throw new WsAuthOptionsError([
      'option "redis": the client has a keyPrefix, which leaves channels and derived keys without it: pass a client without, and set "redisPrefix"',
    ]);
  }
  return (own) => client.duplicate(own);
}

async function newClientOf(option: string | object): Promise<(options: object) => RedisClient> {
  if (typeof option === 'object' && 'keyPrefix' in option) {
    throw new WsAuthOptionsError([
      'option "redis": "keyPrefix" is not for this library: set "redisPrefix" instead',
    ]);
  }
  const Redis = await loadRedis();
  return typeof option === 'string'
    ? (own) => new Redis(option, own)
    : (own) => new Redis({ ...option, ...own });
}

async function loadRedis(): Promise<RedisConstructor> {
  try {
    const module = (await import('ioredis')) as unknown as { Redis: RedisConstructor };
    return module.Redis;
  } catch (error) {
    throw new WsAuthOptionsError([
      `option "redis" needs ioredis, which cannot be loaded (${error instanceof Error ? error.message.split('\n', 1)[0] : 'unknown'}): npm install ioredis`,
    ]);
  }
}

/** A client reports each failed try to connect; what matters of it is told by the calls that fail. */
function silenced(client: RedisClient): RedisClient {
  client.on('error', () => {});
  return client;
}

function isClient(option: string | object): option is RedisClient {
  return typeof option === 'object' && typeof (option as Partial<RedisClient>).duplicate === 'function';
}
