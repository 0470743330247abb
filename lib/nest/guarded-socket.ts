import { WebSocket } from 'ws';
import type { Connection, ConnectionTransport } from '../core/connection.js';
import type { FirstMessageGate } from '../core/handshake/first-message.js';
import { CONNECTION_KEY } from './ws-auth.constants.js';

/** Takes what an open socket receives. */
export interface SocketReceiver {
  /** A frame that may be dispatched or refused. */
  receive(socket: GuardedSocket, data: Buffer, isBinary: boolean): void;
  /** The socket is gone. */
  closed(socket: GuardedSocket, code: number): void;
}

/** The handlers of one gateway for one socket, by event. */
export type HandlerTable = ReadonlyMap<string, BoundHandler>;

/** A message handler with everything bound that Nest binds. */
export type BoundHandler = (data: unknown, event: string) => unknown;

/**
 * The `WebSocket` of every server of this library. It stands between ws and everybody else: while a first message is
 * awaited nobody hears of the socket, and behind a fence nothing is received or sent, in user code and broadcasts too.
 */
export class GuardedSocket extends WebSocket implements ConnectionTransport {
  [CONNECTION_KEY]: Connection | undefined;
  /** The handlers of the gateways that share this socket. */
  readonly tables: HandlerTable[] = [];
  /** The Observables whose values are sent to this socket. */
  readonly subscriptions = new Set<{ unsubscribe(): void }>();
  #receiver: SocketReceiver | undefined;
  #gate: FirstMessageGate | undefined;
  #heldClose: [code: number, reason: Buffer] | undefined;

  /** Lets frames through to the receiver from now on. */
  openTo(receiver: SocketReceiver, connection: Connection | undefined): void {
    this[CONNECTION_KEY] = connection;
    this.#receiver = receiver;
    this.#gate = undefined;
    connection?.attach(this);
  }

  /** Gives all frames to a gate until {@link openTo}. */
  gateBy(gate: FirstMessageGate): void {
    this.#gate = gate;
  }

  /** Tells the close that came while frames were held, once they have been delivered. */
  releaseHeldClose(): void {
    const close = this.#heldClose;
    if (!close) return;
    this.#heldClose = undefined;
    setImmediate(() => this.emit('close', ...close));
  }

  /** True when the client has gone while its frames were held. */
  get hasHeldClose(): boolean {
    return this.#heldClose !== undefined;
  }

  override emit(event: string | symbol, ...args: unknown[]): boolean {
    if (event === 'message') return this.#onMessage(args[0] as Buffer, args[1] as boolean);
    if (event === 'close') return this.#onClose(args[0] as number, args[1] as Buffer);
    // Without a listener an error would end the process; the Close that follows it tells all there is to tell.
    if (event === 'error' && this.listenerCount('error') === 0) return false;
    return super.emit(event, ...args);
  }

  /** What user code and broadcasts send: nothing before the first message, nothing behind the fence. */
  override send(data: unknown, ...rest: unknown[]): void {
    if (this.#isFenced) return refuseSend(rest);
    super.send(data as string, ...(rest as []));
  }

  override ping(...args: unknown[]): void {
    if (this.#isFenced) return refuseSend(args);
    super.ping(...(args as []));
  }

  override pong(...args: unknown[]): void {
    if (this.#isFenced) return refuseSend(args);
    super.pong(...(args as []));
  }

  /** Sends a frame to a socket that waits for its first message, where `send` is closed to everybody. */
  sendFromGate(text: string): void {
    super.send(text);
  }

  /** Ends the socket. A paused one is resumed first, so that the peer's Close is read. */
  override close(code?: number, reason?: string | Buffer): void {
    if (this.isPaused && code !== 1009) this.resume();
    super.close(code, reason);
  }

  /** Cuts the socket. What it holds for after the first message is not delivered any more. */
  override terminate(): void {
    this.#gate?.abandon();
    super.terminate();
  }

  get #isFenced(): boolean {
    return this.#receiver === undefined || this[CONNECTION_KEY]?.isOpen === false;
  }

  #onMessage(data: Buffer, isBinary: boolean): boolean {
    if (this.#gate && !this.#gate.isOver) {
      this.#gate.receive({ data, isBinary });
      return true;
    }
    // Once a Close was sent or received, nothing that still arrives is dispatched.
    if (!this.#receiver || this.readyState !== WebSocket.OPEN) return false;
    this.#receiver.receive(this, data, isBinary);
    return true;
  }

  #onClose(code: number, reason: Buffer): boolean {
    if (this.#gate && !this.#gate.isOver) {
      if (this.#gate.heldFrames > 0) {
        this.#heldClose = [code, reason];
        return true;
      }
      this.#gate.abandon();
    }
    this.#receiver?.closed(this, code);
    return super.emit('close', code, reason);
  }

  /** @internal Hands a frame to listeners that user code put on the socket itself. */
  emitToListeners(data: Buffer, isBinary: boolean): void {
    if (this.listenerCount('message') > 0) super.emit('message', data, isBinary);
  }
}

function refuseSend(rest: readonly unknown[]): void {
  const callback = rest.at(-1);
  if (typeof callback === 'function')
    process.nextTick(callback as (error: Error) => void, new Error('the connection has ended'));
}
