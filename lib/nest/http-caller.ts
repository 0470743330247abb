import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Caller, CallerFacts } from '../core/session/caller-authenticator.js';
import type { CookieTransport } from '../core/session/session-cookie.js';
import { WsAuthError } from '../core/errors.js';
import {
  canonicalIp,
  type ClientAddress,
  ClientAddressReader,
  isLoopbackIp,
} from '../core/handshake/client-address.js';
import { isLoopbackHost, parseHost } from '../core/handshake/host-policy.js';
import type { ResolvedOptions } from '../core/options.js';
import { CALLER_KEY } from './ws-auth.constants.js';

/** An HTTP request of Express or Fastify. */
export type HttpRequest = (IncomingMessage | { raw: IncomingMessage }) & { [CALLER_KEY]?: Caller };

/** @throws {WsAuthError} when no `WsAuthHttpGuard` stands before the handler */
export function callerOf(request: HttpRequest): Caller {
  const caller = request[CALLER_KEY];
  if (caller) return caller;
  throw new WsAuthError(
    'handshake_refused',
    'this request was not authenticated: put WsAuthHttpGuard on its controller',
  );
}

/** Node's own request, under either framework. */
export function rawRequestOf(request: HttpRequest): IncomingMessage {
  return 'raw' in request ? request.raw : request;
}

/** Reads what a request's transport says about cookies and its own origin. */
export class HttpTransportReader {
  readonly #addresses: ClientAddressReader;

  constructor(options: Pick<ResolvedOptions, 'proxy'>) {
    this.#addresses = new ClientAddressReader(options.proxy);
  }

  read(request: IncomingMessage): CookieTransport & { readonly ownOrigin: string } {
    return this.#transportOf(request, this.#addressOf(request));
  }

  /** What it is asked by whom: `CallerAuthenticator` takes it. */
  factsOf(request: IncomingMessage): CallerFacts {
    const { authorization, cookie, origin } = request.headers;
    const address = this.#addressOf(request);
    return {
      authorization,
      cookie,
      transport: this.#transportOf(request, address),
      place: { ip: address?.ip, ipSource: address?.source, origin, path: pathOf(request) },
    };
  }

  #addressOf(request: IncomingMessage): ClientAddress | null {
    return this.#addresses.read({
      remoteAddress: request.socket.remoteAddress,
      forwardedFor: firstOf(request.headers['x-forwarded-for']),
      forwardedProto: firstOf(request.headers['x-forwarded-proto']),
    });
  }

  #transportOf(
    request: IncomingMessage,
    address: ClientAddress | null,
  ): CookieTransport & { readonly ownOrigin: string } {
    const socket = request.socket as Socket & { encrypted?: boolean };
    const secure = socket.encrypted === true || address?.forwardedSecure === true;
    const host = parseHost(request.headers.host ?? '');
    const peer = canonicalIp(socket.remoteAddress);
    return {
      secure,
      loopback: peer !== null && isLoopbackIp(address?.ip ?? peer) && host !== null && isLoopbackHost(host),
      ownOrigin: `${secure ? 'https' : 'http'}://${request.headers.host ?? ''}`,
    };
  }
}

/** The path of a request without its query, whatever the framework made of `url`. */
export function pathOf(request: IncomingMessage): string {
  const url = (request as { originalUrl?: string }).originalUrl ?? request.url ?? '/';
  return url.split('?', 1)[0]!;
}

function firstOf(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(',') : header;
}
