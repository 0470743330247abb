import {
  type CanActivate,
  type ExecutionContext,
  ForbiddenException,
  HttpException,
  Inject,
  Injectable,
  ServiceUnavailableException,
  UnauthorizedException,
} from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { StoreUnavailable } from '../core/errors.js';
import { bearerChallenge } from '../core/handshake/credential-reader.js';
import { hasRoles } from '../core/principal.js';
import type { Caller } from '../core/session/caller-authenticator.js';
import { HttpTransportReader, rawRequestOf, type HttpRequest } from './http-caller.js';
import { RequiredRoles } from './required-roles.js';
import { CALLER_KEY, WS_AUTH_ENGINE } from './ws-auth.constants.js';
import type { WsAuthEngine } from './ws-auth.engine.js';

const SAFE_METHODS: readonly string[] = ['GET', 'HEAD', 'OPTIONS'];

/** What both Express and Fastify can do with a response. */
export interface HttpResponse {
  header(name: string, value: string | string[]): unknown;
}

/** A 401 names the way in (RFC 9110 §15.5.2). */
export function unauthorized(request: IncomingMessage, response: HttpResponse): UnauthorizedException {
  response.header('WWW-Authenticate', bearerChallenge(request.headers.authorization !== undefined));
  return new UnauthorizedException();
}

/**
 * Guards HTTP handlers with the credentials of the sockets: the session cookie, or a bearer token. `@WsPrincipal()`,
 * `@WsSession()` and `@WsRoles()` work on what it guards.
 *
 * A request that changes something and comes from the page of another site is refused (403), whatever it carries.
 */
@Injectable()
export class WsAuthHttpGuard implements CanActivate {
  readonly #roles = new RequiredRoles();
  readonly #engine: WsAuthEngine;
  readonly #transport: HttpTransportReader;

  constructor(@Inject(WS_AUTH_ENGINE) engine: WsAuthEngine) {
    this.#engine = engine;
    this.#transport = new HttpTransportReader(engine.options);
  }

  /** @throws {HttpException} 401, 403 or 503 */
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<HttpRequest>();
    this.refuseCrossSite(request);
    const caller = await this.#authenticate(request);
    if (!caller) throw unauthorized(rawRequestOf(request), context.switchToHttp().getResponse());
    request[CALLER_KEY] = caller;
    if (caller.session) await this.#engine.sessions.touch(caller.session.id);
    if (!hasRoles(caller.principal, this.#roles.of(context))) throw new ForbiddenException();
    return true;
  }

  /** Origin must be our own or a listed one where a request changes something (requirement TK-07). */
  protected refuseCrossSite(request: HttpRequest): void {
    const raw = rawRequestOf(request);
    const { origin } = raw.headers;
    if (origin === undefined || SAFE_METHODS.includes(raw.method ?? '')) return;
    if (origin === this.#transport.read(raw).ownOrigin || this.#engine.options.origins.includes(origin))
      return;
    throw new ForbiddenException();
  }

  async #authenticate(request: HttpRequest): Promise<Caller | null> {
    const raw = rawRequestOf(request);
    const { authorization, cookie } = raw.headers;
    try {
      return await this.#engine.callers.authenticate({
        authorization,
        cookie,
        transport: this.#transport.read(raw),
      });
    } catch (error) {
      if (error instanceof StoreUnavailable) throw new ServiceUnavailableException();
      throw error instanceof HttpException
        ? error
        : new ServiceUnavailableException(undefined, { cause: error });
    }
  }
}
