import type { Deadline, DeadlineWheel } from '../lifetime/deadline-wheel.js';

/** How much may be parked, and for how long. */
export interface ParkingLimits {
  readonly timeoutMs: number;
  readonly maxParked: number;
  readonly maxParkedBytes: number;
}

interface Parked<Message> {
  readonly message: Message;
  /** Monotonic. */
  readonly until: number;
}

/**
 * Messages of one socket that have left the line and wait for something, oldest first; bounded in number and size. All have
 * the same time, so that one deadline of the wheel, that of the oldest, serves them all.
 */
export class ParkedMessages<Message extends { readonly bytes: number }> {
  readonly #wheel: DeadlineWheel;
  readonly #now: () => number;
  readonly #limits: ParkingLimits;
  readonly #onTimeout: (message: Message) => void;
  #parked: Parked<Message>[] = [];
  #bytes = 0;
  #deadline: Deadline | undefined;

  constructor(parts: {
    wheel: DeadlineWheel;
    /** Monotonic. */
    now: () => number;
    limits: ParkingLimits;
    /** Called for each message that has waited for too long. */
    onTimeout: (message: Message) => void;
  }) {
    this.#wheel = parts.wheel;
    this.#now = parts.now;
    this.#limits = parts.limits;
    this.#onTimeout = parts.onTimeout;
  }

  get size(): number {
    return this.#parked.length;
  }

  /** @returns false when there is no room */
  park(message: Message): boolean {
    const { maxParked, maxParkedBytes, timeoutMs } = this.#limits;
    if (this.#parked.length >= maxParked || this.#bytes + message.bytes > maxParkedBytes) return false;
    this.#bytes += message.bytes;
    this.#parked.push({ message, until: this.#now() + timeoutMs });
    this.#deadline ??= this.#wheel.schedule(timeoutMs, this.#look);
    return true;
  }

  /** Takes out what waits no longer, in order. */
  take(fits: (message: Message) => boolean): Message[] {
    const taken = this.#parked.filter(({ message }) => fits(message));
    this.#keep(this.#parked.filter((parked) => !taken.includes(parked)));
    return taken.map(({ message }) => message);
  }

  /** Lets go of everything. */
  clear(): void {
    this.#keep([]);
  }

  #keep(parked: Parked<Message>[]): void {
    this.#parked = parked;
    this.#bytes = parked.reduce((sum, { message }) => sum + message.bytes, 0);
    if (parked.length > 0) return;
    this.#wheel.cancel(this.#deadline);
    this.#deadline = undefined;
  }

  readonly #look = (): void => {
    this.#deadline = undefined;
    const now = this.#now();
    const late = this.#parked.filter(({ until }) => until <= now);
    this.#keep(this.#parked.filter(({ until }) => until > now));
    const oldest = this.#parked[0];
    if (oldest) this.#deadline = this.#wheel.schedule(oldest.until - now, this.#look);
    for (const { message } of late) this.#onTimeout(message);
  };
}
