import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { readPage } from './page-files.js';
import { pageOrigin, type Ports } from './settings.js';

/** Somebody else's server: its page tries to open a socket in the name of whoever looks at it. */
export class ForeignServer {
  readonly #server: Server = createServer();

  async listen(port: number): Promise<number> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  /** It can be framed by the playground's page, and reports to it. */
  serve(ports: Ports): void {
    const page = pageOrigin(ports);
    const sockets = `ws://localhost:${ports.page}`;
    const policy = `default-src 'none'; script-src 'self'; style-src 'self'; connect-src ${sockets}; frame-ancestors ${page}; base-uri 'none'; form-action 'none'`;
    const files = new Map(
      ['foreign.html', 'foreign.js', 'foreign.css'].map((name) => [`/${name}`, readPage(name)]),
    );
    this.#server.on('request', (request, response) => {
      const file = files.get(request.url?.split('?', 1)[0] ?? '');
      response.setHeader('X-Content-Type-Options', 'nosniff');
      if (!file) return void response.writeHead(404).end();
      response
        .writeHead(200, { 'Content-Type': file.type, 'Content-Security-Policy': policy })
        .end(file.text);
    });
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}
