import type { Duplex } from 'node:stream';

/**
 * Reads nothing, and yet learns when a client that waits for a decision hangs up. It looks from the next turn of the loop on:
 * most handshakes are decided by then, and until then nothing of the network is told.
 */
export class PeerWatch {
  readonly #socket: Duplex;
  readonly #onGone: () => void;
  #nextTurn: NodeJS.Immediate | undefined;
  #isListening = false;

  constructor(socket: Duplex, onGone: () => void) {
    this.#socket = socket;
    this.#onGone = onGone;
    this.#nextTurn = setImmediate(() => this.#listen());
  }

  /** Looks no more. Harmless when called again. */
  stop(): void {
    clearImmediate(this.#nextTurn);
    this.#nextTurn = undefined;
    if (!this.#isListening) return;
    this.#isListening = false;
    this.#socket.off('readable', readEnd);
    this.#socket.off('close', this.#onGone);
    this.#socket.off('end', this.#onGone);
  }

  #listen(): void {
    this.#nextTurn = undefined;
    if (this.#socket.destroyed) return this.#onGone();
    this.#isListening = true;
    this.#socket.once('close', this.#onGone);
    this.#socket.once('end', this.#onGone);
    this.#socket.on('readable', readEnd);
  }
}

function readEnd(this: Duplex): void {
  if (this.readableLength === 0) this.read();
}
