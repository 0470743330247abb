import { createHmac, hash, randomBytes, randomFillSync, type KeyObject } from 'node:crypto';

/*
 * user hash       base64url(HMAC-SHA-256(key, user id)), 16 characters: the user in keys and tickets
 * session token   <user hash>.<43 random characters>: what the client holds, in the cookie
 * session id      <user hash>.<128 bits of SHA-256 of the token, 22 characters>: a handle, and no credential
 * ticket          wst_<user hash>.<43 random characters>
 */

// Bytes are cut, and not their text: a part of a text keeps the whole of it in memory.
const USER_HASH_BYTES = 12;
const USER_HASH_LENGTH = 16;
const HASH_BYTES = 16;
const SECRET_BYTES = 32;
const ID_BYTES = 9;

/** Randomness for ids, which are no secrets, is drawn for many at a time: that costs a twentieth. */
const DRAWN = Buffer.alloc(ID_BYTES * 512);
let drawnUsed = DRAWN.length;

const TICKET_PATTERN = /^wst_([A-Za-z0-9_-]{16})\.([A-Za-z0-9_-]{43})$/;
const SESSION_TOKEN_PATTERN = /^([A-Za-z0-9_-]{16})\.[A-Za-z0-9_-]{43}$/;
const SESSION_ID_PATTERN = /^[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]{22}$/;

/** The prefix by which secret scanners and log redactors find a ticket. */
export const TICKET_PREFIX = 'wst_';

/** The user as it stands in keys: 96 bits, keyed, so that a key name tells nobody a user id. */
export function userHashOf(key: KeyObject, userId: string): string {
  return createHmac('sha256', key).update(userId).digest().toString('base64url', 0, USER_HASH_BYTES);
}

/** A new session token with 256 random bits (requirement TK-01 for tickets, ASVS 7.2.3 for sessions). */
export function newSessionToken(userHash: string): string {
  return `${userHash}.${randomBytes(SECRET_BYTES).toString('base64url')}`;
}

/** The handle of the session that a token opens, or `null` when the text cannot be a session token. */
export function sessionIdOf(token: unknown): string | null {
  if (typeof token !== 'string') return null;
  const match = SESSION_TOKEN_PATTERN.exec(token);
  return match ? `${match[1]}.${shortHash(token)}` : null;
}

/** True for a text in the form of a session id; says nothing about whether the session lives. */
export function isSessionId(value: unknown): value is string {
  return typeof value === 'string' && SESSION_ID_PATTERN.test(value);
}

/** The user hash in front of a session id. */
export function userHashOfSession(sessionId: string): string {
  return sessionId.slice(0, USER_HASH_LENGTH);
}

/** A new ticket string with 256 random bits, and the hash under which it is stored. */
export function newTicket(userHash: string): { ticket: string; hash: string } {
  const secret = randomBytes(SECRET_BYTES).toString('base64url');
  return { ticket: `${TICKET_PREFIX}${userHash}.${secret}`, hash: shortHash(secret) };
}

/** The parts of a ticket by which a store finds it; the secret itself is not among them. */
export interface TicketKey {
  readonly userHash: string;
  readonly hash: string;
}

/** Reads a ticket string; `null` for anything that is not exactly one (requirement TK-09). */
export function parseTicket(presented: unknown): TicketKey | null {
  if (typeof presented !== 'string') return null;
  const match = TICKET_PATTERN.exec(presented);
  return match ? { userHash: match[1]!, hash: shortHash(match[2]!) } : null;
}

/** The key under which a revoked token is remembered: by issuer and `jti`, never by its text (requirement JW-05). */
export function tokenHashOf(issuer: string, tokenId: string): string {
  return shortHash(`${issuer.length}:${issuer}${tokenId}`);
}

/**
 * The id of a node: new at every process start, so that what an earlier process registered is never mistaken for ours. Ten
 * characters: with a session id and a time behind it, it stays below the 64 bytes up to which Redis packs a hash.
 */
export function newNodeId(): string {
  return randomBytes(7).toString('base64url');
}

/** A connection or correlation id: 72 random bits, 12 URL-safe characters. Unique, and no secret. */
export function newId(): string {
  if (drawnUsed === DRAWN.length) {
    randomFillSync(DRAWN);
    drawnUsed = 0;
  }
  drawnUsed += ID_BYTES;
  return DRAWN.toString('base64url', drawnUsed - ID_BYTES, drawnUsed);
}

function shortHash(value: string): string {
  return hash('sha256', value, 'buffer').toString('base64url', 0, HASH_BYTES);
}
