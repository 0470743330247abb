import type { Clock } from '../core/clock.js';
import type { TicketBinding } from '../core/errors.js';
import { newId } from '../core/identifiers.js';
import type {
  AdmissionRequest,
  AdmissionResult,
  Admitted,
  ConnectionPlace,
  ConnectionRegistry,
  Place,
  RegisteredPlace,
} from '../core/session/connection-registry.js';
import type { RevocationEntry, RevocationOrder } from '../core/revocation/revocation-log.js';
import { principalOfSession } from '../core/session/session.js';
import type { LogEntry } from './log-entry.js';
import { RegisteredPlaces } from './registered-places.js';
import { RELEASED_AT_ONCE, ReleaseQueue } from './release-queue.js';
import { asList, asText } from './redis-client.js';
import { emissionOf, type RedisConnection } from './redis-connection.js';
import { MAX_LOG } from './redis-keys.js';
import { COMMAND_OPTIONS } from './redis-options.js';
import { RedisScript, unavailable } from './redis-script.js';
import { ADDRESS_RATE, ADMIT, CONNECTION_LIST, RELEASE } from './redis-scripts.js';
import { readLiveSession } from './session-fields.js';
import { presentedFields, readTicket } from './ticket-fields.js';

const ADMISSION = new RedisScript(ADMIT);
const RATE = new RedisScript(ADDRESS_RATE);
const LIST = new RedisScript(CONNECTION_LIST);
const RELEASES = new RedisScript(RELEASE);
const RESTORED_AT_ONCE = 500;
/** Registering anew takes its time, but no more than this: a server that has just come back has enough to do. */
const RESTORED_WITHIN_MS = 1_000;
const RESTORE_PAUSE_MS = 50;
/** How long registrations are kept that nobody renews; the lease of their node ends them much earlier. */
const REGISTRATION_MS = 48 * 3_600_000;
/** Failures of commands that have not left this process, so that they cannot have done anything. */
const NEVER_SENT = /breaker open|isn't writeable/;

/** What limits the connections of an address. */
type ConnectRate = NonNullable<AdmissionRequest['rate']>;

/**
 * Admissions in Redis: one script, one round trip. In a cluster the rate of an address lies in another slot than the user, so
 * that it is a script of its own, and asked first: a refusal then leaves the ticket good, the session untouched and the places
 * of the user's other connections alone, which an admission at the same time could not take back. That costs a second round
 * trip, where an address is limited at all.
 */
export class RedisConnectionRegistry implements ConnectionRegistry {
  readonly #redis: RedisConnection;
  readonly #clock: Clock;
  readonly #places: RegisteredPlaces;
  readonly #noteEntry: (entry: LogEntry) => void;
  readonly #releases = new ReleaseQueue((places) => this.#deleteEach(places));

  /** @param noteEntry called with what an admission has written into the log, before its message comes back */
  constructor(redis: RedisConnection, clock: Clock, noteEntry: (entry: LogEntry) => void) {
    this.#redis = redis;
    this.#clock = clock;
    this.#noteEntry = noteEntry;
    this.#places = new RegisteredPlaces(clock, REGISTRATION_MS / 2);
  }

  async admit(request: AdmissionRequest): Promise<AdmissionResult> {
    const result = await this.#tryAdmit(request);
    // Late by a clock that was read wrongly, as after a failover: the answer has set it right, and nothing was done.
    return result.outcome === 'late' ? this.#tryAdmit(request) : result;
  }

  async #tryAdmit(request: AdmissionRequest): Promise<AdmissionResult> {
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
    const deadline = this.#deadlineOf(request);
    if (request.rate && this.#redis.isCluster) {
      const refusal = await this.#takeRate(request.rate, deadline);
      if (refusal) return refusal;
    }
    const partition = this.#redis.partitionOf(userHash);
    const { rate } = request;
    const nonce = newId();
    const args = [
      prefix,
      userHash,
      request.connectionId,
      this.#redis.node,
      Math.trunc(this.#redis.serverTime(deadline, partition)),
      request.touch ? '1' : '0',
      request.maxPerUser,
      request.maxPerSession,
      request.onLimit,
      rate ? emissionOf(rate) : 1,
      rate?.burst ?? 1,
      basis.mode === 'ticket' ? '' : (basis.tokenHash ?? ''),
      basis.mode,
      partition,
      this.#redis.keys.entries,
      MAX_LOG,
      nonce,
    ];
    if (basis.mode === 'ticket') {
      keys.push(`${prefix}t:${basis.ticket.hash}`);
      args.push(basis.ticket.hash, await this.#redis.runId(), ...presentedFields(basis.ticket));
    } else if (basis.mode === 'session') {
      keys.push(`${prefix}s:${basis.sessionId}`);
      args.push(basis.sessionId);
    } else {
      keys.push(`${prefix}c:${userHash}`);
      args.push(Math.trunc(basis.issuedAt));
    }
    if (rate && !this.#redis.isCluster) keys.push(this.#redis.rateOf(rate.key, rate).name);
    try {
      const reply = asList(await ADMISSION.run(this.#redis.commands, keys, args));
      return this.#read(request, userHash, nonce, reply);
    } catch (error) {
      this.#releaseLater(request.connectionId, userHash, error);
      throw error;
    }
  }

  /** @returns what refuses, or nothing when it is allowed */
  async #takeRate(rate: ConnectRate, deadline: number): Promise<AdmissionResult | undefined> {
    const { name, partition } = this.#redis.rateOf(rate.key, rate);
    const until = Math.trunc(this.#redis.serverTime(deadline, partition));
    const args = [emissionOf(rate), rate.burst, until];
    const reply = asList(await RATE.run(this.#redis.commands, [name], args));
    const [outcome, detail] = reply;
    if (outcome === 'rate') return { outcome, retryAfterMs: Number(detail) };
    if (outcome !== 'late') return undefined;
    this.#redis.noteServerTime(Number(asText(detail)), partition);
    return { outcome };
  }

  /** After a command's timeout nobody waits for it any more: a server that slept must not carry it out when it wakes. */
  #deadlineOf({ deadline }: AdmissionRequest): number {
    return Math.min(deadline, this.#clock() + COMMAND_OPTIONS.commandTimeout);
  }

  /** Nobody knows whether the connection has its place. One that has lived before keeps it. */
  #releaseLater(id: string, userHash: string, error: unknown): void {
    if (this.#places.has(id) || (error instanceof Error && NEVER_SENT.test(error.message))) return;
    this.#releases.add({ id, userHash });
  }

  release(place: Place): Promise<void> {
    return this.releaseAll([place]);
  }

  /** What cannot be given back now is given back later: see {@link upkeep}. */
  async releaseAll(places: readonly Place[]): Promise<void> {
    for (const { id } of places) this.#places.delete(id);
    for (const place of await this.#deleteAll(places)) this.#releases.add(place);
  }

  /** What is done with each beat: gives back what waits, and renews registrations that would be forgotten. */
  async upkeep(): Promise<void> {
    await this.#releases.flush();
    const users = this.#places.dueUsers(RESTORED_AT_ONCE);
    await Promise.all(users.map((userHash) => this.#call('PEXPIRE', this.#keyOf(userHash), REGISTRATION_MS)));
  }

  /** A command for each partition, or for so many places of it. @returns the places that could not be given back */
  async #deleteAll(places: readonly Place[]): Promise<readonly Place[]> {
    const slices: Place[][] = [];
    const slicesOf = new Map<string, Place[]>();
    for (const place of places) {
      const partition = this.#redis.partitionOf(place.userHash);
      const slice = slicesOf.get(partition);
      if (slice && slice.length < RELEASED_AT_ONCE) {
        slice.push(place);
        continue;
      }
      const next = [place];
      slicesOf.set(partition, next);
      slices.push(next);
    }
    const failed = await Promise.all(slices.map((slice) => this.#tryDelete(slice)));
    return failed.flat();
  }

  /** One by one: what keeps one from being given back, or keeps them from being given back together, keeps no other. */
  async #deleteEach(places: readonly Place[]): Promise<readonly Place[]> {
    return (await Promise.all(places.map((place) => this.#tryDelete([place])))).flat();
  }

  /** @returns the places, when it has failed */
  async #tryDelete(places: readonly Place[]): Promise<readonly Place[]> {
    try {
      const keys = places.map(({ userHash }) => this.#keyOf(userHash));
      const ids = places.map(({ id }) => id);
      if (places.length === 1) await this.#call('HDEL', keys[0]!, ids[0]!);
      else await RELEASES.run(this.#redis.commands, keys, ids);
      return [];
    } catch {
      return places;
    }
  }

  #keyOf(userHash: string): string {
    return `${this.#redis.prefixOf(userHash)}c:${userHash}`;
  }

  /** In slices, and with pauses, so that other clients of the server are not kept waiting. */
  async restore(connections: readonly RegisteredPlace[]): Promise<void> {
    const slices = Math.ceil(connections.length / RESTORED_AT_ONCE);
    const pauseMs = Math.min(RESTORE_PAUSE_MS, RESTORED_WITHIN_MS / slices);
    for (let start = 0; start < connections.length; start += RESTORED_AT_ONCE) {
      if (start > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
      await Promise.all(
        connections.slice(start, start + RESTORED_AT_ONCE).map((place) => this.#restoreOne(place)),
      );
    }
  }

  async #restoreOne({ id, userHash, sessionId, since }: RegisteredPlace): Promise<void> {
    // Given back while others were being restored.
    if (!this.#places.has(id)) return;
    this.#places.add(id, userHash);
    const key = this.#keyOf(userHash);
    const value = `${this.#redis.node}|${sessionId ?? ''}|${Math.trunc(this.#redis.serverTime(since, this.#redis.partitionOf(userHash)))}`;
    await this.#call('HSET', key, id, value);
    await this.#call('PEXPIRE', key, REGISTRATION_MS);
  }

  async countOf(userHash: string): Promise<number> {
    return Number(await this.#call('HLEN', this.#keyOf(userHash)));
  }

  async list(userHash: string): Promise<readonly ConnectionPlace[]> {
    const nodes = `${this.#redis.prefixOf(userHash)}n`;
    const rows = asList(await LIST.run(this.#redis.commands, [this.#keyOf(userHash), nodes], []));
    return rows
      .map((row) => {
        const [id, node, sessionId, since] = asList(row).map(asText) as [string, string, string, string];
        return { id, node, sessionId: sessionId || undefined, since: Number(since) };
      })
      .sort((a, b) => a.since - b.since);
  }

  async #call(command: string, ...args: (string | number)[]): Promise<unknown> {
    try {
      return await this.#redis.commands.call(command, ...args);
    } catch (error) {
      throw unavailable(error);
    }
  }

  #read(
    request: AdmissionRequest,
    userHash: string,
    nonce: string,
    reply: readonly unknown[],
  ): AdmissionResult {
    const [outcome, detail] = reply;
    switch (outcome) {
      case 'admitted':
        return this.#readAdmitted(request, userHash, nonce, reply);
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
        this.#redis.noteServerTime(Number(asText(detail)), this.#redis.partitionOf(userHash));
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
    nonce: string,
    reply: readonly unknown[],
  ): Admitted {
    const [, now, logTail, node, evictedId, fields, left, ticketFields, before] = reply;
    this.#redis.noteServerTime(Number(asText(now)), this.#redis.partitionOf(userHash));
    this.#places.add(connectionId, userHash);
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
    if (evicted) {
      const order = { kind: 'replace', userHash, ...evicted } as const;
      const entry = this.#replacedEntry(order, asText(logTail));
      this.#noteEntry({ previous: asText(before), nonce, issuer: '', entry });
    }
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

  /** As the script has written it: the last one of the log when the admission was decided. */
  #replacedEntry(order: Extract<RevocationOrder, { kind: 'replace' }>, id: string): RevocationEntry {
    const partition = this.#redis.partitionOf(order.userHash);
    return Object.freeze({ partition, id, order, cut: undefined, cutInclusive: false, reason: 'replaced' });
  }
}
