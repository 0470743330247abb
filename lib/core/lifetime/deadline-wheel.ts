import { monotonicClock, type Clock } from '../clock.js';

/** Something that is due once. Kept small: there may be several for each connection. */
export interface Deadline {
  /** Monotonic milliseconds. Moving it later is free: the wheel looks again when the old time comes. */
  dueAt: number;
  /** The slot that the deadline lies in, or -1 when it is in none. Owned by the wheel. */
  slot: number;
  /** Called once, at or after `dueAt`. An error is given to `onError` and stops nothing else. */
  readonly onDue: () => void;
}

/** What a wheel is built from. */
export interface DeadlineWheelOptions {
  /** Monotonic. */
  readonly now?: Clock;
  readonly tickMs?: number;
  readonly onError?: (error: unknown) => void;
  /** Called with how long a sweep took. */
  readonly onSwept?: (ms: number) => void;
}

/**
 * All deadlines of a node in slots of time, swept by one timer: no timer for each socket, no limit of 2^31 ms, and the
 * cost of a tick is that of what is due. A deadline fires at most one tick late.
 */
export class DeadlineWheel {
  readonly #now: Clock;
  readonly #tickMs: number;
  readonly #onError: (error: unknown) => void;
  readonly #onSwept: (ms: number) => void;
  readonly #slots = new Map<number, Set<Deadline>>();
  #swept: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: DeadlineWheelOptions = {}) {
    this.#now = options.now ?? monotonicClock;
    this.#tickMs = options.tickMs ?? 50;
    this.#onError = options.onError ?? (() => {});
    this.#onSwept = options.onSwept ?? (() => {});
    this.#swept = this.#slotOf(this.#now());
  }

  /** Starts the sweep. The timer does not keep the process alive. */
  start(): void {
    this.#timer ??= setInterval(() => this.sweep(), this.#tickMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** The deadlines that are waiting. */
  get size(): number {
    let size = 0;
    for (const slot of this.#slots.values()) size += slot.size;
    return size;
  }

  /** Makes something due in so many milliseconds. */
  schedule(delayMs: number, onDue: () => void): Deadline {
    const deadline: Deadline = { dueAt: this.#now() + delayMs, slot: -1, onDue };
    this.#insert(deadline);
    return deadline;
  }

  /**
   * Moves a deadline. Later costs nothing now; earlier moves it at once.
   *
   * @param dueAt by the clock of the wheel
   */
  reschedule(deadline: Deadline, dueAt: number): void {
    deadline.dueAt = dueAt;
    if (deadline.slot >= 0 && this.#slotAfter(deadline.dueAt) >= deadline.slot) return;
    this.cancel(deadline);
    this.#insert(deadline);
  }

  /** Takes a deadline out. Harmless for one that has fired. */
  cancel(deadline: Deadline | undefined): void {
    if (!deadline || deadline.slot < 0) return;
    const slot = this.#slots.get(deadline.slot);
    slot?.delete(deadline);
    if (slot?.size === 0) this.#slots.delete(deadline.slot);
    deadline.slot = -1;
  }

  /** Fires everything that is due. Called by the timer; by tests after they moved their clock. */
  sweep(): void {
    const now = this.#now();
    const current = this.#slotOf(now);
    const slots = this.#slotsUpTo(current);
    // First, so that what a callback schedules lies in a slot that is still to come.
    this.#swept = current;
    for (const slot of slots) {
      const due = this.#slots.get(slot);
      if (!due) continue;
      this.#slots.delete(slot);
      for (const deadline of due) this.#fireOrKeep(deadline, now);
    }
    this.#onSwept(this.#now() - now);
  }

  /** After a long sleep of the machine there are more slots behind us than slots in use: go through those instead. */
  #slotsUpTo(current: number): number[] {
    if (current - this.#swept > this.#slots.size) {
      return [...this.#slots.keys()].filter((slot) => slot <= current).sort((a, b) => a - b);
    }
    return Array.from({ length: current - this.#swept }, (_, index) => this.#swept + 1 + index);
  }

  #fireOrKeep(deadline: Deadline, now: number): void {
    // Cancelled by the callback of another deadline in the same slot.
    if (deadline.slot < 0) return;
    deadline.slot = -1;
    if (deadline.dueAt > now) {
      this.#insert(deadline);
      return;
    }
    try {
      deadline.onDue();
    } catch (error) {
      this.#onError(error);
    }
  }

  #insert(deadline: Deadline): void {
    const slot = Math.max(this.#slotAfter(deadline.dueAt), this.#swept + 1);
    let deadlines = this.#slots.get(slot);
    if (!deadlines) this.#slots.set(slot, (deadlines = new Set()));
    deadlines.add(deadline);
    deadline.slot = slot;
  }

  #slotOf(time: number): number {
    return Math.floor(time / this.#tickMs);
  }

  /** The first slot that is swept only when the time has come. */
  #slotAfter(time: number): number {
    return Math.ceil(time / this.#tickMs);
  }
}
