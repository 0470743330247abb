import { CLOSE } from '../close-code.js';
import type { Connection, Ending, Grant } from '../connection.js';
import type { Principal } from '../principal.js';
import { concernTest, entryConcerns } from '../revocation/entry-match.js';
import { RecentEntries } from '../revocation/recent-entries.js';
import { isLaterEntry, type RevocationEntry, type RevocationLog } from '../revocation/revocation-log.js';
import type { ConnectionTable } from './connection-table.js';
import type { Session } from './session.js';

const REVOKED: Ending = { close: CLOSE.revoked, reason: 'revoked' };
/** Clients that a fault of this node sends away come back spread over this time. */
const OVERRUN_RETRY_MS = 10_000;
const OVERRUN: Ending = {
  close: CLOSE.tryLater,
  reason: 'revocation_log_overrun',
  retryWithinMs: OVERRUN_RETRY_MS,
};
const REPLACED: Ending = { close: CLOSE.replaced, reason: 'replaced' };

/** Who is told of what an entry has done. */
export interface LogFollowerOwner {
  end(connection: Connection, ending: Ending): boolean;
  /** Ends those of these that are concerned: each is fenced before anything else is done about any. @returns how many */
  endAll(
    connections: Iterable<Connection>,
    ending: Ending,
    isConcerned: (connection: Connection) => boolean,
  ): number;
  /** Its session has other rights; whether the connection has, too, is to be looked at. */
  rightsApplied(connection: Connection, before: Principal): void;
  /** Its user has authenticated again. */
  authenticated(connection: Connection): void;
}

/** What the follower is built from. */
export interface LogFollowerParts {
  readonly table: ConnectionTable;
  readonly log: Pick<RevocationLog, 'partitionOf'>;
  /** A message counts as a use of the session. */
  readonly extendedByMessages: boolean;
  readonly owner: LogFollowerOwner;
}

/** Does to the connections of this node what the revocation log says: each entry to each connection once, in order. */
export class LogFollower {
  readonly #table: ConnectionTable;
  readonly #log: Pick<RevocationLog, 'partitionOf'>;
  readonly #extendedByMessages: boolean;
  readonly #owner: LogFollowerOwner;
  readonly #recent = new RecentEntries();
  /** A connection that is being brought up to date: of that only the outcome counts, and nobody is told on the way. */
  #settling: Connection | undefined;

  constructor({ table, log, extendedByMessages, owner }: LogFollowerParts) {
    this.#table = table;
    this.#log = log;
    this.#extendedByMessages = extendedByMessages;
    this.#owner = owner;
  }

  /** Applies an entry. @returns how many connections it ended or changed */
  apply(entry: RevocationEntry): number {
    this.#recent.add(entry);
    const isHit = this.#testOf(entry);
    const candidates = this.#candidatesFor(entry);
    const ending = endingBy(entry);
    if (ending) return this.#owner.endAll(candidates, ending, isHit);
    const concerned = [...candidates].filter((connection) => connection.isOpen && isHit(connection));
    for (const connection of concerned) this.#applyTo(connection, entry);
    return concerned.length;
  }

  /**
   * Applies the entries that came between the store's decision about a connection and this moment. Where they are no longer
   * known, nobody is let in.
   *
   * @param logTail the last entry that the decision has seen
   */
  catchUp(connection: Connection, logTail: string): void {
    connection.seenUpTo = logTail;
    const missed = this.#recent.after(this.#partitionOf(connection), logTail);
    if (!missed) return this.#endOverrun(connection);
    this.#settling = connection;
    for (const entry of missed) {
      if (entryConcerns(entry, connection)) this.#applyTo(connection, entry);
    }
    this.#settling = undefined;
  }

  /**
   * Takes a credential for a proof, and nothing else of it. What has been revoked since the store decided proves nothing,
   * and ends who presents it.
   */
  takeProof(connection: Connection, grant: Grant, logTail: string): void {
    const missed = this.#recent.after(this.#partitionOf(connection), logTail);
    if (!missed) return this.#endOverrun(connection);
    const presented = { id: connection.id, grant };
    const revoking = missed.find(
      (entry) => !['rights', 'rotate'].includes(entry.order.kind) && entryConcerns(entry, presented),
    );
    if (revoking) this.#applyTo(connection, revoking);
    else connection.noteAuthentication(grant.authTime);
  }

  /**
   * True of a connection that the entry concerns and whose admission was decided without it. Ids of two partitions have no
   * order: of an entry of another partition nobody can tell, so it counts as unseen. But one for everyone stands in the
   * connection's own partition too.
   */
  #testOf(entry: RevocationEntry): (connection: Connection) => boolean {
    const isConcerned = concernTest(entry);
    const isForAll = entry.order.kind === 'everyone';
    // Many connections were decided between the same two entries.
    let seenUpTo: string | undefined;
    let isLater = true;
    return (connection) => {
      if (!isConcerned(connection)) return false;
      if (entry.partition !== this.#log.partitionOf(connection.grant.userHash)) return !isForAll;
      if (connection.seenUpTo === seenUpTo) return isLater;
      seenUpTo = connection.seenUpTo;
      isLater = isLaterEntry(entry.id, seenUpTo);
      return isLater;
    };
  }

  #partitionOf({ grant }: Connection): string {
    return this.#log.partitionOf(grant.userHash);
  }

  #endOverrun(connection: Connection): void {
    this.#owner.end(connection, OVERRUN);
  }

  #candidatesFor(entry: RevocationEntry): Iterable<Connection> {
    const { order } = entry;
    switch (order.kind) {
      case 'session':
      case 'rotate':
        return this.#table.ofSession(order.sessionId);
      case 'token':
        return this.#table.ofToken(order.tokenHash);
      case 'replace': {
        const connection = this.#table.get(order.connectionId);
        return connection ? [connection] : [];
      }
      case 'rights':
      case 'user':
        this.#raiseKeptSession(entry);
        return this.#table.ofUser(order.userHash);
      case 'everyone':
        return this.#table.each();
    }
  }

  /** "All but this one" counts as a fresh login of the one that is kept. */
  #raiseKeptSession(entry: RevocationEntry): void {
    const { order, cut } = entry;
    if (order.kind !== 'user' || order.exceptSessionId === undefined || cut === undefined) return;
    for (const connection of this.#table.ofSession(order.exceptSessionId)) {
      const { grant } = connection;
      if (!grant.session || grant.authenticatedAt >= cut) continue;
      connection.renew({ ...grant, authenticatedAt: cut, principal: connection.principal });
    }
  }

  #applyTo(connection: Connection, entry: RevocationEntry): void {
    const { order } = entry;
    if (order.kind === 'rights') return this.#changeRights(connection, order.roles, order.scopes);
    if (order.kind === 'rotate') return this.#rotate(connection, order.newSessionId, entry.cut);
    this.#owner.end(connection, endingBy(entry)!);
  }

  #changeRights(
    connection: Connection,
    roles: readonly string[] | undefined,
    scopes: readonly string[] | undefined,
  ): void {
    const before = connection.principal;
    this.#replaceSession(connection, { ...(roles ? { roles } : {}), ...(scopes ? { scopes } : {}) });
    if (connection !== this.#settling) this.#owner.rightsApplied(connection, before);
  }

  /** @param reauthenticatedAt Unix ms at which the user has authenticated again, if that is why */
  #rotate(connection: Connection, id: string, reauthenticatedAt: number | undefined): void {
    if (reauthenticatedAt === undefined) return this.#replaceSession(connection, { id });
    const times = { authenticatedAt: reauthenticatedAt, authTime: reauthenticatedAt };
    this.#replaceSession(connection, { id, ...times });
    connection.renew({ ...connection.grant, ...times, principal: connection.principal });
    if (connection !== this.#settling) this.#owner.authenticated(connection);
  }

  #replaceSession(connection: Connection, change: Partial<Session>): void {
    const { session } = connection;
    if (!session) return;
    this.#table.update(connection, () => connection.replaceSession(Object.freeze({ ...session, ...change })));
    // What was told was told of the session that it had.
    connection.tellsNextUse = this.#extendedByMessages;
  }
}

/** How an entry ends connections; nothing for one that changes them. */
function endingBy({ order, reason }: RevocationEntry): Ending | undefined {
  if (order.kind === 'rights' || order.kind === 'rotate') return undefined;
  return order.kind === 'replace' ? REPLACED : { ...REVOKED, reason };
}
