import type { Clock } from '../clock.js';
import type { Deadline, DeadlineWheel } from './deadline-wheel.js';
import type { AwaitedPong, Heartbeat, HeartbeatPeer, Pulse } from './heartbeat.js';
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
  /** Unix ms. */
  readonly openedAt: number;
  /** By the wall clock, from the opening to the last application message. */
  readonly lastMessageAfterMs: number;
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
  readonly heartbeat: Heartbeat;
  readonly wheel: DeadlineWheel;
  readonly clock: Clock;
  readonly monotonic: Clock;
  /** From 0 to 1. */
  readonly random: () => number;
}

/**
 * Whole milliseconds of the life of a socket; `undefined` for what never comes. There are many for each connection, and V8
 * keeps such a number in its field as long as it is below 2^31 (24 days); any other one is an object of 16 bytes besides.
 */
type Age = number | undefined;

/**
 * Everything by which one socket ends by time, behind one deadline: it is looked at when the earliest of the ends may have
 * come, and a message costs nothing here. Durations are counted on the monotonic clock. A credential ends by the wall clock
 * and, should that be set back, by the monotonic one (requirement LT-01).
 */
export class SocketWatch<S extends WatchedSocket = WatchedSocket> implements Deadline, Pulse {
  /** For the wheel. */
  dueAt = 0;
  /** For the wheel. */
  slot = -1;
  /** For the heartbeat. */
  nextPingAt: number;
  /** For the heartbeat. Here from the start: V8 makes an array for a field that an object is given later. */
  awaitedPong: AwaitedPong | undefined = undefined;
  readonly #settings: WatchSettings;
  readonly #socket: S;
  readonly #owner: WatchOwner<S>;
  /** Monotonic ms, by the clock of the wheel. Rounded up, as ages are rounded down: nothing comes early by a millisecond. */
  readonly #openedAt: number;
  /** By the wall clock. */
  #credentialEndsAt: Age;
  /** The same by the monotonic clock, as of when it was learnt. */
  #credentialEndsBy: Age;
  #expiringAt: Age;
  /** Whose end is announced at that time: each is announced once. */
  #announces: 'life' | 'credential' | undefined;
  #sessionIdleEndsAt: Age;
  #revalidateAt: number;
  #usedAt = 0;
  /** By the wall clock, as the socket tells it. */
  #seenMessageAfterMs = 0;
  #lookedAt = 0;
  #isStopped = false;

  constructor(settings: WatchSettings, socket: S, owner: WatchOwner<S>) {
    this.#settings = settings;
    this.#socket = socket;
    this.#owner = owner;
    this.#openedAt = Math.ceil(settings.monotonic());
    this.nextPingAt = settings.heartbeat.nextPingAt(0);
    this.#revalidateAt = this.#nextRevalidation(0);
  }

  /**
   * What the credential allows, at the opening and at each refresh.
   *
   * @param endsAt Unix ms; infinite for a socket without a credential that ends
   * @param sessionIdleLeftMs until its session ends if it is not used
   */
  allowUntil(endsAt: number, sessionIdleLeftMs = Infinity): void {
    const now = this.#age;
    const credentialEndsAt = ageOrNever(endsAt - this.#socket.openedAt);
    const isFresh = credentialEndsAt !== this.#credentialEndsAt;
    this.#credentialEndsAt = credentialEndsAt;
    this.#credentialEndsBy = ageOrNever(now + endsAt - this.#settings.clock());
    this.#sessionIdleEndsAt = ageOrNever(now + sessionIdleLeftMs);
    this.#announceEnd(now, isFresh);
    this.#arm(now);
  }

  #announceEnd(now: number, isFresh: boolean): void {
    const { maxMs } = this.#settings.limits;
    const endsAt = Math.min(maxMs, this.#credentialEndsBy ?? Infinity);
    const announces = endsAt === maxMs ? 'life' : 'credential';
    const isKnown = announces === this.#announces && (announces === 'life' || !isFresh);
    if (isKnown) return;
    this.#announces = announces;
    this.#expiringAt = Math.ceil(endsAt - Math.min(EXPIRING_MS, (endsAt - now) * EXPIRING_SHARE));
  }

  /** The store was asked about the session, and this is how long it lives without use. */
  sessionLives(idleLeftMs: number): void {
    const now = this.#age;
    this.#sessionIdleEndsAt = ageOrNever(now + idleLeftMs);
    this.#arm(now);
  }

  /** The credential was held against the store just now. */
  revalidated(): void {
    this.#revalidateAt = this.#nextRevalidation(this.#age);
  }

  /** How long the session lives without use; infinite where there is none, or nobody knows. */
  get sessionIdleLeftMs(): number {
    return (this.#sessionIdleEndsAt ?? Infinity) - this.#age;
  }

  /** True once the credential or the longest life is over, whether that was told or not. */
  get isExpired(): boolean {
    return this.#isExpiredAt(this.#age);
  }

  pong(payload: Buffer): void {
    const { heartbeat } = this.#settings;
    heartbeat.pong(this, payload);
    // Where pings are due more often than answers, the next one is due before the answer was.
    if (this.#openedAt + heartbeat.nextAt(this) < this.dueAt) this.#arm(this.#age);
  }

  /** The socket is read again after it was paused by this side. */
  readingResumed(): void {
    this.#settings.heartbeat.readingResumed(this, this.#age);
  }

  /** The socket has ended. Harmless when it was told before. */
  stop(): void {
    this.#isStopped = true;
    this.#settings.wheel.cancel(this);
  }

  /** Called by the wheel. */
  onDue(): void {
    const now = this.#age;
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
    if (hasCome(this.#expiringAt, now)) {
      this.#expiringAt = undefined;
      return 'expiring';
    }
    const { transport } = this.#socket;
    if (transport && !this.#settings.heartbeat.beat(this, now, transport)) return 'silent';
    const isUnused = hasCome(this.#sessionIdleEndsAt, now);
    if (now < this.#revalidateAt && !isUnused) return undefined;
    this.#revalidateAt = this.#nextRevalidation(now);
    // Not known until the store has answered: by then it may have been used elsewhere.
    if (isUnused) this.#sessionIdleEndsAt = undefined;
    return 'revalidate';
  }

  /**
   * Turns the wall-clock time of the last message into a monotonic one. Between two looks that is exact unless the wall
   * clock was set; then the message counts as one of now.
   */
  #noteUse(now: number): void {
    const { lastMessageAfterMs } = this.#socket;
    if (lastMessageAfterMs !== this.#seenMessageAfterMs) {
      const ageMs = this.#wallAge - lastMessageAfterMs;
      const longestMs = now - this.#lookedAt;
      const wasSet = ageMs < 0 || ageMs > longestMs + CLOCK_DRIFT_MS;
      this.#usedAt = wasSet ? now : Math.ceil(now - Math.min(ageMs, longestMs));
      this.#seenMessageAfterMs = lastMessageAfterMs;
    }
    this.#lookedAt = now;
  }

  #isExpiredAt(now: number): boolean {
    if (now >= this.#settings.limits.maxMs || hasCome(this.#credentialEndsBy, now)) return true;
    return hasCome(this.#credentialEndsAt, this.#wallAge);
  }

  get #idleEndsAt(): number {
    const { idleMs } = this.#settings.limits;
    return idleMs === false ? Infinity : this.#usedAt + idleMs;
  }

  #nextRevalidation(now: number): number {
    const { limits, random } = this.#settings;
    return now + Math.ceil(limits.revalidateMs * (1 + REVALIDATION_SPREAD * (2 * random() - 1)));
  }

  #arm(now: number): void {
    if (this.#isStopped) return;
    const { heartbeat, limits, wheel } = this.#settings;
    const nextAt = Math.min(
      now + MAX_LOOK_MS,
      now + (this.#credentialEndsAt ?? Infinity) - this.#wallAge,
      this.#credentialEndsBy ?? Infinity,
      limits.maxMs,
      this.#expiringAt ?? Infinity,
      this.#idleEndsAt,
      heartbeat.nextAt(this),
      this.#revalidateAt,
      this.#sessionIdleEndsAt ?? Infinity,
    );
    wheel.reschedule(this, Math.ceil(this.#openedAt + nextAt));
  }

  get #age(): number {
    return Math.floor(this.#settings.monotonic()) - this.#openedAt;
  }

  get #wallAge(): number {
    return this.#settings.clock() - this.#socket.openedAt;
  }
}

/** Rounded although it is whole mostly: the sum of large numbers is an object until it is rounded. */
function ageOrNever(ms: number): Age {
  return ms === Infinity ? undefined : Math.ceil(ms);
}

function hasCome(at: Age, now: number): boolean {
  return at !== undefined && now >= at;
}
