import { UNLOGGED, type RevocationEntry, type RevocationOrder } from '../core/revocation/revocation-log.js';
import type { RedisConnection } from './redis-connection.js';

/** The entry of an order that the store has not taken yet: what it would have become had it been taken at this time. */
export function assumedEntry(
  order: RevocationOrder,
  reason: string,
  place: { partition: string; id: string },
  serverMs: number,
): RevocationEntry {
  const asked = order.kind === 'user' || order.kind === 'everyone' ? order.issuedBefore : undefined;
  const untilNow = order.kind === 'user' ? serverMs : order.kind === 'everyone' ? serverMs + 1 : undefined;
  return Object.freeze({
    ...place,
    order,
    cut: untilNow === undefined ? undefined : Math.min(asked ?? Infinity, untilNow),
    cutInclusive: order.kind === 'user' && asked === undefined,
    reason,
  });
}

/**
 * What is applied on this node before the store is asked: to the connections that are there, and to none that come, so that
 * it takes nothing of what the store will decide. Where the store takes the order, it hits all of these too.
 *
 * @param now Unix ms of this node
 */
export function fenceEntry(
  redis: RedisConnection,
  order: RevocationOrder,
  reason: string,
  partition: string,
  now: number,
): RevocationEntry {
  const latest = redis.latestServerTime(now, partition);
  const earliest = redis.serverTime(now, partition);
  // A connection stands only in its own log: there it is, later than all that any of them has seen. Who comes meanwhile is
  // held against it too, so that its cut must not be later than that of the store.
  if (order.kind === 'everyone') {
    return assumedEntry(order, reason, { partition, id: `${Math.trunc(latest)}-0` }, earliest);
  }
  // The cut counts as the time of the login that is kept: later than that of the store, the next revocation would miss it.
  const keepsOne = order.kind === 'user' && order.exceptSessionId !== undefined;
  return assumedEntry(order, reason, { partition: UNLOGGED, id: '0-0' }, keepsOne ? earliest : latest);
}
