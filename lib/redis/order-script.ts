import { StoreUnavailable } from '../core/errors.js';
import type { RevocationEntry, RevocationOrder } from '../core/revocation/revocation-log.js';
import { asList, asText } from './redis-client.js';
import type { RedisConnection } from './redis-connection.js';
import { MAX_LOG } from './redis-keys.js';
import { RedisScript } from './redis-script.js';
import { REVOKE } from './redis-scripts.js';
import { writeNames } from './session-fields.js';

const ORDER = new RedisScript(REVOKE);

/** An order on its way to one partition of the store. */
export interface OrderCall {
  readonly order: RevocationOrder;
  readonly reason: string;
  /** Names the order: given again under it, it is carried out once, and answered again. */
  readonly nonce: string;
  readonly partition: string;
  /** The entry that it has become before: its cut is kept, so that nothing newer is hit. */
  readonly known?: RevocationEntry;
  /** Unix ms after which it must not be carried out any more. Left out: never too late. */
  readonly deadline?: number;
}

/** What the store did. */
export interface OrderReceipt {
  readonly entry: RevocationEntry;
  /** The entry before it in the log, as `id|nonce`. */
  readonly previous: string;
  /** Sessions that were deleted or changed. */
  readonly sessions: number;
  /** Who holds a lease, and so will answer. */
  readonly nodes: readonly string[];
}

/** Carries orders out: state, log and message in one step. */
export class OrderScript {
  readonly #redis: RedisConnection;
  readonly #rememberMs: number;

  /** @param rememberMs how long a cut is remembered: at least the longest life of a session or a token */
  constructor(redis: RedisConnection, rememberMs: number) {
    this.#redis = redis;
    this.#rememberMs = rememberMs;
  }

  /** @throws {StoreUnavailable} when the store did not say that it was carried out */
  async run(call: OrderCall): Promise<OrderReceipt> {
    const { order, reason, nonce, partition, known, deadline } = call;
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
      deadline === undefined ? 0 : Math.trunc(this.#redis.serverTime(deadline, partition)),
      ...argumentsOf(order, known),
    ];
    const reply = asList(await ORDER.run(this.#redis.clients.revocations, keys, args)).map(asText);
    if (reply[0] !== 'late') return readReceipt(call, reply);
    this.#redis.noteServerTime(Number(reply[1]), partition);
    throw new StoreUnavailable('the Redis store came to an order when nobody waited for it any more');
  }
}

function readReceipt({ order, reason, partition }: OrderCall, reply: readonly string[]): OrderReceipt {
  const [, id, previous, cut, inclusive, sessions, ...nodes] = reply as [
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
      return [order.sessionId, order.newSessionId, order.reauthenticated ? '1' : ''];
    case 'replace':
      return [];
  }
}
