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

/** The answer to a ping. */
export interface AwaitedPong {
  dueAt: number;
  /** The payload, as numbers: a Buffer would keep the whole slab that it was cut from. */
  readonly high: number;
  readonly low: number;
}

/** What is known of one peer. Owned by the heartbeat, and kept by whoever watches the peer: one object less for each. */
export interface Pulse {
  nextPingAt: number;
  awaitedPong: AwaitedPong | undefined;
}

/** What a heartbeat is built from. */
export interface HeartbeatOptions {
  readonly pingIntervalMs: number;
  readonly pongTimeoutMs: number;
  readonly payloads: PingPayloads;
  /** From 0 to 1. */
  readonly random: () => number;
}

/**
 * Asks the peers of a node for signs of life. Only the pong with the payload of the ping is one: RFC 6455 §5.5.3 lets anybody
 * send pongs, and other frames may have been sent before the peer's end of the connection was lost (requirement LT-04).
 *
 * Times are in ms by any clock that never jumps; where `now` is a whole number, all of them are.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }

  /** When a peer that was heard of now is to be pinged. */
  nextPingAt(now: number): number {
    const { pingIntervalMs, random } = this.#options;
    return now + Math.ceil(pingIntervalMs * (1 - PING_SPREAD * random()));
  }

  /** When {@link beat} has something to do. */
  nextAt({ awaitedPong, nextPingAt }: Pulse): number {
    return awaitedPong ? awaitedPong.dueAt : nextPingAt;
  }

  /** Pings when it is time to. @returns false when the peer has not answered in time */
  beat(pulse: Pulse, now: number, peer: HeartbeatPeer): boolean {
    const { awaitedPong } = pulse;
    if (awaitedPong) return this.#mayStillAnswer(awaitedPong, now, peer);
    if (now >= pulse.nextPingAt) this.#ping(pulse, now, peer);
    return true;
  }

  /** A pong arrived. One that was not asked for changes nothing. */
  pong(pulse: Pulse, payload: Buffer): void {
    const { awaitedPong } = pulse;
    if (!awaitedPong || payload.length !== PING_BYTES) return;
    if (payload.readInt32BE(0) !== awaitedPong.high || payload.readInt32BE(4) !== awaitedPong.low) return;
    pulse.awaitedPong = undefined;
  }

  /** This side reads again: the time to answer counts from now on. */
  readingResumed({ awaitedPong }: Pulse, now: number): void {
    if (awaitedPong) awaitedPong.dueAt = now + this.#options.pongTimeoutMs;
  }

  #mayStillAnswer(awaitedPong: AwaitedPong, now: number, peer: HeartbeatPeer): boolean {
    if (now < awaitedPong.dueAt) return true;
    const mayBeUnread = peer.isReadingPaused || now - awaitedPong.dueAt > STANDSTILL_MS;
    if (mayBeUnread) awaitedPong.dueAt = now + this.#options.pongTimeoutMs;
    return mayBeUnread;
  }

  #ping(pulse: Pulse, now: number, peer: HeartbeatPeer): void {
    const { payloads, pongTimeoutMs } = this.#options;
    const payload = payloads.next();
    pulse.awaitedPong = {
      dueAt: now + pongTimeoutMs,
      high: payload.readInt32BE(0),
      low: payload.readInt32BE(4),
    };
    pulse.nextPingAt = this.nextPingAt(now);
    peer.ping(payload);
  }
}
