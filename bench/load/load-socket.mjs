import { connect } from 'node:net';
import { clientFrame } from './client-frames.mjs';
import { Opening } from './opening.mjs';

const PING = 0x89;
const PONG_OPCODE = 10;

/** An open WebSocket connection that knows no more than what the load needs. */
export class LoadSocket {
  /** Called with what comes; while nobody listens, pings are answered and the rest is dropped. */
  onBytes = undefined;
  /** Called when the server ends the connection. While nobody listens that makes every figure wrong, so it ends the run. */
  onEnd = undefined;
  #socket;

  constructor(socket, server) {
    this.#socket = socket;
    let last = 'nothing';
    socket.on('data', (chunk) => {
      last = chunk.subarray(-100).toString('latin1');
      if (this.onBytes) this.onBytes(chunk);
      else if (chunk[0] === PING) socket.write(clientFrame(chunk.subarray(2, 2 + chunk[1]), PONG_OPCODE));
    });
    socket.on('close', () => {
      if (!this.#socket) return;
      if (!this.onEnd) throw new Error(`${server} ended a connection, after ${last}`);
      this.onEnd();
    });
  }

  write(bytes) {
    this.#socket.write(bytes);
  }

  destroy() {
    const socket = this.#socket;
    this.#socket = undefined;
    socket.destroy();
  }
}

/** Opens a connection. @throws when the server does not let the client in */
export function openSocket(server, port, { request, opening, localAddress }) {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress });
    const state = new Opening(opening);
    const refuse = (text) => reject(new Error(`${server} does not let a client in: ${text}`));
    const onClose = () => refuse(`${state.text} and the end`);
    const onData = (chunk) => {
      const { isOpen, isRefused, write } = state.read(chunk.toString('latin1'));
      if (write) socket.write(write);
      if (isRefused) {
        socket.destroy();
        refuse(state.text);
      }
      if (!isOpen) return;
      socket.off('data', onData);
      socket.off('close', onClose);
      resolve(new LoadSocket(socket, server));
    };
    socket.on('data', onData);
    socket.once('close', onClose);
    socket.on('error', reject);
    socket.setNoDelay();
    socket.write(request);
  });
}
