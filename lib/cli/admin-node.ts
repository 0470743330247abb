import { toLogLine } from '../core/audit/redaction.js';
import { systemClock } from '../core/clock.js';
import { StoreUnavailable, WsAuthError, WsAuthOptionsError } from '../core/errors.js';
import { newNodeId } from '../core/identifiers.js';
import { MAX_DURATION_MS } from '../core/option-rules.js';
import { resolveOptions, type ResolvedOptions } from '../core/options.js';
import { WsAuthEngine } from '../nest/ws-auth.engine.js';
import { connectRedis } from '../redis/connect-redis.js';
import { asText } from '../redis/redis-client.js';
import type { RedisClients } from '../redis/redis-connection.js';
import { RedisKeys } from '../redis/redis-keys.js';
import { whenReady } from '../redis/redis-options.js';
import { RedisStores } from '../redis/redis-stores.js';
import { CommandFailed, UsageError, type CommandIo } from './command-line.js';

const CONNECT_TIMEOUT_MS = 3_000;

/** The flags of every command that needs the store. */
export const STORE_FLAGS = {
  redis: { type: 'string' },
  prefix: { type: 'string' },
} as const;

/** Where the store is. */
export interface StoreFlags {
  readonly redis?: string | undefined;
  readonly prefix?: string | undefined;
  /** The `proxy.ipv6Prefix` option of the nodes, where it matters. */
  readonly ipv6Prefix?: number | undefined;
}

/**
 * Joins the nodes of a store for as long as a command takes: without gateways, and without sockets. What it does is
 * written to the other stream in the form of the audit log.
 *
 * @throws {CommandFailed} when the store or the secret is missing or wrong
 */
export async function withAdminNode<T>(
  flags: StoreFlags,
  io: CommandIo,
  work: (engine: WsAuthEngine) => Promise<T>,
): Promise<T> {
  const options = readOptions(flags, io);
  const clients = await connectRedis(options.redis!).catch((error: unknown) => {
    throw failure(error);
  });
  const partitions = await readPartitions(clients, options).catch((error: unknown) => {
    for (const client of Object.values(clients)) client.disconnect();
    throw failure(error);
  });
  const node = newNodeId();
  const onError = (error: unknown): void => io.err(`${error instanceof Error ? error.message : 'a fault'}\n`);
  const stores = new RedisStores({
    clients,
    node,
    clock: systemClock,
    prefix: options.redisPrefix,
    partitions,
    // The nodes' own times are not known here: a revocation is remembered for as long as any of them could ask.
    rememberRevocationsMs: MAX_DURATION_MS,
    onError,
  });
  const engine = new WsAuthEngine(options, { node, stores });
  engine.audit.subscribe((event) => io.err(`${toLogLine(event)}\n`));
  try {
    await stores.start();
    return await work(engine);
  } catch (error) {
    throw failure(error);
  } finally {
    await engine.stop();
  }
}

function readOptions(flags: StoreFlags, { env }: CommandIo): ResolvedOptions {
  const redis = flags.redis ?? env.WS_AUTH_REDIS_URL;
  const secret = env.WS_AUTH_SECRET;
  if (!redis) throw new UsageError('say where the store is: set WS_AUTH_REDIS_URL, or give --redis');
  if (!secret) throw new UsageError('set WS_AUTH_SECRET to the "secret" option of the nodes');
  if (flags.redis !== undefined && URL.canParse(flags.redis) && new URL(flags.redis).password !== '')
    throw new UsageError(
      '--redis must hold no password, since everybody on this machine can read the arguments: set WS_AUTH_REDIS_URL',
    );
  try {
    return resolveOptions(
      {
        // Nobody connects to this node.
        origins: ['https://nobody.invalid'],
        credentials: ['ticket'],
        redis,
        secret,
        redisPrefix: flags.prefix,
        proxy: { ipv6Prefix: flags.ipv6Prefix },
        audit: { log: false },
      },
      { production: false },
    );
  } catch (error) {
    throw failure(error);
  }
}

/** How many partitions the nodes use. Only a node may say so first: a wrong prefix must leave nothing behind. */
async function readPartitions({ commands }: RedisClients, options: ResolvedOptions): Promise<number> {
  await whenReady(commands, CONNECT_TIMEOUT_MS);
  const key = new RedisKeys(options.redisPrefix).config;
  const known = Number(asText(await commands.call('GET', key)));
  if (known > 0) return known;
  throw new CommandFailed(
    `no node has used this store under the prefix "${options.redisPrefix}" yet: --prefix must be the "redisPrefix" of the nodes`,
  );
}

/** What the operator is told of it: never an address with a password in it. */
function failure(error: unknown): Error {
  if (error instanceof CommandFailed) return error;
  if (error instanceof WsAuthOptionsError) return new CommandFailed(error.problems.join('; '));
  if (error instanceof WsAuthError && error.code === 'invalid_selector') return new UsageError(error.message);
  if (error instanceof StoreUnavailable) return new CommandFailed(error.message);
  return new CommandFailed(`Redis cannot be used: ${error instanceof Error ? error.message : 'unknown'}`);
}
