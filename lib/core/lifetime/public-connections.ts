import type { AuditRecord } from '../audit/audit-event.js';
import type { AuditLog } from '../audit/audit-log.js';
import { eventOfEnding } from '../audit/event-of-ending.js';
import type { Clock } from '../clock.js';
import { CLOSE, closeCodeIn, closeReason, NO_CLOSE, type CloseCodeScheme } from '../close-code.js';
import type { ConnectionTransport, Ending, Handshake } from '../connection.js';
import type { Lifetime } from './lifetime.js';
import type { LifetimeDue, SocketWatch, WatchedSocket, WatchOwner } from './socket-watch.js';

/** A socket of a public gateway: nobody is behind it, and it ends by time as every other does. */
export class PublicConnection implements WatchedSocket {
  readonly handshake: Handshake;
  readonly transport: ConnectionTransport;
  /** Unix ms. */
  readonly openedAt: number;
  /** By the wall clock, from the opening to the last application message. */
  lastMessageAfterMs = 0;
  /** Until when it may stay; set when it is opened. */
  watch: SocketWatch | undefined;
  isOpen = true;

  constructor(handshake: Handshake, transport: ConnectionTransport, now: number) {
    this.handshake = handshake;
    this.transport = transport;
    this.openedAt = now;
  }

  /** What the audit log is told of it. */
  get facts(): Pick<AuditRecord, 'correlationId' | 'ip' | 'ipSource' | 'origin' | 'path' | 'method'> {
    const { correlationId, address, addressSource, origin, path } = this.handshake;
    return { correlationId, ip: address, ipSource: addressSource, origin, path, method: 'public' };
  }
}

/** The sockets of public gateways. No store and no revocation knows them. */
export class PublicConnections implements WatchOwner<PublicConnection> {
  readonly #lifetime: Lifetime;
  readonly #audit: AuditLog;
  readonly #clock: Clock;
  readonly #closeCodes: CloseCodeScheme;

  constructor(parts: { lifetime: Lifetime; audit: AuditLog; clock: Clock; closeCodes: CloseCodeScheme }) {
    this.#lifetime = parts.lifetime;
    this.#audit = parts.audit;
    this.#clock = parts.clock;
    this.#closeCodes = parts.closeCodes;
  }

  open(handshake: Handshake, transport: ConnectionTransport): PublicConnection {
    const connection = new PublicConnection(handshake, transport, this.#clock());
    const watch = this.#lifetime.watch(connection, this);
    watch.allowUntil(Infinity);
    connection.watch = watch;
    return connection;
  }

  /** An application message of this connection is dispatched. */
  noteMessage(connection: PublicConnection): void {
    connection.lastMessageAfterMs = Math.floor(this.#clock() - connection.openedAt);
  }

  /** The socket is gone. Harmless when that was told before. */
  closed(connection: PublicConnection): void {
    connection.isOpen = false;
    connection.watch?.stop();
  }

  /** Ends a connection with a Close. @returns false when it was ending already */
  end(connection: PublicConnection, { close, reason, retryAfterMs }: Ending): boolean {
    if (!connection.isOpen) return false;
    this.closed(connection);
    const code = closeCodeIn(this.#closeCodes, close.code);
    const { correlationId } = connection.handshake;
    connection.transport.close(code, closeReason(close.word, { retryAfterMs, correlationId }));
    this.#record(connection, reason, code);
    return true;
  }

  /** Cuts a connection whose peer would not read a Close. @returns false when it was ending already */
  cut(connection: PublicConnection, reason: string): boolean {
    if (!connection.isOpen) return false;
    this.closed(connection);
    connection.transport.terminate();
    this.#record(connection, reason, NO_CLOSE.code);
    return true;
  }

  /** @internal Called by the watch of a connection. There is nothing to hold against a store. */
  applyDue(connection: PublicConnection, due: LifetimeDue): void {
    if (due === 'expired') this.end(connection, { close: CLOSE.expired, reason: 'expired' });
    else if (due === 'idle') this.end(connection, { close: CLOSE.idleTimeout, reason: 'idle_timeout' });
    else if (due === 'silent') this.cut(connection, 'heartbeat_timeout');
  }

  #record(connection: PublicConnection, reasonCode: string, closeCode: number): void {
    this.#audit.record({
      ...connection.facts,
      event: eventOfEnding(reasonCode),
      outcome: 'closed',
      reasonCode,
      closeCode,
    });
  }
}
