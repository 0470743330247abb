import { PING_BYTES, type PingPayloads } from './ping-payloads.js';

/** Pings come up to this share of the interval early, so that those of peers that came together drift apart. */
const PING_SPREAD = 0.25;

/** A look that comes this late says that this process stood still, and that the answer may lie unread. */
const STANDSTILL_MS = 1_000;

/** The peer, as far as it is asked for signs of life. */
export interface HeartbeatPeer {
  ping(payload: Buffer): void;
  /** True while this side reads nothing, so that no answer can be seen. */
  readonly isReadingPaused: boolean;
}

/** What the heartbeats of a node have in common. */
export interface HeartbeatSettings {
  readonly pingIntervalMs: number;
  readonly pongTimeoutMs: number;
  readonly payloads: PingPayloads;
  /** From 0 to 1. */
  readonly random: () => number;
}

/**
 * Asks one peer for signs of life. Only the pong with the payload of the ping is one: RFC 6455 §5.5.3 lets anybody send
 * pongs, and other frames may have been sent before the peer's end of the connection was lost (requirement LT-04).
 */
export class Heartbeat {
  readonly #settings: HeartbeatSettings;
  #nextPingAt: number;
  #pongDueAt = Infinity;
  /** The payload that is awaited, as numbers: a Buffer would keep the whole slab that it was cut from. */
  #high = 0;
  #low = 0;

  /** @param now monotonic ms, as everywhere here */
  constructor(settings: HeartbeatSettings, now: number) {
    this.#settings = settings;
    this.#nextPingAt = this.#afterInterval(now);
  }

  /** When {@link beat} has something to do. */
  get nextAt(): number {
    return this.#isAwaiting ? this.#pongDueAt : this.#nextPingAt;
  }

  /** Pings when it is time to. @returns false when the peer has not answered in time */
  beat(now: number, peer: HeartbeatPeer): boolean {
    if (now >= this.#pongDueAt) {
      const mayBeUnread = peer.isReadingPaused || now - this.#pongDueAt > STANDSTILL_MS;
      if (!mayBeUnread) return false;
      this.#pongDueAt = now + this.#settings.pongTimeoutMs;
    }
    if (!this.#isAwaiting && now >= this.#nextPingAt) this.#ping(now, peer);
    return true;
  }

  /** A pong arrived. One that was not asked for changes nothing. */
  pong(payload: Buffer): void {
    if (!this.#isAwaiting || payload.length !== PING_BYTES) return;
    if (payload.readUInt32BE(0) !== this.#high || payload.readUInt32BE(4) !== this.#low) return;
    this.#pongDueAt = Infinity;
  }

  /** This side reads again: the time to answer counts from now on. */
  readingResumed(now: number): void {
    if (this.#isAwaiting) this.#pongDueAt = now + this.#settings.pongTimeoutMs;
  }

  get #isAwaiting(): boolean {
    return this.#pongDueAt !== Infinity;
  }

  #ping(now: number, peer: HeartbeatPeer): void {
    const payload = this.#settings.payloads.next();
    this.#high = payload.readUInt32BE(0);
    this.#low = payload.readUInt32BE(4);
    this.#pongDueAt = now + this.#settings.pongTimeoutMs;
    this.#nextPingAt = this.#afterInterval(now);
    peer.ping(payload);
  }

  #afterInterval(now: number): number {
    const { pingIntervalMs, random } = this.#settings;
    return now + pingIntervalMs * (1 - PING_SPREAD * random());
  }
}
