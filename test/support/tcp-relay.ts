import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

interface Path {
  readonly client: Socket;
  readonly server: Socket;
  /** Open, and swallowing every byte. */
  isDead: boolean;
}

/** Stands between a client and a server, and can play a path that is dead: nothing arrives, and nobody is told. */
export class TcpRelay {
  readonly #server: Server;
  readonly #target: number;
  readonly #paths = new Set<Path>();
  #isDead = false;
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

  /** Swallows every byte from now on, of new connections too. */
  swallow(): void {
    this.#isDead = true;
    for (const path of this.#paths) path.isDead = true;
  }

  /** New connections lead to the server again; those that are dead stay dead. */
  heal(): void {
    this.#isDead = false;
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
    const path: Path = { client, server, isDead: this.#isDead };
    this.#paths.add(path);
    this.#forward(path, client, server);
    this.#forward(path, server, client);
  }

  #forward(path: Path, from: Socket, to: Socket): void {
    from.on('data', (chunk) => {
      if (!path.isDead) to.write(chunk);
    });
    from.on('error', () => {});
    from.on('close', () => {
      to.destroy();
      this.#paths.delete(path);
    });
  }
}
