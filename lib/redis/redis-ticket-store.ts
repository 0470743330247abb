import type { TicketBinding } from '../core/errors.js';
import {
  SPENT_TICKET_MEMORY_MS,
  type PresentedTicket,
  type TicketConsumeResult,
  type TicketIssue,
  type TicketIssueResult,
  type TicketStore,
} from '../core/ticket/ticket-store.js';
import { asList, asText } from './redis-client.js';
import type { RedisConnection } from './redis-connection.js';
import { RedisScript } from './redis-script.js';
import { TICKET_CONSUME, TICKET_ISSUE } from './redis-scripts.js';
import { presentedFields, readTicket, writeTicket } from './ticket-fields.js';

const ISSUE = new RedisScript(TICKET_ISSUE);
const CONSUME = new RedisScript(TICKET_CONSUME);

/** Tickets in Redis: each is spent by one script, so that of any number of presentations on any nodes one wins. */
export class RedisTicketStore implements TicketStore {
  readonly #redis: RedisConnection;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
  }

  async issue({
    userHash,
    hash,
    record,
    ttlMs,
    maxOutstanding,
    maxPerMinute,
  }: TicketIssue): Promise<TicketIssueResult> {
    const prefix = this.#redis.prefixOf(userHash);
    const owner = record.sessionId ?? userHash;
    const runId = await this.#redis.runId();
    const keys = [
      `${prefix}t:${hash}`,
      `${prefix}o:${owner}`,
      `${prefix}tr:${owner}`,
      `${prefix}ue:${userHash}`,
      `${prefix}ae`,
      `${prefix}s:${record.sessionId ?? ''}`,
    ];
    const reply = asList(
      await ISSUE.run(this.#redis.commands, keys, [
        hash,
        Math.ceil(ttlMs),
        SPENT_TICKET_MEMORY_MS,
        maxOutstanding,
        Math.round(60_000_000 / maxPerMinute),
        maxPerMinute,
        record.sessionId === undefined ? '' : '1',
        `${prefix}t:`,
        Math.trunc(this.#redis.serverTime(record.expiresAt, this.#redis.partitionOf(userHash))),
        ...writeTicket(userHash, record, runId),
      ]),
    );
    const [outcome, retryAfterMs] = reply;
    if (outcome === 'rate') return { outcome: 'rate', retryAfterMs: Number(retryAfterMs) };
    return { outcome: outcome === 'issued' ? 'issued' : 'session_unknown' };
  }

  async consume(presented: PresentedTicket): Promise<TicketConsumeResult> {
    const { userHash, hash, use } = presented;
    const prefix = this.#redis.prefixOf(userHash);
    const keys = [`${prefix}t:${hash}`, `${prefix}ue:${userHash}`, `${prefix}ae`];
    const runId = await this.#redis.runId();
    const args = [prefix, hash, userHash, runId, use, ...presentedFields(presented)];
    const [outcome, detail] = asList(await CONSUME.run(this.#redis.commands, keys, args));
    if (outcome === 'consumed') return { outcome: 'consumed', record: readTicket(asList(detail)) };
    if (outcome === 'mismatch') return { outcome: 'mismatch', binding: asText(detail) as TicketBinding };
    return { outcome: 'unknown', replayed: outcome === 'replayed' };
  }
}
