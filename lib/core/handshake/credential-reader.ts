import type { PeerCertificate } from 'node:tls';
import { isBasic, readBasic, type BasicCredential } from './basic-credential.js';
import type { CredentialReader } from './own-credentials.js';
import { HandshakeRefused } from './refusal.js';
import type { UpgradeRequest } from './upgrade-request.js';

/** A ticket or a token, as presented: nothing about it is verified yet. */
export type PresentedToken =
  { readonly kind: 'ticket'; readonly value: string } | { readonly kind: 'bearer'; readonly value: string };

/** The one credential of a handshake, as presented: nothing about it is verified yet. */
export type PresentedCredential =
  | PresentedToken
  | { readonly kind: 'basic'; readonly value: BasicCredential }
  | { readonly kind: 'client-certificate'; readonly value: PeerCertificate }
  | { readonly kind: 'own'; readonly reader: CredentialReader; readonly value: unknown };

/** What a gateway reads besides tickets and tokens. */
export interface ReaderSettings {
  /** The gateway takes Basic, from a browser too. */
  readonly takesBasic: boolean;
  /** The query parameter in which a token may stand, which is dangerous, or none. */
  readonly tokenParameter: string | undefined;
  /** Readers of the application's own are asked too: an Authorization scheme that is none of ours may be theirs. */
  readonly hasReaders: boolean;
}

const TICKET_PROTOCOL = 'ticket.ws-auth.';
const BEARER_PROTOCOL = 'base64url.bearer.ws-auth.';
const TICKET_PARAMETER = 'ticket';
const TOKEN_PARAMETERS: ReadonlySet<string> = new Set(['token', 'access_token', 'jwt', 'auth']);
const BEARER = /^bearer ([A-Za-z0-9._~+/-]+=*)$/i;
const BASE64URL = /^[A-Za-z0-9_-]+$/;

/** The longest bearer token that is looked at, in characters (requirement CR-03). */
export const MAX_TOKEN_LENGTH = 8_192;

/**
 * Reads the one explicit credential of a request (step 10): from the Authorization header, the `ticket` parameter or a
 * subprotocol. A cookie is ambient and no part of this.
 *
 * @returns `null` when the request has none
 * @throws {HandshakeRefused} 400 for two credentials or a token in the URL, 401 for one that is malformed
 */
export function readCredential(
  request: UpgradeRequest,
  settings: ReaderSettings,
): PresentedCredential | null {
  const found: PresentedCredential[] = [];
  const parameters = readQuery(request.query, settings.tokenParameter);
  if (parameters.hasToken) throw new HandshakeRefused('credential_in_url', 'credential_in_url');
  for (const value of parameters.tickets) found.push({ kind: 'ticket', value });
  for (const value of parameters.tokens) found.push({ kind: 'bearer', value: readUrlToken(value) });
  for (const protocol of request.protocols) {
    if (protocol.startsWith(TICKET_PROTOCOL)) {
      found.push({ kind: 'ticket', value: protocol.slice(TICKET_PROTOCOL.length) });
    } else if (protocol.startsWith(BEARER_PROTOCOL)) {
      found.push({ kind: 'bearer', value: decodeToken(protocol.slice(BEARER_PROTOCOL.length)) });
    }
  }
  const fromHeader = readAuthorization(request, settings, found.length > 0);
  if (fromHeader) found.push(fromHeader);
  if (found.length > 1) throw new HandshakeRefused('multiple_credentials', 'multiple_credentials');
  return found[0] ?? null;
}

/** True for a subprotocol that is there to carry a credential: it is never chosen, and never shown to the application. */
export function carriesCredential(protocol: string): boolean {
  return protocol.startsWith(TICKET_PROTOCOL) || protocol.startsWith(BEARER_PROTOCOL);
}

/**
 * The query without the parameters that carry a credential: what the application and the log may see.
 *
 * @param further names of the application's own, in lower case
 */
export function stripCredentials(query: string, further: ReadonlySet<string>): string {
  if (query === '') return query;
  return query
    .split('&')
    .filter((pair) => {
      const name = parameterName(pair);
      return !isCredentialParameter(name) && !further.has(name);
    })
    .join('&');
}

/**
 * RFC 6750 §2.1: the scheme in any case, one space, b64token.
 *
 * Browsers add `Authorization: Basic` of an earlier success to every handshake of that origin: beside an Origin it is
 * ambient, and a credential only where the gateway takes it and there is no other.
 */
function readAuthorization(
  request: UpgradeRequest,
  { takesBasic, hasReaders }: ReaderSettings,
  hasOther: boolean,
): PresentedCredential | null {
  const header = request.authorization;
  if (header === undefined) return null;
  if (isAmbientBasic(request) && (!takesBasic || hasOther)) return null;
  if (takesBasic && isBasic(header)) {
    const value = readBasic(header);
    if (!value) throw unauthorized('basic_syntax');
    return { kind: 'basic', value };
  }
  if (hasReaders && !/^(?:bearer|basic)(?: |$)/i.test(header)) return null;
  if (header.length > MAX_TOKEN_LENGTH + 'bearer '.length) throw unauthorized('bearer_too_long');
  const match = BEARER.exec(header);
  if (!match) throw unauthorized('authorization_syntax');
  return { kind: 'bearer', value: match[1]! };
}

/** True for what a browser adds by itself after one success with Basic. */
export function isAmbientBasic({ authorization, origin }: UpgradeRequest): boolean {
  return origin !== undefined && authorization !== undefined && isBasic(authorization);
}

function decodeToken(encoded: string): string {
  if (!BASE64URL.test(encoded)) throw unauthorized('bearer_subprotocol_syntax');
  const decoded = Buffer.from(encoded, 'base64url');
  // Node ignores what is no base64url; only a text that encodes back to itself was one (requirement CR-04).
  if (decoded.toString('base64url') !== encoded) throw unauthorized('bearer_subprotocol_syntax');
  const token = decoded.toString('latin1');
  if (token.length > MAX_TOKEN_LENGTH || !BEARER.test(`Bearer ${token}`))
    throw unauthorized('bearer_subprotocol_syntax');
  return token;
}

function unauthorized(reason: string): HandshakeRefused {
  return new HandshakeRefused('unauthorized', reason, {
    headers: { 'WWW-Authenticate': bearerChallenge(true) },
  });
}

/** The challenge of a 401: with an error code only when something was presented (RFC 6750 §3). */
export function bearerChallenge(presented: boolean): string {
  return presented ? 'Bearer realm="ws", error="invalid_token"' : 'Bearer realm="ws"';
}

/** True for a query with a parameter of this name, in any spelling. */
export function hasParameter(query: string, name: string): boolean {
  return query !== '' && query.split('&').some((pair) => parameterName(pair) === name);
}

function readQuery(
  query: string,
  tokenParameter: string | undefined,
): { tickets: string[]; tokens: string[]; hasToken: boolean } {
  const tickets: string[] = [];
  const tokens: string[] = [];
  let hasToken = false;
  for (const pair of query === '' ? [] : query.split('&')) {
    const name = parameterName(pair);
    const value = pair.slice(pair.indexOf('=') + 1);
    if (name === TICKET_PARAMETER) tickets.push(value);
    else if (name === tokenParameter) tokens.push(value);
    else if (isCredentialParameter(name)) hasToken = true;
  }
  return { tickets, tokens, hasToken };
}

/** The characters of a JWT need no escape: what has one is none. */
function readUrlToken(value: string): string {
  if (value.length > MAX_TOKEN_LENGTH || !BEARER.test(`Bearer ${value}`))
    throw unauthorized('url_token_syntax');
  return value;
}

/**
 * Decoded and in lower case, so that no spelling of `token` slips a token past the check or into a log. Only printable
 * ASCII is decoded: the names that matter have nothing else, and no escape can make this throw.
 */
function parameterName(pair: string): string {
  const equals = pair.indexOf('=');
  const raw = equals < 0 ? pair : pair.slice(0, equals);
  return raw
    .replace(/%([2-7][0-9a-f])/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    .toLowerCase();
}

function isCredentialParameter(name: string): boolean {
  const bare = name.split('[', 1)[0]!;
  return bare === TICKET_PARAMETER || TOKEN_PARAMETERS.has(bare);
}
