import type { Connection } from '../core/connection.js';
import { frame } from '../core/message/envelope.js';

/** `auth.ok`: the client is in, until when, and what time the server has (protocol §3). */
export function authOkFrame(connection: Connection, now: number): string {
  const { id, session, expiresAt } = connection;
  return frame('auth.ok', {
    connectionId: id,
    ...(session ? { sessionId: session.id } : {}),
    expiresAt,
    serverTime: now,
  });
}
