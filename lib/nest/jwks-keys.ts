import { KeyObject, type webcrypto } from 'node:crypto';
import { TokenRejected, WsAuthOptionsError } from '../core/errors.js';
import { MIN_RSA_BITS } from '../core/handshake/jwt-options.js';

/** The part of `jose` that is used. */
interface Jose {
  createRemoteJWKSet(url: URL, options: object): (header: object) => Promise<unknown>;
}

/** How long the issuer may take, below the time that a handshake has for its verification. */
const FETCH_TIMEOUT_MS = 3_000;
/** How often a `kid` that nobody knows may make us ask again. */
const COOLDOWN_MS = 30_000;
const MAX_AGE_MS = 10 * 60_000;
/** An issuer that did not answer is left alone for this long. */
const RETRY_MS = 5_000;

/**
 * The published keys of an issuer, as KeyObjects: `jose` fetches and selects them, Node verifies with them. A token can only
 * choose among these by `kid`; where they come from is fixed at boot (requirement JW-04).
 */
export class JwksKeys {
  readonly #uri: URL;
  readonly #monotonic: () => number;
  readonly #imported = new WeakMap<object, KeyObject>();
  #find: Promise<(header: object) => Promise<unknown>> | undefined;
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
  async keyFor(header: { readonly alg: string; readonly kid: string }): Promise<KeyObject> {
    if (this.#monotonic() - this.#failedAt < RETRY_MS)
      throw new Error('the keys of the issuer could not be fetched');
    const find = await (this.#find ??= this.#load());
    let key: unknown;
    try {
      key = await find({ alg: header.alg, kid: header.kid });
    } catch (error) {
      throw this.#describe(error);
    }
    return this.#import(key as webcrypto.CryptoKey);
  }

  async #load(): Promise<(header: object) => Promise<unknown>> {
    const { createRemoteJWKSet } = await loadJose();
    return createRemoteJWKSet(this.#uri, {
      timeoutDuration: FETCH_TIMEOUT_MS,
      cooldownDuration: COOLDOWN_MS,
      cacheMaxAge: MAX_AGE_MS,
    });
  }

  #describe(error: unknown): unknown {
    const { code } = (error ?? {}) as { code?: unknown };
    if (code === 'ERR_JWKS_NO_MATCHING_KEY' || code === 'ERR_JWKS_MULTIPLE_MATCHING_KEYS')
      return new TokenRejected('key_unknown');
    this.#failedAt = this.#monotonic();
    return error;
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

/** @throws {WsAuthOptionsError} when it is not installed */
export async function loadJose(): Promise<Jose> {
  try {
    return (await import('jose' as string)) as Jose;
  } catch (error) {
    throw new WsAuthOptionsError([
      `option "jwt.jwksUri" needs the package jose: npm install jose (${error instanceof Error ? error.message.split('\n')[0] : 'it cannot be loaded'})`,
    ]);
  }
}
