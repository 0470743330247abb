import type { AuditLog } from '../audit/audit-log.js';
import { eventOfEnding } from '../audit/event-of-ending.js';
import type { Clock } from '../clock.js';
import { closeCodeIn, closeReason, NO_CLOSE, type CloseCodeScheme } from '../close-code.js';
import type { Connection, Ending } from '../connection.js';
import { PacedCloser } from '../lifetime/paced-closer.js';
import type { ConnectionRegistry, Place } from './connection-registry.js';
import type { ConnectionTable } from './connection-table.js';

/** What the ends are built from. */
export interface ConnectionEndsOptions {
  readonly table: ConnectionTable;
  readonly registry: ConnectionRegistry;
  readonly audit: AuditLog;
  readonly monotonic: Clock;
  readonly closeCodes: CloseCodeScheme;
  readonly onError: (error: unknown) => void;
}

/**
 * What follows when a connection has been fenced or its socket is gone: it leaves the table, its place is given back, its Close
 * is written, and the audit log is told. At once, or where many end together with the next turns of the loop.
 */
export class ConnectionEnds {
  readonly #options: ConnectionEndsOptions;
  readonly #closer: PacedCloser<Connection>;
  /** Places of connections that have ended in this turn. */
  #left: Place[] = [];

  constructor(options: ConnectionEndsOptions) {
    this.#options = options;
    this.#closer = new PacedCloser({
      now: options.monotonic,
      close: (connection) => this.#finish(connection),
      onPause: () => this.#releaseLeft(),
    });
  }

  /** One that has been fenced. */
  add(connection: Connection): void {
    this.#closer.enqueue(connection);
  }

  /** All of these have been fenced. */
  addAll(connections: readonly Connection[]): void {
    this.#closer.enqueueAll(connections);
  }

  /** One that has been fenced before anybody was told of it: a handshake is refused, and no connection ends. */
  addUntold(connection: Connection): void {
    this.#close(connection);
    this.#releaseLeft();
  }

  /** Does what is still waiting for its turn. */
  flush(): void {
    this.#closer.flush();
  }

  /** Takes a connection off the table and gives its place back. Harmless when it is not there. */
  forget(connection: Connection): void {
    if (this.#unlist(connection)) this.release(connection);
  }

  /** Gives the place of a connection back. */
  release(connection: Connection): void {
    const { registry, onError } = this.#options;
    registry.release(placeOf(connection)).catch(onError);
  }

  /** Tells the audit log that a connection has ended. @param closeCode as it was on the wire */
  tell(connection: Connection, reasonCode: string, closeCode: number): void {
    const { id, handshake } = connection;
    this.#options.audit.record({
      event: eventOfEnding(reasonCode),
      outcome: 'closed',
      reasonCode,
      closeCode,
      connectionId: id,
      correlationId: handshake.correlationId,
      ip: handshake.address,
      ipSource: handshake.addressSource,
      origin: handshake.origin,
      path: handshake.path,
      method: connection.credential,
      principal: connection.principal.id,
      sessionId: connection.session?.id,
    });
  }

  #finish(connection: Connection): void {
    const { close, reason } = connection.ending!;
    this.#close(connection);
    this.tell(connection, reason, closeCodeIn(this.#options.closeCodes, close.code));
  }

  /** A socket that cannot be closed keeps no other from being closed. */
  #close(connection: Connection): void {
    const { close } = connection.ending!;
    const { closeCodes, onError } = this.#options;
    const { correlationId } = connection.handshake;
    if (this.#unlist(connection)) this.#left.push(placeOf(connection));
    try {
      if (close === NO_CLOSE) return connection.terminate();
      const reason = closeReason(close.word, { retryAfterMs: retryAfter(connection.ending!), correlationId });
      connection.writeClose(closeCodeIn(closeCodes, close.code), reason);
    } catch (error) {
      onError(error);
    }
  }

  /** @returns false when it was not there */
  #unlist(connection: Connection): boolean {
    if (!this.#options.table.remove(connection)) return false;
    connection.watch?.stop();
    return true;
  }

  /** The places of those that have ended together are given back together. */
  #releaseLeft(): void {
    if (this.#left.length === 0) return;
    const places = this.#left;
    this.#left = [];
    const { registry, onError } = this.#options;
    registry.releaseAll(places).catch(onError);
  }
}

function retryAfter({ retryAfterMs, retryWithinMs }: Ending): number | undefined {
  return retryWithinMs === undefined ? retryAfterMs : Math.random() * retryWithinMs;
}

function placeOf({ id, grant }: Connection): Place {
  return { id, userHash: grant.userHash };
}
