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
import { assumedEntry, fenceEntry } from './assumed-entry.js';
import type { LogEntry } from './log-entry.js';
import { OrderAnswers } from './order-answers.js';
import { OrderRetries } from './order-retries.js';
import { OrderScript, type OrderCall, type OrderReceipt } from './order-script.js';
import { Recheck } from './recheck.js';
import { asList, asText } from './redis-client.js';
import type { RedisConnection } from './redis-connection.js';
import { REVOCATION_OPTIONS } from './redis-options.js';
import { unavailable } from './redis-script.js';
import { RevocationFeed } from './revocation-feed.js';

/** Nobody waits for an answer to an order that is older. */
const ANSWERED_MS = 10_000;
/** For so long a change is given again of which nobody knows whether it was carried out. */
const REPEAT_MS = 2_500;
const FIRST_REPEAT_MS = 100;

/**
 * Revocations: in force on this node at once, and given again until the store has them. The others are changes. They are
 * given again while their caller waits, and never behind its back: an old one must not overwrite a newer one.
 */
const REVOCATIONS: ReadonlySet<RevocationOrder['kind']> = new Set([
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
  readonly #onError: (error: unknown) => void;
  readonly #onEntry: (lagMs: number) => void;
  readonly #clock: Clock;
  readonly #script: OrderScript;
  readonly #listeners: RevocationListener[] = [];
  readonly #fences: RevocationListener[] = [];
  readonly #answers = new OrderAnswers();
  readonly #nonces = new WeakMap<RevocationEntry, string>();
  readonly #retries: OrderRetries;
  readonly #recheck: Recheck;

  /** @param options.recover what must be in the store again, after a loss, before anything else is */
  constructor(
    redis: RedisConnection,
    options: {
      rememberMs: number;
      clock: Clock;
      recover: () => Promise<void>;
      onEntry: (lagMs: number) => void;
      onError: (error: unknown) => void;
    },
  ) {
    this.#redis = redis;
    const { rememberMs, clock, recover, onError } = options;
    this.#clock = clock;
    this.#onError = onError;
    this.#onEntry = options.onEntry;
    this.#script = new OrderScript(redis, rememberMs);
    this.#recheck = new Recheck({ recover });
    const order = (entry: LogEntry): Promise<void> => this.#orderAgain(entry);
    this.#retries = new OrderRetries({ order, rememberMs, clock, onError });
    this.feed = new RevocationFeed(
      redis,
      {
        deliver: (entry) => this.#deliver(entry),
        reassert: (entry) => order(entry).catch(() => this.#retries.add(entry)),
        diverged: () => this.#recheck.run(),
        onError,
      },
      clock,
    );
    redis.onOtherRun(() => {
      this.feed.noteOtherServer();
      this.recheck();
    });
    redis.clients.revocations.on('ready', () => void this.#retries.flush());
    const onMessage = (...[channel, message]: string[]): void => this.#receiveAnswer(channel!, message!);
    redis.clients.subscriber.on('message', onMessage as (...args: never[]) => void);
  }

  async append(order: RevocationOrder, reason: string): Promise<RevocationReceipt> {
    const nonce = randomBytes(12).toString('base64url');
    const orderedAt = this.#clock();
    const partitions = this.#partitionsOf(order);
    const isRevocation = REVOCATIONS.has(order.kind);
    this.#answers.open(nonce, isRevocation ? this.#fence(order, reason, partitions, orderedAt) : 0);
    const calls = partitions.map((partition): OrderCall => ({ order, reason, nonce, partition }));
    const outcomes = await Promise.allSettled(
      calls.map((call) => (isRevocation ? this.#script.run(call) : this.#runRepeatedly(call))),
    );
    const asked = new Set<string>();
    const receipts: OrderReceipt[] = [];
    outcomes.forEach((outcome, index) => {
      if (outcome.status === 'fulfilled') {
        const { entry, previous, nodes } = outcome.value;
        receipts.push(outcome.value);
        // A node that holds no lease yet, or no more, is not waited for; this one always answers.
        for (const node of [...nodes, this.#redis.node]) asked.add(answererOf(node, entry.partition));
        this.feed.noteOwn({ previous, nonce, issuer: this.#redis.node, entry });
      } else if (isRevocation) {
        this.#keep(calls[index]!, orderedAt);
      }
    });
    this.#answers.expect(nonce, asked);
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed) throw failed.reason;
    const { entry } = receipts[0]!;
    this.#nonces.set(entry, nonce);
    return { entry, sessions: receipts.reduce((sum, { sessions }) => sum + sessions, 0) };
  }

  follow(
    listener: RevocationListener,
    onDivergence?: () => void | Promise<void>,
    fence?: RevocationListener,
  ): void {
    this.#listeners.push(listener);
    if (onDivergence) this.#recheck.add(onDivergence);
    if (fence) this.#fences.push(fence);
  }

  /** Has everything local held against the store, again and again until that has been done. */
  recheck(): void {
    void this.#recheck.run();
  }

  stop(): void {
    this.#recheck.stop();
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

  /** Before the store is asked: one that hangs must not keep a revoked socket open. @returns how many were hit */
  #fence(order: RevocationOrder, reason: string, partitions: readonly string[], now: number): number {
    const entries = partitions.map((partition) => fenceEntry(this.#redis, order, reason, partition, now));
    return entries.reduce((sum, entry) => sum + hear(this.#fences, entry), 0);
  }

  /** Under one nonce, so that it is carried out once, and never after its caller was told that nobody knows. */
  async #runRepeatedly(call: OrderCall): Promise<OrderReceipt> {
    const end = this.#clock() + REPEAT_MS;
    for (let pauseMs = FIRST_REPEAT_MS; ; pauseMs *= 2) {
      try {
        const deadline = this.#clock() + REVOCATION_OPTIONS.commandTimeout;
        return await this.#script.run({ ...call, deadline });
      } catch (error) {
        if (this.#clock() + pauseMs > end) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }

  /** Applied here at once, under a place in the log that it may get; given again until the store has taken it. */
  #keep({ order, reason, nonce, partition }: OrderCall, orderedAt: number): void {
    const id = `${Math.trunc(this.#redis.latestServerTime(this.#clock(), partition))}-0`;
    const cut = this.#redis.latestServerTime(orderedAt, partition);
    const entry = assumedEntry(order, reason, { partition, id }, cut);
    hear(this.#listeners, entry);
    this.#retries.add({ previous: undefined, nonce, issuer: this.#redis.node, entry });
  }

  /** Applies an entry here, and tells the node that gave the order what came of it. */
  #deliver(logEntry: LogEntry): void {
    const { entry, issuer, nonce } = logEntry;
    const sockets = hear(this.#listeners, entry);
    this.#onEntry(this.#ageOf(entry));
    const { node, keys } = this.#redis;
    const { partition } = entry;
    if (issuer === node) return this.#answers.note(nonce, answererOf(node, partition), sockets);
    if (issuer === '' || this.#isOld(entry)) return;
    const answer = JSON.stringify([nonce, answererOf(node, partition), sockets]);
    this.#redis.commands.call('PUBLISH', keys.acknowledgements(issuer), answer).catch(this.#onError);
  }

  #isOld(entry: RevocationEntry): boolean {
    return this.#ageOf(entry) > ANSWERED_MS;
  }

  /** By the server's clock, which has named the entry. */
  #ageOf({ id, partition }: RevocationEntry): number {
    return Math.max(0, this.#redis.serverTime(this.#clock(), partition) - Number.parseInt(id, 10));
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
    const { order, reason, partition } = entry;
    await this.#script.run({ order, reason, nonce, partition, known: entry });
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

function hear(listeners: readonly RevocationListener[], entry: RevocationEntry): number {
  return listeners.reduce((sum, listener) => sum + listener(entry), 0);
}
