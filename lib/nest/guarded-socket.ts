import type { Duplex } from 'node:stream';
import { WebSocket, type RawData } from 'ws';
import { MAX_CLOSE_REASON_BYTES, truncateUtf8 } from '../core/close-code.js';
import type { Connection, ConnectionTransport, Ending } from '../core/connection.js';
import type { FirstMessageGate } from '../core/handshake/first-message.js';
import type { PublicConnection } from '../core/lifetime/public-connections.js';
import type { SocketWatch } from '../core/lifetime/socket-watch.js';
import type { HandshakeTrace } from '../core/metrics/handshake-trace.js';
import { eventOfText, isLibraryEvent } from '../core/message/outbound-event.js';
import { FRAME_FAULT, faultOfError } from './frame-fault.js';
import type { HandlerTable } from './handler-table.js';
import { callbackOf, OutboundOverflow, tellUnsent } from './outbound-overflow.js';
import type { SocketInbox } from './socket-inbox.js';
import { SOCKET_RULES, type SocketRules } from './socket-rules.js';
import { textFrame } from './text-frames.js';
import { CONNECTION_KEY } from './ws-auth.constants.js';
import { endOnce, hasBegunMessage, type WsReceiver, type WsSender } from './ws-internals.js';

/** Takes what an open socket receives. */
export interface SocketReceiver {
  /** A frame that may be dispatched or refused. */
  receive(socket: GuardedSocket, data: RawData, isBinary: boolean): void;
  /** A frame that was held until its sender had proved who it is. */
  receiveHeld(socket: GuardedSocket, data: RawData, isBinary: boolean): void;
  /** A frame broke the rules of the frame layer and ends the socket. */
  failed(socket: GuardedSocket): void;
  /** True when the leaving of the client is to be told later: {@link GuardedSocket.releaseHeldClose}. */
  holdsClose(socket: GuardedSocket): boolean;
  /** The socket is gone. */
  closed(socket: GuardedSocket, code: number): void;
}

/** The network socket below, with the way back up. */
type RawSocket = Duplex & {
  [OWNER]?: GuardedSocket;
  /** `ended`: the peer has sent FIN, whether that was told by `end` or not. */
  readonly _readableState?: { readonly ended: boolean };
};

/** What Nest wants to be told of a socket that is gone. */
type GoneCallback = (code: number, reason: Buffer) => void;

const OWNER = Symbol('nestjs-ws-auth:owner');
const NO_TABLES: readonly HandlerTable[] = [];
const NOTHING = Buffer.alloc(0);
const ENDED = 'the connection has ended';
/** How often it is looked whether ws has let go of what it compresses. */
const SENDER_LOOK_MS = 5;
/** So much is held for the end of a turn, and then written. */
const MAX_HELD_BYTES = 65_536;

/**
 * The `WebSocket` of every server of this library. It stands between ws and everybody else: while a first message is
 * awaited nobody hears of the socket, and behind a fence nothing is received or sent, in user code and broadcasts too.
 * It holds the peer to the rules of the frame layer, and what is sent to it within bounds.
 */
export class GuardedSocket extends WebSocket implements ConnectionTransport {
  declare readonly _socket: RawSocket;
  declare readonly _receiver: WsReceiver;
  declare readonly _sender: WsSender;
  declare readonly _closeFrameReceived: boolean;
  [CONNECTION_KEY]: Connection | undefined;
  /** In place of a connection, on a public gateway. */
  publicConnection: PublicConnection | undefined;
  /**
   * What has come in and waits for its handlers; made with the first frame. The field is here from the start: V8 makes an
   * array for one that an object is given later.
   */
  inbox: SocketInbox<GuardedSocket> | undefined = undefined;
  /** The trace that its handshake was part of, where traces are recorded: its messages are part of it too. */
  trace: HandshakeTrace | undefined;
  /** The rule of the frame layer that its peer has broken. */
  fault: Ending | undefined;
  /** The handlers of the gateways that share this socket. */
  tables: readonly HandlerTable[] = NO_TABLES;
  readonly #rules: SocketRules<GuardedSocket>;
  #subscriptions: Set<{ unsubscribe(): void }> | undefined;
  /** Told when the socket is gone, behind all listeners: one for each gateway. */
  #onGone: GoneCallback | readonly GoneCallback[] | undefined;
  #receiver: SocketReceiver | undefined;
  #gate: FirstMessageGate | undefined;
  #heldClose: [code: number, reason: Buffer] | undefined;
  #overflow: OutboundOverflow | undefined;
  /** When the control frames that came would be due at the highest rate allowed. */
  #controlsDueAt = 0;
  /** Text frames that leave at the end of the turn, a character for each byte. */
  #held = '';
  /** False where ws compresses what is sent. */
  #sendsAsIs = false;
  #isCorked = false;
  #isInMessage = false;
  #hasFailed = false;
  #isEndedHere = false;

  /** Called by ws. */
  constructor(
    address: null,
    protocols: undefined,
    options: object & { readonly [SOCKET_RULES]: SocketRules<GuardedSocket> },
  ) {
    super(address as never, protocols, options as never);
    this.#rules = options[SOCKET_RULES];
  }

  /** The Observables whose values are sent to this socket. */
  get subscriptions(): Set<{ unsubscribe(): void }> {
    return (this.#subscriptions ??= new Set());
  }

  /** Nothing more is sent of what its Observables emit. */
  endSubscriptions(): void {
    for (const subscription of this.#subscriptions ?? []) subscription.unsubscribe();
  }

  /** Takes the handlers of one more gateway. */
  addTable(table: HandlerTable): void {
    this.tables = this.tables === NO_TABLES ? table.alone : [...this.tables, table];
  }

  /** Calls back when the socket is gone. A listener of its own would cost each socket several objects. */
  whenGone(callback: GoneCallback): void {
    if (this.#onGone === undefined) this.#onGone = callback;
    else this.#onGone = [...listOf(this.#onGone), callback];
  }

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
    if (event === 'ping' || event === 'pong') return this.#onControlFrame(event, args[0] as Buffer);
    if (event === 'close') return this.#onClose(args[0] as number, args[1] as Buffer);
    if (event === 'error') return this.#onError(args[0]);
    if (event === 'open') this.#watchChunks();
    return super.emit(event, ...args);
  }

  /** What user code and broadcasts send: nothing before the first message, nothing behind the fence. */
  override send(data: unknown, ...rest: unknown[]): void {
    // ws would count what is sent to a socket that is gone as bytes that wait, for ever.
    if (this.#isFenced || this.readyState !== WebSocket.OPEN) return tellUnsent(callbackOf(rest), ENDED);
    if (this.isCongested) {
      this.#sendToSlowPeer(data, rest);
      return;
    }
    if (this.#overflow) this.#sendKept();
    this.#transmit(data, rest);
  }

  override ping(...args: unknown[]): void {
    if (this.#isFenced) return tellUnsent(callbackOf(args), ENDED);
    this.#writeHeld();
    super.ping(...(args as []));
  }

  override pong(...args: unknown[]): void {
    if (this.#isFenced) return tellUnsent(callbackOf(args), ENDED);
    this.#writeHeld();
    super.pong(...(args as []));
  }

  /** Sends a frame to a socket that waits for its first message, where `send` is closed to everybody. */
  sendFromGate(text: string): void {
    this.#writeHeld();
    super.send(text);
  }

  /** Ends the socket. A paused one is resumed first, so that the peer's Close is read. */
  override close(code?: number, reason?: string | Buffer): void {
    // ws answers the Close of a peer in this way too: what came before that is handled still.
    if (!this._closeFrameReceived) this.#endHere();
    if (this.readyState === WebSocket.OPEN) this.#expectEnds();
    if (this.isPaused && code !== 1009) this.resume();
    this.#writeHeld();
    super.close(code, typeof reason === 'string' ? truncateUtf8(reason, MAX_CLOSE_REASON_BYTES) : reason);
    this.uncork();
    // Nothing more is read of it, its Close neither: FIN tells the peer that it need not wait.
    if (this.#hasFailed && this._sender._bufferedBytes === 0) this._socket.end();
  }

  /** Cuts the socket. What it holds for after the first message is not delivered any more. */
  override terminate(): void {
    this.#endHere();
    this.uncork();
    super.terminate();
  }

  /** @internal Writes what was sent in this turn. */
  uncork(): void {
    this.#writeHeld();
    if (!this.#isCorked) return;
    this.#isCorked = false;
    this._socket.uncork();
  }

  // @ts-expect-error TS2610: ws declares as a property what it has as a getter, too
  override get bufferedAmount(): number {
    return (this._socket?.writableLength ?? 0) + (this._sender?._bufferedBytes ?? 0) + this.#held.length;
  }

  /** @internal Ends a socket whose peer breaks the rules: nothing that it still sends is looked at. */
  fail(fault: Ending): void {
    if (this.#hasFailed || this.readyState !== WebSocket.OPEN) return;
    this.#hasFailed = true;
    this.fault = fault;
    this.#rules.completion.end(this);
    this._socket.removeAllListeners('data');
    this._socket.resume();
    this.#receiver?.failed(this);
    this.#rules.end(this, fault);
    if (this.listenerCount('error') > 0)
      super.emit('error', new Error(`the peer was cut off: ${fault.reason}`));
  }

  /** @internal ws has read a chunk: looks whether it has left a message in the middle. */
  afterChunk(): void {
    // ws answers the end of the peer before a turn is over, and behind that nothing can be written.
    if (this._socket._readableState?.ended) this.#writeHeld();
    if (this.#isInMessage || this.#hasFailed || !hasBegunMessage(this._receiver)) return;
    if (this.readyState !== WebSocket.OPEN) return;
    this.#isInMessage = true;
    this.#rules.completion.begin(this);
  }

  /** @internal Hands a frame to listeners that user code put on the socket itself. */
  emitToListeners(data: RawData, isBinary: boolean): void {
    if (this.listenerCount('message') > 0) super.emit('message', data, isBinary);
  }

  /** Reads on: what the peer has answered meanwhile is still to come. */
  override resume(): void {
    super.resume();
    this.#watch?.readingResumed();
  }

  /** While this side reads nothing, no answer of the peer can be seen. */
  get isReadingPaused(): boolean {
    return this.isPaused;
  }

  get #watch(): SocketWatch | undefined {
    return (this[CONNECTION_KEY] ?? this.publicConnection)?.watch;
  }

  /** True while more waits to be sent than the peer should let wait. */
  get isCongested(): boolean {
    if (this.readyState !== WebSocket.OPEN) return false;
    return this.bufferedAmount > this.#rules.outbound.highWaterBytes && !this.#hasCaughtUp();
  }

  /**
   * Calls back when what waits to be sent has left, or the socket is gone; never in the same turn of the loop. What ws still
   * compresses or reads is not with the network socket yet, and nothing tells when it is.
   */
  whenDrained(callback: () => void): void {
    this.#writeHeld();
    if (this._socket.destroyed || this._sender._bufferedBytes > 0)
      setTimeout(callback, SENDER_LOOK_MS).unref();
    else this._socket.write(NOTHING, () => setImmediate(callback));
  }

  /** True once this side has closed or cut the socket, whoever decided that: nothing that waits is handled any more. */
  get isEndedHere(): boolean {
    return this.#isEndedHere;
  }

  get #isFenced(): boolean {
    if (this.#receiver === undefined) return true;
    return (this[CONNECTION_KEY] ?? this.publicConnection)?.isOpen === false;
  }

  #expectEnds(): void {
    endOnce(this._receiver);
    endOnce(this._socket);
  }

  #endHere(): void {
    this.#isEndedHere = true;
    this.#gate?.abandon();
    this.inbox?.clear();
    this.releaseHeldClose();
  }

  #transmit(data: unknown, rest: readonly unknown[]): void {
    const frame = rest.length === 0 && typeof data === 'string' ? this.#frameOf(data) : undefined;
    if (frame !== undefined) return this.#hold(frame);
    this.#writeHeld();
    if (!this.#isCorked && this.readyState === WebSocket.OPEN) {
      this.#isCorked = true;
      this._socket.cork();
      this.#rules.cork.hold(this);
    }
    super.send(data as string, ...(rest as []));
  }

  /** A text as the frame that ws would make of it; `undefined` where ws has something else to send first, or to do with it. */
  #frameOf(text: string): string | undefined {
    const { _state, _firstFragment } = this._sender;
    return this.#sendsAsIs && _firstFragment && _state === 0 ? textFrame(text) : undefined;
  }

  #hold(frame: string): void {
    if (this.#held === '') this.#rules.cork.hold(this);
    this.#held += frame;
    if (this.#held.length > MAX_HELD_BYTES) this.#writeHeld();
  }

  /** Before anything else is written: what was sent first leaves first. */
  #writeHeld(): void {
    if (this.#held === '') return;
    const frames = this.#held;
    this.#held = '';
    if (this._socket.writable) this._socket.write(frames, 'latin1');
  }

  /** What is held for the end of the turn is not what the peer has failed to read. */
  #hasCaughtUp(): boolean {
    this.uncork();
    return this.bufferedAmount <= this.#rules.outbound.highWaterBytes;
  }

  #sendToSlowPeer(data: unknown, rest: readonly unknown[]): void {
    const { outbound, counts } = this.#rules;
    const overflow = (this.#overflow ??= new OutboundOverflow(counts));
    const bytes = byteLengthOf(data);
    if (this.bufferedAmount + overflow.bytes > outbound.maxBytes) {
      this.#cut();
      return tellUnsent(callbackOf(rest), ENDED);
    }
    // A part of a message that is sent in parts: without it the others would be garbage.
    if (!this._sender._firstFragment || (rest[0] as { fin?: boolean } | undefined)?.fin === false)
      return this.#transmit(data, rest);
    const event = typeof data === 'string' ? eventOfText(data) : undefined;
    if (event !== undefined && isLibraryEvent(event)) return this.#transmit(data, rest);
    if (event !== undefined && outbound.whenSlow === 'coalesce') {
      const wasEmpty = !overflow.hasKept;
      const isKept = overflow.keep(event, data as string, bytes, callbackOf(rest));
      // Called when all that was written before has left.
      if (isKept && wasEmpty) this.whenDrained(() => this.#sendKept());
      if (isKept) return;
    }
    overflow.lose(bytes, callbackOf(rest));
  }

  /** The peer has caught up. */
  #sendKept(): void {
    const overflow = this.#overflow;
    if (!overflow) return;
    this.#overflow = undefined;
    for (const { text, callback } of overflow.take()) this.send(text, callback);
  }

  #cut(): void {
    this.#rules.counts.cut += 1;
    // First, so that no Close is written into what nobody reads.
    this.terminate();
    this.#rules.cut(this, 'backpressure');
  }

  #onMessage(data: Buffer, isBinary: boolean): boolean {
    this.#endMessage();
    if (this.#hasFailed || this.#isEndedHere) return false;
    if (this.#gate && !this.#gate.isOver) {
      this.#gate.receive({ data, isBinary });
      return true;
    }
    // Once a Close was sent or received, nothing that still arrives is dispatched.
    if (!this.#receiver || this.readyState !== WebSocket.OPEN) return false;
    this.#receiver.receive(this, data, isBinary);
    return true;
  }

  #onControlFrame(event: 'ping' | 'pong', data: Buffer): boolean {
    if (this.#hasFailed) return false;
    if (event === 'pong') this.#watch?.pong(data);
    // Between the fragments of a message it ends nothing, or pings would keep the message from ever being late.
    if (this._receiver._fragmented === 0) this.#endMessage();
    if (!this.#mayTakeControlFrame()) {
      this.fail(FRAME_FAULT.controlFlood);
      return false;
    }
    // Who does not read what it is sent gets no pongs on top (RFC 6455 §5.5.3 asks for the latest only).
    if (event === 'ping' && this.bufferedAmount <= this.#rules.outbound.highWaterBytes) this.pong(data);
    return super.emit(event, data);
  }

  /** As many as the limit at once, and then at its pace. */
  #mayTakeControlFrame(): boolean {
    const now = this.#rules.now();
    const everyMs = 1_000 / this.#rules.maxControlFramesPerSecond;
    const dueAt = Math.max(this.#controlsDueAt, now) + everyMs;
    if (dueAt - now > 1_000) return false;
    this.#controlsDueAt = dueAt;
    return true;
  }

  #endMessage(): void {
    if (!this.#isInMessage) return;
    this.#isInMessage = false;
    this.#rules.completion.end(this);
  }

  #onClose(code: number, reason: Buffer): boolean {
    this.#watch?.stop();
    this.#endMessage();
    if (this.#gate && !this.#gate.isOver) {
      if (this.#gate.heldFrames > 0) {
        this.#heldClose = [code, reason];
        return true;
      }
      this.#gate.abandon();
    }
    if (this.#receiver?.holdsClose(this)) {
      this.#heldClose = [code, reason];
      return true;
    }
    this.#overflow?.discard();
    this.#receiver?.closed(this, code);
    const hasListeners = super.emit('close', code, reason);
    for (const callback of listOf(this.#onGone)) callback(code, reason);
    return hasListeners;
  }

  /** Without a listener an error would end the process. ws has written the Close of a broken rule already. */
  #onError(error: unknown): boolean {
    const fault = faultOfError(error);
    if (fault) {
      this.fault = fault;
      this.#receiver?.failed(this);
      this.#rules.end(this, fault);
    }
    if (this.listenerCount('error') === 0) return false;
    return super.emit('error', error);
  }

  /** Behind ws's own listener: when ours is called, the receiver has read the chunk. One function for all sockets. */
  #watchChunks(): void {
    this.#sendsAsIs = this.extensions === '';
    this._socket[OWNER] = this;
    this._socket.on('data', afterChunk);
    this.#rules.upgraded(this._socket);
  }
}

function afterChunk(this: RawSocket): void {
  this[OWNER]?.afterChunk();
}

function listOf<T extends object>(one: T | readonly T[] | undefined): readonly T[] {
  if (one === undefined) return [];
  return Array.isArray(one) ? (one as readonly T[]) : [one as T];
}

function byteLengthOf(data: unknown): number {
  if (typeof data === 'string') return Buffer.byteLength(data);
  const { byteLength, size } = (data ?? {}) as { byteLength?: number; size?: number };
  return byteLength ?? size ?? 0;
}
