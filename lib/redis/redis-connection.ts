import { monotonicClock, type Clock } from '../core/clock.js';
import { WsAuthOptionsError } from '../core/errors.js';
import { CircuitBreaker } from './circuit-breaker.js';
import { GuardedClient, type CommandClient } from './guarded-client.js';
import { asText, type RedisClient } from './redis-client.js';
import { RedisKeys } from './redis-keys.js';
import { unavailable } from './redis-script.js';

/** The three connections of a node: what one waits for must not hold up the others. */
export interface RedisClients {
  /** Scripts and reads. Fails at once when the server is away. */
  readonly commands: RedisClient;
  /** Revocations. */
  readonly revocations: RedisClient;
  /** The feed. */
  readonly subscriber: RedisClient;
}

/** The only partition of a server that is no cluster. */
export const SINGLE_PARTITION = '0';

const MIN_VERSION = 7;

/** A node's hold on Redis: its connections, its names for things, and what it knows of the server. */
export class RedisConnection {
  readonly clients: RedisClients;
  readonly keys: RedisKeys;
  readonly node: string;
  /** Sends scripts and reads; fails at once while the server is known to be away. */
  readonly commands: CommandClient;
  readonly #clock: Clock;
  #runId = '';
  #offsetMs = 0;

  constructor(options: { clients: RedisClients; prefix: string; node: string; clock: Clock }) {
    this.clients = options.clients;
    this.commands = new GuardedClient(options.clients.commands, new CircuitBreaker(monotonicClock));
    this.keys = new RedisKeys(options.prefix);
    this.node = options.node;
    this.#clock = options.clock;
  }

  /** The run id of the server: tickets of another run are not honoured, because a failover may have forgotten their use. */
  get runId(): string {
    return this.#runId;
  }

  get partitions(): readonly string[] {
    return [SINGLE_PARTITION];
  }

  /** What the keys of a user begin with. */
  prefixOf(_userHash: string): string {
    return this.keys.partition(SINGLE_PARTITION);
  }

  partitionOf(_userHash: string): string {
    return SINGLE_PARTITION;
  }

  rateKey(addressPrefix: string, userHash: string): string {
    return this.keys.rate(addressPrefix, this.partitionOf(userHash));
  }

  /** A time of this node as the server would say it. */
  serverTime(localMs: number): number {
    return localMs + this.#offsetMs;
  }

  /** Learns how far the clocks are apart. */
  noteServerTime(serverMs: number): void {
    this.#offsetMs = serverMs - this.#clock();
  }

  /**
   * Reads what the server says of itself.
   *
   * @throws {WsAuthOptionsError} for a server that is too old, or that may evict what must not be lost
   * @throws {StoreUnavailable} when it does not answer
   */
  async inspect(): Promise<void> {
    const info = await this.#info();
    const version = Number.parseInt(info.get('redis_version') ?? '0', 10);
    const problems: string[] = [];
    if (version < MIN_VERSION) {
      problems.push(
        `option "redis": the server is Redis ${info.get('redis_version') ?? '?'}, and at least 7.0 is needed (or any Valkey)`,
      );
    }
    const policy = info.get('maxmemory_policy');
    if (policy !== undefined && policy !== 'noeviction') {
      problems.push(
        `option "redis": the server's maxmemory-policy is "${policy}", so that it may drop revocations: set it to noeviction`,
      );
    }
    if (problems.length > 0) throw new WsAuthOptionsError(problems);
    this.#runId = (info.get('run_id') ?? '').slice(0, 8);
  }

  async #info(): Promise<ReadonlyMap<string, string>> {
    let text: string;
    try {
      const sections = ['server', 'memory'].map((section) => this.commands.call('INFO', section));
      text = (await Promise.all(sections)).map(asText).join('\n');
    } catch (error) {
      throw unavailable(error);
    }
    const pairs = text.split(/\r?\n/).filter((line) => line.includes(':'));
    return new Map(
      pairs.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
    );
  }
}
