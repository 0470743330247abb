import type { Clock } from '../core/clock.js';
import { readLogMessage, readLogRow, type LogEntry } from './log-entry.js';
import { asList, asText, type RedisClient } from './redis-client.js';
import type { RedisConnection } from './redis-connection.js';

/** How often the tail of the log is compared: bounds every silent loss, whatever the cause. */
const POLL_MS = 1_000;
/** How often the subscriber must answer: a dead path is given up, and taken anew. */
const PING_MS = 1_000;
const PING_TIMEOUT_MS = 400;
/** Entries that are read at once: more would keep other clients waiting. */
const PAGE = 1_000;
const RING_SIZE = 4_096;
/** Entries younger than this are asserted again when a failover has lost them. */
const REASSERT_MS = 60_000;

/** What the feed reports to. */
export interface FeedFollower {
  /** An entry, once. */
  deliver(entry: LogEntry): void;
  /** An entry that the log has lost in a failover is to be carried out again, as it was. */
  reassert(entry: LogEntry): Promise<void>;
  /** The log was lost or trimmed beyond what this node knows: everything local must be held against the state. */
  diverged(): void;
  onError(error: unknown): void;
}

interface Remembered {
  readonly entry: LogEntry;
  readonly at: number;
}

/** The entries of one partition that this node knows. */
interface PartitionState {
  last: string | undefined;
  readonly ring: Map<string, Remembered>;
  /** A catch-up that runs, and whether another one was asked for meanwhile. */
  running: Promise<void> | undefined;
  isAskedAgain: boolean;
}

/**
 * Follows the log of revocations: messages for speed, the stream as the truth, a poll of its tail as the bound. Entries
 * name their predecessor, so that a gap is seen at once; what was missed is read from the log.
 */
export class RevocationFeed {
  readonly #redis: RedisConnection;
  readonly #follower: FeedFollower;
  readonly #clock: Clock;
  readonly #partitions: ReadonlyMap<string, PartitionState>;
  #timers: NodeJS.Timeout[] = [];
  #freshAt = 0;
  #isStopped = false;

  constructor(redis: RedisConnection, follower: FeedFollower, clock: Clock) {
    this.#redis = redis;
    this.#follower = follower;
    this.#clock = clock;
    this.#partitions = new Map(
      redis.partitions.map((partition) => [
        partition,
        { last: undefined, ring: new Map(), running: undefined, isAskedAgain: false },
      ]),
    );
  }

  /** Unix ms of the last time at which this node was known to have seen everything. */
  get freshAt(): number {
    return this.#freshAt;
  }

  /** Resolves when the subscription stands and the first catch-up is complete. */
  async start(): Promise<void> {
    const { subscriber } = this.#redis.clients;
    const onMessage = (...[channel, message]: string[]): void => this.#receive(channel!, message!);
    subscriber.on('message', onMessage as (...args: never[]) => void);
    subscriber.on('ready', () => void this.#subscribe().catch((error) => this.#follower.onError(error)));
    await this.#subscribe();
    this.#timers = [
      setInterval(() => void this.#poll(), POLL_MS).unref(),
      setInterval(() => void this.#ping(subscriber), PING_MS).unref(),
    ];
  }

  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#timers) clearInterval(timer);
  }

  /** An order of this node was carried out: known before its message comes back. */
  noteOwn(entry: LogEntry): void {
    this.#accept(entry);
  }

  /** SUBSCRIBE is acknowledged first, and only then the log is read: what comes in between comes twice, never not at all. */
  async #subscribe(): Promise<void> {
    const { subscriber } = this.#redis.clients;
    const channels = [this.#redis.keys.entries, this.#redis.keys.acknowledgements(this.#redis.node)];
    await subscriber.call('SUBSCRIBE', ...channels);
    await this.#catchUpAll();
  }

  #receive(channel: string, message: string): void {
    if (channel !== this.#redis.keys.entries) return;
    const entry = readLogMessage(message);
    if (entry) this.#accept(entry);
  }

  /** Applies at once; then looks whether anything is missing before it. */
  #accept(entry: LogEntry): void {
    const state = this.#partitions.get(entry.partition);
    if (!state || !this.#remember(state, entry)) return;
    if (state.last === undefined) return;
    if (entry.previous === state.last) state.last = entry.entry.id;
    else this.#catchUp(entry.partition).catch((error) => this.#follower.onError(error));
  }

  /** @returns false for an entry that is known */
  #remember(state: PartitionState, entry: LogEntry): boolean {
    const { id } = entry.entry;
    if (state.ring.get(id)?.entry.nonce === entry.nonce) return false;
    state.ring.set(id, { entry, at: this.#clock() });
    if (state.ring.size > RING_SIZE) state.ring.delete(state.ring.keys().next().value!);
    this.#follower.deliver(entry);
    return true;
  }

  async #poll(): Promise<void> {
    try {
      await Promise.all(
        [...this.#partitions].map(async ([partition, state]) => {
          const tail = await this.#readTail(partition);
          if (tail !== state.last) await this.#catchUp(partition);
        }),
      );
      this.#freshAt = this.#clock();
    } catch {
      // The store is away: freshAt stands still, and says so.
    }
  }

  /** A path that swallows bytes looks open for ever: it is cut, and the client connects anew. */
  async #ping(subscriber: RedisClient): Promise<void> {
    if (subscriber.status !== 'ready') return;
    const timeout = new Promise<never>((_, reject) => {
      setTimeout(() => reject(new Error('the subscriber does not answer')), PING_TIMEOUT_MS).unref();
    });
    try {
      await Promise.race([subscriber.call('PING'), timeout]);
    } catch {
      if (this.#isStopped) return;
      const { stream } = subscriber as { stream?: { destroy(): void } };
      if (stream) stream.destroy();
      else subscriber.disconnect(true);
    }
  }

  async #catchUpAll(): Promise<void> {
    await Promise.all([...this.#partitions.keys()].map((partition) => this.#catchUp(partition)));
    this.#freshAt = this.#clock();
  }

  /** One catch-up at a time for each partition; one that is asked for meanwhile follows. */
  async #catchUp(partition: string): Promise<void> {
    const state = this.#partitions.get(partition)!;
    if (state.running) {
      state.isAskedAgain = true;
      return state.running;
    }
    state.running = this.#runCatchUps(partition, state).finally(() => {
      state.running = undefined;
    });
    return state.running;
  }

  async #runCatchUps(partition: string, state: PartitionState): Promise<void> {
    do {
      state.isAskedAgain = false;
      await this.#readMissed(partition, state);
    } while (state.isAskedAgain);
  }

  async #readMissed(partition: string, state: PartitionState): Promise<void> {
    if (state.last === undefined) {
      state.last = await this.#readTail(partition);
      return;
    }
    for (;;) {
      const from: string = state.last;
      const rows: LogRow[] = await this.#readRows(partition, from);
      if (from !== '0-0' && !this.#isOurs(state, from, rows[0])) return this.#diverge(partition, state);
      const missed = from === '0-0' ? rows : rows.slice(1);
      for (const row of missed) {
        if (row.entry) this.#remember(state, row.entry);
        state.last = row.id;
      }
      if (rows.length <= PAGE) return;
    }
  }

  /** True when the log still has the last entry that this node knows, and not another one in its place. */
  #isOurs(state: PartitionState, id: string, row: LogRow | undefined): boolean {
    if (row?.id !== id) return false;
    const known = state.ring.get(id);
    return known === undefined || known.entry.nonce === row.entry?.nonce;
  }

  async #diverge(partition: string, state: PartitionState): Promise<void> {
    state.last = await this.#readTail(partition);
    const since = this.#clock() - REASSERT_MS;
    for (const { entry, at } of Array.from(state.ring.values())) {
      if (at >= since) await this.#follower.reassert(entry);
    }
    this.#follower.diverged();
  }

  async #readTail(partition: string): Promise<string> {
    const reply = await this.#redis.commands.call('XREVRANGE', this.#logOf(partition), '+', '-', 'COUNT', 1);
    const [row] = asList(reply);
    return row === undefined ? '0-0' : asText(asList(row)[0]);
  }

  async #readRows(partition: string, from: string): Promise<LogRow[]> {
    const start = from === '0-0' ? '-' : from;
    const reply = await this.#redis.commands.call(
      'XRANGE',
      this.#logOf(partition),
      start,
      '+',
      'COUNT',
      PAGE + 1,
    );
    return asList(reply).map((row) => {
      const [id, fields] = asList(row);
      return { id: asText(id), entry: readLogRow(partition, asText(id), readFields(asList(fields))) };
    });
  }

  #logOf(partition: string): string {
    return `${this.#redis.keys.partition(partition)}log`;
  }
}

interface LogRow {
  readonly id: string;
  readonly entry: LogEntry | null;
}

function readFields(list: readonly unknown[]): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (let index = 0; index + 1 < list.length; index += 2)
    fields.set(asText(list[index]), asText(list[index + 1]));
  return fields;
}
