import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** What a dead path swallows. */
type Swallowed = 'nothing' | 'replies' | 'everything';

interface Path {
  readonly client: Socket;
  readonly server: Socket;
  swallows: Swallowed;
}

/** Stands between a client and a server, and can play a path that is dead: nothing arrives, and nobody is told. */
export class TcpRelay {
  readonly #server: Server;
  readonly #target: number;
  readonly #paths = new Set<Path>();
  #swallows: Swallowed = 'nothing';
  /** How many connections were made through it. */
  opened = 0;

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer((client) => this.#join(client));
  }

  static async start(target: number): Promise<TcpRelay> {
    const relay = new TcpRelay(target);
    relay.#server.listen(0, '127.0.0.1');
    await once(relay.#server, 'listening');
    return relay;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Swallows from now on, of new connections too. */
  swallow(what: Swallowed = 'everything'): void {
    this.#swallows = what;
    for (const path of this.#paths) path.swallows = what;
  }

  /** New connections lead to the server again; those that are dead stay dead. */
  heal(): void {
    this.#swallows = 'nothing';
  }

  async stop(): Promise<void> {
    for (const { client, server } of this.#paths) {
      client.destroy();
      server.destroy();
    }
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(client: Socket): void {
    this.opened += 1;
    const server = connect(this.#target, '127.0.0.1');
    const path: Path = { client, server, swallows: this.#swallows };
    this.#paths.add(path);
    this.#forward(path, client, server);
    this.#forward(path, server, client);
  }

  #forward(path: Path, from: Socket, to: Socket): void {
    from.on('data', (chunk) => {
      if (path.swallows === 'nothing' || (path.swallows === 'replies' && from === path.client))
        to.write(chunk);
    });
    from.on('error', () => {});
    from.on('close', () => {
      to.destroy();
      this.#paths.delete(path);
    });
  }
}
