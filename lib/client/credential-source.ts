import { ClientError } from './client-error.js';
import type { ResolvedClientOptions, TicketCredential, TokenCredential } from './client-options.js';
import type { Host } from './host.js';
import { presentedAs, type Presented } from './presented-credential.js';
import { shareTokens } from './shared-tokens.js';

/** Where credentials come from. */
export interface CredentialSource {
  /**
   * @param isRefresh whether it is for a connection that is open
   * @param isStale whether an answer from a cache would not help
   * @returns a fresh credential; `null` when nobody is logged in
   * @throws whatever the callback does, and {@link ClientError} `timeout` or `bad_credential`
   */
  get(isRefresh: boolean, isStale: boolean): Promise<Presented | null>;
  close(): void;
}

/**
 * The application's callback, with a deadline, and for shared tokens the other tabs.
 *
 * @param onRefreshed called with the credential of another tab that has refreshed its connection
 * @returns `undefined` for a cookie, which the browser sends and no script holds
 */
export function credentialSource(
  host: Host,
  { credential, timeoutMs, url }: Pick<ResolvedClientOptions, 'credential' | 'timeoutMs' | 'url'>,
  onRefreshed: (credential: Presented) => void,
): CredentialSource | undefined {
  if (credential === 'cookie') return undefined;
  const { ticket, token, sharedAs } = credential as Partial<TicketCredential & TokenCredential>;
  const callback = (ticket ?? token)!;
  const shared = ticket
    ? undefined
    : shareTokens(host, url.origin, sharedAs, timeoutMs, (token) => onRefreshed({ token }));
  /** The request that is under way: a new one, and the end of the client, give it up. */
  let latest = new AbortController();

  const fetchInTime = (isStale: boolean, abort: AbortController): Promise<string | null> =>
    new Promise((resolve, reject) => {
      const { signal } = abort;
      const cancel = host.after(timeoutMs, () => abort.abort());
      // oxlint-disable-next-line unicorn/prefer-add-event-listener -- one at a time: the next takes its place
      signal.onabort = () => {
        cancel();
        reject(new ClientError('timeout'));
      };
      void (async () => (await callback({ signal, isStale })) ?? null)().then(resolve, reject).then(cancel);
    });

  return {
    async get(isRefresh, isStale) {
      latest.abort();
      const abort = (latest = new AbortController());
      const fetchOne = (): Promise<string | null> => fetchInTime(isStale, abort);
      const value = await (shared?.get(fetchOne, isRefresh, abort.signal) ?? fetchOne());
      return value === null ? null : presentedAs(ticket ? 'ticket' : 'token', value);
    },
    close() {
      latest.abort();
      shared?.close();
    },
  };
}
