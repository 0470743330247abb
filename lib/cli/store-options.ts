import { resolveOptions, type ResolvedOptions } from '../core/options.js';
import { WS_AUTH_ENGINE } from '../nest/ws-auth.constants.js';
import type { WsAuthEngine } from '../nest/ws-auth.engine.js';
import { BuiltApplication } from './built-application.js';
import { CommandFailed, UsageError } from './command-line.js';

/** The flags of every command that needs the store. */
export const STORE_FLAGS = {
  module: { type: 'string' },
  redis: { type: 'string' },
  prefix: { type: 'string' },
} as const;

/** Where the store is. */
export interface StoreFlags {
  readonly module?: string | undefined;
  readonly redis?: string | undefined;
  readonly prefix?: string | undefined;
  /** The `proxy.ipv6Prefix` option of the nodes, where it matters. */
  readonly ipv6Prefix?: number | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The options of the nodes, as far as they concern the store. @throws {CommandFailed} or what refuses options */
export async function readStoreOptions(flags: StoreFlags, env: Environment): Promise<ResolvedOptions> {
  if (flags.module === undefined) return optionsOfUrl(flags, env);
  if (flags.redis !== undefined || flags.prefix !== undefined)
    throw new UsageError('--module knows the store: leave --redis and --prefix out');
  return optionsOfModule(flags.module, flags.ipv6Prefix);
}

/** Whatever the application has: Sentinel, a cluster, certificates. What it has opened to be built is closed again. */
async function optionsOfModule(place: string, ipv6Prefix: number | undefined): Promise<ResolvedOptions> {
  const engine = (await BuiltApplication.of(place)).find<WsAuthEngine>(WS_AUTH_ENGINE);
  const { options } = engine;
  await engine.stop();
  if (options.redis === undefined)
    throw new CommandFailed('the application has no "redis": what it knows is in its own memory');
  const proxy = { ...options.proxy, ipv6Prefix: ipv6Prefix ?? options.proxy.ipv6Prefix };
  // The command writes its own lines; the sinks of the application have been closed.
  return { ...options, proxy, audit: { ...options.audit, log: false, sinks: [] } };
}

function optionsOfUrl(flags: StoreFlags, env: Environment): ResolvedOptions {
  const redis = flags.redis ?? env.WS_AUTH_REDIS_URL;
  const secret = env.WS_AUTH_SECRET;
  if (!redis)
    throw new UsageError('say where the store is: set WS_AUTH_REDIS_URL, or give --redis or --module');
  if (!secret) throw new UsageError('set WS_AUTH_SECRET to the "secret" option of the nodes');
  if (flags.redis !== undefined && hasPassword(flags.redis))
    throw new UsageError(
      '--redis must hold no password, since everybody on this machine can read the arguments: set WS_AUTH_REDIS_URL',
    );
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
}

/** In any of the forms that ioredis takes, and not only those that are URLs to Node. */
function hasPassword(address: string): boolean {
  return /:.*@|[?&]password=/i.test(address.replace(/^rediss?:/i, ''));
}
