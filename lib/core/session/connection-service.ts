import type { AuditEventName } from '../audit/audit-event.js';
import type { AuditLog } from '../audit/audit-log.js';
import type { Clock } from '../clock.js';
import { CLOSE, closeCodeIn, closeReason, type CloseCodeScheme } from '../close-code.js';
import { Connection, type Ending, type Grant, type Handshake } from '../connection.js';
import type { Deadline, DeadlineWheel } from '../lifetime/deadline-wheel.js';
import { PacedCloser } from '../lifetime/paced-closer.js';
import { entryConcerns } from '../revocation/entry-match.js';
import { RecentEntries } from '../revocation/recent-entries.js';
import { isLaterEntry, type RevocationEntry } from '../revocation/revocation-log.js';
import type { Stores } from '../stores.js';
import { ConnectionTable } from './connection-table.js';
import type { Session } from './session.js';
import { SessionActivity } from './session-activity.js';

const REVOKED: Ending = { close: CLOSE.revoked, reason: 'revoked' };
const EXPIRED: Ending = { close: CLOSE.expired, reason: 'expired' };
const OVERRUN: Ending = { close: CLOSE.tryLater, reason: 'revocation_log_overrun' };
const REPLACED: Ending = { close: CLOSE.replaced, reason: 'replaced' };

/** Longest wait between two looks at a connection's wall-clock end: bounds what a clock that was set can do. */
const MAX_WATCH_MS = 60_000;

/** When a connection is looked at next. */
interface Watch {
  readonly deadline: Deadline;
  /** Unix ms at which its session ends if it is not used; infinite where that is not known. */
  readonly idleEndsAt: number;
}

/** The audit event of an ending; what is not listed is `connection_closed`. */
const EVENT_OF_REASON: ReadonlyMap<string, AuditEventName> = new Map([
  ['expired', 'session_expired'],
  ['replaced', 'excess_sessions_exceeded'],
]);

/** What the service is built from. */
export interface ConnectionServiceOptions {
  readonly stores: Stores;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly wheel: DeadlineWheel;
  readonly closeCodes: CloseCodeScheme;
  readonly sessionIdleMs: number;
  readonly extendedByMessages: boolean;
  readonly onError: (error: unknown) => void;
}

/** The connections of this node: from the moment in which a store admitted them to the last byte. */
export class ConnectionService {
  readonly #options: ConnectionServiceOptions;
  readonly #table = new ConnectionTable();
  readonly #recent = new RecentEntries();
  readonly #closer = new PacedCloser();
  readonly #activity: SessionActivity;
  readonly #watches = new Map<Connection, Watch>();
  /** A connection that nobody has been told of yet: ended now, it is a handshake that is refused, and no close. */
  #opening: Connection | undefined;

  constructor(options: ConnectionServiceOptions) {
    this.#options = options;
    this.#activity = new SessionActivity({
      sessions: options.stores.sessions,
      wheel: options.wheel,
      idleMs: options.sessionIdleMs,
      onVerdict: (sessionId, remainingMs) => this.#applyVerdict(sessionId, remainingMs),
      onError: options.onError,
    });
    options.stores.revocations.follow(
      (entry) => this.apply(entry),
      () => this.#recheck(),
    );
  }

  /** The connections of this node that have not been told to end. */
  local(): Connection[] {
    return this.#table.all();
  }

  get(id: string): Connection | undefined {
    return this.#table.get(id);
  }

  ofUser(userHash: string): Connection[] {
    return this.#table.ofUser(userHash);
  }

  ofSession(sessionId: string): Connection[] {
    return this.#table.ofSession(sessionId);
  }

  /**
   * Puts an admitted connection under watch, and holds it against every revocation that came in since the store decided.
   *
   * @param logTail the last log entry that the store's decision has seen
   * @returns the connection, which may be fenced already: look at `isOpen` before showing it to anybody
   */
  open(
    id: string,
    handshake: Handshake,
    grant: Grant,
    logTail: string,
    idleLeftMs: number | undefined,
  ): Connection {
    const connection = new Connection(id, handshake, grant, this.#options.clock());
    this.#table.add(connection);
    this.#watch(connection, idleLeftMs);
    this.#opening = connection;
    this.#applyMissed(connection, logTail);
    this.#opening = undefined;
    return connection;
  }

  /**
   * A fresh credential for a live connection; the caller has checked that it is of the same principal. For one that has
   * ended meanwhile, the place that the store gave it again is given back.
   */
  renew(connection: Connection, grant: Grant, logTail: string, idleLeftMs: number | undefined): void {
    if (!connection.isOpen) return this.#release(connection);
    this.#table.update(connection, () => connection.renew(grant));
    this.#watch(connection, idleLeftMs);
    this.#applyMissed(connection, logTail);
  }

  /** True when a frame of this connection may be looked at; an expired connection ends here. */
  isLive(connection: Connection): boolean {
    if (!connection.isOpen) return false;
    if (this.#options.clock() < connection.expiresAt) return true;
    this.end(connection, EXPIRED);
    return false;
  }

  /** True when an application message of this connection may be dispatched: it counts as a use of the session (SE-08). */
  mayReceive(connection: Connection): boolean {
    if (!this.isLive(connection)) return false;
    const now = this.#options.clock();
    connection.lastMessageAt = now;
    if (this.#options.extendedByMessages && connection.session) {
      const { idleEndsAt = Infinity } = this.#watches.get(connection) ?? {};
      this.#activity.markUsed(connection.session.id, idleEndsAt - now);
    }
    return true;
  }

  /** Ends a connection: the fence at once, the Close frame with the next turns. @returns false when it was ending already */
  end(connection: Connection, ending: Ending): boolean {
    if (!connection.fence(ending)) return false;
    this.#forget(connection);
    const code = closeCodeIn(this.#options.closeCodes, ending.close.code);
    const { correlationId } = connection.handshake;
    const reason = closeReason(ending.close.word, { retryAfterMs: ending.retryAfterMs, correlationId });
    this.#closer.enqueue(() => this.#writeClose(connection, code, reason));
    if (connection !== this.#opening) this.#audit(connection, ending.reason, code);
    return true;
  }

  /** Takes back a connection that nobody has seen: no Close is written and no close is told. */
  withdraw(connection: Connection): void {
    connection.markClosed();
    this.#forget(connection);
  }

  /** The socket of a connection is gone. Harmless when that was told before. */
  closed(connection: Connection, code: number): void {
    const wasOpen = connection.isOpen;
    if (!connection.markClosed()) return;
    this.#forget(connection);
    if (wasOpen) this.#audit(connection, 'client_left', code);
  }

  /** Applies an entry of the revocation log to this node. @returns how many connections it ended or changed */
  apply(entry: RevocationEntry): number {
    this.#recent.add(entry);
    const concerned = this.#candidatesFor(entry).filter(
      (connection) => this.#isUnseen(entry, connection) && entryConcerns(entry, connection),
    );
    for (const connection of concerned) this.#applyTo(connection, entry);
    return concerned.length;
  }

  /**
   * True when the admission was decided without this entry. Ids of two partitions have no order: of an entry of another
   * partition nobody can tell, so it counts as unseen. But one for everyone stands in the connection's own partition too.
   */
  #isUnseen(entry: RevocationEntry, connection: Connection): boolean {
    if (entry.partition !== this.#partitionOf(connection)) return entry.order.kind !== 'everyone';
    return isLaterEntry(entry.id, connection.seenUpTo);
  }

  #partitionOf({ grant }: Connection): string {
    return this.#options.stores.revocations.partitionOf(grant.userHash);
  }

  /** Writes every Close frame that is still waiting for its turn. */
  flushCloses(): void {
    this.#closer.flush();
  }

  /** The entries that came between the store's decision and this moment. Where they are no longer known, nobody is let in. */
  #applyMissed(connection: Connection, logTail: string): void {
    connection.seenUpTo = logTail;
    const missed = this.#recent.after(this.#partitionOf(connection), logTail);
    if (!missed) {
      this.end(connection, OVERRUN);
      return;
    }
    for (const entry of missed) {
      if (entryConcerns(entry, connection)) this.#applyTo(connection, entry);
    }
  }

  /** The store has lost what it knew, or some of it: registers what lives here anew, and asks about all of it. */
  async #recheck(): Promise<void> {
    const connections = this.#table.all();
    const { stores } = this.#options;
    // Entries of another log may have earlier names than those that a connection has seen.
    for (const connection of connections) connection.seenUpTo = '0-0';
    await stores.connections.restore(
      connections.map(({ id, grant, session, openedAt }) => ({
        id,
        userHash: grant.userHash,
        sessionId: session?.id,
        since: openedAt,
      })),
    );
    for (const connection of connections) {
      const { userHash, session, authenticatedAt, tokenHash } = connection.grant;
      if (session) this.#activity.ask(session.id);
      if (session && !tokenHash) continue;
      const issuedAt = session ? undefined : authenticatedAt;
      if (await stores.revocations.isRevoked({ userHash, issuedAt, tokenHash }))
        this.end(connection, REVOKED);
    }
  }

  #candidatesFor(entry: RevocationEntry): Connection[] {
    const { order } = entry;
    switch (order.kind) {
      case 'session':
      case 'rotate':
        return this.#table.ofSession(order.sessionId);
      case 'token':
        return this.#table.ofToken(order.tokenHash);
      case 'replace': {
        const connection = this.#table.get(order.connectionId);
        return connection ? [connection] : [];
      }
      case 'rights':
      case 'user':
        this.#raiseKeptSession(entry);
        return this.#table.ofUser(order.userHash);
      case 'everyone':
        return this.#table.all();
    }
  }

  /** "All but this one" counts as a fresh login of the one that is kept. */
  #raiseKeptSession(entry: RevocationEntry): void {
    const { order, cut } = entry;
    if (order.kind !== 'user' || order.exceptSessionId === undefined || cut === undefined) return;
    for (const connection of this.#table.ofSession(order.exceptSessionId)) {
      const { grant } = connection;
      if (!grant.session || grant.authenticatedAt >= cut) continue;
      connection.renew({ ...grant, authenticatedAt: cut, principal: connection.principal });
    }
  }

  #applyTo(connection: Connection, entry: RevocationEntry): void {
    const { order } = entry;
    if (order.kind === 'rights') return this.#changeRights(connection, order.roles, order.scopes);
    if (order.kind === 'rotate') return this.#replaceSession(connection, { id: order.newSessionId });
    this.end(connection, order.kind === 'replace' ? REPLACED : { ...REVOKED, reason: entry.reason });
  }

  #changeRights(
    connection: Connection,
    roles: readonly string[] | undefined,
    scopes: readonly string[] | undefined,
  ): void {
    this.#replaceSession(connection, { ...(roles ? { roles } : {}), ...(scopes ? { scopes } : {}) });
  }

  #replaceSession(connection: Connection, change: Partial<Session>): void {
    const { session } = connection;
    if (!session) return;
    this.#table.update(connection, () => connection.replaceSession(Object.freeze({ ...session, ...change })));
  }

  /** A socket that cannot be closed keeps no other from being closed. */
  #writeClose(connection: Connection, code: number, reason: string): void {
    try {
      connection.writeClose(code, reason);
    } catch (error) {
      this.#options.onError(error);
    }
  }

  /** One deadline for each connection: its end by the wall clock, or the earliest time at which its session may be idle. */
  #watch(connection: Connection, idleLeftMs: number | undefined): void {
    const { clock, wheel } = this.#options;
    const now = clock();
    const untilEnd = Math.max(0, connection.expiresAt - now);
    const delay = Math.min(untilEnd, idleLeftMs ?? Infinity, MAX_WATCH_MS);
    wheel.cancel(this.#watches.get(connection)?.deadline);
    const deadline = wheel.schedule(delay, () => this.#look(connection));
    this.#watches.set(connection, { deadline, idleEndsAt: now + (idleLeftMs ?? Infinity) });
  }

  #look(connection: Connection): void {
    if (!connection.isOpen) return;
    if (this.#options.clock() >= connection.expiresAt) {
      this.end(connection, EXPIRED);
      return;
    }
    this.#watch(connection, undefined);
    if (connection.session) this.#activity.ask(connection.session.id);
  }

  #applyVerdict(sessionId: string, remainingMs: number | null): void {
    for (const connection of this.#table.ofSession(sessionId)) {
      if (remainingMs === null) this.end(connection, EXPIRED);
      else this.#watch(connection, remainingMs);
    }
  }

  #forget(connection: Connection): void {
    if (!this.#table.remove(connection)) return;
    this.#options.wheel.cancel(this.#watches.get(connection)?.deadline);
    this.#watches.delete(connection);
    this.#release(connection);
  }

  #release({ id, grant }: Connection): void {
    this.#options.stores.connections.release({ id, userHash: grant.userHash }).catch(this.#options.onError);
  }

  #audit(connection: Connection, reasonCode: string, closeCode: number): void {
    this.#options.audit.record({
      ...connection.facts,
      event: EVENT_OF_REASON.get(reasonCode) ?? 'connection_closed',
      outcome: 'closed',
      reasonCode,
      closeCode,
    });
  }
}
