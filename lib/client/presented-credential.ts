import { ClientError } from './client-error.js';
import type { ResolvedClientOptions } from './client-options.js';

/** A credential as a first message or a refresh carries it. */
export interface Presented {
  readonly ticket?: string;
  readonly token?: string;
}

const TICKET = /^wst_[\w.-]{1,116}$/;
const TOKEN = /^[!-~]{1,8192}$/;

/**
 * What a callback gave, checked before it travels: what is no ticket might be a token, which has no business in a URL.
 *
 * @throws {ClientError} `bad_credential`; the value is not repeated
 */
export function presentedAs(isTicket: boolean, value: string): Presented {
  if (!(isTicket ? TICKET : TOKEN).test(value)) throw new ClientError('bad_credential');
  return isTicket ? { ticket: value } : { token: value };
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
  return [url.href, [...protocols, ticket ? `ticket.ws-auth.${ticket}` : bearerSubprotocol(token!)]];
}

function bearerSubprotocol(token: string): string {
  const base64url = btoa(token).replace(/[+/=]/g, (sign) => (sign === '+' ? '-' : sign === '/' ? '_' : ''));
  return `base64url.bearer.ws-auth.${base64url}`;
}
