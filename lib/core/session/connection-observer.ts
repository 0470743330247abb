import type { RightsChange } from '../authorization/rights-change.js';
import type { Connection } from '../connection.js';

/** Who is told of what changes about a live connection. Must not throw. */
export interface ConnectionObserver {
  /** Its rights have changed, and it stays. */
  rightsChanged(connection: Connection, change: RightsChange): void;
  /** Its user has proved anew who it is. */
  authenticated(connection: Connection): void;
  /** It ends soon, unless it is refreshed. */
  expiring(connection: Connection): void;
}
