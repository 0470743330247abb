import { once } from 'node:events';
import type { Server as HttpServer } from 'node:http';
import { Server as HttpsServer } from 'node:https';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { showHandshake } from './redact.js';
import type { WireLog } from './wire-log.js';

const END_OF_HEAD = '\r\n\r\n';
const MAX_HEAD = 16_384;

/**
 * A port of loopback in front of the application. It reads the head of the first request of each socket for the page to
 * show, and hands the socket to the HTTP server, which treats it as one of its own. Ports are open before the application
 * is built, so that its options can name them.
 */
export class Front {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #wire: WireLog;
  #application: HttpServer | undefined;

  constructor(wire: WireLog, tls?: TlsOptions) {
    this.#wire = wire;
    const accept = (socket: Socket): void => this.#accept(socket);
    this.#server = tls ? createTlsServer(tls, accept) : createServer(accept);
  }

  /** @returns the port, which is a free one for 0 */
  async listen(port: number): Promise<number> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  /** From now on sockets come to this server. */
  serve(application: HttpServer): void {
    this.#application = application;
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #accept(socket: Socket): void {
    if (!this.#application) return void socket.destroy();
    const application = this.#application;
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    // An error ends this socket, and nothing else.
    socket.on('error', () => socket.destroy());
    // To a server of TLS too a socket is handed as one whose TLS is done, or that never has any.
    application.emit(application instanceof HttpsServer ? 'secureConnection' : 'connection', socket);
    let head = '';
    const read = (chunk: Buffer): void => {
      head += chunk.toString('latin1');
      const end = head.indexOf(END_OF_HEAD);
      if (end < 0 && head.length < MAX_HEAD) return;
      socket.off('data', read);
      const handshake = end < 0 ? undefined : showHandshake(head.slice(0, end));
      if (handshake) this.#wire.came(handshake);
    };
    // Before the listener of the HTTP server, which decides at once.
    socket.prependListener('data', read);
  }
}
