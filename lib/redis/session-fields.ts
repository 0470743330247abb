import type { LiveSession, Session } from '../core/session/session.js';
import { asList, asText } from './redis-client.js';

/** Where the time of the last use stands. */
const LAST_USED = 10;
/** Where the time of the last authentication stands. */
const AUTH_TIME = 11;

/** Reads a session from what `readSession` of the scripts answers: u c e x i r o t v d l a. */
export function readSessionFields(id: string, reply: unknown): Session | undefined {
  const fields = asList(reply).map(asText);
  if (fields.length === 0) return undefined;
  const [userId, createdAt, authenticatedAt, absoluteEndsAt, idleMs, roles, scopes, tenant, version, data] =
    fields as [string, string, string, string, string, string, string, string, string, string];
  return Object.freeze({
    id,
    userId,
    roles: readNames(roles),
    scopes: readNames(scopes),
    tenant: tenant === '' ? undefined : tenant,
    createdAt: Number(createdAt),
    authenticatedAt: Number(authenticatedAt),
    authTime: Number(fields[AUTH_TIME]),
    absoluteEndsAt: Number(absoluteEndsAt),
    idleMs: Number(idleMs),
    version: Number(version),
    data: data === '' ? undefined : data.slice(1),
  });
}

/** The same, with the last use and the time that is left. */
export function readLiveSession(id: string, fields: unknown, remainingMs: unknown): LiveSession | undefined {
  const session = readSessionFields(id, fields);
  if (!session) return undefined;
  return {
    ...session,
    lastUsedAt: Number(asText(asList(fields)[LAST_USED])),
    remainingMs: Number(asText(remainingMs)),
  };
}

/** Role and scope lists as they are stored. */
export function writeNames(names: readonly string[]): string {
  return JSON.stringify(names);
}

function readNames(text: string): readonly string[] {
  return Object.freeze(JSON.parse(text) as string[]);
}
