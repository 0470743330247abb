import type { IncomingMessage, Server as HttpServer } from 'node:http';
import type { Duplex } from 'node:stream';

type Listener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/**
 * Upgrade listeners of others on the application's server, such as graphql-ws. They are called for their own paths only:
 * most of them answer 400 to every path that they do not know, ours included.
 */
export class ForeignListeners {
  readonly #paths: ReadonlySet<string>;
  readonly #listeners: Listener[] = [];

  constructor(paths: readonly string[]) {
    this.#paths = new Set(paths);
  }

  /** True for a request on a path of theirs. */
  takes(request: IncomingMessage): boolean {
    if (this.#paths.size === 0 || request.url === undefined) return false;
    return this.#paths.has(request.url.split('?', 1)[0]!);
  }

  pass(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    for (const listener of this.#listeners) listener(request, socket, head);
  }

  /**
   * Takes the listeners of others off the server, to call them for their paths.
   *
   * @returns a sentence when there is one and no path was named for it
   */
  adopt(server: HttpServer, own: unknown): string | undefined {
    const others = server.listeners('upgrade').filter((listener) => listener !== own) as Listener[];
    if (others.length > 0 && this.#paths.size === 0) {
      return (
        'another listener for WebSocket upgrades is on the HTTP server (graphql-ws, a proxy?), and would answer for our paths: ' +
        'name its paths in handshake.foreignPaths, such as ["/graphql"]'
      );
    }
    for (const listener of others) {
      server.off('upgrade', listener);
      this.#listeners.push(listener);
    }
    return undefined;
  }
}
