import { createSecretKey } from 'node:crypto';
import { AUDIENCE, ISSUER } from '../load/credentials.mjs';

/** What every server asks of a token. */
export const JWT_RULES = { algorithms: ['HS256'], issuer: ISSUER, audience: AUDIENCE };

/** The secret as most have it, a text; or as it is verified fastest, a KeyObject made once, with BENCH_KEY=object. */
export function jwtKey(form = process.env.BENCH_KEY) {
  const secret = process.env.BENCH_JWT_SECRET;
  return form === 'object' ? createSecretKey(secret, 'utf8') : secret;
}

/** The token of `Authorization: Bearer …`, undefined when there is none. */
export function bearerOf({ headers }) {
  const [scheme, token] = headers.authorization?.split(' ') ?? [];
  return scheme === 'Bearer' ? token : undefined;
}
