import { AnomalyDetector } from '../core/anomaly/anomaly-detector.js';
import { Bans } from '../core/anomaly/bans.js';
import type { AuditLog } from '../core/audit/audit-log.js';
import type { Clock } from '../core/clock.js';
import { addressPrefix } from '../core/handshake/client-address.js';
import type { ResolvedOptions } from '../core/options.js';
import type { RevocationService } from '../core/revocation/revocation-service.js';
import type { ConnectionService } from '../core/session/connection-service.js';
import type { Stores } from '../core/stores.js';

/** Who came since then has logged in lately, which is known without looking. */
const RENEWED_MS = 1_000;

/** What the bans of an engine are built from. */
export interface BanParts {
  readonly options: ResolvedOptions;
  readonly stores: Stores;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly monotonic: Clock;
  readonly connections: ConnectionService;
  readonly revocations: RevocationService;
  readonly onError: (error: unknown) => void;
}

/** Builds the bans, and the anomaly rules that learn from the audit log and may ban. */
export function makeBans(parts: BanParts): Bans {
  const { options, stores, audit, clock, monotonic, connections, revocations, onError } = parts;
  const { ipv6Prefix } = options.proxy;
  const readConnected = (): ReadonlySet<string> =>
    new Set(connections.local().map(({ handshake }) => addressPrefix(handshake.address, ipv6Prefix)));
  const connected = renewed(readConnected, monotonic);
  const shared = {
    store: stores.anomalies,
    notices: stores.notices,
    audit,
    clock: monotonic,
    ipv6Prefix,
  };
  const bans: Bans = new Bans({
    ...shared,
    neverBan: [...options.anomalies.neverBan, ...options.proxy.trusted],
    isSpared: (prefix) =>
      options.anomalies.spareLoggedIn && (detector.hasLoggedIn(prefix) || connected().has(prefix)),
    onError,
  });
  const detector = new AnomalyDetector({
    ...shared,
    options: options.anomalies,
    ban: (prefix, durationMs, rule) => bans.banByRule(prefix, durationMs, rule),
    isBanned: (prefix) => bans.remaining(prefix) > 0,
    stepUp: (id) => connections.get(id)?.forgetAuthentication(clock()),
    revoke: (session, reason) => void revocations.revoke({ session, reason }).catch(onError),
    onError,
  });
  audit.observe((record) => detector.observe(record));
  return bans;
}

/** Looks through all connections once a second at most: an attacker with many addresses would have it done for each. */
function renewed<T>(read: () => T, clock: Clock): () => T {
  let value: T | undefined;
  let readAt = -Infinity;
  return () => {
    if (value !== undefined && clock() - readAt < RENEWED_MS) return value;
    readAt = clock();
    return (value = read());
  };
}
