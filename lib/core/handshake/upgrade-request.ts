import type { IncomingHttpHeaders } from 'node:http';
import type { PeerCertificate } from 'node:tls';
import { HandshakeRefused } from './refusal.js';
import { parseHost, type HostName } from './host-policy.js';

/** What is read of an upgrade request and its socket; an `IncomingMessage` has it all. */
export interface RawUpgrade {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly httpVersionMajor: number;
  readonly httpVersionMinor: number;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly remoteAddress: string | undefined;
  /** True when the server listens on loopback only, so that no proxy or name server stands before it on purpose. */
  readonly boundToLoopback: boolean;
  readonly encrypted: boolean;
  /** The TLS client certificate, where there is one and TLS has verified it. */
  readonly certificate: PeerCertificate | undefined;
}

/** The facts of a well-formed upgrade request, each read once. */
export interface UpgradeRequest {
  readonly host: HostName;
  readonly path: string;
  /** The query without its `?`, as it was sent. */
  readonly query: string;
  /** The Origin header as it was sent; an empty one is not a missing one. */
  readonly origin: string | undefined;
  readonly authorization: string | undefined;
  readonly cookie: string | undefined;
  readonly headers: IncomingHttpHeaders;
  /** The offered subprotocols, in the client's order; those that carry a credential included. */
  readonly protocols: readonly string[];
}

/** Each with a bit of its own. */
const SINGLETON_HEADERS: ReadonlyMap<string, number> = new Map([
  ['host', 1],
  ['origin', 2],
  ['authorization', 4],
  ['content-length', 8],
  ['sec-websocket-key', 16],
  ['sec-websocket-version', 32],
]);
const KEY = /^[+/0-9A-Za-z]{22}==$/;
/** A token between spaces and tabs; `String.trim()` takes more off than ws does, which reads the header after us. */
const SUBPROTOCOL = /^[ \t]*([!#$%&'*+\-.0-9A-Z^_`|a-z~]+)[ \t]*$/;
const FORBIDDEN_IN_PATH = /%(?:2e|2f|5c|00)|[^\x21-\x7e]|[\\#]/i;
const DOT_SEGMENT = /\/\.\.?(?:\/|$)/;
const MAX_EXTENSIONS_LENGTH = 1_024;
const MAX_PROTOCOLS = 32;

/**
 * Checks the syntax of an upgrade request and reads it (step 4 of the staircase). Nothing is decoded, normalised or
 * guessed: two readings of one request are how requests are smuggled.
 *
 * @throws {HandshakeRefused} 400, 405, 426 or 431
 * @see RFC 6455 §4.2.1, RFC 9112 §3.2
 */
export function readUpgradeRequest(raw: RawUpgrade, maxHeaders: number): UpgradeRequest {
  if (raw.method !== 'GET') {
    throw new HandshakeRefused('method_not_allowed', 'method_not_get', { headers: { Allow: 'GET' } });
  }
  if (raw.httpVersionMajor < 1 || (raw.httpVersionMajor === 1 && raw.httpVersionMinor < 1)) {
    throw new HandshakeRefused('malformed_handshake', 'http_version');
  }
  if (raw.rawHeaders.length > maxHeaders * 2)
    throw new HandshakeRefused('header_too_large', 'too_many_headers');
  const duplicate = findDuplicateSingleton(raw.rawHeaders);
  if (duplicate) throw new HandshakeRefused('malformed_handshake', `duplicate_header_${duplicate}`);
  const { headers } = raw;
  const host = headers.host === undefined ? null : parseHost(headers.host);
  if (!host) throw new HandshakeRefused('malformed_handshake', 'host_header');
  const [path, query] = splitTarget(raw.url);
  if (hasBody(headers)) throw new HandshakeRefused('malformed_handshake', 'body_on_upgrade');
  if (headers.upgrade?.toLowerCase() !== 'websocket') throw upgradeRequired('upgrade_header');
  if (!hasToken(headers.connection, 'upgrade'))
    throw new HandshakeRefused('malformed_handshake', 'connection_header');
  const version = headers['sec-websocket-version'];
  if (version !== '13') throw upgradeRequired('websocket_version');
  const key = headers['sec-websocket-key'];
  if (key === undefined || !KEY.test(key)) throw new HandshakeRefused('malformed_handshake', 'websocket_key');
  const extensions = headers['sec-websocket-extensions'];
  if (extensions !== undefined && extensions.length > MAX_EXTENSIONS_LENGTH) {
    throw new HandshakeRefused('malformed_handshake', 'extensions_too_long');
  }
  return {
    host,
    path,
    query,
    origin: headers.origin,
    authorization: headers.authorization,
    cookie: headers.cookie,
    headers,
    protocols: readProtocols(headers['sec-websocket-protocol']),
  };
}

/** RFC 6455 §4.4: a version that the server does not speak is answered with the one that it does. */
function upgradeRequired(reason: string): HandshakeRefused {
  return new HandshakeRefused('upgrade_required', reason, {
    headers: { Upgrade: 'websocket', 'Sec-WebSocket-Version': '13' },
  });
}

function findDuplicateSingleton(rawHeaders: readonly string[]): string | undefined {
  let seen = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!.toLowerCase();
    const bit = SINGLETON_HEADERS.get(name) ?? 0;
    if ((seen & bit) !== 0) return name.replaceAll('-', '_');
    seen |= bit;
  }
  return undefined;
}

/** The origin-form target in its two parts; every other form is refused (requirement HS-09). */
function splitTarget(url: string | undefined): [path: string, query: string] {
  if (url === undefined || !url.startsWith('/'))
    throw new HandshakeRefused('malformed_handshake', 'target_form');
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  const query = mark < 0 ? '' : url.slice(mark + 1);
  if (path.startsWith('//') || FORBIDDEN_IN_PATH.test(path) || /[#\\]/.test(query)) {
    throw new HandshakeRefused('malformed_handshake', 'target_characters');
  }
  if (DOT_SEGMENT.test(path)) {
    throw new HandshakeRefused('malformed_handshake', 'target_dot_segments');
  }
  return [path, query];
}

/** Node hands the body of a GET over as the first frames of the socket (requirement HS-07), so none is let through. */
function hasBody(headers: IncomingHttpHeaders): boolean {
  if (headers['transfer-encoding'] !== undefined) return true;
  const length = headers['content-length'];
  return length !== undefined && length !== '0';
}

function hasToken(header: string | undefined, token: string): boolean {
  return header !== undefined && header.split(',').some((part) => part.trim().toLowerCase() === token);
}

/** RFC 6455 §4.1: a list of distinct tokens. */
function readProtocols(header: string | undefined): readonly string[] {
  if (header === undefined) return [];
  const parts = header.split(',', MAX_PROTOCOLS + 1);
  const protocols = parts.flatMap((part) => SUBPROTOCOL.exec(part)?.[1] ?? []);
  const isValid = parts.length <= MAX_PROTOCOLS && protocols.length === parts.length;
  if (!isValid || new Set(protocols).size !== protocols.length) {
    throw new HandshakeRefused('malformed_handshake', 'subprotocol_header');
  }
  return protocols;
}
