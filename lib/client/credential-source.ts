import { ClientError } from './client-error.js';
import type { ResolvedClientOptions } from './client-options.js';
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
  { credential, timeoutMs }: Pick<ResolvedClientOptions, 'credential' | 'timeoutMs'>,
  onRefreshed: (credential: Presented) => void,
): CredentialSource | undefined {
  if (credential === 'cookie') return undefined;
  const isTicket = 'ticket' in credential;
  const callback = isTicket ? credential.ticket : credential.token;
  const shared = isTicket
    ? undefined
    : shareTokens(host, credential.sharedAs, timeoutMs, (token) => onRefreshed({ token }));

  const fetchInTime = async (isStale: boolean): Promise<string | null> => {
    const abort = new AbortController();
    let cancel!: () => void;
    const late = new Promise<never>((_, reject) => {
      cancel = host.after(timeoutMs, () => {
        abort.abort();
        reject(new ClientError('timeout'));
      });
    });
    try {
      return (await Promise.race([callback({ signal: abort.signal, isStale }), late])) ?? null;
    } finally {
      cancel();
    }
  };

  return {
    async get(isRefresh, isStale) {
      const fetchOne = (): Promise<string | null> => fetchInTime(isStale);
      const value = await (shared?.obtain(fetchOne, isRefresh) ?? fetchOne());
      return value === null ? null : presentedAs(isTicket, value);
    },
    close: () => shared?.close(),
  };
}
