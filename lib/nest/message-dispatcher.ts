import { isObservable, type Observable } from 'rxjs';
import type { Logger } from '@nestjs/common';
import type { RawData } from 'ws';
import { missingRight } from '../core/authorization/authorization-rules.js';
import { CLOSE, type CloseCode } from '../core/close-code.js';
import { mayBeAuthFrame } from '../core/handshake/auth-frame.js';
import type { GatewayPolicy } from '../core/handshake/gateway-policy.js';
import { isReservedEvent, readEnvelope } from '../core/message/envelope.js';
import { exceptionFrame } from '../core/message/exception-frame.js';
import { findStructureOffence, hasForbiddenKey, mayHoldForbiddenKey } from '../core/message/json-limits.js';
import { endSocket } from './end-socket.js';
import { readOwnFrame } from './own-frames.js';
import { byteLengthOf, toBuffer } from './raw-data.js';
import type { DirectHandler } from './direct-handler.js';
import { forwardReplies } from './forward-replies.js';
import type { GuardedSocket, SocketReceiver } from './guarded-socket.js';
import type { MessageHandler } from './handler-table.js';
import type { MessageRules, PathRules } from './message-rules.js';
import type { QueuedMessage } from './queued-message.js';
import { refuseMessage } from './refuse-message.js';
import { SocketInbox, type InboxContext } from './socket-inbox.js';
import { SocketRefresh } from './socket-refresh.js';
import { CONNECTION_KEY } from './ws-auth.constants.js';
import type { WsAuthEngine } from './ws-auth.engine.js';

/** Reads a frame: what Nest's `messageParser` option takes. Returning nothing drops the frame. */
export type MessageParser = (
  data: string | Buffer | ArrayBuffer | Buffer[],
) => { event: string; data: unknown } | void;

/** What the dispatcher of a path is built from. */
export interface MessageDispatcherOptions {
  readonly engine: WsAuthEngine;
  readonly policy: GatewayPolicy;
  readonly rules: PathRules;
  /** The application's own at this moment; without one, frames are JSON text and binary ones are refused. */
  readonly parser: () => MessageParser | undefined;
  /** The name of the application's adapter when that reads the frames and calls the handlers; otherwise the dispatcher does. */
  readonly own?: string;
  readonly logger: Logger;
}

const NOT_A_MESSAGE = 'not a message of the form {"event","data"}';
const INTERNAL_ERROR = exceptionFrame({ code: 'internal', message: 'internal error' });

/** How long the messages of a client that has left may take to be handled. */
const FAREWELL_MS = 30_000;

/** What a frame turns out to be. */
type ReadFrame = { readonly event: unknown; readonly data: unknown } | 'malformed' | 'dropped' | 'forbidden';

/**
 * Brings the messages of open sockets to their handlers: fence, budgets, parse, envelope, then in their turn the limits of
 * user and handler, the handler, its reply.
 */
export class MessageDispatcher implements SocketReceiver {
  readonly #engine: WsAuthEngine;
  readonly #parser: () => MessageParser | undefined;
  readonly #own: string | undefined;
  readonly #logger: Logger;
  readonly #inboxes: InboxContext<GuardedSocket>;
  readonly #refresh: SocketRefresh;

  constructor({ engine, policy, rules, parser, own, logger }: MessageDispatcherOptions) {
    this.#engine = engine;
    this.#parser = parser;
    this.#own = own;
    this.#logger = logger;
    this.#inboxes = { engine, rules, run: (socket, message) => this.#runTraced(socket, message) };
    this.#refresh = new SocketRefresh(engine, policy);
  }

  receive(socket: GuardedSocket, data: RawData, isBinary: boolean): void {
    if (this.#isFenced(socket)) return;
    const inbox = this.#inboxOf(socket);
    if (inbox.admitFrame(byteLengthOf(data))) this.#take(socket, inbox, data, isBinary);
  }

  receiveHeld(socket: GuardedSocket, data: RawData, isBinary: boolean): void {
    if (this.#isFenced(socket)) return;
    const inbox = this.#inboxOf(socket);
    inbox.chargeFrame(byteLengthOf(data));
    this.#take(socket, inbox, data, isBinary);
  }

  #isFenced(socket: GuardedSocket): boolean {
    const connection = socket[CONNECTION_KEY];
    return connection !== undefined && !this.#engine.connections.isLive(connection);
  }

  #inboxOf(socket: GuardedSocket): SocketInbox<GuardedSocket> {
    return (socket.inbox ??= new SocketInbox(this.#inboxes, socket));
  }

  #take(socket: GuardedSocket, inbox: SocketInbox<GuardedSocket>, data: RawData, isBinary: boolean): void {
    const connection = socket[CONNECTION_KEY];
    if (this.#own !== undefined) return this.#handOn(socket, inbox, data, isBinary);
    const parser = this.#parser();
    if (isBinary && !parser) return this.#end(socket, CLOSE.unsupported, 'binary_frame');
    const frame = isBinary ? data : toBuffer(data).toString('utf8');
    const message = parser ? this.#parse(parser, frame) : this.#readJson(frame as string);
    if (message === 'dropped') return;
    if (message === 'forbidden') return this.#end(socket, CLOSE.badMessage, 'message_structure');
    if (message === 'malformed') return this.#refuseMalformed(socket, inbox, data, isBinary);
    const { event } = message;
    if (connection && typeof event === 'string' && isReservedEvent(event))
      return this.#refresh.receive(socket, connection, inbox, { event, data: message.data });
    socket.emitToListeners(data, isBinary);
    if (!hasHandler(socket, event))
      return inbox.refuseMalformed('unknown_event', 'no handler for this event');
    inbox.push({ event, data: message.data, bytes: byteLengthOf(data) });
  }

  /** Lets the application's adapter read the frame: the handlers that it calls take their place in the line. */
  #handOn(socket: GuardedSocket, inbox: SocketInbox<GuardedSocket>, data: RawData, isBinary: boolean): void {
    const connection = socket[CONNECTION_KEY];
    const read = readOwnFrame(toBuffer(data).toString('utf8'), this.#engine.options.message);
    if (read === 'forbidden') return this.#end(socket, CLOSE.badMessage, 'message_structure');
    if (connection && read === 'malformed') return inbox.refuseMalformed('bad_message', NOT_A_MESSAGE);
    if (connection && typeof read === 'object') return this.#refresh.receive(socket, connection, inbox, read);
    try {
      socket.emitToListeners(data, isBinary);
    } catch (error) {
      // Without its text: that may repeat the frame.
      const name = error instanceof Error ? error.name : typeof error;
      this.#logger.error(`${this.#own} failed to read a frame: ${name}`);
      inbox.refuseMalformed('bad_message', NOT_A_MESSAGE);
    }
  }

  /** A frame that ws itself refused, such as one that is too big: it ends the socket, and its user is charged. */
  failed(socket: GuardedSocket): void {
    this.#inboxOf(socket).charge();
  }

  /** True while messages wait that came before the client left: they are handled, and then its leaving is told. */
  holdsClose(socket: GuardedSocket): boolean {
    const { inbox } = socket;
    if (!inbox || inbox.isFenced || inbox.queued === 0) return false;
    inbox.holdUntilDrained(FAREWELL_MS);
    return true;
  }

  closed(socket: GuardedSocket, code: number): void {
    const connection = socket[CONNECTION_KEY];
    socket.endSubscriptions();
    socket.inbox?.clear();
    if (connection) this.#engine.connections.closed(connection, code);
    if (socket.publicConnection) this.#engine.publicConnections.closed(socket.publicConnection);
  }

  #readJson(text: string): ReadFrame {
    if (findStructureOffence(text, this.#engine.options.message)) return 'forbidden';
    let parsed: unknown;
    try {
      parsed = JSON.parse(text);
    } catch {
      return 'malformed';
    }
    if (mayHoldForbiddenKey(text) && hasForbiddenKey(parsed)) return 'forbidden';
    return readEnvelope(parsed) ?? 'malformed';
  }

  /** What an event may be is for the application's parser to say: with it, only what nobody handles is refused. */
  #parse(parser: MessageParser, frame: string | RawData): ReadFrame {
    try {
      const message = parser(frame);
      if (!message) return 'dropped';
      const { event, data } = message;
      return { event, data };
    } catch (error) {
      // A bug to be told, without its text: that may repeat the frame, which may hold a credential.
      this.#logger.error(`the message parser failed: ${error instanceof Error ? error.name : typeof error}`);
      return 'malformed';
    }
  }

  #refuseMalformed(
    socket: GuardedSocket,
    inbox: SocketInbox<GuardedSocket>,
    data: RawData,
    isBinary: boolean,
  ): void {
    // Listeners are spared what may be a credential with a slip in it.
    if (!socket[CONNECTION_KEY] || !mayBeAuthFrame(toBuffer(data).toString('utf8')))
      socket.emitToListeners(data, isBinary);
    inbox.refuseMalformed('bad_message', NOT_A_MESSAGE);
  }

  #end(socket: GuardedSocket, close: CloseCode, reason: string): void {
    socket.inbox?.charge();
    endSocket(this.#engine, socket, { close, reason });
  }

  #runTraced(socket: GuardedSocket, message: QueuedMessage): Promise<void> | void {
    const { trace } = socket;
    return trace ? trace.run(() => this.#run(socket, message)) : this.#run(socket, message);
  }

  /** It is this message's turn, and no limit is in its way. */
  #run(socket: GuardedSocket, message: QueuedMessage): Promise<void> | void {
    const connection = socket[CONNECTION_KEY];
    if (connection && !this.#engine.connections.mayReceive(connection)) return;
    if (socket.publicConnection) this.#engine.publicConnections.noteMessage(socket.publicConnection);
    this.#engine.metrics.messages += 1;
    const { handler: own } = message;
    if (own) return this.#handleByNest(socket, message, () => own(message.data, message.event));
    const { tables } = socket;
    if (tables.length === 1) return this.#handle(socket, tables[0]!.get(message.event)!, message);
    const handlers = tables.flatMap((table) => table.get(message.event) ?? []);
    // Before the first is called: it may change what it is given.
    const messages = handlers.map((_, index) => (index === 0 ? message : this.#copyOf(message)));
    const handled = handlers.map((handler, index) => {
      // One that was called directly may have ended the connection: the others do not get what is behind the fence.
      if (!socket.inbox?.isFenced) return this.#handle(socket, handler, messages[index]!);
    });
    return Promise.all(handled).then(ignore);
  }

  /** Gateways that share a message do not see what another one does to it. What an own parser made is not ours to copy. */
  #copyOf(message: QueuedMessage): QueuedMessage {
    return this.#parser() ? message : { ...message, data: structuredClone(message.data) };
  }

  #handle(socket: GuardedSocket, handler: MessageHandler, message: QueuedMessage): Promise<void> | void {
    const { data, event } = message;
    // A parser of the application's own reads all frames that came together before the first of them is handled.
    if (handler.direct && !this.#parser()) return this.#handleDirectly(socket, handler.direct, message);
    return this.#handleByNest(socket, message, () => handler.run(socket, data, event));
  }

  /** What is answered in the same turn needs no promise: that is most of what a small message costs. */
  #handleDirectly(
    socket: GuardedSocket,
    handler: DirectHandler,
    message: QueuedMessage,
  ): Promise<void> | void {
    try {
      const result = handler.run(socket, message.data);
      if (!(result instanceof Promise) && !isObservable(result)) return this.#reply(socket, result);
      return this.#handleByNest(socket, message, () => result);
    } catch (error) {
      this.#logger.error(error);
    }
  }

  /**
   * Runs a handler through Nest's pipeline and sends what it returns, or what its Observable emits: its slot is free when
   * that is subscribed, not when it is complete. An interceptor makes an Observable of every handler, of which the first
   * value is what the handler returned.
   */
  async #handleByNest(socket: GuardedSocket, message: QueuedMessage, call: () => unknown): Promise<void> {
    const inContext = this.#beginMessage(socket);
    try {
      const result = await (inContext ? inContext(call) : call());
      if (!isObservable(result)) return this.#reply(socket, result);
      const rules = this.#inboxes.rules.byEvent.get(message.event);
      const isIntercepted = rules?.isIntercepted === true;
      // Behind an interceptor, to subscribe is to run the handler: a client that has left is no reason not to.
      if (isIntercepted ? socket.inbox?.isFenced : socket.readyState !== socket.OPEN) return;
      const forward = (): Promise<void> => this.#forward(socket, result, message.event, rules);
      const firstValue = inContext ? inContext(forward) : forward();
      if (isIntercepted) await firstValue;
    } catch (error) {
      // An exception filter that rethrows is a bug of the application: told, and the next message is handled.
      this.#logger.error(error);
    }
  }

  /** Where services ask whose message it is, all parts of its handling are in one context. */
  #beginMessage(socket: GuardedSocket): (<T>(part: () => T) => T) | undefined {
    const { messageContext } = this.#engine;
    const connection = messageContext.isOn ? socket[CONNECTION_KEY] : undefined;
    return connection && messageContext.beginMessage(connection);
  }

  /** Behind an interceptor the first value is the answer of a handler that was permitted: it is sent. */
  #forward(
    socket: GuardedSocket,
    replies: Observable<unknown>,
    event: unknown,
    rules: MessageRules | undefined,
  ): Promise<void> {
    let isAnswer = rules?.isIntercepted === true;
    return forwardReplies(socket, replies, {
      mayReply: () => isAnswer || !rules || this.#holdsRights(socket, event, rules),
      onReply: (value) => {
        isAnswer = false;
        this.#reply(socket, value);
      },
      onError: (error) => this.#logger.error(error),
    });
  }

  /** @returns false, and tells the client, when no handler of the event would be permitted any more */
  #holdsRights(socket: GuardedSocket, event: unknown, { rights }: MessageRules): boolean {
    const connection = socket[CONNECTION_KEY];
    if (!connection || rights.length === 0) return true;
    const missing = rights.map((asked) => missingRight(connection.principal, asked));
    const [first] = missing;
    if (first === undefined || missing.includes(undefined)) return true;
    const { code, message } = refuseMessage(this.#engine, connection, first);
    socket.send(exceptionFrame({ code, message, ...(typeof event === 'string' ? { event } : {}) }));
    return false;
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
}

function hasHandler(socket: GuardedSocket, event: unknown): boolean {
  for (const table of socket.tables) if (table.has(event)) return true;
  return false;
}

function ignore(): void {
  // Handlers answer by themselves.
}
