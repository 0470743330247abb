import { randomBytes } from 'node:crypto';
import type { Clock } from '../core/clock.js';
import type {
  RevocableCredential,
  RevocationEntry,
  RevocationListener,
  RevocationLog,
  RevocationOrder,
  RevocationReceipt,
  RevocationResult,
} from '../core/revocation/revocation-log.js';
import { assumedEntry, type LogEntry } from './log-entry.js';
import { OrderAnswers } from './order-answers.js';
import { OrderRetries } from './order-retries.js';
import { asList, asText } from './redis-client.js';
import type { RedisConnection } from './redis-connection.js';
import { RedisScript, unavailable } from './redis-script.js';
import { REVOKE } from './redis-scripts.js';
import { RevocationFeed } from './revocation-feed.js';
import { writeNames } from './session-fields.js';

const ORDER = new RedisScript(REVOKE);
const MAX_LOG = 10_000;
/** Nobody waits for an answer to an order that is older. */
const ANSWERED_MS = 10_000;
const RECHECK_RETRY_MS = 1_000;

/** Orders that must not be lost when the store is away; the others are the caller's to repeat. */
const KEPT: ReadonlySet<RevocationOrder['kind']> = new Set([
  'session',
  'user',
  'everyone',
  'token',
  'replace',
]);

/** The revocation log in Redis, followed by every node. */
export class RedisRevocationLog implements RevocationLog {
  readonly feed: RevocationFeed;
  readonly #redis: RedisConnection;
  readonly #rememberMs: number;
  readonly #onError: (error: unknown) => void;
  readonly #clock: Clock;
  readonly #listeners: RevocationListener[] = [];
  readonly #onDivergence: (() => void | Promise<void>)[] = [];
  readonly #answers = new OrderAnswers();
  readonly #nonces = new WeakMap<RevocationEntry, string>();
  readonly #retries: OrderRetries;
  #isStopped = false;

  constructor(
    redis: RedisConnection,
    options: { rememberMs: number; clock: Clock; onError: (error: unknown) => void },
  ) {
    this.#redis = redis;
    const { rememberMs, clock, onError } = options;
    this.#rememberMs = rememberMs;
    this.#clock = clock;
    this.#onError = onError;
    const order = (entry: LogEntry): Promise<void> => this.#orderAgain(entry);
    this.#retries = new OrderRetries({ order, rememberMs, clock, onError });
    this.feed = new RevocationFeed(
      redis,
      {
        deliver: (entry) => this.#deliver(entry),
        reassert: (entry) => order(entry).catch(() => this.#retries.add(entry)),
        diverged: () => this.recheck(),
        onError,
      },
      clock,
    );
    redis.onOtherRun(() => this.recheck());
    redis.clients.revocations.on('ready', () => void this.#retries.flush());
    const onMessage = (...[channel, message]: string[]): void => this.#receiveAnswer(channel!, message!);
    redis.clients.subscriber.on('message', onMessage as (...args: never[]) => void);
  }

  async append(order: RevocationOrder, reason: string): Promise<RevocationReceipt> {
    const nonce = randomBytes(12).toString('base64url');
    const orderedAt = this.#clock();
    this.#answers.open(nonce);
    const partitions = this.#partitionsOf(order);
    const outcomes = await Promise.allSettled(
      partitions.map((partition) => this.#carryOut(order, reason, nonce, partition, undefined)),
    );
    const asked = new Set<string>();
    const entries: RevocationEntry[] = [];
    let sessions = 0;
    outcomes.forEach((outcome, index) => {
      const partition = partitions[index]!;
      if (outcome.status === 'fulfilled') {
        const taken = this.#readReply(outcome.value, order, reason, partition);
        sessions += taken.sessions;
        // A node that holds no lease yet, or no more, is not waited for; this one always answers.
        for (const node of [...taken.nodes, this.#redis.node]) asked.add(answererOf(node, partition));
        entries.push(taken.entry);
        const { entry, previous } = taken;
        this.feed.noteOwn({ previous, nonce, issuer: this.#redis.node, entry });
      } else if (KEPT.has(order.kind)) {
        this.#keep({ order, reason, nonce, partition, orderedAt });
      }
    });
    this.#answers.expect(nonce, asked);
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed) throw failed.reason;
    const entry = entries[0]!;
    this.#nonces.set(entry, nonce);
    return { entry, sessions };
  }

  #readReply(
    reply: readonly unknown[],
    order: RevocationOrder,
    reason: string,
    partition: string,
  ): { entry: RevocationEntry; previous: string; sessions: number; nodes: readonly string[] } {
    const [, id, previous, cut, inclusive, sessions, ...nodes] = reply.map(asText) as [
      string,
      string,
      string,
      string,
      string,
      string,
      ...string[],
    ];
    const entry: RevocationEntry = Object.freeze({
      partition,
      id,
      order,
      cut: cut === '' ? undefined : Number(cut),
      cutInclusive: inclusive === '1',
      reason,
    });
    return { entry, previous, sessions: Number(sessions), nodes };
  }

  follow(listener: RevocationListener, onDivergence?: () => void | Promise<void>): void {
    this.#listeners.push(listener);
    if (onDivergence) this.#onDivergence.push(onDivergence);
  }

  /** Has everything local held against the store, again and again until that has been done. */
  recheck(): void {
    for (const check of this.#onDivergence) void this.#runRecheck(check);
  }

  stop(): void {
    this.#isStopped = true;
    this.feed.stop();
    this.#retries.stop();
  }

  partitionOf(userHash: string): string {
    return this.#redis.partitionOf(userHash);
  }

  async isRevoked({ userHash, issuedAt, tokenHash }: RevocableCredential): Promise<boolean> {
    const prefix = this.#redis.prefixOf(userHash);
    const keys = [`${prefix}ue:${userHash}`, `${prefix}ae`, `${prefix}j:${tokenHash ?? ''}`];
    let reply: readonly unknown[];
    try {
      reply = asList(await this.#redis.commands.call('MGET', ...keys));
    } catch (error) {
      throw unavailable(error);
    }
    const [userCut, everyoneCut, token] = reply.map(asText) as [string, string, string];
    if (tokenHash !== undefined && token !== '') return true;
    const cut = Math.max(Number(userCut.split(':')[1] ?? 0), Number(everyoneCut === '' ? 0 : everyoneCut));
    return issuedAt !== undefined && issuedAt < cut;
  }

  async acknowledgements(entry: RevocationEntry, waitMs: number): Promise<RevocationResult> {
    return this.#answers.collect(this.#nonces.get(entry) ?? '', waitMs);
  }

  async #runRecheck(check: () => void | Promise<void>): Promise<void> {
    while (!this.#isStopped) {
      try {
        return await check();
      } catch {
        await new Promise((resolve) => setTimeout(resolve, RECHECK_RETRY_MS).unref());
      }
    }
  }

  /** Applied here at once, under a place in the log that it may get; given again until the store has taken it. */
  #keep(kept: {
    order: RevocationOrder;
    reason: string;
    nonce: string;
    partition: string;
    orderedAt: number;
  }): void {
    const { order, reason, nonce, partition, orderedAt } = kept;
    const id = `${Math.trunc(this.#redis.latestServerTime(this.#clock(), partition))}-0`;
    const cut = this.#redis.latestServerTime(orderedAt, partition);
    const entry = assumedEntry(order, reason, { partition, id }, cut);
    for (const listener of this.#listeners) listener(entry);
    this.#retries.add({ previous: undefined, nonce, issuer: this.#redis.node, entry });
  }

  /** Applies an entry here, and tells the node that gave the order what came of it. */
  #deliver(logEntry: LogEntry): void {
    const { entry, issuer, nonce } = logEntry;
    const sockets = this.#listeners.reduce((sum, listener) => sum + listener(entry), 0);
    const { node, keys } = this.#redis;
    const { partition } = entry;
    if (issuer === node) return this.#answers.note(nonce, answererOf(node, partition), sockets);
    if (issuer === '' || this.#isOld(entry)) return;
    const answer = JSON.stringify([nonce, answererOf(node, partition), sockets]);
    this.#redis.commands.call('PUBLISH', keys.acknowledgements(issuer), answer).catch(this.#onError);
  }

  #isOld({ id, partition }: RevocationEntry): boolean {
    return Number.parseInt(id, 10) < this.#redis.serverTime(this.#clock(), partition) - ANSWERED_MS;
  }

  #receiveAnswer(channel: string, message: string): void {
    if (channel !== this.#redis.keys.acknowledgements(this.#redis.node) || message.length > 512) return;
    try {
      const answer: unknown = JSON.parse(message);
      if (!Array.isArray(answer)) return;
      const [nonce, answerer, sockets] = answer as [unknown, unknown, unknown];
      if (typeof nonce !== 'string' || typeof answerer !== 'string') return;
      if (Number.isSafeInteger(sockets) && (sockets as number) >= 0)
        this.#answers.note(nonce, answerer, sockets as number);
    } catch {
      // No node of ours sends this.
    }
  }

  /** With its nonce and its cut: done by many nodes at once, it is done once, and nothing newer is hit. */
  async #orderAgain({ entry, nonce }: LogEntry): Promise<void> {
    await this.#carryOut(entry.order, entry.reason, nonce, entry.partition, entry);
  }

  async #carryOut(
    order: RevocationOrder,
    reason: string,
    nonce: string,
    partition: string,
    known: RevocationEntry | undefined,
  ): Promise<readonly unknown[]> {
    const prefix = this.#redis.keys.partition(partition);
    const keys = [`${prefix}log`, `${prefix}x:${nonce}`, `${prefix}n`, `${prefix}ae`];
    if ('userHash' in order) {
      const { userHash } = order;
      keys.push(`${prefix}u:${userHash}`, `${prefix}ue:${userHash}`, `${prefix}c:${userHash}`);
    }
    const args = [
      prefix,
      partition,
      this.#redis.keys.entries,
      nonce,
      this.#redis.node,
      MAX_LOG,
      JSON.stringify(order),
      reason,
      order.kind,
      Math.ceil(this.#rememberMs),
      ...argumentsOf(order, known),
    ];
    return asList(await ORDER.run(this.#redis.clients.revocations, keys, args));
  }

  /** Those that hold what the order concerns: all of them, for everyone. */
  #partitionsOf(order: RevocationOrder): readonly string[] {
    return 'userHash' in order ? [this.#redis.partitionOf(order.userHash)] : this.#redis.partitions;
  }
}

/** Who answers to an order: every node once for each partition in which the order stands. */
function answererOf(node: string, partition: string): string {
  return `${node}/${partition}`;
}

function argumentsOf(order: RevocationOrder, known: RevocationEntry | undefined): (string | number)[] {
  switch (order.kind) {
    case 'session':
      return [order.sessionId];
    case 'user':
      return [
        Math.trunc(known?.cut ?? order.issuedBefore ?? 0),
        order.exceptSessionId ?? '',
        known?.cutInclusive ? '1' : '',
      ];
    case 'everyone':
      return [Math.trunc(known?.cut ?? order.issuedBefore ?? 0)];
    case 'token':
      return [order.tokenHash, Math.ceil(order.rememberMs)];
    case 'rights':
      return [
        order.sessionId ?? '',
        order.roles ? writeNames(order.roles) : '',
        order.scopes ? writeNames(order.scopes) : '',
        Math.trunc(known?.cut ?? 0),
      ];
    case 'rotate':
      return [order.sessionId, order.newSessionId];
    case 'replace':
      return [];
  }
}
