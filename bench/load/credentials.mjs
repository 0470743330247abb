import { createHmac, generateKeyPairSync, randomBytes, randomUUID, sign } from 'node:crypto';

export const ORIGIN = 'https://app.example';
export const ISSUER = 'https://issuer.example';
export const AUDIENCE = 'bench';

/** A token of a user of its own for each connection. `key` is the secret of HS256, or the private key of ES256 as PEM. */
export function signToken(key, user, { algorithm = 'HS256', ...claims } = {}) {
  const now = Math.floor(Date.now() / 1_000);
  const body = [
    { alg: algorithm, typ: 'JWT' },
    { iss: ISSUER, aud: AUDIENCE, sub: user, iat: now, exp: now + 3_600, jti: randomUUID(), ...claims },
  ]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  return `${body}.${signatureOf(body, key, algorithm).toString('base64url')}`;
}

/** Tokens that no server may take: each has one thing wrong, and the last is none. */
export function wrongTokens(key, algorithm) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const otherKey =
    algorithm === 'ES256' ? privateKey.export({ format: 'pem', type: 'pkcs8' }) : randomBytes(32);
  const now = Math.floor(Date.now() / 1_000);
  return {
    'a signature by another key': signToken(otherKey, 'mallory', { algorithm }),
    'another issuer': signToken(key, 'mallory', { algorithm, iss: 'https://other.example' }),
    'another audience': signToken(key, 'mallory', { algorithm, aud: 'other' }),
    'an end that is over': signToken(key, 'mallory', { algorithm, iat: now - 7_200, exp: now - 3_600 }),
    nothing: undefined,
  };
}

function signatureOf(body, key, algorithm) {
  if (algorithm === 'HS256') return createHmac('sha256', key).update(body).digest();
  return sign('sha256', Buffer.from(body), { key, dsaEncoding: 'ieee-p1363' });
}
