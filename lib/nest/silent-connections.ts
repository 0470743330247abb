import type { IncomingMessage, Server as HttpServer } from 'node:http';
import type { Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';

/**
 * The connections of a server on which nothing whole has been asked yet. Node's `close` waits for them and has switched off
 * the timeout of their headers, so that one client that says half a sentence could keep a process from ending (requirement
 * LT-06).
 */
export class SilentConnections {
  readonly #sockets = new Set<Socket>();
  readonly #forget: (this: Socket) => void;

  constructor() {
    const sockets = this.#sockets;
    // One function for all connections, and not a closure for each.
    this.#forget = function (this: Socket) {
      sockets.delete(this);
    };
  }

  watch(server: HttpServer): void {
    server.on(server instanceof TlsServer ? 'secureConnection' : 'connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', this.#forget);
    });
    server.prependListener('request', this.#hear);
    server.prependListener('upgrade', this.#hear);
  }

  /** Cuts them. */
  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  readonly #hear = ({ socket }: IncomingMessage): void => {
    if (!this.#sockets.delete(socket)) return;
    socket.off('close', this.#forget);
  };
}
