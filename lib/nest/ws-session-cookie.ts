import type { WsAuthEngine } from './ws-auth.engine.js';
import { HttpTransportReader, rawRequestOf, type HttpRequest } from './http-caller.js';

/** Writes the session cookie of a login of the application's own. */
export class WsSessionCookie {
  readonly #engine: Pick<WsAuthEngine, 'cookie'>;
  readonly #transport: HttpTransportReader;

  constructor(engine: Pick<WsAuthEngine, 'cookie' | 'options'>) {
    this.#engine = engine;
    this.#transport = new HttpTransportReader(engine.options);
  }

  /**
   * The `Set-Cookie` value that gives a session to the client: HttpOnly, `__Host-` and Secure wherever the browser takes
   * that (requirement CK-01).
   *
   * @param request the request that is being answered, of Express or Fastify
   * @param token from `WsSessionService.create` or `rotate`
   */
  issue(request: unknown, token: string): string {
    return this.#engine.cookie.issue(token, this.#transport.read(rawRequestOf(request as HttpRequest)));
  }

  /** The `Set-Cookie` values that take it away again. */
  clear(request: unknown): string[] {
    return this.#engine.cookie.clear(this.#transport.read(rawRequestOf(request as HttpRequest)));
  }
}
