import type { IncomingMessage, Server as HttpServer } from 'node:http';
import type { Duplex } from 'node:stream';

type Listener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

const UNNAMED =
  'another listener for WebSocket upgrades is on the HTTP server (graphql-ws, a proxy?), and would answer for our paths: ' +
  'name its paths in handshake.foreignPaths, such as ["/graphql"]';
const UNNAMED_LATE =
  'a listener for WebSocket upgrades was added to the HTTP server after the boot, and would answer for our paths: it was taken ' +
  'off again and hears of no request; name its paths in handshake.foreignPaths, such as ["/graphql"]';

/**
 * Upgrade listeners of others on the application's server, such as graphql-ws. They are called for their own paths only:
 * most of them answer 400 to every path that they do not know, ours included.
 */
export class ForeignListeners {
  readonly #paths: ReadonlySet<string>;
  readonly #listeners: Listener[] = [];
  #unwatch = (): void => {};

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
    const others = othersOn(server, own);
    if (others.length > 0 && this.#paths.size === 0) return UNNAMED;
    this.#take(server, others);
    return undefined;
  }

  /**
   * Does the same with listeners that come later, before any request can get to them. The boot is over then: one that nobody
   * named is taken off all the same, and never called.
   *
   * @param tell gets a sentence for the operator, when nobody named its paths
   */
  watch(server: HttpServer, own: unknown, tell: (sentence: string) => void): void {
    const look = (): void => {
      const others = othersOn(server, own);
      this.#take(server, others);
      if (others.length > 0 && this.#paths.size === 0) tell(UNNAMED_LATE);
    };
    // Node tells of a listener before it adds it. The next tick is before the next request: those come from the network.
    const onNew = (event: string | symbol, listener: unknown): void => {
      if (event === 'upgrade' && listener !== own) process.nextTick(look);
    };
    server.on('newListener', onNew);
    this.#unwatch = () => server.off('newListener', onNew);
  }

  /** The server is somebody else's again. */
  unwatch(): void {
    this.#unwatch();
  }

  /** Without a path of theirs they are never called, and so not kept either. */
  #take(server: HttpServer, others: readonly Listener[]): void {
    for (const listener of others) {
      server.off('upgrade', listener);
      if (this.#paths.size > 0) this.#listeners.push(listener);
    }
  }
}

function othersOn(server: HttpServer, own: unknown): Listener[] {
  return server.listeners('upgrade').filter((listener) => listener !== own) as Listener[];
}
