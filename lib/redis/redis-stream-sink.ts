import { toLogLine } from '../core/audit/redaction.js';
import type { AuditSink } from '../core/audit/audit-sink.js';
import type { RedisClient } from './redis-client.js';

/** Where a Redis Stream sink writes. */
export interface RedisStreamSinkOptions {
  /** The key of the stream. @default 'ws-audit' */
  stream?: string;
  /** Entries that the stream keeps, or a few more. @default 100_000 */
  maxLength?: number;
  /** @default 'redis-stream' */
  name?: string;
}

/**
 * A sink of the option `audit.sinks` that appends each event to a Redis Stream, as JSON in the field `event`.
 *
 * @param client an ioredis client of the application's own; it is not closed here. Give it `commandTimeout` and
 * `enableOfflineQueue: false`, so that events are counted as dropped while the server is away, rather than kept for ever
 */
export function redisStreamSink(
  client: Pick<RedisClient, 'call'>,
  options: RedisStreamSinkOptions = {},
): AuditSink {
  const { stream = 'ws-audit', maxLength = 100_000, name = 'redis-stream' } = options;
  return {
    name,
    write: async (events) => {
      await Promise.all(
        events.map((event) =>
          client.call('XADD', stream, 'MAXLEN', '~', maxLength, '*', 'event', toLogLine(event)),
        ),
      );
    },
  };
}
