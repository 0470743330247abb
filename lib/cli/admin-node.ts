import { toLogLine } from '../core/audit/redaction.js';
import { systemClock } from '../core/clock.js';
import { StoreUnavailable, WsAuthError } from '../core/errors.js';
import { newNodeId } from '../core/identifiers.js';
import { MAX_DURATION_MS } from '../core/option-rules.js';
import type { ResolvedOptions } from '../core/options.js';
import { deriveSecretKeys } from '../core/secret-keys.js';
import { WsAuthEngine } from '../nest/ws-auth.engine.js';
import { connectRedis } from '../redis/connect-redis.js';
import { asText, type RedisClient } from '../redis/redis-client.js';
import type { RedisClients } from '../redis/redis-connection.js';
import { RedisKeys } from '../redis/redis-keys.js';
import { whenReady } from '../redis/redis-options.js';
import { RedisStores } from '../redis/redis-stores.js';
import { readStoreOptions, type StoreFlags } from './store-options.js';
import { problemsOf } from './built-application.js';
import { CommandFailed, UsageError, type CommandIo } from './command-line.js';
import { firstLine } from './load-module.js';

const CONNECT_TIMEOUT_MS = 3_000;

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
  const options = await readStoreOptions(flags, io.env).catch((error: unknown) => {
    throw failure(error);
  });
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

/**
 * How many partitions the nodes use. Only a node may say so first: a wrong prefix must leave nothing behind. With another
 * secret no user would be found, and a revocation of nobody would look like one that is done.
 */
async function readPartitions({ commands }: RedisClients, options: ResolvedOptions): Promise<number> {
  await whenUsable(commands);
  const keys = new RedisKeys(options.redisPrefix);
  const known = Number(asText(await commands.call('GET', keys.config)));
  if (!(known > 0))
    throw new CommandFailed(
      `no node has used this store under the prefix "${options.redisPrefix}" yet: it must be the "redisPrefix" of the nodes`,
    );
  const mark = asText(await commands.call('GET', keys.mark));
  if (mark !== '' && mark !== deriveSecretKeys(options.secret).storeMark)
    throw new CommandFailed('the secret is not the one of the nodes: none of their users would be found');
  return known;
}

/** Says why it cannot be used, where the server has said so, as of a wrong password. */
async function whenUsable(client: RedisClient): Promise<void> {
  let reason: string | undefined;
  client.on('error', (error: unknown) => {
    reason = error instanceof Error ? error.message : undefined;
  });
  try {
    await whenReady(client, CONNECT_TIMEOUT_MS);
  } catch (error) {
    throw new CommandFailed(`Redis cannot be used: ${reason || firstLine(error)}`);
  }
}

/** What the operator is told of it: never an address with a password in it. */
function failure(error: unknown): Error {
  if (error instanceof CommandFailed) return error;
  const problems = problemsOf(error);
  if (problems) return new CommandFailed(problems.join('; '));
  if (error instanceof WsAuthError && error.code === 'invalid_selector') return new UsageError(error.message);
  if (error instanceof StoreUnavailable) return new CommandFailed(error.message);
  return new CommandFailed(`Redis cannot be used: ${firstLine(error)}`);
}
