import type { Clock } from '../clock.js';
import { forgetOldest } from '../forget-oldest.js';

const MAX_SESSIONS = 10_000;
/** More than any threshold that makes sense: what comes beyond is not kept apart. */
const MAX_ADDRESSES = 100;

interface Known {
  readonly addresses: Set<string>;
  readonly endsAt: number;
}

/** From which addresses the sessions of this node have connected lately. Bounded: the oldest sessions are forgotten first. */
export class SessionAddresses {
  readonly #clock: Clock;
  readonly #sessions = new Map<string, Known>();

  /** @param clock monotonic */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /**
   * Notes an address.
   *
   * @returns those that others should hear of: none of a session that has one address, both with the second, then each new one
   */
  add(sessionId: string, address: string, windowMs: number): readonly string[] {
    const now = this.#clock();
    let known = this.#sessions.get(sessionId);
    if (!known || known.endsAt <= now) {
      known = { addresses: new Set(), endsAt: now + windowMs };
      this.#sessions.delete(sessionId);
      this.#sessions.set(sessionId, known);
      if (this.#sessions.size > MAX_SESSIONS) forgetOldest(this.#sessions);
    }
    const { addresses } = known;
    if (addresses.has(address) || addresses.size >= MAX_ADDRESSES) return [];
    addresses.add(address);
    if (addresses.size === 1) return [];
    return addresses.size === 2 ? [...addresses] : [address];
  }
}
