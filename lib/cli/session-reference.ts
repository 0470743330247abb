import type { AuditLog } from '../core/audit/audit-log.js';
import { userHashOfSession } from '../core/identifiers.js';
import type { Session } from '../core/session/session.js';

/*
 * <user hash>.<reference>: where a session is found, and by which name the audit log has it. No session id can be made of
 * it, and nobody can log in by it.
 */
const REFERENCE = /^(?:([A-Za-z0-9_-]{16})\.)?([0-9a-f]{32})$/;

/** A session as an operator may name it. */
export interface SessionReference {
  /** `undefined` for the bare reference of the audit log, which does not tell where the session is. */
  readonly userHash: string | undefined;
  readonly reference: string;
}

/** Writes the reference of a session. */
export function referenceOf(session: Session, audit: Pick<AuditLog, 'referenceOf'>): string {
  return `${userHashOfSession(session.id)}.${audit.referenceOf(session.id)}`;
}

/** Reads one; `null` for anything else, such as a session id or a token. */
export function parseReference(text: string): SessionReference | null {
  const match = REFERENCE.exec(text);
  return match ? { userHash: match[1], reference: match[2]! } : null;
}
