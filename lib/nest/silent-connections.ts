import type { IncomingMessage, Server as HttpServer } from 'node:http';
import type { Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import type { Duplex } from 'node:stream';

/** Node's HTTP server has its parser here for as long as the socket is its own. */
type HttpSocket = Socket & { readonly parser?: object | null };

/**
 * The connections of a server on which nothing whole has been asked yet. Node's `close` waits for them, and switches off the
 * timeout of their headers: one client that says half a sentence could keep a process from ending (requirement LT-06).
 */
export class SilentConnections {
  readonly #sockets = new Set<Duplex>();
  /** On a server with TLS, connections whose TLS is not there yet, by their peer. */
  readonly #bare = new Map<string, Socket>();
  /** One function for all connections, and not a closure for each. */
  readonly #forgetThis: (this: Socket) => void;

  constructor() {
    const sockets = this.#sockets;
    this.#forgetThis = function (this: Socket) {
      sockets.delete(this);
    };
  }

  watch(server: HttpServer): void {
    const isTls = server instanceof TlsServer;
    if (isTls) server.on('connection', (socket: Socket) => this.#watchBare(socket));
    server.on(isTls ? 'secureConnection' : 'connection', (socket: Socket) => {
      if (isTls) this.#bare.delete(peerOf(socket));
      this.#sockets.add(socket);
      socket.on('close', this.#forgetThis);
    });
    server.prependListener('request', ({ socket }: IncomingMessage) => this.forget(socket));
  }

  /** Something whole was asked on this connection. */
  forget(socket: Duplex): void {
    if (this.#sockets.delete(socket)) socket.off('close', this.#forgetThis);
  }

  /** Cuts them; not those that were upgraded by another library, which are its own. */
  destroyAll(): void {
    for (const socket of this.#sockets) if ((socket as HttpSocket).parser) socket.destroy();
    for (const socket of this.#bare.values()) socket.destroy();
  }

  /** Nothing of Node's tells which bare connection has become which of TLS, but that both have the same peer. */
  #watchBare(socket: Socket): void {
    const peer = peerOf(socket);
    this.#bare.set(peer, socket);
    socket.once('close', () => {
      if (this.#bare.get(peer) === socket) this.#bare.delete(peer);
    });
  }
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
