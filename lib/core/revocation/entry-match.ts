import type { Connection } from '../connection.js';
import type { RevocationEntry } from './revocation-log.js';

/** True when a log entry concerns this connection. */
export function entryConcerns(entry: RevocationEntry, connection: Pick<Connection, 'id' | 'grant'>): boolean {
  const { order } = entry;
  const { userHash, session, tokenHash } = connection.grant;
  switch (order.kind) {
    case 'session':
    case 'rotate':
      return session?.id === order.sessionId;
    case 'token':
      return tokenHash === order.tokenHash;
    case 'replace':
      return connection.id === order.connectionId;
    case 'rights':
      return (
        userHash === order.userHash &&
        session !== undefined &&
        session.createdAt <= (entry.cut ?? Infinity) &&
        [undefined, session.id].includes(order.sessionId)
      );
    case 'user':
      return (
        userHash === order.userHash &&
        session?.id !== (order.exceptSessionId ?? null) &&
        isBeforeCut(entry, connection)
      );
    case 'everyone':
      return isBeforeCut(entry, connection);
  }
}

function isBeforeCut(entry: RevocationEntry, { grant }: Pick<Connection, 'grant'>): boolean {
  const { authenticatedAt } = grant;
  if (entry.cut === undefined) return false;
  return entry.cutInclusive ? authenticatedAt <= entry.cut : authenticatedAt < entry.cut;
}
