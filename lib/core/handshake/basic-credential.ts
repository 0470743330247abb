/** User and password of `Authorization: Basic`, nothing about which is verified yet. */
export interface BasicCredential {
  readonly user: string;
  readonly password: string;
}

const BASIC = /^basic +([A-Za-z0-9+/]+={0,2})$/i;
/** RFC 7617 §2: neither part has control characters. */
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The longest header that is looked at, in characters. */
const MAX_LENGTH = 8_192;

/** True for a header that is of this scheme, well-formed or not. */
export function isBasic(authorization: string): boolean {
  return /^basic(?: |$)/i.test(authorization);
}

/**
 * Reads `Authorization: Basic`: strict base64 of UTF-8, split at the first colon (requirement CR-04).
 *
 * @returns `null` for what is not exactly that; the decoder of Node alone would ignore garbage
 * @see RFC 7617 §2
 */
export function readBasic(authorization: string): BasicCredential | null {
  const encoded = BASIC.exec(authorization)?.[1];
  if (encoded === undefined || authorization.length > MAX_LENGTH) return null;
  const bytes = Buffer.from(encoded, 'base64');
  // Only a text that encodes back to itself was base64.
  if (bytes.toString('base64').replace(/=+$/, '') !== encoded.replace(/=+$/, '')) return null;
  const text = decodeUtf8(bytes);
  const colon = text?.indexOf(':') ?? -1;
  if (text === null || colon < 0 || CONTROL.test(text)) return null;
  return { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

function decodeUtf8(bytes: Buffer): string | null {
  try {
    return UTF8.decode(bytes);
  } catch {
    return null;
  }
}
