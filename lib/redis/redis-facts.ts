import type { RedisFacts } from '../core/doctor/doctor-facts.js';
import { isLoopbackHost, parseHost } from '../core/handshake/host-policy.js';
import { isClusterClient, type RedisClient } from './redis-client.js';

/** What of ioredis's options says how a server is reached. */
interface ReachOptions {
  readonly host?: unknown;
  readonly path?: unknown;
  readonly tls?: unknown;
  /** Without it ioredis leaves `tls` aside where there are sentinels. */
  readonly enableTLSForSentinelMode?: unknown;
  readonly username?: unknown;
  readonly password?: unknown;
  readonly sentinels?: readonly { readonly host?: unknown }[] | null;
}

/** What the doctor looks at, read from the options of a client. No password is read out of them. */
export function describeReach(client: RedisClient): Omit<RedisFacts, 'server'> {
  const options = reachOf(client);
  const hosts = hostsOf(client, options);
  const hasUser = typeof options.username === 'string' && options.username !== '';
  return {
    isLoopback: hosts.every(isLoopback),
    isTls: Boolean(options.tls) && (!hasSentinels(options) || Boolean(options.enableTLSForSentinelMode)),
    hasPassword: typeof options.password === 'string' && options.password !== '',
    // Who gives a password alone, or nothing, is the default user.
    user: hasUser ? (options.username as string) : 'default',
  };
}

/** What the doctor looks at of what servers say of themselves; of several, the one that is worst off. */
export function describeServers(
  infos: readonly ReadonlyMap<string, string>[],
  problems: readonly string[],
): NonNullable<RedisFacts['server']> {
  const limits = infos.map((info) => Number(info.get('maxmemory') ?? Number.NaN));
  return {
    version: infos[0]?.get('redis_version') ?? '?',
    hasAppendLog: infos.every((info) => info.get('aof_enabled') !== '0'),
    maxMemoryBytes: Math.min(...limits),
    problems,
  };
}

function reachOf(client: RedisClient): ReachOptions {
  const { options } = client as { options?: ReachOptions & { redisOptions?: ReachOptions } };
  return (isClusterClient(client) ? options?.redisOptions : options) ?? {};
}

function hasSentinels({ sentinels }: ReachOptions): boolean {
  return Boolean(sentinels && sentinels.length > 0);
}

function hostsOf(client: RedisClient, options: ReachOptions): readonly string[] {
  const { host, path, sentinels } = options;
  if (isClusterClient(client)) {
    const nodes = client.nodes('all') as unknown as readonly { readonly options?: ReachOptions }[];
    return nodes.map(({ options }) => String(options?.host ?? ''));
  }
  if (sentinels && hasSentinels(options)) return sentinels.map((sentinel) => String(sentinel.host ?? ''));
  return [typeof path === 'string' ? 'localhost' : String(host ?? 'localhost')];
}

function isLoopback(host: string): boolean {
  const name = parseHost(host.includes(':') ? `[${host}]` : host);
  return name !== null && (isLoopbackHost(name) || name.name.startsWith('127.'));
}
