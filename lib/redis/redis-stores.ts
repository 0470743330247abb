import type { Clock } from '../core/clock.js';
import type { Stores } from '../core/stores.js';
import { asText } from './redis-client.js';
import { RedisConnection, type RedisClients } from './redis-connection.js';
import { RedisConnectionRegistry } from './redis-connection-registry.js';
import { RedisRevocationLog } from './redis-revocation-log.js';
import { whenReady } from './redis-options.js';
import { RedisScript, unavailable } from './redis-script.js';
import { NODE_BEAT } from './redis-scripts.js';
import { RedisSessionStore } from './redis-session-store.js';
import { RedisThrottleStore } from './redis-throttle-store.js';
import { RedisTicketStore } from './redis-ticket-store.js';

const BEAT = new RedisScript(NODE_BEAT);
/** How long a start waits for the server before it says that it is away. */
const START_TIMEOUT_MS = 5_000;
const BEAT_MS = 5_000;
/** A node that has not renewed its lease for so long is dead, and its connections' places are free. */
const LEASE_MS = 15_000;

/** What the Redis stores are built from. */
export interface RedisStoresOptions {
  readonly clients: RedisClients;
  readonly node: string;
  readonly clock: Clock;
  /** How long a revocation of a user is remembered: at least the longest life of a session or a token. */
  readonly rememberRevocationsMs: number;
  readonly onError: (error: unknown) => void;
  /** What all keys and channels begin with. @default 'ws:' */
  readonly prefix?: string;
}

/** The stores of any number of nodes, in one Redis. */
export class RedisStores implements Stores {
  readonly kind = 'redis';
  readonly tickets: RedisTicketStore;
  readonly sessions: RedisSessionStore;
  readonly connections: RedisConnectionRegistry;
  readonly revocations: RedisRevocationLog;
  readonly throttle: RedisThrottleStore;
  readonly #redis: RedisConnection;
  readonly #onError: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RedisStoresOptions) {
    const { clients, node, clock, prefix = 'ws:', onError } = options;
    const redis = new RedisConnection({ clients, prefix, node, clock });
    this.#redis = redis;
    this.#onError = onError;
    this.tickets = new RedisTicketStore(redis);
    this.sessions = new RedisSessionStore(redis);
    this.connections = new RedisConnectionRegistry(redis);
    this.throttle = new RedisThrottleStore(redis);
    this.revocations = new RedisRevocationLog(redis, {
      rememberMs: options.rememberRevocationsMs,
      clock,
      onError,
    });
  }

  get freshAt(): number {
    return this.revocations.feed.freshAt;
  }

  async start(): Promise<void> {
    const { commands, revocations, subscriber } = this.#redis.clients;
    try {
      await Promise.all(
        [commands, revocations, subscriber].map((client) => whenReady(client, START_TIMEOUT_MS)),
      );
    } catch (error) {
      throw unavailable(error);
    }
    await this.#redis.inspect();
    await this.#beat();
    await this.revocations.feed.start();
    this.#timer = setInterval(() => void this.#beat().catch(this.#onError), BEAT_MS).unref();
  }

  /** Gives the lease back, so that the places of this node are free at once. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.revocations.feed.stop();
    const { commands, revocations, subscriber } = this.#redis.clients;
    const leases = this.#redis.partitions.map((partition) =>
      commands.call('ZREM', `${this.#redis.keys.partition(partition)}n`, this.#redis.node),
    );
    await Promise.allSettled(leases);
    for (const client of [commands, revocations, subscriber]) client.disconnect();
  }

  async #beat(): Promise<void> {
    const replies = await Promise.all(
      this.#redis.partitions.map((partition) =>
        BEAT.run(
          this.#redis.commands,
          [`${this.#redis.keys.partition(partition)}n`],
          [this.#redis.node, LEASE_MS],
        ),
      ),
    );
    this.#redis.noteServerTime(Number(asText(replies[0])));
  }
}
