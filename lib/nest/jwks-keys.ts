import { KeyObject, type webcrypto } from 'node:crypto';
import { TokenRejected, WsAuthOptionsError } from '../core/errors.js';
import { MIN_RSA_BITS } from '../core/handshake/jwt-options.js';

/** The header of a token, as far as it chooses a key. */
interface KeyHeader {
  readonly alg: string;
  readonly kid: string;
}

/** Finds the key of a header in a set. */
type FindKey = (header: KeyHeader) => Promise<unknown>;

/** A set that is fetched, and fetched again when it must be. */
interface RemoteKeys extends FindKey {
  /** The set that was fetched last. */
  jwks(): object | undefined;
  readonly fresh: boolean;
}

/** The part of `jose` that is used. */
interface Jose {
  createRemoteJWKSet(url: URL, options: object): RemoteKeys;
  createLocalJWKSet(keys: object): FindKey;
}

/** How long the issuer may take, below the time that a handshake has for its verification. */
const FETCH_TIMEOUT_MS = 3_000;
/** How often a `kid` that nobody knows may make us ask again. */
const COOLDOWN_MS = 30_000;
const MAX_AGE_MS = 10 * 60_000;
/** An issuer that did not answer is left alone for this long. */
const RETRY_MS = 5_000;
/** The keys of an issuer that does not answer are believed for this long after they were fetched. */
const MAX_STALE_MS = 60 * 60_000;

/** What `jose` says of a set, rather than of its way here. */
const OF_THE_SET: ReadonlySet<unknown> = new Set([
  'ERR_JWKS_NO_MATCHING_KEY',
  'ERR_JWKS_MULTIPLE_MATCHING_KEYS',
]);
/** What it says when nothing usable came from the issuer. */
const OF_THE_WAY: ReadonlySet<unknown> = new Set([
  'ERR_JWKS_TIMEOUT',
  'ERR_JOSE_GENERIC',
  'ERR_JWKS_INVALID',
]);

/**
 * The published keys of an issuer, as KeyObjects: `jose` fetches and selects them, Node verifies with them. A token can only
 * choose among these by `kid`; where they come from is fixed at boot (requirement JW-04). While the issuer is away the keys
 * that were fetched last are used, and nobody's token can make us ask it again and again.
 */
export class JwksKeys {
  readonly #uri: URL;
  readonly #monotonic: () => number;
  readonly #imported = new WeakMap<object, KeyObject>();
  #jose: Promise<Jose> | undefined;
  #remote: RemoteKeys | undefined;
  #known: { readonly set: object; readonly find: FindKey } | undefined;
  #fetchedAt = -Infinity;
  #failedAt = -Infinity;

  constructor(uri: URL, monotonic: () => number) {
    this.#uri = uri;
    this.#monotonic = monotonic;
  }

  /**
   * The key that signed a token, by its header.
   *
   * @throws {TokenRejected} when there is none, or one that nobody should trust; anything else means that the issuer cannot
   * be asked
   */
  async keyFor(header: KeyHeader): Promise<KeyObject> {
    const jose = await (this.#jose ??= loadJose());
    this.#remote ??= jose.createRemoteJWKSet(this.#uri, {
      timeoutDuration: FETCH_TIMEOUT_MS,
      cooldownDuration: COOLDOWN_MS,
      cacheMaxAge: MAX_AGE_MS,
    });
    return this.#import((await this.#find(jose, this.#remote, header)) as webcrypto.CryptoKey);
  }

  async #find(jose: Jose, remote: RemoteKeys, header: KeyHeader): Promise<unknown> {
    const isLeftAlone = this.#monotonic() - this.#failedAt < RETRY_MS;
    if (isLeftAlone) return this.#findKnown(jose, remote, header);
    try {
      const key = await remote(header);
      if (remote.fresh) this.#fetchedAt = this.#monotonic();
      return key;
    } catch (error) {
      if (!isOfTheWay(error)) throw describe(error);
      this.#failedAt = this.#monotonic();
      return this.#findKnown(jose, remote, header);
    }
  }

  /** Asks nobody: what is not among the keys that were fetched last cannot be told. */
  async #findKnown(jose: Jose, remote: RemoteKeys, header: KeyHeader): Promise<unknown> {
    const set = remote.jwks();
    if (!set || this.#monotonic() - this.#fetchedAt > MAX_STALE_MS)
      throw new Error('the keys of the issuer could not be fetched');
    if (this.#known?.set !== set) this.#known = { set, find: jose.createLocalJWKSet(set) };
    try {
      return await this.#known.find(header);
    } catch (error) {
      const described = describe(error);
      if (described instanceof TokenRejected && described.reason === 'key_unusable') throw described;
      throw new Error('the issuer cannot be asked whether it has published this key', { cause: error });
    }
  }

  /** @throws {TokenRejected} for a key that is too short: it is the issuer's fault, and no reason to believe the token */
  #import(key: webcrypto.CryptoKey): KeyObject {
    const known = this.#imported.get(key);
    if (known) return known;
    const imported = KeyObject.from(key);
    const { modulusLength } = imported.asymmetricKeyDetails ?? {};
    if (modulusLength !== undefined && modulusLength < MIN_RSA_BITS) throw new TokenRejected('key_weak');
    this.#imported.set(key, imported);
    return imported;
  }
}

function codeOf(error: unknown): unknown {
  return ((error ?? {}) as { code?: unknown }).code;
}

/** The network, or what stands in for the issuer. `fetch` fails with a TypeError that has a cause. */
function isOfTheWay(error: unknown): boolean {
  const isFetch = error instanceof TypeError && error.cause !== undefined;
  return isFetch || OF_THE_WAY.has(codeOf(error)) || (error as Error | undefined)?.name === 'AbortError';
}

/** Whatever is wrong with the one key that a token names is wrong with that token alone. */
function describe(error: unknown): TokenRejected {
  return new TokenRejected(OF_THE_SET.has(codeOf(error)) ? 'key_unknown' : 'key_unusable');
}

/**
 * @param load what imports it
 * @throws {WsAuthOptionsError} when it is not installed, or is and cannot be loaded
 */
export async function loadJose(load = () => import('jose' as string)): Promise<Jose> {
  try {
    return (await load()) as Jose;
  } catch (error) {
    throw new WsAuthOptionsError([describeJoseProblem(error)]);
  }
}

function describeJoseProblem(error: unknown): string {
  const said = error instanceof Error ? error.message.split('\n', 1)[0]! : 'it cannot be loaded';
  const isAbsent =
    ['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'].includes(codeOf(error) as string) &&
    /['"]jose['"]/.test(said);
  if (isAbsent)
    return `option "jwt.jwksUri" needs the package jose, which is not installed: npm install jose (${said})`;
  return (
    `option "jwt.jwksUri" needs the package jose, which is installed but cannot be loaded here (${said}): under Jest, which loads ES ` +
    'modules only with node --experimental-vm-modules, set "jwt.publicKey" instead'
  );
}
