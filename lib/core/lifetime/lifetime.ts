import type { Clock } from '../clock.js';
import type { DeadlineWheel } from './deadline-wheel.js';
import type { ResolvedLifetimeOptions } from './lifetime-options.js';
import { Heartbeat } from './heartbeat.js';
import { PingPayloads } from './ping-payloads.js';
import { SocketWatch, type WatchedSocket, type WatchOwner, type WatchSettings } from './socket-watch.js';

/** What the lifetimes of a node are built from. */
export interface LifetimeParts {
  readonly limits: ResolvedLifetimeOptions;
  readonly wheel: DeadlineWheel;
  readonly clock: Clock;
  readonly monotonic: Clock;
  /** From 0 to 1; spreads what would otherwise come at once. */
  readonly random?: () => number;
}

/** Watches the sockets of a node: all of them in the one sweep of its wheel, and no timer for any. */
export class Lifetime {
  /** The longest life of a socket. */
  readonly maxMs: number;
  readonly #settings: WatchSettings;

  constructor({ limits, wheel, clock, monotonic, random = Math.random }: LifetimeParts) {
    const { pingIntervalMs, pongTimeoutMs } = limits;
    const payloads = new PingPayloads();
    const heartbeat = new Heartbeat({ pingIntervalMs, pongTimeoutMs, payloads, random });
    this.maxMs = limits.maxMs;
    this.#settings = { limits, heartbeat, wheel, clock, monotonic, random };
  }

  /** Watches a socket from now on: it is looked at once {@link SocketWatch.allowUntil} has said what it may. */
  watch<S extends WatchedSocket>(socket: S, owner: WatchOwner<S>): SocketWatch<S> {
    return new SocketWatch(this.#settings, socket, owner);
  }
}
