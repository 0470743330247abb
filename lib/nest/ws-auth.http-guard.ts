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
import { NO_RULES, type AuthorizationRules, type Denial } from '../core/authorization/authorization-rules.js';
import { authorize } from '../core/authorization/authorize.js';
import type { PolicyInput } from '../core/authorization/policy.js';
import type { Principal } from '../core/principal.js';
import type { Caller } from '../core/session/caller-authenticator.js';
import { HttpTransportReader, pathOf, rawRequestOf, type HttpRequest } from './http-caller.js';
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
 * Guards HTTP handlers with the credentials of the sockets: the session cookie, or a bearer token. `@WsPrincipal()` and
 * `@WsSession()` work on what it guards, and so do the rules: `@WsRoles()`, `@WsScopes()`, `@WsPolicy()` and
 * `@WsRecentAuth()` are held against a request by what holds them against a message.
 *
 * A request that changes something and comes from the page of another site is refused (403), whatever it carries.
 */
@Injectable()
export class WsAuthHttpGuard implements CanActivate {
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
    await this.#authorize(context, caller);
    return true;
  }

  async #authorize(context: ExecutionContext, caller: Caller): Promise<void> {
    const rules = this.#engine.handlerRules.of(context.getHandler(), context.getClass());
    if (rules === NO_RULES) return;
    const request = context.switchToHttp().getRequest<HttpRequest>();
    const inputOf = (principal: Principal) => inputOfRequest(request, principal);
    const { principal, authTime } = caller;
    const subject = { isOpen: true, principal, authTime };
    const denial = await authorize(rules, subject, inputOf, this.#engine.clock);
    if (denial === undefined) return;
    this.#audit(request, caller, denial);
    const challenge = challengeOf(denial, rules);
    if (challenge) context.switchToHttp().getResponse<HttpResponse>().header('WWW-Authenticate', challenge);
    throw denial === 'auth_age' ? new UnauthorizedException() : new ForbiddenException();
  }

  #audit(request: HttpRequest, { principal, session }: Caller, denial: Denial): void {
    this.#engine.audit.record({
      event: 'authz_fail',
      outcome: 'refused',
      reasonCode: `request_${denial}`,
      path: pathOf(rawRequestOf(request)),
      principal: principal.id,
      sessionId: session?.id,
    });
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
    try {
      const caller = await this.#engine.callers.authenticate(this.#transport.factsOf(rawRequestOf(request)));
      const hasEnded = caller?.session && !(await this.#engine.sessions.touch(caller.session.id));
      return hasEnded ? null : caller;
    } catch (error) {
      if (error instanceof StoreUnavailable) throw new ServiceUnavailableException();
      throw error instanceof HttpException
        ? error
        : new ServiceUnavailableException(undefined, { cause: error });
    }
  }
}

/** What a caller can do about a refusal: RFC 9470 §3 for the age of an authentication, RFC 6750 §3.1 for scopes. */
function challengeOf(denial: Denial, { maxAuthAgeMs, scopes }: AuthorizationRules): string | undefined {
  if (denial === 'scopes')
    return `Bearer realm="ws", error="insufficient_scope", scope="${quotable(scopes.join(' '))}"`;
  if (denial !== 'auth_age') return undefined;
  const maxAge = Math.floor(maxAuthAgeMs / 1_000);
  return (
    'Bearer realm="ws", error="insufficient_user_authentication", ' +
    `error_description="A more recent authentication is required", max_age="${maxAge}"`
  );
}

/** RFC 9110 §5.6.4. Names are printable ASCII, as the boot has seen. */
function quotable(text: string): string {
  return text.replace(/["\\]/g, String.raw`\$&`);
}

function inputOfRequest(request: HttpRequest, principal: Principal): PolicyInput {
  const { body, params } = request as { body?: unknown; params?: Readonly<Record<string, string>> };
  const raw = rawRequestOf(request);
  const event = `${raw.method ?? 'GET'} ${pathOf(raw)}`;
  return { principal, connection: undefined, event, payload: body, params: params ?? {} };
}
