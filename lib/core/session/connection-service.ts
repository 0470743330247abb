import type { AuditLog } from '../audit/audit-log.js';
import type { Clock } from '../clock.js';
import { CLOSE, NO_CLOSE, type CloseCodeScheme } from '../close-code.js';
import { holdsRights } from '../authorization/authorization-rules.js';
import { rightsChange } from '../authorization/rights-change.js';
import { Connection, type ConnectionTerms, type Ending, type Grant, type Handshake } from '../connection.js';
import type { Principal } from '../principal.js';
import type { DeadlineWheel } from '../lifetime/deadline-wheel.js';
import type { Lifetime } from '../lifetime/lifetime.js';
import { credentialToCheck, Revalidation } from '../lifetime/revalidation.js';
import type { LifetimeDue, WatchOwner } from '../lifetime/socket-watch.js';
import type { RevocationEntry } from '../revocation/revocation-log.js';
import type { Stores } from '../stores.js';
import { ConnectionEnds } from './connection-ends.js';
import type { ConnectionObserver } from './connection-observer.js';
import { ConnectionTable } from './connection-table.js';
import { LogFollower } from './log-follower.js';
import { SessionActivity } from './session-activity.js';

const REVOKED: Ending = { close: CLOSE.revoked, reason: 'revoked' };
const EXPIRED: Ending = { close: CLOSE.expired, reason: 'expired' };
const IDLE: Ending = { close: CLOSE.idleTimeout, reason: 'idle_timeout' };
const RIGHTS_LOST: Ending = { close: CLOSE.forbidden, reason: 'gateway_rights_lost' };

/** A message so shortly before the store's answer may have come after the store gave it. */
const MAX_ANSWER_MS = 1_000;

/** What the service is built from. */
export interface ConnectionServiceOptions {
  readonly stores: Stores;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly monotonic: Clock;
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
  readonly #follower: LogFollower;
  readonly #ends: ConnectionEnds;
  readonly #activity: SessionActivity;
  readonly #revalidation: Revalidation;
  readonly #staleMsOf = (userHash: string): number =>
    Math.max(0, this.#options.clock() - this.#options.stores.freshAtOf(userHash));
  /** A connection that nobody has been told of yet: ended now, it is a handshake that is refused, and no close. */
  #opening: Connection | undefined;
  #observer: ConnectionObserver | undefined;

  constructor(options: ConnectionServiceOptions) {
    this.#options = options;
    const { stores, audit, monotonic, closeCodes, onError } = options;
    const registry = stores.connections;
    this.#ends = new ConnectionEnds({ table: this.#table, registry, audit, monotonic, closeCodes, onError });
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
    this.#follower = new LogFollower({
      table: this.#table,
      log: options.stores.revocations,
      extendedByMessages: options.extendedByMessages,
      owner: {
        end: (connection, ending) => this.end(connection, ending),
        endAll: (connections, ending, isConcerned) => this.endAll(connections, ending, isConcerned),
        rightsApplied: (connection, before) => this.#noteRights(connection, before),
        authenticated: (connection) => this.#observer?.authenticated(connection),
      },
    });
    options.stores.revocations.follow(
      (entry) => this.apply(entry),
      () => this.#recheck(),
      (order) => this.apply(order),
    );
  }

  /** The connections of this node that have not been told to end. */
  local(): Connection[] {
    return this.#table.all().filter(isOpen);
  }

  /** How many there are, with those whose end is still to be told. */
  get size(): number {
    return this.#table.size;
  }

  get(id: string): Connection | undefined {
    const connection = this.#table.get(id);
    return connection?.isOpen ? connection : undefined;
  }

  ofUser(userHash: string): Connection[] {
    return this.#table.ofUser(userHash).filter(isOpen);
  }

  ofSession(sessionId: string): Connection[] {
    return this.#table.ofSession(sessionId).filter(isOpen);
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
    this.#follower.catchUp(connection, logTail);
    this.#opening = undefined;
    return connection;
  }

  /**
   * A fresh credential for a live connection; the caller has checked that it is of the same principal. One that ends before
   * the present one proves who the user is, and changes nothing else: rights and end stay those of the present one. For a
   * connection that has ended meanwhile, the place that the store gave it again is given back.
   */
  renew(connection: Connection, grant: Grant, logTail: string, idleLeftMs: number | undefined): void {
    if (!this.isLive(connection)) return this.#ends.release(connection);
    const { authTime } = connection;
    const isShorter = grant.expiresAt < connection.grant.expiresAt;
    if (isShorter) this.#follower.takeProof(connection, grant, logTail);
    else this.#replaceGrant(connection, grant, logTail, idleLeftMs);
    if (connection.isOpen && connection.authTime > authTime) this.#observer?.authenticated(connection);
  }

  #replaceGrant(connection: Connection, grant: Grant, logTail: string, idleLeftMs: number | undefined): void {
    const before = connection.principal;
    this.#table.update(connection, () => connection.renew(grant));
    this.#allow(connection, idleLeftMs);
    this.#follower.catchUp(connection, logTail);
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

  /**
   * Ends a connection: the fence at once; what follows from it, the Close frame among it, at once or, where many end
   * together, with the next turns. @returns false when it was ending already
   */
  end(connection: Connection, ending: Ending): boolean {
    if (!connection.fence(ending)) return false;
    if (connection === this.#opening) this.#ends.addUntold(connection);
    else this.#ends.add(connection);
    return true;
  }

  /**
   * Ends all of these that are concerned. Fence first: what follows costs a hundred times as much, and would keep the last
   * one open meanwhile.
   *
   * @returns how many were not ending already
   */
  endAll(
    connections: Iterable<Connection>,
    ending: Ending,
    isConcerned: (connection: Connection) => boolean = () => true,
  ): number {
    const fenced: Connection[] = [];
    for (const connection of connections)
      if (isConcerned(connection) && connection.fence(ending)) fenced.push(connection);
    this.#ends.addAll(fenced);
    return fenced.length;
  }

  /** Cuts a connection whose peer would not read a Close. @returns false when it was ending already */
  cut(connection: Connection, reason: string): boolean {
    return this.end(connection, { close: NO_CLOSE, reason });
  }

  /** Takes back a connection that nobody has seen: no Close is written and no close is told. */
  withdraw(connection: Connection): void {
    connection.markClosed();
    this.#ends.forget(connection);
  }

  /** The socket of a connection is gone. Harmless when that was told before. */
  closed(connection: Connection, code: number): void {
    const wasOpen = connection.isOpen;
    if (!connection.markClosed()) return;
    this.#ends.forget(connection);
    if (wasOpen) this.#ends.tell(connection, 'client_left', code);
  }

  /** Applies an entry of the revocation log to this node. @returns how many connections it ended or changed */
  apply(entry: RevocationEntry): number {
    return this.#follower.apply(entry);
  }

  /** Does what is still waiting for its turn. */
  flushCloses(): void {
    this.#ends.flush();
  }

  /** The store has lost what it knew, or some of it: registers what lives here anew, and asks about all of it. */
  async #recheck(): Promise<void> {
    const connections = this.local();
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

  /** Ends who has lost what its path asks for; tells the others. */
  #noteRights(connection: Connection, before: Principal): void {
    if (!connection.isOpen) return;
    const change = rightsChange(before, connection.principal);
    if (!change) return;
    if (holdsRights(connection.principal, connection.terms))
      this.#observer?.rightsChanged(connection, change);
    else this.end(connection, RIGHTS_LOST);
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
    if (remainingMs === null) this.endAll(this.ofSession(sessionId), EXPIRED);
    else for (const connection of this.ofSession(sessionId)) this.#extend(connection, remainingMs);
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
}

function isOpen(connection: Connection): boolean {
  return connection.isOpen;
}
