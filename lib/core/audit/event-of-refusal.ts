import type { RefusalCode } from '../handshake/refusal.js';
import type { AuditEventName } from './audit-event.js';

const EVENT_OF_REASON: ReadonlyMap<string, AuditEventName> = new Map([
  ['ticket_replayed', 'authn_token_reuse'],
  ['session_unknown', 'session_use_after_expire'],
  ['client_left', 'connection_closed'],
  ['too_many_failures', 'authn_login_fail_max'],
]);

const EVENT_OF_REFUSAL: Readonly<Partial<Record<RefusalCode, AuditEventName>>> = {
  origin_not_allowed: 'malicious_csrf',
  host_not_allowed: 'malicious_csrf',
  rate_limited: 'excess_rate_limit_exceeded',
  overloaded: 'excess_rate_limit_exceeded',
  too_many_connections: 'excess_sessions_exceeded',
  forbidden: 'authz_fail',
  unauthorized: 'authn_login_fail',
  insecure_transport: 'authn_login_fail',
  credential_in_url: 'authn_login_fail',
  multiple_credentials: 'authn_login_fail',
  draining: 'sys_refused',
  unavailable: 'sys_refused',
};

const EVENT_OF_CLOSE: Readonly<Record<number, AuditEventName>> = {
  1011: 'sys_refused',
  1012: 'sys_refused',
  1013: 'sys_refused',
  4401: 'authn_login_fail',
  4403: 'authz_fail',
  4408: 'authn_login_fail',
  4409: 'excess_sessions_exceeded',
  4429: 'excess_rate_limit_exceeded',
};

/** The audit event of a handshake that was refused. */
export function eventOfRefusal(refusal: RefusalCode, reason: string): AuditEventName {
  return EVENT_OF_REASON.get(reason) ?? EVENT_OF_REFUSAL[refusal] ?? 'input_validation_fail';
}

/** The audit event of a socket that was closed before it authenticated. */
export function eventOfClose(code: number, reason: string): AuditEventName {
  return EVENT_OF_REASON.get(reason) ?? EVENT_OF_CLOSE[code] ?? 'input_validation_fail';
}
