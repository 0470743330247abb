import type { AnomalyStore } from './anomaly/anomaly-store.js';
import type { NoticeBoard } from './notice-board.js';
import type { RevocationLog } from './revocation/revocation-log.js';
import type { ConnectionRegistry } from './session/connection-registry.js';
import type { SessionStore } from './session/session-store.js';
import type { ThrottleStore } from './throttle/throttle-store.js';
import type { TicketStore } from './ticket/ticket-store.js';

/** `open`: calls fail at once. `trying`: one call is on its way to find out whether the store is back. */
export type BreakerState = 'closed' | 'open' | 'trying';

/** Everything that is kept outside of a connection. One suite of contract tests runs on each implementation. */
export interface Stores {
  /** What it is, for messages to the operator. */
  readonly kind: 'memory' | 'redis';
  readonly tickets: TicketStore;
  readonly sessions: SessionStore;
  readonly connections: ConnectionRegistry;
  readonly revocations: RevocationLog;
  readonly throttle: ThrottleStore;
  readonly notices: NoticeBoard;
  readonly anomalies: AnomalyStore;
  /** Whether the store is taken for away. */
  readonly breaker: BreakerState;
  /** Unix ms of the last time at which this node is known to have heard of every revocation. */
  readonly freshAt: number;
  /** The same for the revocations that concern one user: on a cluster the users of one master may be out of reach alone. */
  freshAtOf(userHash: string): number;
  /** Resolves when the store can decide: connected, checked, and caught up with the log. */
  start(): Promise<void>;
  /** Gives everything back that this node holds. */
  stop(): Promise<void>;
}
