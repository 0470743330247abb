/**
 * What is used of a Redis client. Structural, so that ioredis 5 and 6, a single client and a cluster all fit, and so that
 * the declarations of this package import nothing that is optional.
 */
export interface RedisClient {
  readonly status: string;
  call(command: string, ...args: (string | number)[]): Promise<unknown>;
  on(event: string, listener: (...args: never[]) => void): unknown;
  off(event: string, listener: (...args: never[]) => void): unknown;
  disconnect(reconnect?: boolean): void;
}

/** A client of one server, or of the master that the sentinels name. */
export interface SingleClient extends RedisClient {
  readonly options?: { readonly keyPrefix?: string; readonly sentinels?: unknown };
  duplicate(options?: object): SingleClient;
}

/** A client of a cluster: it sends a command to the master that holds the command's first key. */
export interface ClusterClient extends RedisClient {
  readonly options?: {
    readonly keyPrefix?: string;
    readonly redisOptions?: { readonly keyPrefix?: string };
  };
  nodes(role: 'all' | 'master'): SingleClient[];
  duplicate(startupNodes: readonly unknown[], options: object): ClusterClient;
}

export function isClusterClient(client: object): client is ClusterClient {
  return typeof (client as Partial<ClusterClient>).nodes === 'function';
}

/** Reads an array reply. */
export function asList(reply: unknown): readonly unknown[] {
  if (Array.isArray(reply)) return reply;
  throw new TypeError('the store answered with something that is no list');
}

/** Reads a text out of a reply; what is missing is an empty text. */
export function asText(reply: unknown): string {
  if (typeof reply === 'string') return reply;
  if (typeof reply === 'number' || typeof reply === 'bigint') return String(reply);
  return '';
}
