import { ensureSession, post } from './lab.js';

/** The subprotocol that every gateway speaks. */
export const VERSION = 'ws-auth.v1';

/** A token follows it, in base64url. */
export const TOKEN_PROTOCOL = 'base64url.bearer.ws-auth.';

export const encode = (token) => btoa(token).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');

/** The first message. */
export const auth = (token) => JSON.stringify({ event: 'auth', data: { token } });

/** An access token of the session. */
export async function fetchToken(log, lifeSeconds) {
  await ensureSession();
  const response = await post('/lab/token', { lifeSeconds });
  const life = lifeSeconds === undefined ? '' : ` that lives for ${lifeSeconds} s`;
  log.page(`POST /lab/token → ${response.status}, a token${life}`);
  return (await response.json()).token;
}

/** A ticket, bound to this session, this page and a path. */
export async function fetchTicket(log, init) {
  await ensureSession();
  const response = await post('/ws-auth/ticket', init);
  log.page(`POST /ws-auth/ticket ${JSON.stringify(init)} → ${response.status}, a ticket`);
  return (await response.json()).ticket;
}
