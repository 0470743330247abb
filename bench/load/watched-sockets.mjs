import { sharedNow } from '../harness/shared-clock.mjs';
import { clientFrame } from './client-frames.mjs';

/** The first byte of a Close. */
export const CLOSE_BYTE = 0x88;
const CLOSES_WITHIN_MS = 20_000;
const CLOSE_REPLY = clientFrame(Buffer.from([0x03, 0xe8]), 8);

/** An open socket: what it is written and what comes back. */
class WatchedSocket {
  onReplies = undefined;
  /** `{ at, code }` once the server has sent a Close. */
  close = undefined;
  #socket;
  #bytes = 0;
  #replyLength = Infinity;
  #onClose;

  constructor(socket, onClose) {
    this.#socket = socket;
    this.#onClose = onClose;
    socket.onBytes = (chunk) => this.#read(chunk);
    socket.onEnd = () => this.#noteEnd();
  }

  write(bytes) {
    this.#socket.write(bytes);
  }

  /** From now on whole replies of this length are told to `onReplies`, how many at a time. */
  expect(replyLength, onReplies) {
    this.#bytes = 0;
    this.#replyLength = replyLength;
    this.onReplies = onReplies;
  }

  destroy() {
    this.#socket.destroy();
  }

  #read(chunk) {
    const isBetween = this.#bytes === 0;
    if (isBetween && chunk[0] === CLOSE_BYTE) return this.#noteClose(chunk);
    this.#bytes += chunk.length;
    const replies = Math.floor(this.#bytes / this.#replyLength);
    if (replies === 0) return;
    this.#bytes -= replies * this.#replyLength;
    this.onReplies?.(replies, chunk);
  }

  /** A connection that ends without a Close makes every figure wrong, so it ends the run. */
  #noteEnd() {
    if (!this.close)
      throw new Error(
        'a server ended a connection and no Close was seen: most likely it has refused the client',
      );
  }

  /** As a client does: a Close is answered, and the server ends the connection. */
  #noteClose(chunk) {
    this.close = { at: sharedNow(), code: chunk.readUInt16BE(2) };
    this.#socket.write(CLOSE_REPLY);
    this.#onClose();
  }
}

/** The sockets of a group, with what waits for their closes. */
export class Group {
  sockets = [];
  running = undefined;
  #closed = 0;
  #awaited = Infinity;
  #done = () => {};

  add(socket) {
    this.sockets.push(new WatchedSocket(socket, () => this.#noteClose()));
  }

  /** Resolves when so many of them have been closed. */
  closes(count) {
    return new Promise((resolve, reject) => {
      const late = setTimeout(
        () =>
          reject(new Error(`${this.#closed} of ${count} sockets were closed within ${CLOSES_WITHIN_MS} ms`)),
        CLOSES_WITHIN_MS,
      );
      this.#awaited = count;
      this.#done = () => {
        clearTimeout(late);
        resolve();
      };
      if (this.#closed >= count) this.#done();
    });
  }

  #noteClose() {
    this.#closed += 1;
    if (this.#closed === this.#awaited) this.#done();
  }
}
