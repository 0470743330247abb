import type { Connection } from '../connection.js';
import type { RevocationEntry } from './revocation-log.js';

/** What of a connection an entry can hit. */
type Concerned = Pick<Connection, 'id' | 'grant'>;

/** True when a log entry concerns this connection. */
export function entryConcerns(entry: RevocationEntry, connection: Concerned): boolean {
  return concernTest(entry)(connection);
}

/** The same, for many connections: what the entry says is read once. */
export function concernTest(entry: RevocationEntry): (connection: Concerned) => boolean {
  const { order } = entry;
  switch (order.kind) {
    case 'session':
    case 'rotate':
      return ({ grant }) => grant.session?.id === order.sessionId;
    case 'token':
      return ({ grant }) => grant.tokenHash === order.tokenHash;
    case 'replace':
      return ({ id }) => id === order.connectionId;
    case 'rights':
      return ({ grant: { userHash, session } }) =>
        userHash === order.userHash &&
        session !== undefined &&
        session.createdAt <= (entry.cut ?? Infinity) &&
        [undefined, session.id].includes(order.sessionId);
    case 'user': {
      const isBeforeCut = cutTest(entry);
      return (connection) =>
        connection.grant.userHash === order.userHash &&
        connection.grant.session?.id !== (order.exceptSessionId ?? null) &&
        isBeforeCut(connection);
    }
    case 'everyone':
      return cutTest(entry);
  }
}

function cutTest({ cut, cutInclusive }: RevocationEntry): (connection: Concerned) => boolean {
  if (cut === undefined) return () => false;
  if (cutInclusive) return ({ grant }) => grant.authenticatedAt <= cut;
  return ({ grant }) => grant.authenticatedAt < cut;
}
