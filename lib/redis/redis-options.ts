import { isClusterClient, type RedisClient } from './redis-client.js';

/** What a retry strategy is given: how often it was tried. */
const retryStrategy = (times: number): number =>
  Math.min(50 * 2 ** Math.min(times, 5), 1_000) + Math.random() * 100;

/** What all connections have in common: found dead soon, and taken anew with jitter. */
const COMMON = {
  connectTimeout: 1_000,
  disconnectTimeout: 100,
  keepAlive: 10_000,
  noDelay: true,
  enableReadyCheck: true,
  // A copy of a client that waits for its first command would wait for ever.
  lazyConnect: false,
  retryStrategy,
  // Reconnect and never resend: what was sent may have been carried out.
  reconnectOnError: (error: Error): boolean => /^(READONLY|LOADING|MASTERDOWN)/.test(error.message),
};

/** For scripts: an answer at once, or an error at once; nothing is queued, and nothing is sent twice. */
export const COMMAND_OPTIONS = {
  ...COMMON,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  commandTimeout: 300,
  socketTimeout: 1_000,
  enableAutoPipelining: false,
  replyMapping: 'legacy',
};

/** For revocations: the same, with more patience. */
export const REVOCATION_OPTIONS = { ...COMMAND_OPTIONS, commandTimeout: 1_000 };

/** For the feed: subscribes by itself, because it must know when a subscription stands. */
export const SUBSCRIBER_OPTIONS = {
  ...COMMON,
  autoResubscribe: false,
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  commandTimeout: 400,
  // A path that swallows what is sent while it connects is given up too.
  socketTimeout: 1_000,
  replyMapping: 'legacy',
};

/** With Sentinel: told of a failover at once, rather than when the old master hangs up, and never waiting for a deaf sentinel. */
export const SENTINEL_OPTIONS = {
  role: 'master',
  failoverDetector: true,
  sentinelCommandTimeout: 500,
  sentinelRetryStrategy: (times: number): number => Math.min(20 * times, 200),
};

/**
 * For a cluster: a command fails at once when its master is away, and is never sent again; that another node has taken over
 * is looked up every second.
 *
 * @param redisOptions of the connection to each node
 */
export function clusterOptions(redisOptions: object): object {
  return {
    lazyConnect: false,
    enableOfflineQueue: false,
    enableAutoPipelining: false,
    maxRedirections: 3,
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    slotsRefreshTimeout: 500,
    slotsRefreshInterval: 1_000,
    scaleReads: 'master',
    clusterRetryStrategy: (times: number): number => Math.min(50 * times, 500),
    // A node that is gone may never come back: its connection ends, and the next look at the slots tells.
    clusterNodeRetryStrategy: null,
    redisOptions,
  };
}

/** Resolves when a client can be used, or rejects when it gives up. A cluster can be used when each of its masters can. */
export async function whenReady(client: RedisClient, timeoutMs: number): Promise<void> {
  await whenConnected(client, timeoutMs);
  if (!isClusterClient(client)) return;
  await Promise.all(client.nodes('master').map((node) => whenConnected(node, timeoutMs)));
}

function whenConnected(client: RedisClient, timeoutMs: number): Promise<void> {
  if (client.status === 'ready') return Promise.resolve();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => finish(new Error('the Redis server cannot be reached')), timeoutMs);
    const onReady = (): void => finish();
    const finish = (error?: Error): void => {
      clearTimeout(timer);
      client.off('ready', onReady);
      if (error) reject(error);
      else resolve();
    };
    client.on('ready', onReady);
  });
}
