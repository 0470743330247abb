import { createHmac, createSecretKey, hkdfSync, KeyObject, randomBytes } from 'node:crypto';

/** The keys derived from the `secret` option. They never leave this process, and are the same on all nodes. */
export interface SecretKeys {
  /** Hashes user ids, so that no user id stands in a key name. */
  readonly userHash: KeyObject;
  /** Makes the references that stand for sessions and tickets in the audit log. */
  readonly auditReference: KeyObject;
  /** Stands for the secret in the store: tells whether another is the same one, and nothing else. */
  readonly storeMark: string;
}

/** 96 bits. */
const STORE_MARK_LENGTH = 16;

/** At least this many bytes are asked of `secret`: the output of the HMAC that uses it. */
export const MIN_SECRET_BYTES = 32;

/**
 * Derives the library's keys from one secret with HKDF-SHA-256 (RFC 5869), one `info` for each use.
 *
 * @param secret the `secret` option; left out, a random one is used and nothing survives a restart or is shared.
 */
export function deriveSecretKeys(
  secret: string | Buffer | KeyObject = randomBytes(MIN_SECRET_BYTES),
): SecretKeys {
  const material = secret instanceof KeyObject ? secret : createSecretKey(Buffer.from(secret));
  const derive = (info: string) =>
    createSecretKey(Buffer.from(hkdfSync('sha256', material, '', `nestjs-ws-auth ${info}`, 32)));
  return {
    userHash: derive('user hash'),
    auditReference: derive('audit reference'),
    storeMark: derive('store mark').export().toString('base64url').slice(0, STORE_MARK_LENGTH),
  };
}

/** A keyed reference: equal for equal values on all nodes, and of no use without the key (requirement LG-04). */
export function auditReference(key: KeyObject, value: string): string {
  return createHmac('sha256', key).update(value).digest('hex').slice(0, 32);
}
