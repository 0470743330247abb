import { WsAuthOptionsError } from '../core/errors.js';
import { ClusterSubscriber } from './cluster-subscriber.js';
import { isClusterClient, type ClusterClient, type RedisClient, type SingleClient } from './redis-client.js';
import type { RedisClients } from './redis-connection.js';
import {
  clusterOptions,
  COMMAND_OPTIONS,
  REVOCATION_OPTIONS,
  SENTINEL_OPTIONS,
  SUBSCRIBER_OPTIONS,
} from './redis-options.js';

interface IoRedis {
  readonly Redis: new (...args: unknown[]) => SingleClient;
  readonly Cluster: new (nodes: readonly unknown[], options: object) => ClusterClient;
}

/** How a cluster is named in the `redis` option. */
interface ClusterOption {
  readonly cluster: readonly unknown[];
  readonly options?: { readonly redisOptions?: object };
}

/**
 * Makes the three connections of a node from the `redis` option: a URL, ioredis options (those of Sentinel have `sentinels`
 * and `name`), `{ cluster: nodes, options }`, or a client, of which copies are made. They connect in the background; the
 * application's own client is left alone.
 *
 * @throws {WsAuthOptionsError} for a client with `keyPrefix`, or when ioredis is not installed
 */
export async function connectRedis(option: string | object): Promise<RedisClients> {
  refuseKeyPrefix(option);
  if (typeof option === 'object' && isClusterClient(option)) {
    const given: object = option.options?.redisOptions ?? {};
    return clusterClients((own) => option.duplicate([], clusterOptions({ ...given, ...own })));
  }
  if (isClusterOption(option)) {
    if (!Array.isArray(option.cluster) || option.cluster.length === 0) {
      throw new WsAuthOptionsError([
        'option "redis": "cluster" must be a list of one or more nodes, such as [{ host, port }]',
      ]);
    }
    const { Cluster } = await loadRedis();
    const { cluster, options = {} } = option;
    return clusterClients(
      (own) => new Cluster(cluster, { ...options, ...clusterOptions({ ...options.redisOptions, ...own }) }),
    );
  }
  if (isClient(option)) {
    const sentinel = option.options?.sentinels ? SENTINEL_OPTIONS : {};
    return singleClients((own) => option.duplicate({ ...own, ...sentinel }));
  }
  const { Redis } = await loadRedis();
  if (typeof option === 'string') return singleClients((own) => new Redis(option, own));
  const sentinel = sentinelOptionsFor(option);
  return singleClients((own) => new Redis({ ...option, ...own, ...sentinel }));
}

function singleClients(make: (options: object) => SingleClient): RedisClients {
  return {
    commands: silenced(make(COMMAND_OPTIONS)),
    revocations: silenced(make(REVOCATION_OPTIONS)),
    subscriber: silenced(make(SUBSCRIBER_OPTIONS)),
  };
}

function clusterClients(make: (options: object) => ClusterClient): RedisClients {
  const commands = silenced(make(COMMAND_OPTIONS));
  return {
    commands,
    revocations: silenced(make(REVOCATION_OPTIONS)),
    subscriber: new ClusterSubscriber(commands, SUBSCRIBER_OPTIONS),
  };
}

function sentinelOptionsFor(option: object): object {
  const { sentinels, name } = option as { sentinels?: unknown; name?: unknown };
  if (sentinels === undefined) return {};
  if (Array.isArray(sentinels) && sentinels.length > 0 && typeof name === 'string' && name !== '')
    return SENTINEL_OPTIONS;
  throw new WsAuthOptionsError([
    'option "redis": with Sentinel it needs "sentinels", a list of one or more, and "name", the name of the master',
  ]);
}

/** ioredis's own prefix leaves channels, and the keys that scripts derive, without it. */
function refuseKeyPrefix(option: string | object): void {
  const isPrefixed =
    typeof option === 'string'
      ? /[?&]keyPrefix=/.test(option)
      : [option, (option as { options?: object }).options ?? {}].some(hasKeyPrefix);
  if (!isPrefixed) return;
  throw new WsAuthOptionsError([
    'option "redis": a keyPrefix is not for this library, because it leaves channels and derived keys without it: ' +
      'pass options or a client without, and set "redisPrefix"',
  ]);
}

function hasKeyPrefix(options: { keyPrefix?: unknown; redisOptions?: { keyPrefix?: unknown } }): boolean {
  return Boolean(options.keyPrefix ?? options.redisOptions?.keyPrefix);
}

async function loadRedis(): Promise<IoRedis> {
  try {
    return (await import('ioredis')) as unknown as IoRedis;
  } catch (error) {
    throw new WsAuthOptionsError([
      `option "redis" needs ioredis, which cannot be loaded (${error instanceof Error ? error.message.split('\n', 1)[0] : 'unknown'}): npm install ioredis`,
    ]);
  }
}

/** A client reports each failed try to connect; what matters of it is told by the calls that fail. */
function silenced<T extends RedisClient>(client: T): T {
  client.on('error', () => {});
  return client;
}

function isClient(option: string | object): option is SingleClient {
  return typeof option === 'object' && typeof (option as Partial<SingleClient>).duplicate === 'function';
}

function isClusterOption(option: string | object): option is ClusterOption {
  return typeof option === 'object' && 'cluster' in option && !isClient(option);
}
