import { randomBytes } from 'node:crypto';
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
/**
 * The same for entries that the log has never confirmed. Less than the server remembers that an order was carried out, so
 * that one which is in the log after all is not carried out twice.
 */
const REASSERT_UNCONFIRMED_MS = 240_000;

/** What the feed reports to. */
export interface FeedFollower {
  /** An entry, once. */
  deliver(entry: LogEntry): void;
  /** An entry that the log has lost in a failover is to be carried out again, as it was. Never rejects. */
  reassert(entry: LogEntry): Promise<void>;
  /**
   * The log was lost or trimmed beyond what this node knows: everything local must be held against the state. Resolves when
   * that has been done; never rejects.
   */
  diverged(): Promise<void>;
  onError(error: unknown): void;
}

/** A place in the log. The nonce tells it from another entry with the same id. */
interface LogPlace {
  readonly id: string;
  readonly nonce: string;
}

interface Remembered {
  readonly entry: LogEntry;
  readonly at: number;
  /** It came before something that stands before it in the log, and was not read from the log since. */
  isAhead: boolean;
}

/** The entries of one partition that this node knows. */
interface PartitionState {
  last: LogPlace | undefined;
  readonly ring: Map<string, Remembered>;
  /** A catch-up that runs, and whether another one was asked for meanwhile. */
  running: Promise<void> | undefined;
  isAskedAgain: boolean;
  /** Unix ms of the last time at which this node was known to have seen everything of this partition. */
  freshAt: number;
  /** How many losses there were of which nobody knows yet what they have taken. */
  openLosses: number;
  /** Another server than before has the log: what was heard by message only may be missing there. */
  isOnOtherServer: boolean;
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
  #isListening = false;
  #isSubscribed = false;
  #isStopped = false;

  constructor(redis: RedisConnection, follower: FeedFollower, clock: Clock) {
    this.#redis = redis;
    this.#follower = follower;
    this.#clock = clock;
    this.#partitions = new Map(redis.partitions.map((partition) => [partition, newPartitionState()]));
  }

  /** Unix ms of the last time at which this node was known to have seen everything. */
  get freshAt(): number {
    return Math.min(...[...this.#partitions.values()].map(({ freshAt }) => freshAt));
  }

  /** The same for one partition. */
  freshAtOf(partition: string): number {
    return this.#partitions.get(partition)?.freshAt ?? 0;
  }

  /** Resolves when the subscription stands and the first catch-up is complete. Where it fails it may be called again. */
  async start(): Promise<void> {
    const { subscriber } = this.#redis.clients;
    if (!this.#isListening) this.#listen(subscriber);
    await this.#subscribe();
    if (this.#isStopped || this.#timers.length > 0) return;
    this.#timers = [
      setInterval(() => void this.#poll(), POLL_MS).unref(),
      setInterval(() => void this.#watch(subscriber), PING_MS).unref(),
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

  /** Another server than before answers: restarted, or one that has taken over. */
  noteOtherServer(): void {
    for (const [partition, state] of this.#partitions) {
      state.isOnOtherServer = true;
      // Where it fails the poll tries again.
      if (state.last) this.#catchUp(partition).catch(() => {});
    }
  }

  #listen(subscriber: RedisClient): void {
    this.#isListening = true;
    const onMessage = (...[channel, message]: string[]): void => this.#receive(channel!, message!);
    subscriber.on('message', onMessage as (...args: never[]) => void);
    subscriber.on('close', () => {
      this.#isSubscribed = false;
    });
    subscriber.on('ready', () => this.#subscribeAgain());
  }

  /** SUBSCRIBE is acknowledged first, and only then the log is read: what comes in between comes twice, never not at all. */
  async #subscribe(): Promise<void> {
    const { subscriber } = this.#redis.clients;
    const channels = [this.#redis.keys.entries, this.#redis.keys.acknowledgements(this.#redis.node)];
    // In small letters: by this name ioredis 5 knows that more than one answer comes.
    await subscriber.call('subscribe', ...channels);
    this.#isSubscribed = true;
    await this.#catchUpAll();
  }

  /** What fails here is tried again with the next ping; until then the poll is what this node hears by. */
  #subscribeAgain(): void {
    this.#subscribe().catch(() => {});
  }

  #receive(channel: string, message: string): void {
    if (channel !== this.#redis.keys.entries) return;
    const entry = readLogMessage(message);
    if (entry) this.#accept(entry);
  }

  /** Applies at once; then looks whether anything is missing before it. */
  #accept(entry: LogEntry): void {
    const state = this.#partitions.get(entry.entry.partition);
    if (!state) return;
    const { last } = state;
    const isNext = last !== undefined && entry.previous === `${last.id}|${last.nonce}`;
    if (!this.#remember(state, entry, !isNext) || !last) return;
    if (isNext) state.last = { id: entry.entry.id, nonce: entry.nonce };
    else this.#catchUp(entry.entry.partition).catch((error) => this.#follower.onError(error));
  }

  /** @returns false for an entry that is known */
  #remember(state: PartitionState, entry: LogEntry, isAhead: boolean): boolean {
    const { id } = entry.entry;
    const known = state.ring.get(id);
    if (known?.entry.nonce === entry.nonce) {
      known.isAhead &&= isAhead;
      return false;
    }
    state.ring.set(id, { entry, at: this.#clock(), isAhead });
    if (state.ring.size > RING_SIZE) state.ring.delete(state.ring.keys().next().value!);
    this.#follower.deliver(entry);
    return true;
  }

  async #poll(): Promise<void> {
    await Promise.all(
      [...this.#partitions].map(([partition, state]) =>
        // Where the store is away freshAt stands still, and says so.
        this.#compareTail(partition, state).catch(() => {}),
      ),
    );
  }

  async #compareTail(partition: string, state: PartitionState): Promise<void> {
    const asked = this.#clock();
    const tail = await this.#readTail(partition);
    if (state.isOnOtherServer || !isSamePlace(tail, state.last)) await this.#catchUp(partition);
    noteFresh(state, asked);
  }

  /** A path that swallows bytes looks open for ever: it is cut, and the client connects anew. */
  async #watch(subscriber: RedisClient): Promise<void> {
    if (subscriber.status !== 'ready') return;
    if (!this.#isSubscribed) return this.#subscribeAgain();
    const timeout = new Promise<never>((_, reject) => {
      setTimeout(() => reject(new Error('the subscriber does not answer')), PING_TIMEOUT_MS).unref();
    });
    try {
      await Promise.race([subscriber.call('ping'), timeout]);
    } catch {
      if (this.#isStopped) return;
      const { stream } = subscriber as { stream?: { destroy(): void } };
      if (stream) stream.destroy();
      else subscriber.disconnect(true);
    }
  }

  async #catchUpAll(): Promise<void> {
    await Promise.all(
      [...this.#partitions].map(async ([partition, state]) => {
        const asked = this.#clock();
        await this.#catchUp(partition);
        noteFresh(state, asked);
      }),
    );
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
      state.last = (await this.#readTail(partition)) ?? (await this.#begin(partition));
      return;
    }
    const isOnOtherServer = state.isOnOtherServer;
    state.isOnOtherServer = false;
    try {
      await this.#readOn(partition, state, state.last);
    } catch (error) {
      state.isOnOtherServer ||= isOnOtherServer;
      throw error;
    }
    if (isOnOtherServer) await this.#reassertUnconfirmed(state);
  }

  async #readOn(partition: string, state: PartitionState, from: LogPlace): Promise<void> {
    let known = from;
    for (;;) {
      const rows: LogRow[] = await this.#readRows(partition, known.id);
      // The log must still have the last entry that this node knows, and not another one in its place.
      if (!isSamePlace(rows[0], known)) return this.#diverge(partition, state);
      for (const row of rows.slice(1)) this.#follow(state, row);
      if (rows.length <= PAGE) return;
      known = rows.at(-1)!;
    }
  }

  /**
   * What came by message over a gap, and was not found in the log before its server was replaced, may be in no log: the
   * last entry that this node has read is there still, so that nothing else shows the loss.
   */
  async #reassertUnconfirmed(state: PartitionState): Promise<void> {
    const since = this.#clock() - REASSERT_UNCONFIRMED_MS;
    const unconfirmed = [...state.ring.values()].filter(({ isAhead, at }) => isAhead && at >= since);
    for (const remembered of unconfirmed) {
      remembered.isAhead = false;
      await this.#follower.reassert(remembered.entry);
    }
  }

  #follow(state: PartitionState, row: LogRow): void {
    if (row.entry) this.#remember(state, row.entry, false);
    state.last = row;
  }

  /**
   * What the log has and this node has not is applied, from the last entry on that both know; what this node has and the
   * log has lost is asserted again. Anything else that may be lost, the state itself will tell.
   */
  async #diverge(partition: string, state: PartitionState): Promise<void> {
    const rows = await this.#readLog(partition);
    const kept = new Set(rows.map(({ nonce }) => nonce));
    const since = this.#clock() - REASSERT_MS;
    const lost = [...state.ring.values()].filter(({ entry, at }) => at >= since && !kept.has(entry.nonce));
    const common = rows.findLastIndex(({ id, nonce }) => {
      const known = state.ring.get(id);
      return known?.entry.nonce === nonce && !known.isAhead;
    });
    for (const row of rows.slice(common + 1)) this.#follow(state, row);
    state.last = rows.at(-1) ?? (await this.#begin(partition));
    for (const { entry } of lost) await this.#follower.reassert(entry);
    state.openLosses += 1;
    void this.#follower.diverged().then(() => {
      state.openLosses -= 1;
    });
  }

  /** A log begins with an entry that orders nothing: so that it can be told from one that was lost. */
  async #begin(partition: string): Promise<LogPlace> {
    const nonce = randomBytes(12).toString('base64url');
    const id = asText(await this.#redis.commands.call('XADD', this.#logOf(partition), '*', 'k', nonce));
    return { id, nonce };
  }

  async #readTail(partition: string): Promise<LogPlace | undefined> {
    const log = this.#logOf(partition);
    const [row] = asList(await this.#redis.commands.call('XREVRANGE', log, '+', '-', 'COUNT', 1));
    return row === undefined ? undefined : readRow(partition, row);
  }

  async #readRows(partition: string, from: string): Promise<LogRow[]> {
    const log = this.#logOf(partition);
    const rows = asList(await this.#redis.commands.call('XRANGE', log, from, '+', 'COUNT', PAGE + 1));
    return rows.map((row) => readRow(partition, row));
  }

  async #readLog(partition: string): Promise<LogRow[]> {
    const log: LogRow[] = [];
    for (;;) {
      const last = log.at(-1);
      const rows = await this.#readRows(partition, last ? `(${last.id}` : '-');
      log.push(...rows);
      if (rows.length <= PAGE) return log;
    }
  }

  #logOf(partition: string): string {
    return `${this.#redis.keys.partition(partition)}log`;
  }
}

/** A row of the log; the entry is `null` where the row orders nothing. */
interface LogRow extends LogPlace {
  readonly entry: LogEntry | null;
}

function newPartitionState(): PartitionState {
  return {
    last: undefined,
    ring: new Map(),
    running: undefined,
    isAskedAgain: false,
    freshAt: 0,
    openLosses: 0,
    isOnOtherServer: false,
  };
}

/** After a loss a node knows everything again when all that is local was held against the state, and not before. */
function noteFresh(state: PartitionState, at: number): void {
  if (state.openLosses === 0) state.freshAt = at;
}

function isSamePlace(one: LogPlace | undefined, other: LogPlace | undefined): boolean {
  return one?.id === other?.id && one?.nonce === other?.nonce;
}

function readRow(partition: string, row: unknown): LogRow {
  const [id, list] = asList(row);
  const fields = readFields(asList(list));
  return {
    id: asText(id),
    nonce: fields.get('k') ?? '',
    entry: readLogRow(partition, asText(id), fields),
  };
}

function readFields(list: readonly unknown[]): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (let index = 0; index + 1 < list.length; index += 2)
    fields.set(asText(list[index]), asText(list[index + 1]));
  return fields;
}
