import { PassThrough, type Writable } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';
import { WsAuthOptionsError } from '../core/errors.js';

/*
 * What is read of ws that is not its public interface. ws tells nobody that a message has begun, and what a peer may take
 * to end it can be bounded no other way. A ws that has changed here refuses the boot.
 */

/** The state of ws's parser. */
export interface WsReceiver extends Writable {
  /** 0 between two frames. */
  readonly _state: number;
  /** Bytes that are not parsed yet. */
  readonly _bufferedBytes: number;
  /** The opcode of a message whose last fragment has not come, or 0. */
  readonly _fragmented: number;
}

/** The state of ws's writer. */
export interface WsSender {
  /** Bytes that wait to be compressed, or to be read out of a Blob. */
  readonly _bufferedBytes: number;
  /** False between the parts of a message that is sent in parts. */
  readonly _firstFragment: boolean;
  /** 0 while nothing is compressed, or read out of a Blob. */
  readonly _state: number;
}

/**
 * Makes it free to end a stream again. ws ends its receiver and the network socket two and three times over on every close,
 * and each time Node builds an error with its stack, which nobody is given: a twentieth of what a handshake and its end cost.
 * A stream that somebody has given an `end` of its own keeps that.
 */
export function endOnce(stream: Writable): void {
  if (!Object.hasOwn(stream, 'end')) stream.end = endUnlessEnded;
}

function endUnlessEnded(this: Writable, ...args: unknown[]): Writable {
  if (this.writableEnded && args.length === 0) return this;
  return Reflect.apply((Object.getPrototypeOf(this) as Writable).end, this, args) as Writable;
}

/** True when the peer has begun a frame or a message, and has not ended it. */
export function hasBegunMessage({ _state, _bufferedBytes, _fragmented }: WsReceiver): boolean {
  return _state !== 0 || _bufferedBytes !== 0 || _fragmented !== 0;
}

/**
 * Refuses to run on a ws that this library does not know. The first that bounds the memory which a flood of pings takes is
 * 8.23.0 (requirement CF-02).
 *
 * @throws {WsAuthOptionsError}
 */
export function assertKnownWs(): void {
  const { options } = new WebSocketServer({ noServer: true });
  if (!('maxPendingAutoPongs' in options)) {
    throw new WsAuthOptionsError([
      'the ws package in use is older than 8.23.0: remove the override that pins it',
    ]);
  }
  if (missingInternals().length === 0) return;
  throw new WsAuthOptionsError([
    `the ws package in use is newer than this library knows (it has no ${missingInternals().join(', ')}): pin an older 8.x`,
  ]);
}

/** The names of what is read here and is not there, or is of another type. */
export function missingInternals(): string[] {
  const socket = new (WebSocket as unknown as new (...args: unknown[]) => ProbedSocket)(null, undefined, {});
  const raw = new PassThrough();
  socket.setSocket(raw, Buffer.alloc(0), {});
  const { _receiver, _sender } = socket;
  const found: Record<string, boolean> = {
    'WebSocket._socket': socket._socket === raw,
    'WebSocket._closeFrameReceived': socket._closeFrameReceived === false,
    'Receiver._state': _receiver?._state === 0,
    'Receiver._bufferedBytes': _receiver?._bufferedBytes === 0,
    'Receiver._fragmented': _receiver?._fragmented === 0,
    'Sender._bufferedBytes': _sender?._bufferedBytes === 0,
    'Sender._firstFragment': _sender?._firstFragment === true,
    'Sender._state': _sender?._state === 0,
  };
  raw.destroy();
  return Object.keys(found).filter((name) => !found[name]);
}

/** @internal */
interface ProbedSocket {
  setSocket(raw: PassThrough, head: Buffer, options: object): void;
  readonly _socket: unknown;
  readonly _closeFrameReceived: unknown;
  readonly _receiver: WsReceiver | undefined;
  readonly _sender: WsSender | undefined;
}
