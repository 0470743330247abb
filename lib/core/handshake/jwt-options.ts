import { createPublicKey, createSecretKey, KeyObject } from 'node:crypto';
import { describeType, describeValue, type OptionProblems } from '../option-rules.js';
import type { PrincipalInit } from '../principal.js';

/** The signature algorithms that can be allowed. One family for each key (requirement JW-01). */
export type JwtAlgorithm =
  | 'HS256'
  | 'HS384'
  | 'HS512'
  | 'RS256'
  | 'RS384'
  | 'RS512'
  | 'PS256'
  | 'PS384'
  | 'PS512'
  | 'ES256'
  | 'ES384'
  | 'ES512';

/** A secret for HS algorithms; a PEM text or a key for the others. */
export type JwtKeyMaterial = string | Buffer | KeyObject;

/** How bearer tokens are verified. */
export interface JwtOptions {
  /** The secret of HS256, HS384 or HS512: at least as many bytes as the hash has. */
  secret?: JwtKeyMaterial;
  /** The public key of RS, PS or ES algorithms. */
  publicKey?: JwtKeyMaterial;
  /** Keys by `kid`, for rotation. A token must then name one of them. */
  keys?: Readonly<Record<string, JwtKeyMaterial>>;
  /**
   * Where the issuer publishes its keys: `https`, or plain on loopback outside production. Fetched when the first token comes,
   * again every 10 minutes, and once for a `kid` that is not there. Needs the package `jose`.
   */
  jwksUri?: string;
  /** The algorithms that are accepted, all of one family. Required. */
  algorithms: readonly JwtAlgorithm[];
  /** The `iss` that is accepted, or several. Required. */
  issuer: string | readonly string[];
  /** The `aud` that is accepted, or several of which one must be named. Required. */
  audience: string | readonly string[];
  /** The `typ` headers that are accepted. @default ['at+jwt', 'JWT'] */
  types?: readonly string[];
  /** How far the clocks of issuer and node may differ. At most 60. @default 30 seconds */
  clockToleranceSeconds?: number;
  /** The longest life (`exp` - `iat`) of a token. @default 3600 seconds */
  maxAgeSeconds?: number;
  /** Refuse tokens without a `sid` that names a session of ours. @default false */
  requireSession?: boolean;
  /**
   * How many verified tokens are remembered, so that a reconnect costs no signature; 0: none.
   * @default 1_000; 0 for HS256 and its like, whose signature costs little more than to look for it
   */
  cacheSize?: number;
  /**
   * Makes the principal from verified claims. Throwing, or returning anything but a principal, refuses the token.
   * @default id = `sub`, roles = `roles`, scopes = `scope` split at spaces
   */
  principal?: (claims: Readonly<Record<string, unknown>>) => PrincipalInit;
}

/** The options with keys imported once: a KeyObject verifies some thirty times faster than a string. */
export interface ResolvedJwtOptions {
  readonly key: KeyObject | undefined;
  readonly keys: ReadonlyMap<string, KeyObject> | undefined;
  readonly jwksUri: URL | undefined;
  readonly cacheSize: number;
  readonly algorithms: readonly JwtAlgorithm[];
  readonly issuers: readonly string[];
  readonly audiences: readonly string[];
  readonly types: readonly string[];
  readonly clockToleranceSeconds: number;
  readonly maxAgeSeconds: number;
  readonly requireSession: boolean;
  readonly principal: ((claims: Readonly<Record<string, unknown>>) => PrincipalInit) | undefined;
}

/** The longest `kid` that is looked up (requirement JW-04). */
export const MAX_KID_LENGTH = 128;
/** A media type, or the end of one. */
const TOKEN_TYPE = /^[\x21-\x7e]+$/;

const KNOWN_KEYS = [
  'secret',
  'publicKey',
  'keys',
  'jwksUri',
  'cacheSize',
  'algorithms',
  'issuer',
  'audience',
  'types',
  'clockToleranceSeconds',
  'maxAgeSeconds',
  'requireSession',
  'principal',
];
const FAMILIES = { HS: 'HS', RS: 'RSA', PS: 'RSA', ES: 'EC' } as const;
const LOOPBACK_HOST = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;
/** The shortest RSA key that is taken. */
export const MIN_RSA_BITS = 2048;
const CURVES: Readonly<Record<string, string>> = {
  ES256: 'prime256v1',
  ES384: 'secp384r1',
  ES512: 'secp521r1',
};

type Family = (typeof FAMILIES)[keyof typeof FAMILIES];

/**
 * Validates the `jwt` group, or the list of them, and imports the keys; every problem is reported, none is thrown.
 *
 * @returns one for each issuer, or none when the option is left out
 */
export function resolveJwtOptions(
  given: JwtOptions | readonly JwtOptions[] | undefined,
  production: boolean,
  problems: OptionProblems,
): readonly ResolvedJwtOptions[] {
  if (given === undefined) return [];
  const groups = Array.isArray(given) ? (given as readonly JwtOptions[]) : [given as JwtOptions];
  if (groups.length === 0)
    problems.report('option "jwt" is an empty list: leave it out, or say how tokens are verified');
  const resolved = groups.map((group) => resolveIssuer(group, production, problems));
  const issuers = resolved.flatMap((options) => options.issuers);
  for (const issuer of new Set(issuers)) {
    if (issuers.indexOf(issuer) !== issuers.lastIndexOf(issuer))
      problems.report(
        `option "jwt" names the issuer ${describeValue(issuer)} twice: one set of keys and rules for each`,
      );
  }
  return resolved;
}

function resolveIssuer(given: JwtOptions, production: boolean, problems: OptionProblems): ResolvedJwtOptions {
  const group = problems.group('jwt', given) as unknown as JwtOptions;
  problems.refuseUnknownKeys('jwt', group, KNOWN_KEYS);
  const algorithms = resolveAlgorithms(group.algorithms, problems);
  const family = resolveFamily(algorithms, problems);
  if (group.principal !== undefined && typeof group.principal !== 'function') {
    problems.report(`option "jwt.principal" must be a function, received ${describeType(group.principal)}`);
  }
  const types = problems.strings(
    'jwt.types',
    group.types,
    ['at+jwt', 'JWT'],
    (type) => TOKEN_TYPE.test(type),
    'token types in printable ASCII',
  );
  if (types.length === 0)
    problems.report('option "jwt.types" is empty, so that every token would be refused');
  return {
    ...resolveKeys(group, family, algorithms, problems),
    jwksUri: resolveJwksUri(group.jwksUri, production, problems),
    cacheSize: problems.count('jwt.cacheSize', group.cacheSize, family === 'HS' ? 0 : 1_000, 0, 1_000_000),
    algorithms,
    issuers: resolveNames('jwt.issuer', group.issuer, 'the "iss" of the tokens you accept', problems),
    audiences: resolveNames(
      'jwt.audience',
      group.audience,
      'the "aud" by which your tokens name this service',
      problems,
    ),
    types: types.map(normalTokenType),
    clockToleranceSeconds: problems.count(
      'jwt.clockToleranceSeconds',
      group.clockToleranceSeconds,
      30,
      0,
      60,
    ),
    maxAgeSeconds: problems.count('jwt.maxAgeSeconds', group.maxAgeSeconds, 3_600),
    requireSession: problems.flag('jwt.requireSession', group.requireSession, false),
    principal: group.principal,
  };
}

/** `typ` values compare without case and without the `application/` that RFC 7515 §4.1.9 lets one omit. */
export function normalTokenType(type: string): string {
  const lower = type.toLowerCase();
  return lower.startsWith('application/') ? lower.slice('application/'.length) : lower;
}

function resolveAlgorithms(given: unknown, problems: OptionProblems): readonly JwtAlgorithm[] {
  if (!Array.isArray(given) || given.length === 0) {
    problems.report(
      'option "jwt.algorithms" is missing: list what your tokens are signed with, such as ["HS256"]',
    );
    return [];
  }
  for (const algorithm of given) {
    if (!isAlgorithm(algorithm)) problems.report(describeAlgorithmProblem(algorithm));
  }
  return given.filter(isAlgorithm);
}

function isAlgorithm(value: unknown): value is JwtAlgorithm {
  return typeof value === 'string' && /^(HS|RS|PS|ES)(256|384|512)$/.test(value);
}

function describeAlgorithmProblem(algorithm: unknown): string {
  if (typeof algorithm !== 'string')
    return `option "jwt.algorithms" lists ${describeType(algorithm)}: write names such as "HS256"`;
  if (/^none$/i.test(algorithm)) return 'option "jwt.algorithms" lists "none": unsigned tokens prove nothing';
  if (/^(EdDSA|Ed25519|Ed448)$/i.test(algorithm)) {
    return `option "jwt.algorithms" lists "${algorithm}", which jsonwebtoken cannot verify: use ES256, or a credential reader of your own`;
  }
  return `option "jwt.algorithms" lists "${algorithm.slice(0, 40)}": known are HS, RS, PS and ES with 256, 384 or 512`;
}

function resolveFamily(algorithms: readonly JwtAlgorithm[], problems: OptionProblems): Family | undefined {
  const families = new Set(
    algorithms.map((algorithm) => FAMILIES[algorithm.slice(0, 2) as keyof typeof FAMILIES]),
  );
  if (families.size > 1) {
    problems.report(
      'option "jwt.algorithms" mixes families: with HS beside RS, PS or ES, a public key could be used as a secret (CVE-2015-9235)',
    );
  }
  return [...families][0];
}

function resolveNames(
  path: string,
  given: unknown,
  meaning: string,
  problems: OptionProblems,
): readonly string[] {
  const names = typeof given === 'string' ? [given] : given;
  if (
    Array.isArray(names) &&
    names.length > 0 &&
    names.every((name) => typeof name === 'string' && name.length > 0)
  ) {
    return names as string[];
  }
  problems.report(`option "${path}" is missing: it is ${meaning}, a string or a list of strings`);
  return [];
}

function resolveKeys(
  group: JwtOptions,
  family: Family | undefined,
  algorithms: readonly JwtAlgorithm[],
  problems: OptionProblems,
): Pick<ResolvedJwtOptions, 'key' | 'keys'> {
  const { secret, publicKey, jwksUri } = group;
  const sources = [secret, publicKey, group.keys, jwksUri].filter((source) => source !== undefined);
  if (sources.length !== 1) {
    problems.report(
      sources.length === 0
        ? 'option "jwt" has no key: set "jwt.secret" for HS algorithms, "jwt.publicKey" or "jwt.jwksUri" for the others, or "jwt.keys" by kid'
        : 'option "jwt" has more than one of "secret", "publicKey", "keys" and "jwksUri": keep one',
    );
    return { key: undefined, keys: undefined };
  }
  // Without an algorithm, which was reported, nothing can be said of a key.
  if (family === undefined) return { key: undefined, keys: undefined };
  if (group.secret !== undefined && family !== 'HS') {
    problems.report('option "jwt.secret" is for HS algorithms: set "jwt.publicKey" for RS, PS and ES');
  }
  if (group.publicKey !== undefined && family === 'HS') {
    problems.report('option "jwt.publicKey" is for RS, PS and ES algorithms: set "jwt.secret" for HS');
  }
  if (jwksUri !== undefined) {
    if (family === 'HS')
      problems.report('option "jwt.jwksUri" is for RS, PS and ES algorithms: a secret is not published');
    return { key: undefined, keys: undefined };
  }
  if (group.keys === undefined) {
    const name = group.secret !== undefined ? 'secret' : 'publicKey';
    return { key: importKey(`jwt.${name}`, group[name], family, algorithms, problems), keys: undefined };
  }
  const keys = new Map<string, KeyObject>();
  for (const [kid, material] of Object.entries(problems.group('jwt.keys', group.keys))) {
    if (kid.length > MAX_KID_LENGTH)
      problems.report(`option "jwt.keys" has a kid of more than ${MAX_KID_LENGTH} characters`);
    const key = importKey(`jwt.keys.${kid.slice(0, 40)}`, material, family, algorithms, problems);
    if (key) keys.set(kid, key);
  }
  if (keys.size === 0) problems.report('option "jwt.keys" has no usable key');
  return { key: undefined, keys };
}

function resolveJwksUri(given: unknown, production: boolean, problems: OptionProblems): URL | undefined {
  if (given === undefined) return undefined;
  const uri = typeof given === 'string' && URL.canParse(given) ? new URL(given) : undefined;
  const isLoopback = uri !== undefined && LOOPBACK_HOST.test(uri.hostname);
  const isSafe = uri?.protocol === 'https:' || (uri?.protocol === 'http:' && isLoopback && !production);
  if (isSafe && uri?.username === '' && uri.password === '') return uri;
  problems.report(
    'option "jwt.jwksUri" must be an https URL without user information: who can change the keys on their way can sign any token',
  );
  return undefined;
}

function importKey(
  path: string,
  material: unknown,
  family: Family,
  algorithms: readonly JwtAlgorithm[],
  problems: OptionProblems,
): KeyObject | undefined {
  if (typeof material !== 'string' && !Buffer.isBuffer(material) && !(material instanceof KeyObject)) {
    problems.report(
      `option "${path}" must be a string, a Buffer or a KeyObject, received ${describeType(material)}`,
    );
    return undefined;
  }
  const key =
    family === 'HS'
      ? importSecret(path, material, algorithms, problems)
      : importPublicKey(path, material, problems);
  if (key && family !== 'HS') reportWeakPublicKey(path, key, family, algorithms, problems);
  return key;
}

/** A PEM text where a secret belongs is a public key that anybody may have, or a private one in the wrong place. */
function isPem(material: JwtKeyMaterial): boolean {
  return (
    !(material instanceof KeyObject) &&
    Buffer.from(material).toString('latin1').trimStart().startsWith('-----BEGIN')
  );
}

/** RFC 7518 §3.2: a key of the same size as the hash output or larger must be used. */
function importSecret(
  path: string,
  material: JwtKeyMaterial,
  algorithms: readonly JwtAlgorithm[],
  problems: OptionProblems,
): KeyObject | undefined {
  if (isPem(material)) {
    problems.report(
      `option "${path}" is a PEM key, and HS algorithms need a secret: set "jwt.publicKey", and RS, PS or ES`,
    );
    return undefined;
  }
  const key = material instanceof KeyObject ? material : createSecretKey(Buffer.from(material));
  if (key.type !== 'secret') {
    problems.report(`option "${path}" holds a ${key.type} key, and HS algorithms need a secret one`);
    return undefined;
  }
  const needed = Math.max(...algorithms.map((algorithm) => Number(algorithm.slice(2)) / 8));
  const size = key.symmetricKeySize ?? 0;
  if (size < needed) {
    problems.report(
      `option "${path}" has ${size} bytes, and ${algorithms.join(', ')} needs at least ${needed} (RFC 7518 §3.2): take one from \`openssl rand -base64 48\``,
    );
  }
  return key;
}

function importPublicKey(
  path: string,
  material: JwtKeyMaterial,
  problems: OptionProblems,
): KeyObject | undefined {
  try {
    if (material instanceof KeyObject && material.type === 'public') return material;
    if (material instanceof KeyObject && material.type === 'secret') throw new TypeError('secret');
    return createPublicKey(material as string);
  } catch {
    problems.report(
      `option "${path}" is not a public key: give a PEM text that begins with -----BEGIN PUBLIC KEY-----`,
    );
    return undefined;
  }
}

function reportWeakPublicKey(
  path: string,
  key: KeyObject,
  family: Family,
  algorithms: readonly JwtAlgorithm[],
  problems: OptionProblems,
): void {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (family === 'RSA' && type !== 'rsa' && type !== 'rsa-pss') {
    problems.report(
      `option "${path}" is a key of type ${type}, and ${algorithms.join(', ')} needs an RSA key`,
    );
  } else if (family === 'RSA' && (details?.modulusLength ?? 0) < MIN_RSA_BITS) {
    problems.report(
      `option "${path}" has ${details?.modulusLength} bits, and RSA needs at least ${MIN_RSA_BITS}`,
    );
  } else if (family === 'EC' && !algorithms.some((algorithm) => CURVES[algorithm] === details?.namedCurve)) {
    problems.report(`option "${path}" is not on a curve of ${algorithms.join(', ')}`);
  }
}
