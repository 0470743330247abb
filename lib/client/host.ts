/** The part of a WebSocket that the client uses: the browser's, Node's own, and that of `ws` have it. */
export interface ClientSocket {
  readonly readyState: number;
  readonly protocol: string;
  readonly bufferedAmount: number;
  send(text: string): void;
  close(code?: number, reason?: string): void;
  addEventListener(name: 'open' | 'error', listener: () => void): void;
  addEventListener(name: 'message', listener: (event: { data: unknown }) => void): void;
  addEventListener(name: 'close', listener: (event: { code: number; reason: string }) => void): void;
}

/** Makes a {@link ClientSocket}. */
export type ClientSocketConstructor = new (url: string, protocols: string[]) => ClientSocket;

/** Web Locks, as far as the client uses them. */
export interface HostLocks {
  request<T>(
    name: string,
    options: { ifAvailable?: boolean; signal?: AbortSignal },
    task: (lock: unknown) => Promise<T>,
  ): Promise<T>;
}

/** A BroadcastChannel, as far as the client uses one. */
export interface HostChannel {
  addEventListener(name: 'message', listener: (event: { data: unknown }) => void): void;
  postMessage(message: unknown): void;
  close(): void;
  unref?(): void;
}

interface HostEvents {
  addEventListener(
    name: string,
    listener: (event: { persisted?: boolean }) => void,
    options: { signal: AbortSignal },
  ): void;
}

/** What the globals of a browser or of Node may have. */
interface HostGlobals extends Partial<HostEvents> {
  readonly WebSocket?: ClientSocketConstructor;
  readonly navigator?: { readonly locks?: HostLocks };
  readonly BroadcastChannel?: new (name: string) => HostChannel;
  readonly document?: HostEvents & { readonly visibilityState: string };
  readonly location?: { readonly href: string };
}

/** Where the client runs: a page, a worker or Node. Only time and chance are everywhere. @internal */
export interface Host {
  /** Unix milliseconds. */
  now(): number;
  random(): number;
  /**
   * Calls `task` once.
   *
   * @param isIdle whether a process may end before the time has come
   * @returns calls it off
   */
  after(ms: number, task: () => void, isIdle?: boolean): () => void;
  readonly globals: HostGlobals;
}

/** The page or process that this code runs in. @internal */
export function thisHost(): Host {
  return {
    now: () => Date.now(),
    random: () => Math.random(),
    after: (ms, task, isIdle) => {
      // Longer times would be taken for 1 ms.
      const timer = setTimeout(task, Math.min(ms, 2 ** 31 - 1)) as { unref?(): void };
      if (isIdle) timer.unref?.();
      return () => clearTimeout(timer as Parameters<typeof clearTimeout>[0]);
    },
    globals: globalThis as unknown as HostGlobals,
  };
}
