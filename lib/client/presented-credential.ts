import { ClientError } from './client-error.js';
import type { ResolvedClientOptions } from './client-options.js';

/** A credential as a first message or a refresh carries it. */
export interface Presented {
  readonly ticket?: string;
  readonly token?: string;
}

const FORMS = { ticket: /^wst_[\w.-]{1,116}$/, token: /^[!-~]{1,8192}$/ };

/**
 * What a callback gave, checked before it travels: what is no ticket might be a token, which has no business in a URL.
 *
 * @throws {ClientError} `bad_credential`; the value is not repeated
 */
export function presentedAs(kind: keyof Presented, value: unknown): Presented {
  if (typeof value !== 'string' || !FORMS[kind].test(value)) throw new ClientError('bad_credential');
  return { [kind]: value };
}

/** Where to connect and what to offer, with the credential where the mode wants it. */
export function addressFor(
  { url, mode, protocols }: Pick<ResolvedClientOptions, 'url' | 'mode' | 'protocols'>,
  credential: Presented | undefined,
): [url: string, protocols: string[]] {
  if (!credential || mode === 'first-message') return [url.href, protocols];
  const { ticket, token } = credential;
  if (ticket && mode === 'query') {
    const address = new URL(url);
    address.searchParams.set('ticket', ticket);
    return [address.href, protocols];
  }
  // Never chosen by the server: it chooses one of those before.
  const base64url = btoa(token ?? '')
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
  const offered = ticket ? `ticket.ws-auth.${ticket}` : `base64url.bearer.ws-auth.${base64url}`;
  return [url.href, [...protocols, offered]];
}
