import { CLOSE } from '../core/close-code.js';
import type { Connection } from '../core/connection.js';
import { readCredentialData } from '../core/handshake/auth-frame.js';
import type { PresentedToken } from '../core/handshake/credential-reader.js';
import type { GatewayPolicy } from '../core/handshake/gateway-policy.js';
import { HandshakeRefused } from '../core/handshake/refusal.js';
import type { Envelope } from '../core/message/envelope.js';
import { exceptionFrame } from '../core/message/exception-frame.js';
import { authOkFrame } from './auth-ok-frame.js';
import type { InboxSocket, SocketInbox } from './socket-inbox.js';
import type { WsAuthEngine } from './ws-auth.engine.js';

/**
 * `auth` and `auth.refresh` on a live connection: a fresh credential of the same principal. These frames are the library's,
 * they wait in no line, and no handler, listener or log ever holds a credential.
 */
export class SocketRefresh {
  readonly #engine: WsAuthEngine;
  readonly #policy: GatewayPolicy;
  readonly #refreshing = new WeakSet<Connection>();

  constructor(engine: WsAuthEngine, policy: GatewayPolicy) {
    this.#engine = engine;
    this.#policy = policy;
  }

  receive(
    socket: InboxSocket,
    connection: Connection,
    inbox: Pick<SocketInbox, 'refuseMalformed' | 'admitRefresh'>,
    message: Envelope,
  ): void {
    if (message.event !== 'auth' && message.event !== 'auth.refresh')
      return inbox.refuseMalformed('unknown_event', 'events that begin with "auth" are reserved');
    const read = readCredentialData(message.data);
    if (read.kind !== 'credential') return this.#endBad(connection, 'auth_frame_malformed');
    if (!inbox.admitRefresh()) return;
    if (this.#refreshing.has(connection)) return this.#endBad(connection, 'second_auth_frame');
    this.#refreshing.add(connection);
    void this.#refresh(socket, connection, read.credential);
  }

  async #refresh(socket: InboxSocket, connection: Connection, credential: PresentedToken): Promise<void> {
    try {
      await this.#engine.authenticator.refresh(connection, this.#policy, credential);
      connection.send(authOkFrame(connection, this.#engine.clock()));
    } catch (error) {
      this.#endRefused(socket, connection, error);
    } finally {
      this.#refreshing.delete(connection);
    }
  }

  #endBad(connection: Connection, reason: string): void {
    this.#engine.connections.end(connection, { close: CLOSE.badMessage, reason });
  }

  /** A bad credential ends the connection; a store that is away does not: the one it has is still good. */
  #endRefused(socket: InboxSocket, connection: Connection, error: unknown): void {
    if (error instanceof HandshakeRefused && error.refusal !== 'unavailable') {
      const close = error.close ?? CLOSE.unauthorized;
      this.#engine.connections.end(connection, { close, reason: error.reason });
      return;
    }
    socket.send(
      exceptionFrame({
        code: 'try_later',
        message: 'the credential could not be checked',
        event: 'auth.refresh',
      }),
    );
  }
}
