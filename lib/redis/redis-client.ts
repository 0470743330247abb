/**
 * What is used of a Redis client. Structural, so that ioredis 5 and 6, a single client and a cluster all fit, and so that
 * the declarations of this package import nothing that is optional.
 */
export interface RedisClient {
  readonly status: string;
  call(command: string, ...args: (string | number)[]): Promise<unknown>;
  duplicate(options?: object): RedisClient;
  on(event: string, listener: (...args: never[]) => void): unknown;
  off(event: string, listener: (...args: never[]) => void): unknown;
  disconnect(reconnect?: boolean): void;
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
