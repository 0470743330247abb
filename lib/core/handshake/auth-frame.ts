import { isReservedEvent, readEnvelope } from '../message/envelope.js';
import type { PresentedToken } from './credential-reader.js';
import { MAX_TOKEN_LENGTH } from './credential-reader.js';

/** What the first frame of a socket is. */
export type AuthFrame =
  | { readonly kind: 'credential'; readonly credential: PresentedToken }
  /** Not the frame that was asked for. */
  | { readonly kind: 'other_event' }
  /** Not a message at all, or an auth frame that does not hold exactly one credential. */
  | { readonly kind: 'malformed' }
  /** An auth frame whose credential cannot be one. */
  | { readonly kind: 'unusable' };

/** Reads `{"event":"auth","data":{"token"}}` or `{"ticket"}` (requirements FM-01, TK-09). Never throws. */
export function readAuthFrame(text: string): AuthFrame {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return { kind: 'malformed' };
  }
  const envelope = readEnvelope(parsed);
  if (!envelope) return { kind: 'malformed' };
  return envelope.event === 'auth' ? readCredentialData(envelope.data) : { kind: 'other_event' };
}

/** Reads the data of an `auth` or `auth.refresh` frame: exactly one of `token` and `ticket`. */
export function readCredentialData(data: unknown): AuthFrame {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return { kind: 'malformed' };
  const keys = Object.keys(data);
  if (keys.length !== 1 || (keys[0] !== 'token' && keys[0] !== 'ticket')) return { kind: 'malformed' };
  const value = (data as Record<string, unknown>)[keys[0]];
  if (typeof value !== 'string' || value === '' || value.length > MAX_TOKEN_LENGTH)
    return { kind: 'unusable' };
  return { kind: 'credential', credential: { kind: keys[0] === 'token' ? 'bearer' : 'ticket', value } };
}

/** True for a frame that may carry a credential: it is looked at before it is held or passed on. */
export function mayBeAuthFrame(text: string): boolean {
  if (!text.includes('auth')) return text.includes('\\u');
  return true;
}

/** True for a frame whose event is one of the library's. */
export function isReservedFrame(text: string): boolean {
  if (!mayBeAuthFrame(text)) return false;
  try {
    const envelope = readEnvelope(JSON.parse(text));
    return envelope !== null && isReservedEvent(envelope.event);
  } catch {
    return false;
  }
}
