import type { ClientSocket } from '../../../lib/client/index.js';

type Listener = (event: never) => void;

/** A WebSocket whose server is the test. */
export class FakeSocket implements ClientSocket {
  readyState = 0;
  protocol = '';
  bufferedAmount = 0;
  /** What the client has sent, parsed. */
  readonly sent: { event: string; data?: unknown }[] = [];
  /** The codes with which the client has closed. */
  readonly closes: (number | undefined)[] = [];
  readonly #listeners = new Map<string, Listener[]>();

  constructor(
    readonly url: string,
    readonly protocols: string[],
  ) {}

  addEventListener(name: string, listener: Listener): void {
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text) as { event: string });
  }

  close(code?: number): void {
    this.closes.push(code);
    this.readyState = 2;
  }

  /** The server answers 101. */
  open(protocol = 'ws-auth.v1'): void {
    this.protocol = protocol;
    this.readyState = 1;
    this.#emit('open', {});
  }

  /** A frame of the server's. */
  receive(event: string, data?: unknown): void {
    this.receiveRaw(JSON.stringify({ event, data }));
  }

  receiveRaw(data: unknown): void {
    this.#emit('message', { data });
  }

  /** 101 and `auth.ok`. @param lifetimeMs from `serverTime` to `expiresAt` */
  admit(lifetimeMs = 3_600_000, sessionId?: string, serverTime = 5_000_000): void {
    this.open();
    this.renew(lifetimeMs, sessionId, serverTime);
  }

  /** `auth.ok`. */
  renew(lifetimeMs = 3_600_000, sessionId?: string, serverTime = 5_000_000): void {
    this.receive('auth.ok', { connectionId: 'c', sessionId, expiresAt: serverTime + lifetimeMs, serverTime });
  }

  /** The server's Close, or the loss of the network. */
  end(code: number, reason = ''): void {
    this.readyState = 3;
    this.#emit('close', { code, reason });
  }

  /** The handshake fails, and no Close follows. */
  fail(): void {
    this.#emit('error', {});
  }

  #emit(name: string, event: object): void {
    for (const listener of this.#listeners.get(name) ?? []) listener(event as never);
  }
}
