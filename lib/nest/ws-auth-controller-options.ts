import type { PrincipalInit } from '../core/principal.js';

/** How the ready-made controller finds the caller of a request. */
export interface WsAuthControllerOptions {
  /**
   * The application's own way, in place of the session cookie and the bearer token. Called for every request to
   * `/ws-auth/*` with Node's, Express's or Fastify's request; `null` answers 401, an error answers 500.
   */
  authenticate?: (request: unknown) => CallerAnswer | Promise<CallerAnswer>;
}

/** A session by id or token, a principal without session, or nobody. */
export type CallerAnswer = { session: string } | { principal: PrincipalInit } | null;
