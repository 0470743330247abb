import { KeyObject } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';

/** Below this a secret was made by somebody, and not by chance. 16 random bytes in hexadecimal have 128. */
const FEWEST_BITS = 100;
/** What stands in secrets that were never meant to stay. */
const PLACEHOLDER =
  /secret|password|passwort|change.?me|changeit|replace|default|example|insecure|development|s3cr3t|123456|abcdef|qwerty|your.?(key|token)|x{6}/i;

/** The bytes of a secret, as every option takes it. */
export function secretBytes(secret: string | Buffer | KeyObject): Buffer {
  return secret instanceof KeyObject ? secret.export() : Buffer.from(secret);
}

/**
 * True when a secret looks as if it could be guessed: it repeats itself, has few different characters, or words that stand in
 * for a secret. It cannot tell a phrase that somebody thought of from chance; that a secret passes says little.
 */
export function isGuessable(secret: string | Buffer | KeyObject): boolean {
  const bytes = secretBytes(secret);
  const kinds = new Set(bytes).size;
  const bits = Math.min(bytes.length * Math.log2(kinds), deflateRawSync(bytes, { level: 9 }).length * 8);
  return bits < FEWEST_BITS || PLACEHOLDER.test(bytes.toString('latin1'));
}
