import { isObservable, Subscription, type Observable } from 'rxjs';
import type { Logger } from '@nestjs/common';
import { CLOSE } from '../core/close-code.js';
import type { Connection } from '../core/connection.js';
import { mayBeAuthFrame, readCredentialData } from '../core/handshake/auth-frame.js';
import type { PresentedCredential } from '../core/handshake/credential-reader.js';
import type { GatewayPolicy } from '../core/handshake/gateway-policy.js';
import { HandshakeRefused } from '../core/handshake/refusal.js';
import { isReservedEvent, readEnvelope, type Envelope } from '../core/message/envelope.js';
import { exceptionFrame } from '../core/message/exception-frame.js';
import { authOkFrame } from './auth-ok-frame.js';
import type { BoundHandler, GuardedSocket, SocketReceiver } from './guarded-socket.js';
import { CONNECTION_KEY } from './ws-auth.constants.js';
import type { WsAuthEngine } from './ws-auth.engine.js';

/** Reads a frame: what Nest's `messageParser` option takes. Returning nothing drops the frame. */
export type MessageParser = (
  data: string | Buffer | ArrayBuffer | Buffer[],
) => { event: string; data: unknown } | void;

const BAD_MESSAGE = exceptionFrame({
  code: 'bad_message',
  message: 'not a message of the form {"event","data"}',
});

const INTERNAL_ERROR = exceptionFrame({ code: 'internal', message: 'internal error' });

/** Brings the messages of open sockets to their handlers: fence, parse, envelope, handler, reply. */
export class MessageDispatcher implements SocketReceiver {
  readonly #engine: WsAuthEngine;
  readonly #policy: GatewayPolicy;
  readonly #parser: MessageParser | undefined;
  readonly #logger: Logger;
  readonly #refreshing = new WeakSet<Connection>();

  /** @param parser the application's own; left out, frames are JSON text and binary ones are refused */
  constructor(
    engine: WsAuthEngine,
    policy: GatewayPolicy,
    parser: MessageParser | undefined,
    logger: Logger,
  ) {
    this.#engine = engine;
    this.#policy = policy;
    this.#parser = parser;
    this.#logger = logger;
  }

  receive(socket: GuardedSocket, data: Buffer, isBinary: boolean): void {
    const connection = socket[CONNECTION_KEY];
    if (connection && !this.#engine.connections.isLive(connection)) return;
    if (isBinary && !this.#parser) return this.#refuseBinary(socket, connection);
    const message = this.#read(data);
    if (message === undefined) return;
    if (message === null) {
      // Listeners are spared what may be a credential with a slip in it.
      if (!connection || !mayBeAuthFrame(data.toString('utf8'))) socket.emitToListeners(data, isBinary);
      socket.send(BAD_MESSAGE);
      return;
    }
    if (connection && isReservedEvent(message.event))
      return this.#receiveReserved(socket, connection, message);
    socket.emitToListeners(data, isBinary);
    this.#dispatch(socket, message);
  }

  closed(socket: GuardedSocket, code: number): void {
    const connection = socket[CONNECTION_KEY];
    for (const subscription of socket.subscriptions) subscription.unsubscribe();
    if (connection) this.#engine.connections.closed(connection, code);
  }

  /** @returns `null` for what is no message, `undefined` for what the application's parser dropped */
  #read(data: Buffer): Envelope | null | undefined {
    try {
      if (!this.#parser) return readEnvelope(JSON.parse(data.toString('utf8')));
      const message = this.#parser(data);
      return message ? readEnvelope(message) : undefined;
    } catch (error) {
      // The client's JSON may be anybody's; a parser of the application's own that throws is a bug to be told.
      if (this.#parser) this.#logger.error(error);
      return null;
    }
  }

  #refuseBinary(socket: GuardedSocket, connection: Connection | undefined): void {
    if (connection)
      this.#engine.connections.end(connection, { close: CLOSE.unsupported, reason: 'binary_frame' });
    else socket.close(CLOSE.unsupported.code, CLOSE.unsupported.word);
  }

  #dispatch(socket: GuardedSocket, message: Envelope): void {
    const handlers = socket.tables.flatMap((table) => table.get(message.event) ?? []);
    if (handlers.length === 0) {
      socket.send(exceptionFrame({ code: 'unknown_event', message: 'no handler for this event' }));
      return;
    }
    const connection = socket[CONNECTION_KEY];
    if (connection && !this.#engine.connections.mayReceive(connection)) return;
    for (const handler of handlers) void this.#handle(socket, handler, message);
  }

  /** Runs a handler through Nest's pipeline and sends what it returns, or what its Observable emits. */
  async #handle(socket: GuardedSocket, handler: BoundHandler, message: Envelope): Promise<void> {
    try {
      const result = await handler(message.data, message.event);
      if (!isObservable(result)) return this.#reply(socket, result);
      this.#forward(socket, result);
    } catch (error) {
      // An exception filter that rethrows is a bug of the application: told, and the next message is handled.
      this.#logger.error(error);
    }
  }

  /** Sends what an Observable emits, for as long as the socket lives. */
  #forward(socket: GuardedSocket, replies: Observable<unknown>): void {
    const subscription = new Subscription();
    socket.subscriptions.add(subscription);
    subscription.add(() => socket.subscriptions.delete(subscription));
    const inner = replies.subscribe({
      next: (value) => {
        if (socket.readyState === socket.OPEN) this.#reply(socket, value);
        else subscription.unsubscribe();
      },
      error: (error) => {
        subscription.unsubscribe();
        this.#logger.error(error);
      },
      complete: () => subscription.unsubscribe(),
    });
    subscription.add(inner);
  }

  #reply(socket: GuardedSocket, result: unknown): void {
    if (result === undefined || result === null || socket.readyState !== socket.OPEN) return;
    const text = this.#format(result);
    if (text !== undefined) socket.send(text);
  }

  /** A reply that is no JSON is a bug of the application: told, and the client hears that its message failed. */
  #format(result: unknown): string | undefined {
    try {
      return JSON.stringify(result);
    } catch (error) {
      this.#logger.error(error);
      return INTERNAL_ERROR;
    }
  }

  /** `auth` and `auth.refresh` are the library's: no handler, listener or log ever holds a credential. */
  #receiveReserved(socket: GuardedSocket, connection: Connection, message: Envelope): void {
    if (message.event !== 'auth' && message.event !== 'auth.refresh') {
      socket.send(
        exceptionFrame({ code: 'unknown_event', message: 'events that begin with "auth" are reserved' }),
      );
      return;
    }
    const read = readCredentialData(message.data);
    if (read.kind !== 'credential') {
      this.#engine.connections.end(connection, { close: CLOSE.badMessage, reason: 'auth_frame_malformed' });
      return;
    }
    if (this.#refreshing.has(connection)) {
      this.#engine.connections.end(connection, { close: CLOSE.badMessage, reason: 'second_auth_frame' });
      return;
    }
    this.#refreshing.add(connection);
    void this.#refresh(socket, connection, read.credential);
  }

  async #refresh(
    socket: GuardedSocket,
    connection: Connection,
    credential: PresentedCredential,
  ): Promise<void> {
    try {
      await this.#engine.authenticator.refresh(connection, this.#policy, credential);
      connection.send(authOkFrame(connection, this.#engine.clock()));
    } catch (error) {
      this.#endRefused(socket, connection, error);
    } finally {
      this.#refreshing.delete(connection);
    }
  }

  /** A bad credential ends the connection; a store that is away does not: the one it has is still good. */
  #endRefused(socket: GuardedSocket, connection: Connection, error: unknown): void {
    if (error instanceof HandshakeRefused && error.refusal !== 'unavailable') {
      this.#engine.connections.end(connection, {
        close: error.close ?? CLOSE.unauthorized,
        reason: error.reason,
      });
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
