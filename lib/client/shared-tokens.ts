import { fieldsOf } from './frame.js';
import type { Host } from './host.js';

/** Tokens of one owner in all tabs of an origin. */
export interface SharedTokens {
  /** A token that is fresh: another tab's, when it fetched one meanwhile, or one of our own. `signal` ends the wait for it. */
  get(
    fetchToken: () => Promise<string | null>,
    isRefresh: boolean,
    signal: AbortSignal,
  ): Promise<string | null>;
  close(): void;
}

/** A token that a tab has fetched, as it tells the others. */
interface SharedToken {
  readonly token: string;
  /** When it was fetched. The tabs of one machine have one clock. */
  readonly at: number;
  /** Whether it was for a connection that was open: then it is time for the others too. */
  readonly isRefresh: boolean;
}

/** For a new connection a token that another tab fetched this long ago is as fresh as one of our own. */
const FRESH_MS = 10_000;
/** How long the token of the tab that has just released the lock may be on its way. */
const ARRIVAL_MS = 100;

/**
 * One tab at a time fetches (Web Locks), and the others take what it got (BroadcastChannel). Tokens are in memory only.
 *
 * @param audience the server that the tokens are for: no other one is sent them
 * @param owner who the tokens are for
 * @param waitMs how long a tab waits for another before it fetches by itself
 * @param onRefreshed called with the token of another tab that has refreshed its connection
 * @returns `undefined` where the host has no Web Locks or no BroadcastChannel: then each tab is on its own
 */
export function shareTokens(
  host: Host,
  audience: string,
  owner: string | undefined,
  waitMs: number,
  onRefreshed: (token: string) => void,
): SharedTokens | undefined {
  const { BroadcastChannel, navigator } = host.globals;
  const locks = navigator?.locks;
  if (!owner || !BroadcastChannel || !locks) return undefined;
  const name = `ws-auth:${audience} ${owner}`;
  const channel = new BroadcastChannel(name);
  let latest: Omit<SharedToken, 'isRefresh'> | undefined;
  let used: string | undefined;
  let isObtaining = false;

  /** The latest token, unless it is old or this client has used it already. */
  const take = (since: number): string | undefined => {
    if (!latest || latest.at < since || latest.token === used) return undefined;
    used = latest.token;
    return used;
  };

  channel.unref?.();
  channel.addEventListener('message', ({ data }) => {
    const { token, at, isRefresh } = fieldsOf<SharedToken>(data);
    if (typeof token !== 'string' || typeof at !== 'number') return;
    latest = { token, at };
    const taken = isRefresh && !isObtaining && take(host.now() - FRESH_MS);
    if (taken) onRefreshed(taken);
  });

  return {
    async get(fetchToken, isRefresh, signal) {
      // A refresh may be for new rights, which an earlier token has not.
      const since = host.now() - (isRefresh ? 0 : FRESH_MS);
      let hasLock = false;
      const fetchForAll = async (): Promise<string | null> => {
        hasLock = true;
        const token = await fetchToken();
        if (token === null) return null;
        used = token;
        const message: SharedToken = { token, at: host.now(), isRefresh };
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel has one origin
        channel.postMessage(message);
        return token;
      };
      const takeOrFetch = async (): Promise<string | null> => take(since) ?? fetchForAll();
      const arrival = (): Promise<void> => new Promise((resolve) => host.after(ARRIVAL_MS, resolve));
      const abort = new AbortController();
      const cancel = host.after(waitMs, () => abort.abort());
      // oxlint-disable-next-line unicorn/prefer-add-event-listener -- one at a time: the next takes its place
      signal.onabort = () => abort.abort();
      isObtaining = true;
      try {
        const got = await locks.request(name, { ifAvailable: true }, async (lock) =>
          lock ? takeOrFetch() : undefined,
        );
        if (got !== undefined) return got;
        return await locks.request(
          name,
          { signal: abort.signal },
          async () => take(since) ?? arrival().then(takeOrFetch),
        );
      } catch (error) {
        if (hasLock || signal.aborted) throw error;
        // No lock to be had: the other tab hangs, or this page may have none.
        return await fetchForAll();
      } finally {
        isObtaining = false;
        cancel();
      }
    },
    close: () => channel.close(),
  };
}
