import type { IncomingMessage, Server as HttpServer } from 'node:http';
import type { Socket } from 'node:net';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import type { Handshake } from '../core/connection.js';
import { canonicalIp, isLoopbackIp } from '../core/handshake/client-address.js';
import type { RawUpgrade } from '../core/handshake/upgrade-request.js';

/** What the core reads of an upgrade request. */
export function rawUpgradeOf(request: IncomingMessage, boundToLoopback: boolean): RawUpgrade {
  const socket = request.socket as Socket & Partial<TLSSocket>;
  return {
    method: request.method,
    url: request.url,
    httpVersionMajor: request.httpVersionMajor,
    httpVersionMinor: request.httpVersionMinor,
    headers: request.headers,
    rawHeaders: request.rawHeaders,
    remoteAddress: socket.remoteAddress,
    boundToLoopback,
    encrypted: socket.encrypted === true,
    certificate: certificateOf(socket),
  };
}

/** Node has an empty one where the client sent none, and any at all where nobody has verified it. */
function certificateOf(socket: Partial<TLSSocket>): PeerCertificate | undefined {
  if (socket.authorized !== true) return undefined;
  const certificate = socket.getPeerCertificate?.();
  return certificate && Object.keys(certificate).length > 0 ? certificate : undefined;
}

/**
 * Takes the credentials out of a request before ws and the application see it: the ticket out of the URL, and of the
 * offered subprotocols all but the chosen one, which is then the only one that ws can answer with.
 */
export function stripRequest(request: IncomingMessage, handshake: Handshake): void {
  const { path, query, protocol } = handshake;
  request.url = query === '' ? path : `${path}?${query}`;
  const name = 'sec-websocket-protocol';
  if (protocol !== '') request.headers[name] = protocol;
  // To delete what is not there makes all other headers slow to read.
  else if (request.headers[name] !== undefined) delete request.headers[name];
  let isFirst = true;
  for (let index = 0; index < request.rawHeaders.length; index += 2) {
    if (request.rawHeaders[index]!.toLowerCase() !== name) continue;
    request.rawHeaders[index + 1] = isFirst ? protocol : '';
    isFirst = false;
  }
}

/** True for a server that listens on 127.0.0.0/8 or ::1. */
export function isBoundToLoopback(server: HttpServer): boolean {
  const address = server.address();
  if (address === null || typeof address === 'string') return false;
  const ip = canonicalIp(address.address);
  return ip !== null && isLoopbackIp(ip);
}
