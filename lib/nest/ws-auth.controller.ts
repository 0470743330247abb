import {
  BadRequestException,
  Body,
  ConflictException,
  Controller,
  Delete,
  ForbiddenException,
  Get,
  Header,
  HttpCode,
  HttpException,
  Inject,
  MethodNotAllowedException,
  NotFoundException,
  Options,
  Param,
  Post,
  Req,
  Res,
  ServiceUnavailableException,
} from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import {
  SessionUnknown,
  StoreUnavailable,
  TicketError,
  TicketRateExceeded,
  TicketUnknown,
  TokenRejected,
  WsAuthError,
} from '../core/errors.js';
import { createPrincipal } from '../core/principal.js';
import { principalOfSession, type Session } from '../core/session/session.js';
import type { Caller } from '../core/session/caller-authenticator.js';
import { Connections } from '../core/session/connections.js';
import type { IssuedTicket, TicketInit } from '../core/ticket/ticket-service.js';
import { makeCookieFrame, type CookieFrame } from './cookie-frame.js';
import { HttpTransportReader, rawRequestOf, type HttpRequest } from './http-caller.js';
import type { WsAuthControllerOptions } from './ws-auth-controller-options.js';
import { WS_AUTH_CONTROLLER_OPTIONS, WS_AUTH_ENGINE } from './ws-auth.constants.js';
import { unauthorized, type HttpResponse } from './ws-auth.http-guard.js';
import type { WsAuthEngine } from './ws-auth.engine.js';

/** A session as its owner may see it. */
export interface SessionView {
  /** Names the session in `DELETE /ws-auth/sessions/:ref`; no id, and no credential. */
  readonly ref: string;
  /** True for the session of this very request. */
  readonly current: boolean;
  readonly createdAt: number;
  readonly lastUsedAt: number;
  readonly expiresAt: number;
  /** How many sockets it has open, on all nodes. */
  readonly sockets: number;
  readonly data?: string;
}

const ROUTES = ['ticket', 'cookie', 'logout', 'sessions', 'sessions/:ref'];

/**
 * The ready-made endpoints (PROTOCOL.md): tickets for who is logged in, logout, the caller's own sessions, and the cookie
 * of another host. Callers are found by session cookie or bearer token, or by the application's own function.
 */
@Controller('ws-auth')
export class WsAuthController {
  readonly #engine: WsAuthEngine;
  readonly #connections: Connections;
  readonly #options: WsAuthControllerOptions;
  readonly #transport: HttpTransportReader;
  readonly #cookieFrame: CookieFrame;

  constructor(
    @Inject(WS_AUTH_ENGINE) engine: WsAuthEngine,
    @Inject(Connections) connections: Connections,
    @Inject(WS_AUTH_CONTROLLER_OPTIONS) options: WsAuthControllerOptions,
  ) {
    this.#engine = engine;
    this.#connections = connections;
    this.#options = options;
    this.#transport = new HttpTransportReader(engine.options);
    this.#cookieFrame = makeCookieFrame(engine.options.origins);
  }

  /** `POST /ws-auth/ticket {"path"?, "use"?}` → 201 `{"ticket","expiresInMs"}` */
  @Post('ticket')
  @Header('Cache-Control', 'no-store')
  async ticket(
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) response: HttpResponse,
    @Body() body: unknown,
  ): Promise<IssuedTicket> {
    return this.#answer(request, response, async () => {
      const caller = await this.#callerOf(request);
      const { path, use } = readTicketBody(body);
      const forCookie = use === 'cookie';
      const init: TicketInit = {
        ...(caller.session ? { session: caller.session.id } : { principal: caller.principal }),
        origin: forCookie ? undefined : rawRequestOf(request).headers.origin,
        path: forCookie ? undefined : this.#readPath(path),
        use,
      };
      return this.#engine.tickets.issue(init, caller);
    });
  }

  /** `POST /ws-auth/cookie {"ticket"}` → 204: the session cookie on this host, for the page in the hidden iframe */
  @Post('cookie')
  @HttpCode(204)
  @Header('Cache-Control', 'no-store')
  async cookie(
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) response: HttpResponse,
    @Body() body: unknown,
  ): Promise<void> {
    await this.#answer(request, response, async () => {
      const ticket = (body as { ticket?: unknown } | null | undefined)?.ticket;
      const presented = typeof ticket === 'string' ? ticket : undefined;
      const { sessionToken } = await this.#engine.tickets.consume(presented, { use: 'cookie' });
      if (sessionToken === undefined) throw new TicketUnknown();
      response.header('Set-Cookie', this.#engine.cookie.issueCrossSite(sessionToken));
    });
  }

  /** `GET /ws-auth/cookie-frame` → 200: the page of the hidden iframe, which sends the request above */
  @Get('cookie-frame')
  cookieFrame(@Res({ passthrough: true }) response: HttpResponse): string {
    for (const [name, value] of Object.entries(this.#cookieFrame.headers)) response.header(name, value);
    return this.#cookieFrame.html;
  }

  /** `POST /ws-auth/logout` → 204: the session ends, and with it its sockets, on every node */
  @Post('logout')
  @HttpCode(204)
  @Header('Cache-Control', 'no-store')
  async logout(
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) response: HttpResponse,
  ): Promise<void> {
    await this.#answer(request, response, async () => {
      const { session } = await this.#callerOf(request);
      if (!session) throw new ConflictException('this credential has no session to end');
      await this.#engine.revocations.revoke({ session: session.id, reason: 'logout' });
      response.header('Set-Cookie', this.#engine.cookie.clear(this.#transport.read(rawRequestOf(request))));
    });
  }

  /** `GET /ws-auth/sessions` → 200: the caller's own sessions */
  @Get('sessions')
  @Header('Cache-Control', 'no-store')
  async sessions(
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) response: HttpResponse,
  ): Promise<readonly SessionView[]> {
    return this.#answer(request, response, async () => {
      const caller = await this.#callerOf(request);
      const [sessions, places] = await Promise.all([
        this.#engine.sessions.list(caller.principal.id),
        this.#connections.onAllNodes(caller.principal.id),
      ]);
      return sessions.map((session) => ({
        ref: this.#refOf(session),
        current: session.id === caller.session?.id,
        createdAt: session.createdAt,
        lastUsedAt: session.lastUsedAt,
        expiresAt: this.#engine.clock() + session.remainingMs,
        sockets: places.filter(({ sessionId }) => sessionId === session.id).length,
        ...(session.data === undefined ? {} : { data: session.data }),
      }));
    });
  }

  /** `DELETE /ws-auth/sessions/:ref` → 204: ends one of the caller's own sessions */
  @Delete('sessions/:ref')
  @HttpCode(204)
  async endSession(
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) response: HttpResponse,
    @Param('ref') ref: string,
  ): Promise<void> {
    await this.#answer(request, response, async () => {
      const caller = await this.#callerOf(request);
      const sessions = await this.#engine.sessions.list(caller.principal.id);
      const session = sessions.find((candidate) => this.#refOf(candidate) === ref);
      if (!session) throw new NotFoundException();
      await this.#engine.revocations.revoke({ session: session.id, reason: 'ended_by_user' });
    });
  }

  /** The preflight of the CORS protocol, for the listed origins. */
  @Options(ROUTES)
  @HttpCode(204)
  preflight(@Req() request: HttpRequest, @Res({ passthrough: true }) response: HttpResponse): void {
    this.#admitOrigin(request, response);
    response.header('Access-Control-Allow-Methods', 'GET, POST, DELETE');
    response.header('Access-Control-Allow-Headers', 'authorization, content-type');
    response.header('Access-Control-Max-Age', '600');
  }

  /** GET and HEAD. Routes for all methods at once are none that Fastify takes beside another. */
  @Get(['ticket', 'cookie', 'logout'])
  postOnly(@Res({ passthrough: true }) response: HttpResponse): never {
    response.header('Allow', 'POST');
    throw new MethodNotAllowedException();
  }

  @Post('sessions')
  getOnly(@Res({ passthrough: true }) response: HttpResponse): never {
    response.header('Allow', 'GET');
    throw new MethodNotAllowedException();
  }

  /** Answers a page that may ask; what fails looks the same to all, and the audit log has the reason. */
  async #answer<T>(request: HttpRequest, response: HttpResponse, work: () => Promise<T>): Promise<T> {
    this.#admitOrigin(request, response);
    try {
      return await work();
    } catch (error) {
      throw toHttpException(error, rawRequestOf(request), response);
    }
  }

  /** Own pages and those of the listed origins; everybody else's browser is told no (requirement TK-07). */
  #admitOrigin(request: HttpRequest, response: HttpResponse): void {
    const raw = rawRequestOf(request);
    const { origin } = raw.headers;
    response.header('Vary', 'Origin');
    if (origin === undefined) return;
    if (!this.#engine.options.origins.includes(origin)) {
      if (origin === this.#transport.read(raw).ownOrigin) return;
      throw new ForbiddenException();
    }
    response.header('Access-Control-Allow-Origin', origin);
    response.header('Access-Control-Allow-Credentials', 'true');
    response.header('Access-Control-Expose-Headers', 'Retry-After');
  }

  async #callerOf(request: HttpRequest): Promise<Caller> {
    const caller = this.#options.authenticate
      ? await this.#callerByApplication(request)
      : await this.#callerByCredential(rawRequestOf(request));
    if (!caller) throw new SessionUnknown();
    if (caller.session) await this.#engine.sessions.touch(caller.session.id);
    return caller;
  }

  /** @throws {StoreUnavailable} when nobody can tell, the verifier included */
  async #callerByCredential(raw: IncomingMessage): Promise<Caller | null> {
    try {
      return await this.#engine.callers.authenticate(this.#transport.factsOf(raw));
    } catch (error) {
      throw new StoreUnavailable('the caller could not be looked up', { cause: error });
    }
  }

  async #callerByApplication(request: HttpRequest): Promise<Caller | null> {
    const answer = await this.#options.authenticate!(request);
    if (!answer) return null;
    const none = { sessionToken: undefined, narrowing: undefined, token: undefined };
    if ('session' in answer) {
      const session = await this.#engine.sessions.get(answer.session);
      if (!session) return null;
      return {
        ...none,
        principal: principalOfSession(session),
        session,
        authenticatedAt: session.authenticatedAt,
        authTime: session.authTime,
      };
    }
    const principal = createPrincipal(answer.principal, this.#engine.options.principalIdPattern);
    if (!principal)
      throw new WsAuthError(
        'invalid_principal',
        'controller.authenticate() returned a principal that is not valid',
      );
    return { ...none, principal, session: undefined, authenticatedAt: this.#engine.clock(), authTime: 0 };
  }

  /** The path that a ticket is bound to: the one that is asked for, or the only one there is. */
  #readPath(path: unknown): string | undefined {
    const known = this.#engine.gateways.ticketPaths;
    if (path === undefined) {
      if (known.length > 1) throw new BadRequestException(`"path" must name one of ${known.join(', ')}`);
      return known[0];
    }
    if (typeof path !== 'string' || (known.length > 0 && !known.includes(path))) {
      throw new BadRequestException('"path" names no gateway that takes tickets');
    }
    return path;
  }

  #refOf(session: Session): string {
    return this.#engine.audit.referenceOf(session.id);
  }
}

function readTicketBody(body: unknown): { path: unknown; use: 'connect' | 'cookie' } {
  if (body === undefined || body === null) return { path: undefined, use: 'connect' };
  const { path, use = 'connect' } = body as { path?: unknown; use?: unknown };
  if (use !== 'connect' && use !== 'cookie')
    throw new BadRequestException('"use" must be "connect" or "cookie"');
  return { path, use };
}

/** Uniform: which of the reasons it was stands in the audit log. */
function toHttpException(error: unknown, request: IncomingMessage, response: HttpResponse): unknown {
  if (error instanceof TicketRateExceeded) {
    response.header('Retry-After', String(Math.ceil(error.retryAfterMs / 1_000)));
    return new HttpException('Too Many Requests', 429);
  }
  if (error instanceof TicketError || error instanceof SessionUnknown || error instanceof TokenRejected)
    return unauthorized(request, response);
  if (error instanceof StoreUnavailable) return new ServiceUnavailableException(undefined, { cause: error });
  if (error instanceof WsAuthError && error.code === 'invalid_selector')
    return new BadRequestException(error.message);
  return error;
}
