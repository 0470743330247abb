import type { LiveSession, Session } from '../core/session/session.js';
import { asList, asText } from './redis-client.js';

/** Reads a session from what `readSession` of the scripts answers: u c e x i r o t v d. */
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
    absoluteEndsAt: Number(absoluteEndsAt),
    idleMs: Number(idleMs),
    version: Number(version),
    data: data === '' ? undefined : data.slice(1),
  });
}

/** The same, with the time that is left. */
export function readLiveSession(id: string, fields: unknown, remainingMs: unknown): LiveSession | undefined {
  const session = readSessionFields(id, fields);
  return session && { ...session, remainingMs: Number(asText(remainingMs)) };
}

/** Role and scope lists as they are stored. */
export function writeNames(names: readonly string[]): string {
  return JSON.stringify(names);
}

function readNames(text: string): readonly string[] {
  return Object.freeze(JSON.parse(text) as string[]);
}
