import type { BreakerState } from '../core/stores.js';
import type { WsAuthEngine } from './ws-auth.engine.js';

/** What a health check is told. */
export interface WsAuthHealthDetails {
  readonly store: 'memory' | 'redis';
  /** `open`: the store is taken for away, and is tried again four times a second. */
  readonly breaker: BreakerState;
  /** For how long nothing was heard of revocations. */
  readonly staleMs: number;
  /** `starting` and `draining` nodes take no handshakes. */
  readonly node: 'running' | 'starting' | 'draining';
  readonly connections: number;
  /** Handshakes in progress. */
  readonly pending: number;
}

/** The details under `up` or `down`. */
export type WsAuthHealthStatus = WsAuthHealthDetails & { readonly status: 'up' | 'down' };

/** A node hears of revocations every second: a few missed in a row are no accident. */
const MAX_STALE_MS = 5_000;

/**
 * Whether this node can let anybody in: it has started, does not drain, and its store answers. Asks nobody, so that it costs
 * nothing and never hangs: what it says is at most about a second old.
 *
 * Sockets that are open live on while it says `down`, as `storeOutage.graceMs` allows.
 */
export class WsAuthHealth {
  readonly #engine: WsAuthEngine;

  constructor(engine: WsAuthEngine) {
    this.#engine = engine;
  }

  /** What there is to say, without any other package. */
  check(): WsAuthHealthStatus {
    const { stores, authenticator, connections, clock } = this.#engine;
    const staleMs = Math.max(0, clock() - stores.freshAt);
    const node = authenticator.state ?? 'running';
    const isUp = node === 'running' && stores.breaker !== 'open' && staleMs <= MAX_STALE_MS;
    return {
      status: isUp ? 'up' : 'down',
      store: stores.kind,
      breaker: stores.breaker,
      staleMs: Math.round(staleMs),
      node,
      connections: connections.size,
      pending: authenticator.counts.pending,
    };
  }

  /** The same as an indicator of @nestjs/terminus: `health.check([() => wsAuth.isHealthy()])`. */
  async isHealthy<const Key extends string = 'wsAuth'>(
    key: Key = 'wsAuth' as Key,
  ): Promise<Record<Key, WsAuthHealthStatus>> {
    return { [key]: this.check() } as Record<Key, WsAuthHealthStatus>;
  }
}
