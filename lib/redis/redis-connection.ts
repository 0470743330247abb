import { monotonicClock, type Clock } from '../core/clock.js';
import type { RedisFacts } from '../core/doctor/doctor-facts.js';
import { WsAuthOptionsError } from '../core/errors.js';
import type { Rate } from '../core/throttle/gcra.js';
import { CircuitBreaker } from './circuit-breaker.js';
import { GuardedClient, type AnswerListener, type CommandClient } from './guarded-client.js';
import { addressOf } from './cluster-subscriber.js';
import { Partitions } from './partitions.js';
import { asText, isClusterClient, type RedisClient } from './redis-client.js';
import { describeReach, describeServers } from './redis-facts.js';
import { hashOfRate, RedisKeys } from './redis-keys.js';
import { COMMAND_OPTIONS, whenReady } from './redis-options.js';
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

const MIN_VERSION = 7;
/** On a cluster, unless the options say otherwise. */
const CLUSTER_PARTITIONS = 16;
/** In the place of a run id where there is no one server. */
const NO_RUN = '-';

/** A node's hold on Redis: its connections, its names for things, and what it knows of the server. */
export class RedisConnection {
  readonly clients: RedisClients;
  readonly keys: RedisKeys;
  readonly node: string;
  /** True when each command goes to the master that holds its key. */
  readonly isCluster: boolean;
  /** Sends scripts and reads; fails at once while the server is known to be away. */
  readonly commands: GuardedClient;
  readonly #clock: Clock;
  readonly #secretMark: string | undefined;
  readonly #onOtherRun: (() => void)[] = [];
  /** Asked for anew with every connection. */
  #runId: Promise<string> | undefined;
  #lastRunId: string | undefined;
  #lastMasters: string | undefined;
  readonly #partitions: Partitions;
  /** By how much the server's clock is ahead, by partition: the masters of a cluster have one each. */
  readonly #offsetMs = new Map<string, number>();

  /** @param options.partitions left out: 1, and 16 on a cluster */
  constructor(options: {
    clients: RedisClients;
    prefix: string;
    node: string;
    clock: Clock;
    partitions?: number | undefined;
    secretMark?: string | undefined;
    onAnswer?: AnswerListener | undefined;
  }) {
    this.clients = options.clients;
    this.isCluster = isClusterClient(options.clients.commands);
    this.#partitions = new Partitions(options.partitions ?? (this.isCluster ? CLUSTER_PARTITIONS : 1));
    const makeBreaker = (): CircuitBreaker => new CircuitBreaker(monotonicClock);
    this.commands = new GuardedClient(
      options.clients.commands,
      makeBreaker,
      this.isCluster,
      options.onAnswer,
    );
    this.keys = new RedisKeys(options.prefix);
    this.node = options.node;
    this.#clock = options.clock;
    this.#secretMark = options.secretMark;
    const { commands } = options.clients;
    commands.on('close', () => {
      this.#runId = undefined;
    });
    commands.on('ready', () => void this.runId().catch(() => {}));
  }

  /**
   * The run id of the server: tickets of another run are not honoured, because a failover may have forgotten their use.
   * It is never that of a connection before this one. A cluster has none: there a failover may forget that a ticket was
   * used, for as long as the ticket lives.
   *
   * @throws {StoreUnavailable} when the server does not say
   */
  runId(): Promise<string> {
    if (this.isCluster) return Promise.resolve(NO_RUN);
    if (this.#runId) return this.#runId;
    const asked: Promise<string> = this.#readRunId().then((runId) => {
      if (this.#runId === asked) this.#noteRunId(runId);
      return runId;
    });
    this.#runId = asked;
    asked.catch(() => {
      if (this.#runId === asked) this.#runId = undefined;
    });
    return asked;
  }

  /** Calls back when the connection has led to another run of the server: restarted, or another machine. */
  onOtherRun(listener: () => void): void {
    this.#onOtherRun.push(listener);
  }

  /** Looks whether other servers than before are the masters of a cluster, and if so calls back as for another run. */
  noteMasters(): void {
    const { commands } = this.clients;
    if (!isClusterClient(commands)) return;
    const masters = commands.nodes('master').map(addressOf).toSorted().join(' ');
    const isOther = this.#lastMasters !== undefined && this.#lastMasters !== masters;
    this.#lastMasters = masters;
    if (isOther) for (const listener of this.#onOtherRun) listener();
  }

  get partitions(): readonly string[] {
    return this.#partitions.names;
  }

  /** What the keys of a user begin with. */
  prefixOf(userHash: string): string {
    return this.keys.partition(this.partitionOf(userHash));
  }

  partitionOf(userHash: string): string {
    return this.#partitions.of(userHash);
  }

  /** The name of what a key has taken of a rate, and the partition in which that lies. */
  rateOf(key: string, rate: Rate): { name: string; partition: string } {
    const hash = hashOfRate(key, emissionOf(rate), rate.burst);
    const partition = this.partitionOf(hash);
    return { name: this.keys.rate(hash, partition), partition };
  }

  /** A time of this node as the server of a partition would say it. */
  serverTime(localMs: number, partition: string): number {
    return localMs + (this.#offsetMs.get(partition) ?? 0);
  }

  /** The same, and not too early: what is known of the server's clock may be as old as the slowest answer. */
  latestServerTime(localMs: number, partition: string): number {
    return this.serverTime(localMs, partition) + COMMAND_OPTIONS.commandTimeout;
  }

  /** Learns how far the clocks are apart. */
  noteServerTime(serverMs: number, partition: string): void {
    this.#offsetMs.set(partition, serverMs - this.#clock());
  }

  /**
   * Reads what the server, or each master of a cluster, says of itself, and settles the number of partitions with the
   * other nodes.
   *
   * @throws {WsAuthOptionsError} for a server that is too old, or that may evict what must not be lost, or when other nodes
   * have another number of partitions
   * @throws {StoreUnavailable} when it does not answer
   */
  async inspect(): Promise<void> {
    const { commands } = this.clients;
    const servers = isClusterClient(commands) ? commands.nodes('master') : [this.commands];
    const infos = await Promise.all(servers.map((server) => this.#info(server, 'server', 'memory')));
    const problems = new Set(infos.flatMap(problemsOf));
    if (problems.size > 0) throw new WsAuthOptionsError([...problems]);
    await this.settlePartitions();
    await this.runId();
  }

  /** What the doctor looks at: how the server is reached and, where it answers in time, what it says of itself. Never rejects. */
  async facts(waitMs: number): Promise<RedisFacts> {
    const { commands } = this.clients;
    const reach = describeReach(commands);
    try {
      await whenReady(commands, waitMs);
      const servers = isClusterClient(commands) ? commands.nodes('master') : [commands];
      const infos = await Promise.all(
        servers.map((server) => this.#info(server, 'server', 'memory', 'persistence')),
      );
      const problems = [...new Set(infos.flatMap(problemsOf))];
      return { ...reach, server: describeServers(infos, problems) };
    } catch {
      return reach;
    }
  }

  /**
   * Writes how many partitions there are, where nobody has yet, and what stands for the secret. Nodes with another number
   * would look for users in other places, and never hear of each other's revocations.
   *
   * @throws {WsAuthOptionsError} when other nodes have another number
   * @throws {StoreUnavailable} when the server does not answer
   */
  async settlePartitions(): Promise<void> {
    const own = String(this.partitions.length);
    let known: string;
    try {
      await this.commands.call('SET', this.keys.config, own, 'NX');
      known = asText(await this.commands.call('GET', this.keys.config));
      if (known === own && this.#secretMark !== undefined)
        await this.commands.call('SET', this.keys.mark, this.#secretMark);
    } catch (error) {
      throw unavailable(error);
    }
    if (known === own) return;
    throw new WsAuthOptionsError([
      `option "redisPartitions": this node has ${own}, and "${this.keys.config}" says that the nodes of this store have ` +
        `${known}: set redisPartitions: ${known}, or another "redisPrefix"`,
    ]);
  }

  async #readRunId(): Promise<string> {
    return ((await this.#info(this.clients.commands, 'server')).get('run_id') ?? '').slice(0, 8);
  }

  #noteRunId(runId: string): void {
    const isOther = this.#lastRunId !== undefined && this.#lastRunId !== runId;
    this.#lastRunId = runId;
    if (isOther) for (const listener of this.#onOtherRun) listener();
  }

  async #info(client: CommandClient, ...sections: string[]): Promise<ReadonlyMap<string, string>> {
    let text: string;
    try {
      const replies = sections.map((section) => client.call('INFO', section));
      text = (await Promise.all(replies)).map(asText).join('\n');
    } catch (error) {
      throw unavailable(error);
    }
    const pairs = text.split(/\r?\n/).filter((line) => line.includes(':'));
    return new Map(
      pairs.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
    );
  }
}

/** The steady rate as the scripts take it: microseconds for each one. */
export function emissionOf({ windowMs, limit }: Rate): number {
  return Math.max(1, Math.round((windowMs * 1_000) / limit));
}

/** What makes a server unfit. */
function problemsOf(info: ReadonlyMap<string, string>): string[] {
  const problems: string[] = [];
  const version = info.get('redis_version') ?? '?';
  if (!(Number.parseInt(version, 10) >= MIN_VERSION)) {
    problems.push(
      `option "redis": the server is Redis ${version}, and at least 7.0 is needed (or any Valkey)`,
    );
  }
  const policy = info.get('maxmemory_policy');
  if (policy !== undefined && policy !== 'noeviction') {
    problems.push(
      `option "redis": the server's maxmemory-policy is "${policy}", so that it may drop revocations: set it to noeviction`,
    );
  }
  return problems;
}
