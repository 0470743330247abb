import type { Clock } from '../core/clock.js';
import type { RedisFacts } from '../core/doctor/doctor-facts.js';
import { WsAuthOptionsError } from '../core/errors.js';
import type { BreakerState, Stores } from '../core/stores.js';
import type { AnswerListener } from './guarded-client.js';
import { LEASE_TIMES, NodeLease, type LeaseTimes } from './node-lease.js';
import { RedisAnomalyStore } from './redis-anomaly-store.js';
import { RedisConnection, type RedisClients } from './redis-connection.js';
import { RedisConnectionRegistry } from './redis-connection-registry.js';
import { RedisRevocationLog } from './redis-revocation-log.js';
import { RedisNoticeBoard } from './redis-notice-board.js';
import { whenReady } from './redis-options.js';
import { unavailable } from './redis-script.js';
import { RedisSessionStore } from './redis-session-store.js';
import { RedisThrottleStore } from './redis-throttle-store.js';
import { RedisTicketStore } from './redis-ticket-store.js';

/** How long a start waits for the server before it says that it is away. */
const START_TIMEOUT_MS = 5_000;

/** What the Redis stores are built from. */
export interface RedisStoresOptions {
  readonly clients: RedisClients;
  readonly node: string;
  readonly clock: Clock;
  /** How long a revocation of a user is remembered: at least the longest life of a session or a token. */
  readonly rememberRevocationsMs: number;
  readonly onError: (error: unknown) => void;
  /** Stands for the secret, so that who has another one can tell. Left out by who is no node for long. */
  readonly secretMark?: string;
  /** Called with how long the server took to answer. */
  readonly onAnswer?: AnswerListener;
  /** Called with how long an entry took from the server's log to this node. */
  readonly onEntry?: (lagMs: number) => void;
  /** What all keys and channels begin with. @default 'ws:' */
  readonly prefix?: string;
  /** 1, 16, 64 or 256; the same on all nodes. @default 1, and 16 on a cluster */
  readonly partitions?: number | undefined;
  /** When a node is taken for dead; the same on all nodes. @default a beat every 5 s, a lease of 15 s */
  readonly lease?: LeaseTimes;
}

/** The stores of any number of nodes, in one Redis. */
export class RedisStores implements Stores {
  readonly kind = 'redis';
  readonly tickets: RedisTicketStore;
  readonly sessions: RedisSessionStore;
  readonly connections: RedisConnectionRegistry;
  readonly revocations: RedisRevocationLog;
  readonly throttle: RedisThrottleStore;
  readonly notices: RedisNoticeBoard;
  readonly anomalies: RedisAnomalyStore;
  readonly #redis: RedisConnection;
  readonly #lease: NodeLease;
  readonly #beatMs: number;
  readonly #onError: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(options: RedisStoresOptions) {
    const { clients, node, clock, prefix = 'ws:', onError } = options;
    const { partitions, secretMark, onAnswer } = options;
    const redis = new RedisConnection({ clients, prefix, node, clock, partitions, secretMark, onAnswer });
    const { lease = LEASE_TIMES } = options;
    this.#redis = redis;
    this.#lease = new NodeLease(redis, lease);
    this.#beatMs = lease.beatMs;
    this.#onError = onError;
    this.tickets = new RedisTicketStore(redis);
    this.sessions = new RedisSessionStore(redis);
    this.throttle = new RedisThrottleStore(redis);
    this.notices = new RedisNoticeBoard(redis);
    this.anomalies = new RedisAnomalyStore(redis);
    this.revocations = new RedisRevocationLog(redis, {
      rememberMs: options.rememberRevocationsMs,
      clock,
      recover: () => this.#recover(),
      onEntry: options.onEntry ?? (() => {}),
      onError,
    });
    const { feed } = this.revocations;
    this.connections = new RedisConnectionRegistry(redis, clock, (entry) => feed.noteOwn(entry));
  }

  get breaker(): BreakerState {
    return this.#redis.commands.state;
  }

  get freshAt(): number {
    return this.revocations.feed.freshAt;
  }

  freshAtOf(userHash: string): number {
    return this.revocations.feed.freshAtOf(this.#redis.partitionOf(userHash));
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
    await this.#lease.renew();
    try {
      await this.revocations.feed.start();
    } catch (error) {
      throw unavailable(error);
    }
    await this.notices.start();
    if (this.#isStopped) return;
    this.#timer ??= setInterval(() => void this.#beat().catch(this.#onError), this.#beatMs).unref();
  }

  /** What the doctor looks at. Never rejects. @param waitMs how long it waits for a server that is away */
  facts(waitMs: number): Promise<RedisFacts> {
    return this.#redis.facts(waitMs);
  }

  /** Gives the lease back, so that the places of this node are free at once. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#timer);
    this.revocations.stop();
    const { commands, revocations, subscriber } = this.#redis.clients;
    await this.#lease.release();
    for (const client of [commands, revocations, subscriber]) client.disconnect();
  }

  /**
   * A store that has lost what it knew has lost the lease too, without which the other nodes take this one for dead, and the
   * number of partitions, without which a node with another number would start beside this one.
   */
  async #recover(): Promise<void> {
    if (this.#isStopped) return;
    await this.#lease.renew();
    try {
      await this.#redis.settlePartitions();
    } catch (error) {
      if (!(error instanceof WsAuthOptionsError)) throw error;
      this.#onError(error);
    }
  }

  /** Each for itself: a master of a cluster that is away must not keep places on the others from being given back. */
  async #beat(): Promise<void> {
    this.#redis.noteMasters();
    const work = [this.#renewLease(), this.#redis.runId(), this.connections.upkeep()];
    const failed = (await Promise.allSettled(work)).find(({ status }) => status === 'rejected');
    if (failed) throw (failed as PromiseRejectedResult).reason;
  }

  async #renewLease(): Promise<void> {
    const stood = await this.#lease.renew();
    // Meanwhile others may have thrown out what this node had registered.
    if (!stood) this.revocations.recheck();
  }
}
