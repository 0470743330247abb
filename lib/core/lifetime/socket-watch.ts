import type { Clock } from '../clock.js';
import type { Deadline, DeadlineWheel } from './deadline-wheel.js';
import { Heartbeat, type HeartbeatPeer, type HeartbeatSettings } from './heartbeat.js';
import type { ResolvedLifetimeOptions } from './lifetime-options.js';

/** Longest wait between two looks: bounds for how long a wall clock that was set forward goes unnoticed. */
const MAX_LOOK_MS = 60_000;

/** Re-validations come this share of the interval early or late, so that they do not come all at once. */
const REVALIDATION_SPREAD = 0.2;

/** By how much the two clocks may differ over the time between two looks without one of them having been set. */
const CLOCK_DRIFT_MS = 1_000;

/** So long before its end a socket is announced as expiring: at most, and as a share of the time that it had. */
const EXPIRING_MS = 5 * 60_000;
const EXPIRING_SHARE = 0.2;

/** A socket as far as its lifetime goes. */
export interface WatchedSocket {
  readonly isOpen: boolean;
  /** Unix ms of the last application message, or of the opening. */
  readonly lastMessageAt: number;
  /** Left out while there is no socket yet. */
  readonly transport: HeartbeatPeer | undefined;
}

/**
 * What is to be done about a socket: its credential or its longest life is `expired` or will be soon (`expiring`), it sent
 * nothing for too long (`idle`), its peer is `silent`, or its credential must be held against the store again
 * (`revalidate`).
 */
export type LifetimeDue = 'expired' | 'expiring' | 'idle' | 'silent' | 'revalidate';

/** Who acts on what is due. */
export interface WatchOwner<S> {
  /** Called in a sweep. A socket that ends must have its watch stopped. */
  applyDue(socket: S, due: LifetimeDue): void;
}

/** What all watches of a node have in common. */
export interface WatchSettings {
  readonly limits: Pick<ResolvedLifetimeOptions, 'maxMs' | 'idleMs' | 'revalidateMs'>;
  readonly heartbeat: HeartbeatSettings;
  readonly wheel: DeadlineWheel;
  readonly clock: Clock;
  readonly monotonic: Clock;
  /** From 0 to 1. */
  readonly random: () => number;
}

/**
 * Everything by which one socket ends by time, behind one deadline: it is looked at when the earliest of the ends may have
 * come, and a message costs nothing here. Durations are counted on the monotonic clock. A credential ends by the wall clock
 * and, should that be set back, by the monotonic one (requirement LT-01).
 */
export class SocketWatch<S extends WatchedSocket = WatchedSocket> implements Deadline {
  /** For the wheel. */
  dueAt = 0;
  /** For the wheel. */
  slot = -1;
  readonly #settings: WatchSettings;
  readonly #socket: S;
  readonly #owner: WatchOwner<S>;
  readonly #heartbeat: Heartbeat;
  readonly #lifeEndsAt: number;
  /** Unix ms. */
  #credentialEndsAt = Infinity;
  /** The same by the monotonic clock, as of when it was learnt. */
  #credentialEndsBy = Infinity;
  #expiringAt = Infinity;
  /** Unix ms of the end that is announced, infinite for that of the longest life: each is announced once. */
  #announcedEnd = Number.NaN;
  #sessionIdleEndsAt = Infinity;
  #revalidateAt: number;
  #usedAt: number;
  #seenMessageAt: number;
  #lookedAt: number;
  #isStopped = false;

  constructor(settings: WatchSettings, socket: S, owner: WatchOwner<S>) {
    const now = settings.monotonic();
    this.#settings = settings;
    this.#socket = socket;
    this.#owner = owner;
    this.#heartbeat = new Heartbeat(settings.heartbeat, now);
    this.#lifeEndsAt = now + settings.limits.maxMs;
    this.#revalidateAt = this.#nextRevalidation(now);
    this.#usedAt = this.#lookedAt = now;
    this.#seenMessageAt = socket.lastMessageAt;
  }

  /**
   * What the credential allows, at the opening and at each refresh.
   *
   * @param endsAt Unix ms; infinite for a socket without a credential that ends
   * @param sessionIdleLeftMs until its session ends if it is not used
   */
  allowUntil(endsAt: number, sessionIdleLeftMs = Infinity): void {
    const { clock, monotonic } = this.#settings;
    const now = monotonic();
    this.#credentialEndsAt = endsAt;
    this.#credentialEndsBy = now + endsAt - clock();
    this.#sessionIdleEndsAt = now + sessionIdleLeftMs;
    this.#announceEnd(now);
    this.#arm(now);
  }

  #announceEnd(now: number): void {
    const isOfLife = this.#lifeEndsAt <= this.#credentialEndsBy;
    const end = isOfLife ? Infinity : this.#credentialEndsAt;
    if (end === this.#announcedEnd) return;
    this.#announcedEnd = end;
    const lifeMs = (isOfLife ? this.#lifeEndsAt : this.#credentialEndsBy) - now;
    this.#expiringAt = now + lifeMs - Math.min(EXPIRING_MS, lifeMs * EXPIRING_SHARE);
  }

  /** The store was asked about the session, and this is how long it lives without use. */
  sessionLives(idleLeftMs: number): void {
    const now = this.#settings.monotonic();
    this.#sessionIdleEndsAt = now + idleLeftMs;
    this.#arm(now);
  }

  /** The credential was held against the store just now. */
  revalidated(): void {
    this.#revalidateAt = this.#nextRevalidation(this.#settings.monotonic());
  }

  /** How long the session lives without use; infinite where there is none, or nobody knows. */
  get sessionIdleLeftMs(): number {
    return this.#sessionIdleEndsAt - this.#settings.monotonic();
  }

  /** True once the credential or the longest life is over, whether that was told or not. */
  get isExpired(): boolean {
    return this.#isExpiredAt(this.#settings.monotonic());
  }

  pong(payload: Buffer): void {
    this.#heartbeat.pong(payload);
    // Where pings are due more often than answers, the next one is due before the answer was.
    if (this.#heartbeat.nextAt < this.dueAt) this.#arm(this.#settings.monotonic());
  }

  /** The socket is read again after it was paused by this side. */
  readingResumed(): void {
    this.#heartbeat.readingResumed(this.#settings.monotonic());
  }

  /** The socket has ended. Harmless when it was told before. */
  stop(): void {
    this.#isStopped = true;
    this.#settings.wheel.cancel(this);
  }

  /** Called by the wheel. */
  onDue(): void {
    const now = this.#settings.monotonic();
    let due: LifetimeDue | undefined;
    try {
      due = this.#look(now);
    } finally {
      this.#arm(now);
    }
    if (due) this.#owner.applyDue(this.#socket, due);
  }

  #look(now: number): LifetimeDue | undefined {
    if (!this.#socket.isOpen) return undefined;
    this.#noteUse(now);
    if (this.#isExpiredAt(now)) return 'expired';
    if (now >= this.#idleEndsAt) return 'idle';
    if (now >= this.#expiringAt) {
      this.#expiringAt = Infinity;
      return 'expiring';
    }
    if (this.#socket.transport && !this.#heartbeat.beat(now, this.#socket.transport)) return 'silent';
    if (now < this.#revalidateAt && now < this.#sessionIdleEndsAt) return undefined;
    this.#revalidateAt = this.#nextRevalidation(now);
    // Not known until the store has answered: by then it may have been used elsewhere.
    if (now >= this.#sessionIdleEndsAt) this.#sessionIdleEndsAt = Infinity;
    return 'revalidate';
  }

  /**
   * Turns the wall-clock time of the last message into a monotonic one. Between two looks that is exact unless the wall
   * clock was set; then the message counts as one of now.
   */
  #noteUse(now: number): void {
    const { lastMessageAt } = this.#socket;
    if (lastMessageAt !== this.#seenMessageAt) {
      const ageMs = this.#settings.clock() - lastMessageAt;
      const longestMs = now - this.#lookedAt;
      const wasSet = ageMs < 0 || ageMs > longestMs + CLOCK_DRIFT_MS;
      this.#usedAt = wasSet ? now : now - Math.min(ageMs, longestMs);
      this.#seenMessageAt = lastMessageAt;
    }
    this.#lookedAt = now;
  }

  #isExpiredAt(now: number): boolean {
    if (now >= this.#lifeEndsAt || now >= this.#credentialEndsBy) return true;
    return this.#settings.clock() >= this.#credentialEndsAt;
  }

  get #idleEndsAt(): number {
    const { idleMs } = this.#settings.limits;
    return idleMs === false ? Infinity : this.#usedAt + idleMs;
  }

  #nextRevalidation(now: number): number {
    const { limits, random } = this.#settings;
    return now + limits.revalidateMs * (1 + REVALIDATION_SPREAD * (2 * random() - 1));
  }

  #arm(now: number): void {
    if (this.#isStopped) return;
    const { clock, wheel } = this.#settings;
    const nextAt = Math.min(
      now + MAX_LOOK_MS,
      now + this.#credentialEndsAt - clock(),
      this.#credentialEndsBy,
      this.#lifeEndsAt,
      this.#expiringAt,
      this.#idleEndsAt,
      this.#heartbeat.nextAt,
      this.#revalidateAt,
      this.#sessionIdleEndsAt,
    );
    wheel.reschedule(this, Math.max(0, nextAt - now));
  }
}
