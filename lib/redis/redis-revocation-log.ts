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
import type { LogEntry } from './log-entry.js';
import { asList, asText } from './redis-client.js';
import type { RedisConnection } from './redis-connection.js';
import { RedisScript, unavailable } from './redis-script.js';
import { REVOKE } from './redis-scripts.js';
import { RevocationFeed } from './revocation-feed.js';
import { writeNames } from './session-fields.js';

const ORDER = new RedisScript(REVOKE);
const MAX_LOG = 10_000;

/** Answers to an order of this node that are still coming in. */
interface PendingOrder {
  readonly awaited: Set<string>;
  sockets: number;
  nodes: number;
  resolve: () => void;
  readonly done: Promise<void>;
}

/** The revocation log in Redis, followed by every node. */
export class RedisRevocationLog implements RevocationLog {
  readonly feed: RevocationFeed;
  readonly #redis: RedisConnection;
  readonly #rememberMs: number;
  readonly #onError: (error: unknown) => void;
  readonly #listeners: RevocationListener[] = [];
  readonly #onDivergence: (() => void)[] = [];
  readonly #pending = new Map<string, PendingOrder>();

  constructor(
    redis: RedisConnection,
    options: { rememberMs: number; clock: Clock; onError: (error: unknown) => void },
  ) {
    this.#redis = redis;
    this.#rememberMs = options.rememberMs;
    this.#onError = options.onError;
    this.feed = new RevocationFeed(
      redis,
      {
        deliver: (entry) => this.#deliver(entry),
        reassert: (entry) => this.#reassert(entry),
        diverged: () => this.#onDivergence.forEach((listener) => listener()),
        onError: options.onError,
      },
      options.clock,
    );
    const onMessage = (...[channel, message]: string[]): void => this.#receiveAnswer(channel!, message!);
    redis.clients.subscriber.on('message', onMessage as (...args: never[]) => void);
  }

  async append(order: RevocationOrder, reason: string): Promise<RevocationReceipt> {
    const nonce = randomBytes(12).toString('base64url');
    const reply = await this.#carryOut(order, reason, nonce, undefined);
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
      id,
      order,
      cut: cut === '' ? undefined : Number(cut),
      cutInclusive: inclusive === '1',
      reason,
    });
    this.#expectAnswers(id, nodes);
    const partition = this.#partitionOf(order);
    this.feed.noteOwn({ partition, previous, nonce, issuer: this.#redis.node, entry });
    return { entry, sessions: Number(sessions) };
  }

  follow(listener: RevocationListener, onDivergence?: () => void): void {
    this.#listeners.push(listener);
    if (onDivergence) this.#onDivergence.push(onDivergence);
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
    const pending = this.#pending.get(entry.id);
    if (!pending) return { sockets: 0, nodes: 0, pending: 0 };
    const timer = setTimeout(pending.resolve, waitMs);
    await pending.done;
    clearTimeout(timer);
    this.#pending.delete(entry.id);
    return { sockets: pending.sockets, nodes: pending.nodes, pending: pending.awaited.size };
  }

  /** Applies an entry here, and tells the node that gave the order what came of it. */
  #deliver(logEntry: LogEntry): void {
    const { entry, issuer } = logEntry;
    const sockets = this.#listeners.reduce((sum, listener) => sum + listener(entry), 0);
    const { node, keys } = this.#redis;
    if (issuer === node) return this.#noteAnswer(entry.id, node, sockets);
    if (issuer === '') return;
    const answer = JSON.stringify([entry.id, node, sockets]);
    this.#redis.commands.call('PUBLISH', keys.acknowledgements(issuer), answer).catch(this.#onError);
  }

  /** A node that holds no lease yet, or no more, is not waited for; this one always answers. */
  #expectAnswers(id: string, nodes: readonly string[]): void {
    let resolve = (): void => {};
    const done = new Promise<void>((settle) => {
      resolve = settle;
    });
    const awaited = new Set([...nodes, this.#redis.node]);
    this.#pending.set(id, { awaited, sockets: 0, nodes: 0, resolve, done });
  }

  #receiveAnswer(channel: string, message: string): void {
    if (channel !== this.#redis.keys.acknowledgements(this.#redis.node) || message.length > 512) return;
    try {
      const answer: unknown = JSON.parse(message);
      if (!Array.isArray(answer)) return;
      const [id, node, sockets] = answer as [unknown, unknown, unknown];
      if (typeof id === 'string' && typeof node === 'string' && Number.isInteger(sockets)) {
        this.#noteAnswer(id, node, sockets as number);
      }
    } catch {
      // No node of ours sends this.
    }
  }

  #noteAnswer(id: string, node: string, sockets: number): void {
    const pending = this.#pending.get(id);
    if (!pending?.awaited.delete(node)) return;
    pending.nodes += 1;
    pending.sockets += sockets;
    if (pending.awaited.size === 0) pending.resolve();
  }

  /** With its nonce and its cut: done by many nodes at once, it is done once, and nothing newer is hit. */
  async #reassert({ entry, nonce }: LogEntry): Promise<void> {
    await this.#carryOut(entry.order, entry.reason, nonce, entry).catch(this.#onError);
  }

  async #carryOut(
    order: RevocationOrder,
    reason: string,
    nonce: string,
    known: RevocationEntry | undefined,
  ): Promise<readonly unknown[]> {
    const partition = this.#partitionOf(order);
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

  #partitionOf(order: RevocationOrder): string {
    return 'userHash' in order ? this.#redis.partitionOf(order.userHash) : this.#redis.partitions[0]!;
  }
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
      ];
    case 'rotate':
      return [order.sessionId, order.newSessionId];
    case 'replace':
      return [];
  }
}
