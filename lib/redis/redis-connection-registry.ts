import type { TicketBinding } from '../core/errors.js';
import type {
  AdmissionRequest,
  AdmissionResult,
  Admitted,
  ConnectionRegistry,
  RegisteredPlace,
} from '../core/session/connection-registry.js';
import { principalOfSession } from '../core/session/session.js';
import { asList, asText } from './redis-client.js';
import type { RedisConnection } from './redis-connection.js';
import { RedisScript, unavailable } from './redis-script.js';
import { ADMIT } from './redis-scripts.js';
import { readLiveSession } from './session-fields.js';
import { presentedFields, readTicket } from './ticket-fields.js';

const ADMISSION = new RedisScript(ADMIT);
const RESTORED_AT_ONCE = 500;
/** How long registrations are kept that nobody renews; the lease of their node ends them much earlier. */
const REGISTRATION_MS = 48 * 3_600_000;

/** Admissions in Redis: one script, one round trip. */
export class RedisConnectionRegistry implements ConnectionRegistry {
  readonly #redis: RedisConnection;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
  }

  async admit(request: AdmissionRequest): Promise<AdmissionResult> {
    const { basis } = request;
    const userHash = basis.mode === 'ticket' ? basis.ticket.userHash : basis.userHash;
    const prefix = this.#redis.prefixOf(userHash);
    const keys = [
      `${prefix}c:${userHash}`,
      `${prefix}n`,
      `${prefix}log`,
      `${prefix}ue:${userHash}`,
      `${prefix}ae`,
    ];
    const rate = request.rate ?? { key: '', limit: 1, windowMs: 1, burst: 1 };
    const args = [
      prefix,
      userHash,
      request.connectionId,
      this.#redis.node,
      Math.trunc(this.#redis.serverTime(request.deadline)),
      request.touch ? '1' : '0',
      request.maxPerUser,
      request.maxPerSession,
      request.onLimit,
      Math.round((rate.windowMs * 1_000) / rate.limit),
      rate.burst,
      basis.mode === 'ticket' ? '' : (basis.tokenHash ?? ''),
      basis.mode,
    ];
    if (basis.mode === 'ticket') {
      keys.push(`${prefix}t:${basis.ticket.hash}`);
      args.push(basis.ticket.hash, this.#redis.runId, ...presentedFields(basis.ticket));
    } else if (basis.mode === 'session') {
      keys.push(`${prefix}s:${basis.sessionId}`);
      args.push(basis.sessionId);
    } else {
      keys.push(`${prefix}c:${userHash}`);
      args.push(Math.trunc(basis.issuedAt));
    }
    if (request.rate) keys.push(this.#redis.rateKey(request.rate.key, userHash));
    return this.#read(request, userHash, asList(await ADMISSION.run(this.#redis.commands, keys, args)));
  }

  async release(connection: { readonly id: string; readonly userHash: string }): Promise<void> {
    const { id, userHash } = connection;
    await this.#call('HDEL', `${this.#redis.prefixOf(userHash)}c:${userHash}`, id);
  }

  /** In slices, so that other clients of the server are not kept waiting. */
  async restore(connections: readonly RegisteredPlace[]): Promise<void> {
    for (let start = 0; start < connections.length; start += RESTORED_AT_ONCE) {
      await Promise.all(
        connections.slice(start, start + RESTORED_AT_ONCE).map((place) => this.#restoreOne(place)),
      );
    }
  }

  async #restoreOne({ id, userHash, sessionId, since }: RegisteredPlace): Promise<void> {
    const key = `${this.#redis.prefixOf(userHash)}c:${userHash}`;
    const value = `${this.#redis.node}|${sessionId ?? ''}|${Math.trunc(this.#redis.serverTime(since))}`;
    await this.#call('HSET', key, id, value);
    await this.#call('PEXPIRE', key, REGISTRATION_MS);
  }

  async countOf(userHash: string): Promise<number> {
    return Number(await this.#call('HLEN', `${this.#redis.prefixOf(userHash)}c:${userHash}`));
  }

  async #call(command: string, ...args: (string | number)[]): Promise<unknown> {
    try {
      return await this.#redis.commands.call(command, ...args);
    } catch (error) {
      throw unavailable(error);
    }
  }

  #read(request: AdmissionRequest, userHash: string, reply: readonly unknown[]): AdmissionResult {
    const [outcome, detail] = reply;
    switch (outcome) {
      case 'admitted':
        return this.#readAdmitted(request, userHash, reply);
      case 'ticket_mismatch':
        return { outcome, binding: asText(detail) as TicketBinding };
      case 'ticket_unknown':
      case 'ticket_replayed':
        return { outcome: 'ticket_unknown', replayed: outcome === 'ticket_replayed' };
      case 'limit':
        return { outcome, of: detail === 'session' ? 'session' : 'user' };
      case 'rate':
        return { outcome, retryAfterMs: Number(detail) };
      case 'late':
        this.#redis.noteServerTime(Number(asText(detail)));
        return { outcome };
      case 'session_unknown':
      case 'revoked':
        return { outcome };
      default:
        throw new TypeError('the admission script answered with an outcome that nobody knows');
    }
  }

  #readAdmitted(
    { basis, connectionId }: AdmissionRequest,
    userHash: string,
    reply: readonly unknown[],
  ): Admitted {
    const [, now, logTail, node, evictedId, fields, left, ticketFields] = reply;
    this.#redis.noteServerTime(Number(asText(now)));
    const ticketReply = asList(ticketFields);
    const ticket = ticketReply.length > 0 ? readTicket(ticketReply) : undefined;
    const sessionId = basis.mode === 'session' ? basis.sessionId : (ticket?.sessionId ?? '');
    const session = readLiveSession(sessionId, fields, left);
    const principal = session
      ? principalOfSession(session)
      : basis.mode === 'principal'
        ? basis.principal
        : Object.freeze({ ...ticket!.principal! });
    const evicted = evictedId === '' ? undefined : { node: asText(node), connectionId: asText(evictedId) };
    return {
      outcome: 'admitted',
      connectionId,
      principal,
      session,
      userHash,
      ticket,
      logTail: asText(logTail),
      evicted,
    };
  }
}
