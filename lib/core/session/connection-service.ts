import type { AuditLog } from '../audit/audit-log.js';
import { eventOfEnding } from '../audit/event-of-ending.js';
import type { Clock } from '../clock.js';
import { CLOSE, closeCodeIn, closeReason, NO_CLOSE, type CloseCodeScheme } from '../close-code.js';
import { holdsRights } from '../authorization/authorization-rules.js';
import { rightsChange } from '../authorization/rights-change.js';
import { Connection, type ConnectionTerms, type Ending, type Grant, type Handshake } from '../connection.js';
import type { Principal } from '../principal.js';
import type { DeadlineWheel } from '../lifetime/deadline-wheel.js';
import type { Lifetime } from '../lifetime/lifetime.js';
import { PacedCloser } from '../lifetime/paced-closer.js';
import { credentialToCheck, Revalidation } from '../lifetime/revalidation.js';
import type { LifetimeDue, WatchOwner } from '../lifetime/socket-watch.js';
import { entryConcerns } from '../revocation/entry-match.js';
import { RecentEntries } from '../revocation/recent-entries.js';
import { isLaterEntry, type RevocationEntry } from '../revocation/revocation-log.js';
import type { Stores } from '../stores.js';
import type { ConnectionObserver } from './connection-observer.js';
import { ConnectionTable } from './connection-table.js';
import type { Session } from './session.js';
import { SessionActivity } from './session-activity.js';

const REVOKED: Ending = { close: CLOSE.revoked, reason: 'revoked' };
const EXPIRED: Ending = { close: CLOSE.expired, reason: 'expired' };
const IDLE: Ending = { close: CLOSE.idleTimeout, reason: 'idle_timeout' };
const OVERRUN: Ending = { close: CLOSE.tryLater, reason: 'revocation_log_overrun' };
const REPLACED: Ending = { close: CLOSE.replaced, reason: 'replaced' };
const RIGHTS_LOST: Ending = { close: CLOSE.forbidden, reason: 'gateway_rights_lost' };

/** Clients that a fault of this node sends away come back spread over this time. */
const OVERRUN_RETRY_MS = 10_000;

/** A message so shortly before the store's answer may have come after the store gave it. */
const MAX_ANSWER_MS = 1_000;

/** What the service is built from. */
export interface ConnectionServiceOptions {
  readonly stores: Stores;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly wheel: DeadlineWheel;
  readonly lifetime: Lifetime;
  readonly closeCodes: CloseCodeScheme;
  readonly sessionIdleMs: number;
  readonly extendedByMessages: boolean;
  readonly onError: (error: unknown) => void;
}

/** The connections of this node: from the moment in which a store admitted them to the last byte. */
export class ConnectionService implements WatchOwner<Connection> {
  readonly #options: ConnectionServiceOptions;
  readonly #table = new ConnectionTable();
  readonly #recent = new RecentEntries();
  readonly #closer = new PacedCloser();
  readonly #activity: SessionActivity;
  readonly #revalidation: Revalidation;
  readonly #staleMsOf = (userHash: string): number =>
    Math.max(0, this.#options.clock() - this.#options.stores.freshAtOf(userHash));
  /** A connection that nobody has been told of yet: ended now, it is a handshake that is refused, and no close. */
  #opening: Connection | undefined;
  #observer: ConnectionObserver | undefined;

  constructor(options: ConnectionServiceOptions) {
    this.#options = options;
    this.#activity = new SessionActivity({
      sessions: options.stores.sessions,
      wheel: options.wheel,
      idleMs: options.sessionIdleMs,
      onVerdict: (sessionId, remainingMs) => this.#applyVerdict(sessionId, remainingMs),
      onError: options.onError,
    });
    this.#revalidation = new Revalidation({
      revocations: options.stores.revocations,
      wheel: options.wheel,
      onRevoked: (connection) => this.end(connection, REVOKED),
      onError: options.onError,
    });
    options.stores.revocations.follow(
      (entry) => this.apply(entry),
      () => this.#recheck(),
      (order) => this.apply(order),
    );
  }

  /** The connections of this node that have not been told to end. */
  local(): Connection[] {
    return this.#table.all();
  }

  /** How many there are. */
  get size(): number {
    return this.#table.size;
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
   * @param terms what it must go on to fulfil; the caller looks whether it does now
   * @returns the connection, which may be fenced already: look at `isOpen` before showing it to anybody
   */
  open(
    id: string,
    handshake: Handshake,
    grant: Grant,
    logTail: string,
    idleLeftMs: number | undefined,
    terms?: ConnectionTerms,
  ): Connection {
    const { clock, lifetime } = this.#options;
    const { maxMs } = lifetime;
    const connection = new Connection(id, handshake, grant, clock(), maxMs, this.#staleMsOf, terms);
    this.#table.add(connection);
    connection.watch = lifetime.watch(connection, this);
    this.#allow(connection, idleLeftMs);
    this.#opening = connection;
    this.#applyMissed(connection, logTail);
    this.#opening = undefined;
    return connection;
  }

  /**
   * A fresh credential for a live connection; the caller has checked that it is of the same principal. One that ends before
   * the present one proves who the user is, and changes nothing else: rights and end stay those of the present one. For a
   * connection that has ended meanwhile, the place that the store gave it again is given back.
   */
  renew(connection: Connection, grant: Grant, logTail: string, idleLeftMs: number | undefined): void {
    if (!connection.isOpen) return this.#release(connection);
    const { authTime } = connection;
    const isShorter = grant.expiresAt < connection.grant.expiresAt;
    if (isShorter) this.#noteProof(connection, grant, logTail);
    else this.#replaceGrant(connection, grant, logTail, idleLeftMs);
    if (connection.isOpen && connection.authTime > authTime) this.#observer?.authenticated(connection);
  }

  /** What has been revoked since the store decided proves nothing, and ends who presents it. */
  #noteProof(connection: Connection, grant: Grant, logTail: string): void {
    const missed = this.#recent.after(this.#partitionOf(connection), logTail);
    if (!missed) return this.#endOverrun(connection);
    const presented = { id: connection.id, grant };
    const revoking = missed.find(
      (entry) => !['rights', 'rotate'].includes(entry.order.kind) && entryConcerns(entry, presented),
    );
    if (revoking) this.#applyTo(connection, revoking);
    else connection.noteAuthentication(grant.authTime);
  }

  #replaceGrant(connection: Connection, grant: Grant, logTail: string, idleLeftMs: number | undefined): void {
    const before = connection.principal;
    this.#table.update(connection, () => connection.renew(grant));
    this.#allow(connection, idleLeftMs);
    this.#applyMissed(connection, logTail);
    this.#noteRights(connection, before);
  }

  /** Tells of what changes about live connections from now on. */
  observe(observer: ConnectionObserver): void {
    this.#observer = observer;
  }

  /** True when a frame of this connection may be looked at; an expired connection ends here. */
  isLive(connection: Connection): boolean {
    return this.#isLiveAt(connection, this.#options.clock());
  }

  /** True when an application message of this connection may be dispatched: it counts as a use of it and of its session (SE-08). */
  mayReceive(connection: Connection): boolean {
    const now = this.#options.clock();
    if (!this.#isLiveAt(connection, now)) return false;
    connection.lastMessageAt = now;
    if (connection.tellsNextUse) this.#tellUse(connection);
    return true;
  }

  /** Ends a connection: the fence at once, the Close frame with the next turns. @returns false when it was ending already */
  end(connection: Connection, ending: Ending): boolean {
    if (!connection.fence(ending)) return false;
    this.#forget(connection);
    const code = closeCodeIn(this.#options.closeCodes, ending.close.code);
    const { correlationId } = connection.handshake;
    const reason = closeReason(ending.close.word, { retryAfterMs: ending.retryAfterMs, correlationId });
    this.#closer.enqueue(() => this.#attempt(() => connection.writeClose(code, reason)));
    if (connection !== this.#opening) this.#audit(connection, ending.reason, code);
    return true;
  }

  /** Cuts a connection whose peer would not read a Close. @returns false when it was ending already */
  cut(connection: Connection, reason: string): boolean {
    if (!connection.fence({ close: NO_CLOSE, reason })) return false;
    this.#forget(connection);
    this.#closer.enqueue(() => this.#attempt(() => connection.terminate()));
    this.#audit(connection, reason, NO_CLOSE.code);
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
    if (!missed) return this.#endOverrun(connection);
    for (const entry of missed) {
      if (entryConcerns(entry, connection)) this.#applyTo(connection, entry);
    }
  }

  #endOverrun(connection: Connection): void {
    this.end(connection, { ...OVERRUN, retryAfterMs: Math.random() * OVERRUN_RETRY_MS });
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
      if (connection.session) this.#activity.ask(connection.session.id);
    }
    await this.#revalidation.checkAll(connections);
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
    if (order.kind === 'rotate') return this.#rotate(connection, order.newSessionId, entry.cut);
    this.end(connection, order.kind === 'replace' ? REPLACED : { ...REVOKED, reason: entry.reason });
  }

  #changeRights(
    connection: Connection,
    roles: readonly string[] | undefined,
    scopes: readonly string[] | undefined,
  ): void {
    const before = connection.principal;
    this.#replaceSession(connection, { ...(roles ? { roles } : {}), ...(scopes ? { scopes } : {}) });
    this.#noteRights(connection, before);
  }

  /** @param reauthenticatedAt Unix ms at which the user has authenticated again, if that is why */
  #rotate(connection: Connection, id: string, reauthenticatedAt: number | undefined): void {
    if (reauthenticatedAt === undefined) return this.#replaceSession(connection, { id });
    const times = { authenticatedAt: reauthenticatedAt, authTime: reauthenticatedAt };
    this.#replaceSession(connection, { id, ...times });
    connection.renew({ ...connection.grant, ...times, principal: connection.principal });
    if (connection !== this.#opening) this.#observer?.authenticated(connection);
  }

  /** Ends who has lost what its path asks for; tells the others. Of one that nobody has seen the handshake decides. */
  #noteRights(connection: Connection, before: Principal): void {
    if (connection === this.#opening || !connection.isOpen) return;
    const change = rightsChange(before, connection.principal);
    if (!change) return;
    if (holdsRights(connection.principal, connection.terms))
      this.#observer?.rightsChanged(connection, change);
    else this.end(connection, RIGHTS_LOST);
  }

  #replaceSession(connection: Connection, change: Partial<Session>): void {
    const { session } = connection;
    if (!session) return;
    this.#table.update(connection, () => connection.replaceSession(Object.freeze({ ...session, ...change })));
    // What was told was told of the session that it had.
    connection.tellsNextUse = this.#options.extendedByMessages;
  }

  /** A socket that cannot be closed keeps no other from being closed. */
  #attempt(close: () => void): void {
    try {
      close();
    } catch (error) {
      this.#options.onError(error);
    }
  }

  #isLiveAt(connection: Connection, now: number): boolean {
    if (!connection.isOpen) return false;
    // The longest life is a duration: where the wall clock says that it is over, the watch knows better.
    if (now < connection.expiresAt || connection.watch?.isExpired === false) return true;
    this.end(connection, EXPIRED);
    return false;
  }

  /** Puts the connection under watch for as long as its grant allows. */
  #allow(connection: Connection, idleLeftMs: number | undefined): void {
    connection.watch?.allowUntil(connection.grant.expiresAt, idleLeftMs);
    connection.tellsNextUse = this.#options.extendedByMessages && connection.session !== undefined;
  }

  /** @internal Called by the watch of a connection. */
  applyDue(connection: Connection, due: LifetimeDue): void {
    switch (due) {
      case 'expired':
        this.end(connection, EXPIRED);
        break;
      case 'expiring':
        this.#observer?.expiring(connection);
        break;
      case 'idle':
        this.end(connection, IDLE);
        break;
      case 'silent':
        this.cut(connection, 'heartbeat_timeout');
        break;
      case 'revalidate':
        if (connection.session) this.#activity.ask(connection.session.id);
        if (credentialToCheck(connection)) this.#revalidation.add(connection);
        break;
    }
  }

  /** Once until the store has answered: the messages between are part of the same use. */
  #tellUse(connection: Connection): void {
    connection.tellsNextUse = false;
    const { session, watch } = connection;
    if (session && watch) this.#activity.markUsed(session.id, watch.sessionIdleLeftMs);
  }

  #applyVerdict(sessionId: string, remainingMs: number | null): void {
    for (const connection of this.#table.ofSession(sessionId)) {
      if (remainingMs === null) this.end(connection, EXPIRED);
      else this.#extend(connection, remainingMs);
    }
  }

  #extend(connection: Connection, idleLeftMs: number): void {
    const { watch } = connection;
    watch?.sessionLives(idleLeftMs);
    if (!credentialToCheck(connection)) watch?.revalidated();
    if (!this.#options.extendedByMessages || connection.tellsNextUse) return;
    const answerMs = Math.min(MAX_ANSWER_MS, this.#options.sessionIdleMs / 8);
    const isTold = this.#options.clock() - connection.lastMessageAt > answerMs;
    connection.tellsNextUse = isTold;
    if (!isTold) this.#activity.markUsed(connection.session!.id, Infinity);
  }

  #forget(connection: Connection): void {
    if (!this.#table.remove(connection)) return;
    connection.watch?.stop();
    this.#release(connection);
  }

  #release({ id, grant }: Connection): void {
    this.#options.stores.connections.release({ id, userHash: grant.userHash }).catch(this.#options.onError);
  }

  #audit(connection: Connection, reasonCode: string, closeCode: number): void {
    this.#options.audit.record({
      ...connection.facts,
      event: eventOfEnding(reasonCode),
      outcome: 'closed',
      reasonCode,
      closeCode,
    });
  }
}
