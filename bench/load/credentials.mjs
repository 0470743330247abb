import { createHmac, randomUUID } from 'node:crypto';

export const ORIGIN = 'https://app.example';
export const ISSUER = 'https://issuer.example';
export const AUDIENCE = 'bench';

/** A token of a user of its own for each connection. */
export function signToken(secret, user) {
  const now = Math.floor(Date.now() / 1_000);
  const body = [
    { alg: 'HS256', typ: 'JWT' },
    { iss: ISSUER, aud: AUDIENCE, sub: user, iat: now, exp: now + 3_600, jti: randomUUID() },
  ]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  return `${body}.${createHmac('sha256', secret).update(body).digest('base64url')}`;
}
