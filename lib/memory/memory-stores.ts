import { systemClock, type Clock } from '../core/clock.js';
import { NO_NOTICES } from '../core/notice-board.js';
import type { Stores } from '../core/stores.js';
import { MemoryAnomalyStore } from './memory-anomaly-store.js';
import { MemoryConnectionRegistry } from './memory-connection-registry.js';
import { MemoryRevocationLog } from './memory-revocation-log.js';
import { MemorySessionStore } from './memory-session-store.js';
import { MemoryState } from './memory-state.js';
import { MemoryThrottleStore } from './memory-throttle-store.js';
import { MemoryTicketStore } from './memory-ticket-store.js';

const SWEEP_MS = 1_000;

/** What the memory stores are built from. */
export interface MemoryStoresOptions {
  readonly node: string;
  /** How long a revocation of a user is remembered: at least the longest life of a session or a token. */
  readonly rememberRevocationsMs: number;
  readonly clock?: Clock;
}

/** The stores of one node, in its memory. They end with the process, and no other node sees them. */
export class MemoryStores implements Stores {
  readonly kind = 'memory';
  readonly tickets: MemoryTicketStore;
  readonly sessions: MemorySessionStore;
  readonly connections: MemoryConnectionRegistry;
  readonly revocations: MemoryRevocationLog;
  readonly throttle: MemoryThrottleStore;
  readonly notices = NO_NOTICES;
  readonly anomalies: MemoryAnomalyStore;
  readonly breaker = 'closed';
  readonly #state: MemoryState;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: MemoryStoresOptions) {
    this.#state = new MemoryState(options.clock ?? systemClock, options.node);
    this.tickets = new MemoryTicketStore(this.#state);
    this.sessions = new MemorySessionStore(this.#state);
    this.revocations = new MemoryRevocationLog(this.#state, options.rememberRevocationsMs);
    this.connections = new MemoryConnectionRegistry(this.#state, this.tickets, this.revocations);
    this.throttle = new MemoryThrottleStore(this.#state);
    this.anomalies = new MemoryAnomalyStore(this.#state.clock);
  }

  /** Always: what is revoked is revoked here. */
  get freshAt(): number {
    return this.#state.clock();
  }

  freshAtOf(): number {
    return this.freshAt;
  }

  async start(): Promise<void> {
    this.#timer ??= setInterval(() => this.#sweep(), SWEEP_MS).unref();
  }

  #sweep(): void {
    this.#state.sweep();
    this.anomalies.sweep();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
