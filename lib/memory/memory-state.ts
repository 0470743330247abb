import type { Clock } from '../core/clock.js';
import type { LiveSession, Session } from '../core/session/session.js';
import type { TicketRecord } from '../core/ticket/ticket-store.js';
import { GcraLimiter, type Rate } from '../core/throttle/gcra.js';
import { ExpiringMap } from './expiring-map.js';
import { RegisteredConnections } from './registered-connections.js';

/** A session, when it was used, and when it ends if it is not used again. */
interface StoredSession {
  session: Session;
  lastUsedAt: number;
  idleEndsAt: number;
}

/** A ticket, or the memory of one that was spent. */
export interface StoredTicket {
  readonly userHash: string;
  readonly record: TicketRecord;
  isSpent: boolean;
}

/** Unix ms: what of a user is dead from before. */
interface Cut {
  readonly sessions: number;
  /** Of credentials without session: those of the very millisecond cannot be told from earlier ones, and are dead too. */
  readonly credentials: number;
}

const NO_CUT: Cut = { sessions: 0, credentials: 0 };

/** What the memory stores share. Every method is one step: nothing is awaited, so nothing comes in between. */
export class MemoryState {
  readonly clock: Clock;
  readonly node: string;
  readonly tickets: ExpiringMap<StoredTicket>;
  /** Hashes of unused tickets by session (or by user, for tickets without one), oldest first. */
  readonly outstanding = new Map<string, Set<string>>();
  readonly connections = new RegisteredConnections();
  readonly revokedTokens: ExpiringMap<true>;
  readonly #sessions: ExpiringMap<StoredSession>;
  readonly #sessionsOfUser = new Map<string, Set<string>>();
  readonly #userCuts: ExpiringMap<Cut>;
  /** One for each rate that is asked for, which are as many as the options name. */
  readonly #limiters: { readonly rate: Rate; readonly limiter: GcraLimiter }[] = [];
  #everyoneCut = 0;
  #lastLogTime = 0;
  #logSequence = 0;
  logTail = '0-0';

  constructor(clock: Clock, node: string) {
    this.clock = clock;
    this.node = node;
    this.tickets = new ExpiringMap(clock);
    this.revokedTokens = new ExpiringMap(clock);
    this.#sessions = new ExpiringMap(clock);
    this.#userCuts = new ExpiringMap(clock);
  }

  /** What counts a rate: the same one for whoever asks for that rate. */
  limiterOf({ limit, windowMs, burst }: Rate): GcraLimiter {
    for (const { rate, limiter } of this.#limiters)
      if (rate.limit === limit && rate.windowMs === windowMs && rate.burst === burst) return limiter;
    const rate = { limit, windowMs, burst };
    const limiter = new GcraLimiter(rate);
    this.#limiters.push({ rate, limiter });
    return limiter;
  }

  putSession(session: Session, lastUsedAt: number, idleEndsAt: number): void {
    const endsAt = Math.min(idleEndsAt, session.absoluteEndsAt);
    this.#sessions.set(session.id, { session, lastUsedAt, idleEndsAt }, endsAt);
    const userHash = userOf(session.id);
    const ids = this.#sessionsOfUser.get(userHash);
    if (ids) ids.add(session.id);
    else this.#sessionsOfUser.set(userHash, new Set([session.id]));
  }

  /** The session when it lives and no revocation has overtaken it. */
  session(id: string): LiveSession | null {
    const stored = this.#sessions.get(id);
    if (!stored) return null;
    const { session, lastUsedAt, idleEndsAt } = stored;
    if (session.authenticatedAt < this.cutOf(userOf(id))) {
      this.deleteSession(id);
      return null;
    }
    const remainingMs = Math.min(idleEndsAt, session.absoluteEndsAt) - this.clock();
    return { ...session, lastUsedAt, remainingMs };
  }

  /** Restarts the idle time. @returns the milliseconds left, or `null` when the session has ended */
  touchSession(id: string): number | null {
    const live = this.session(id);
    if (!live) return null;
    const { lastUsedAt: _, remainingMs: __, ...session } = live;
    const now = this.clock();
    const idleEndsAt = now + session.idleMs;
    this.putSession(session, now, idleEndsAt);
    return Math.min(idleEndsAt, session.absoluteEndsAt) - now;
  }

  /** Replaces what a session says, not how long it lives. */
  changeSession(id: string, change: Partial<Session>): boolean {
    const live = this.session(id);
    if (!live) return false;
    const { lastUsedAt, remainingMs, ...session } = live;
    const idleEndsAt = this.clock() + remainingMs;
    if (change.id !== undefined) this.deleteSession(id);
    this.putSession(Object.freeze({ ...session, ...change }), lastUsedAt, idleEndsAt);
    return true;
  }

  deleteSession(id: string): boolean {
    const ids = this.#sessionsOfUser.get(userOf(id));
    ids?.delete(id);
    if (ids?.size === 0) this.#sessionsOfUser.delete(userOf(id));
    return this.#sessions.delete(id);
  }

  /** The live sessions of a user, oldest first. */
  sessionsOf(userHash: string): LiveSession[] {
    const live: LiveSession[] = [];
    for (const id of this.#sessionsOfUser.get(userHash) ?? []) {
      const session = this.session(id);
      if (session) live.push(session);
      else this.deleteSession(id);
    }
    return live.sort((a, b) => a.createdAt - b.createdAt);
  }

  /** Unix ms: the sessions of a user from before it are dead. */
  cutOf(userHash: string): number {
    return Math.max((this.#userCuts.get(userHash) ?? NO_CUT).sessions, this.#everyoneCut);
  }

  raiseUserCut(userHash: string, cut: number, cutInclusive: boolean, rememberMs: number): void {
    const { sessions, credentials } = this.#userCuts.get(userHash) ?? NO_CUT;
    const raised = {
      sessions: Math.max(cut, sessions),
      credentials: Math.max(cutInclusive ? cut + 1 : cut, credentials),
    };
    this.#userCuts.set(userHash, raised, this.clock() + rememberMs);
  }

  raiseEveryoneCut(cut: number): void {
    this.#everyoneCut = Math.max(cut, this.#everyoneCut);
  }

  /** True when no revocation of the user, of everyone or of the token has overtaken this credential. */
  isCurrent(userHash: string, authenticatedAt: number, tokenHash: string | undefined): boolean {
    if (tokenHash !== undefined && this.revokedTokens.get(tokenHash)) return false;
    const { credentials } = this.#userCuts.get(userHash) ?? NO_CUT;
    return authenticatedAt >= Math.max(credentials, this.#everyoneCut);
  }

  /** A place in the log: later than every one before, even when the clock was set back. */
  nextLogId(): string {
    const now = this.clock();
    if (now > this.#lastLogTime) {
      this.#lastLogTime = now;
      this.#logSequence = 0;
    } else {
      this.#logSequence += 1;
    }
    this.logTail = `${this.#lastLogTime}-${this.#logSequence}`;
    return this.logTail;
  }

  /** Drops what is over, a slice of it at a time. */
  sweep(): void {
    for (const map of [this.tickets, this.revokedTokens, this.#sessions, this.#userCuts]) {
      map.sweep(sliceOf(map.size));
    }
    sweepIndex(this.#sessionsOfUser, this.#sessions);
    sweepIndex(this.outstanding, this.tickets);
  }
}

/** How much of a map one sweep looks at: all of it within a minute. */
function sliceOf(size: number): number {
  return Math.max(1_000, Math.ceil(size / 60));
}

/** The index goes round, a slice at a time: members that are over leave it, and owners without members. */
function sweepIndex(index: Map<string, Set<string>>, members: ExpiringMap<unknown>): void {
  let left = Math.min(sliceOf(index.size), index.size);
  for (const [owner, keys] of index) {
    if ((left -= 1) < 0) return;
    index.delete(owner);
    for (const key of keys) if (members.get(key) === undefined) keys.delete(key);
    if (keys.size > 0) index.set(owner, keys);
  }
}
function userOf(sessionId: string): string {
  return sessionId.slice(0, sessionId.indexOf('.'));
}
