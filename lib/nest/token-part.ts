import { TokenRejected } from '../core/errors.js';
import { MAX_TOKEN_LENGTH } from '../core/handshake/credential-reader.js';

const JWT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/** A JSON object out of a token that nobody has verified yet. */
export type UnverifiedPart = Readonly<Record<string, unknown>>;

/** @throws {TokenRejected} for what is too long, or not three parts of base64url */
export function assertTokenForm(token: string): void {
  if (token.length > MAX_TOKEN_LENGTH || !JWT.test(token)) throw new TokenRejected('malformed');
}

/**
 * Reads the header (0) or the claims (1) of a token. What they say is a claim: the signature is checked elsewhere.
 *
 * @throws {TokenRejected} for what is no token
 */
export function readTokenPart(token: string, part: 0 | 1): UnverifiedPart {
  assertTokenForm(token);
  try {
    const text = Buffer.from(token.split('.', 2)[part]!, 'base64url').toString('utf8');
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as UnverifiedPart;
  } catch {
    // Told below: what is no JSON is no part of a token.
  }
  throw new TokenRejected(part === 0 ? 'header' : 'claims');
}
