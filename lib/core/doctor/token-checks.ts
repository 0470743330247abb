import type { ResolvedJwtOptions } from '../handshake/jwt-options.js';
import { inWords, listed, when, type DoctorCheck } from './doctor-check.js';
import type { DoctorFacts } from './doctor-facts.js';
import { isGuessable } from './secret-strength.js';

const LONG_LIFE_SECONDS = 3_600;
const USUAL_TOLERANCE_SECONDS = 30;
const MANY_AUDIENCES = 5;
/** With fewer an RSA key has less than 128 bits of strength (NIST SP 800-57). */
const STRONG_RSA_BITS = 3_072;

/** How bearer tokens are verified. */
export const TOKEN_CHECKS: readonly DoctorCheck[] = [
  {
    id: 'token-in-url',
    severity: 'warning',
    title: 'Tokens travel in URLs',
    rows: ['CR-02'],
    asvs: ['14.2.1'],
    fix: 'use tickets, and take handshake.dangerouslyAllowTokenInUrl out',
    find: ({ options: { handshake } }) =>
      when(
        handshake.dangerouslyAllowTokenInUrl !== undefined,
        `handshake.dangerouslyAllowTokenInUrl takes tokens from the query parameter "${handshake.dangerouslyAllowTokenInUrl}": every proxy before this node can log them`,
      ),
  },
  {
    id: 'jwt-secret-guessable',
    severity: 'error',
    elsewhere: 'warning',
    title: 'The token secret can be guessed',
    rows: ['JW-04'],
    asvs: ['11.5.1', '13.3.1'],
    fix: 'take jwt.secret from `openssl rand -base64 48`, and give it to the issuer too',
    find: (facts) =>
      ofIssuers(facts, (jwt) =>
        keysOf(jwt).some((key) => key.type === 'secret' && isGuessable(key))
          ? 'has a secret that looks made up: who guesses it signs tokens for anybody'
          : undefined,
      ),
  },
  {
    id: 'jwt-rsa-short',
    severity: 'notice',
    title: 'A short RSA key',
    rows: ['JW-04'],
    asvs: ['11.2.3'],
    fix: 'let the issuer sign by RSA of 3,072 bits or by ES256, and set jwt.publicKey or jwt.keys',
    find: (facts) =>
      ofIssuers(facts, (jwt) => {
        const bits = keysOf(jwt).map((key) => key.asymmetricKeyDetails?.modulusLength ?? Infinity);
        const least = Math.min(...bits);
        return least < STRONG_RSA_BITS
          ? `is verified by an RSA key of ${least} bits, which has less than 128 bits of strength`
          : undefined;
      }),
  },
  {
    id: 'jwt-algorithms-many',
    severity: 'notice',
    title: 'Several token algorithms',
    rows: ['JW-01'],
    asvs: ['9.1.2'],
    fix: 'list in jwt.algorithms what the issuer signs with, and nothing else',
    find: (facts) =>
      ofIssuers(facts, ({ algorithms }) =>
        algorithms.length > 1
          ? `may sign with ${algorithms.join(', ')}: one is enough, but while it changes`
          : undefined,
      ),
  },
  {
    id: 'jwt-types-generic',
    severity: 'notice',
    title: 'Tokens of the type "JWT" are taken',
    rows: ['JW-03'],
    asvs: ['9.2.2'],
    fix: 'set jwt.types: ["at+jwt"] if the issuer follows RFC 9068',
    find: (facts) =>
      ofIssuers(facts, ({ types }) =>
        types.includes('jwt')
          ? 'may send tokens of the type "JWT", which ID tokens have too: only the audience tells them apart'
          : undefined,
      ),
  },
  {
    id: 'jwt-clock-tolerance',
    severity: 'notice',
    title: 'A wide tolerance for clocks',
    rows: ['JW-06'],
    asvs: ['9.2.1'],
    fix: 'set the clocks by NTP, and leave jwt.clockToleranceSeconds out',
    find: (facts) =>
      ofIssuers(facts, ({ clockToleranceSeconds }) =>
        clockToleranceSeconds > USUAL_TOLERANCE_SECONDS
          ? `has tokens that are taken for ${clockToleranceSeconds} seconds after their end`
          : undefined,
      ),
  },
  {
    id: 'jwt-long-lived',
    severity: 'warning',
    elsewhere: 'notice',
    title: 'Tokens live long',
    rows: ['JW-02'],
    asvs: ['9.2.1'],
    fix: 'issue tokens of an hour or less, refresh them in-band, and lower jwt.maxAgeSeconds',
    find: (facts) =>
      ofIssuers(facts, ({ maxAgeSeconds }) =>
        maxAgeSeconds > LONG_LIFE_SECONDS
          ? `may issue tokens for ${inWords(maxAgeSeconds * 1_000)}: a stolen one is good for as long`
          : undefined,
      ),
  },
  {
    id: 'jwt-audiences-many',
    severity: 'notice',
    title: 'Tokens for many audiences are taken',
    rows: ['JW-02'],
    asvs: ['9.2.3'],
    fix: 'give this service an audience of its own in jwt.audience',
    find: (facts) =>
      ofIssuers(facts, ({ audiences }) =>
        audiences.length > MANY_AUDIENCES
          ? `has ${audiences.length} audiences listed: tokens for other services open connections here`
          : undefined,
      ),
  },
  {
    id: 'jwt-without-session',
    severity: 'notice',
    title: 'Tokens outlive the logout',
    rows: ['TK-06', 'SE-01'],
    asvs: ['7.4.1'],
    fix: 'put the session into the sid claim and set jwt.requireSession, or revoke the token at logout too',
    find: (facts) => {
      const hasSessions = facts.options.credentials.some((kind) => kind === 'ticket' || kind === 'cookie');
      return ofIssuers(facts, ({ requireSession }) =>
        hasSessions && !requireSession
          ? 'may send tokens that name no session: ending the session does not end them'
          : undefined,
      );
    },
  },
  {
    id: 'jwt-keys-plain',
    severity: 'notice',
    title: 'Token keys are fetched without TLS',
    rows: ['JW-04'],
    asvs: ['9.1.3', '12.3.1'],
    fix: 'use an https: URL in jwt.jwksUri outside development',
    find: (facts) =>
      ofIssuers(facts, ({ jwksUri }) =>
        jwksUri?.protocol === 'http:' ? 'publishes its keys without TLS, on loopback' : undefined,
      ),
  },
];

/** A sentence for each issuer of which there is something to say. */
function ofIssuers(
  { options }: DoctorFacts,
  describe: (jwt: ResolvedJwtOptions) => string | undefined,
): readonly string[] {
  return options.jwt.flatMap((jwt) => {
    const said = describe(jwt);
    return said === undefined ? [] : [`jwt: the issuer ${listed(jwt.issuers)} ${said}`];
  });
}

function keysOf({ key, keys }: ResolvedJwtOptions) {
  return [...(key ? [key] : []), ...(keys?.values() ?? [])];
}
