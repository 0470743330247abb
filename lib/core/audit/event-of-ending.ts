import type { AuditEventName } from './audit-event.js';

/** What is not listed is `connection_closed`. */
const EVENT_OF_REASON: ReadonlyMap<string, AuditEventName> = new Map([
  ['expired', 'session_expired'],
  ['replaced', 'excess_sessions_exceeded'],
  ['rate_limited', 'excess_rate_limit_exceeded'],
  ['gateway_rights_lost', 'authz_fail'],
  ['message_structure', 'input_validation_fail'],
]);

/** The audit event of a connection that this library ends for a reason. */
export function eventOfEnding(reason: string): AuditEventName {
  return EVENT_OF_REASON.get(reason) ?? 'connection_closed';
}
