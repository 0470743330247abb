import type { Host, HostChannel, HostLocks } from '../../../lib/client/host.js';
import { FakeSocket } from './fake-socket.js';

/** Lets every promise that can go on go on. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** What the tabs of one origin have in common. */
export class FakeOrigin {
  readonly #held = new Map<string, Promise<unknown>>();
  readonly #channels = new Set<FakeChannel>();
  /** How many BroadcastChannels are open. */
  get openChannels(): number {
    return this.#channels.size;
  }

  readonly locks: HostLocks = {
    request: async (name, { ifAvailable, signal }, task) => {
      if (this.#held.has(name) && ifAvailable) return task(null);
      const aborted = new Promise<never>((_, reject) => {
        signal?.addEventListener('abort', () => reject(new Error('AbortError')));
      });
      while (this.#held.has(name)) await Promise.race([this.#held.get(name), aborted]);
      const run = task({ name });
      const held = run.then(
        () => this.#held.delete(name),
        () => this.#held.delete(name),
      );
      this.#held.set(name, held);
      return run;
    },
  };

  channel(name: string): HostChannel {
    const channel = new FakeChannel(name, this.#channels);
    this.#channels.add(channel);
    return channel;
  }
}

class FakeChannel implements HostChannel {
  readonly #listeners: ((event: { data: unknown }) => void)[] = [];

  constructor(
    readonly name: string,
    readonly channels: Set<FakeChannel>,
  ) {}

  addEventListener(_name: string, listener: (event: { data: unknown }) => void): void {
    this.#listeners.push(listener);
  }

  postMessage(message: unknown): void {
    const data = structuredClone(message);
    for (const other of this.channels) {
      if (other === this || other.name !== this.name) continue;
      for (const listener of other.#listeners) queueMicrotask(() => listener({ data }));
    }
  }

  close(): void {
    this.channels.delete(this);
  }
}

/** A page whose time, chance, network and visibility are the test's. */
export class FakeHost implements Host {
  readonly sockets: FakeSocket[] = [];
  readonly page = new EventTarget();
  readonly view = new EventTarget();
  visibilityState = 'visible';
  chance = 0.5;
  #now = 1_000_000;
  #timers: { at: number; task: () => void }[] = [];

  /** @param origin the tabs that this one shares with; left out, it has neither locks nor channels */
  constructor(readonly origin?: FakeOrigin) {}

  now(): number {
    return this.#now;
  }

  random(): number {
    return this.chance;
  }

  after(ms: number, task: () => void): () => void {
    const timer = { at: this.#now + ms, task };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  get globals(): Host['globals'] {
    const { sockets, origin } = this;
    const document = this.view as EventTarget & { visibilityState: string };
    document.visibilityState = this.visibilityState;
    const page = this.page;
    return {
      WebSocket: class extends FakeSocket {
        constructor(url: string, protocols: string[]) {
          super(url, protocols);
          sockets.push(this);
        }
      },
      navigator: { locks: origin?.locks },
      BroadcastChannel: origin
        ? (function make(name: string) {
            return origin.channel(name);
          } as unknown as Host['globals']['BroadcastChannel'])
        : undefined,
      document: document as unknown as Host['globals']['document'],
      addEventListener: (name, listener, options) =>
        page.addEventListener(name, listener as (event: Event) => void, options),
    };
  }

  /** How many timers wait. */
  get waiting(): number {
    return this.#timers.length;
  }

  /** The newest socket. */
  get socket(): FakeSocket {
    return this.sockets.at(-1)!;
  }

  /** Time passes, and timers fire. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settled();
    for (;;) {
      const [next] = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (!next) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#now = Math.max(this.#now, next.at);
      next.task();
      await settled();
    }
    this.#now = end;
  }

  /** Time passes while everything stands still. */
  sleep(ms: number): void {
    this.#now += ms;
  }

  /** The page is shown, or hidden. */
  async show(visibilityState: 'visible' | 'hidden'): Promise<void> {
    this.visibilityState = visibilityState;
    void this.globals;
    this.view.dispatchEvent(new Event('visibilitychange'));
    await settled();
  }

  /** Something happens to the page. */
  async happen(name: string, fields: object = {}): Promise<void> {
    this.page.dispatchEvent(Object.assign(new Event(name), fields));
    await settled();
  }
}
