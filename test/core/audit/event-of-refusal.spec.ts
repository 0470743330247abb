import { describe, expect, it } from 'vitest';
import { eventOfClose, eventOfRefusal } from '../../../lib/core/audit/event-of-refusal.js';
import { CLOSE } from '../../../lib/core/close-code.js';
import { REFUSALS, type RefusalCode } from '../../../lib/core/handshake/refusal.js';

describe('eventOfRefusal', () => {
  it('has an event for every class of refusal', () => {
    const codes = Object.keys(REFUSALS) as RefusalCode[];
    expect(Object.fromEntries(codes.map((code) => [code, eventOfRefusal(code, 'some reason')]))).toEqual({
      malformed_handshake: 'input_validation_fail',
      subprotocol_required: 'input_validation_fail',
      credential_in_url: 'authn_login_fail',
      multiple_credentials: 'authn_login_fail',
      unauthorized: 'authn_login_fail',
      insecure_transport: 'authn_login_fail',
      origin_not_allowed: 'malicious_csrf',
      forbidden: 'authz_fail',
      not_found: 'input_validation_fail',
      method_not_allowed: 'input_validation_fail',
      host_not_allowed: 'malicious_csrf',
      upgrade_required: 'input_validation_fail',
      rate_limited: 'excess_rate_limit_exceeded',
      too_many_connections: 'excess_sessions_exceeded',
      header_too_large: 'input_validation_fail',
      draining: 'sys_refused',
      overloaded: 'excess_rate_limit_exceeded',
      unavailable: 'sys_refused',
    });
  });

  it('tells a replay and a dead session from other failed logins', () => {
    expect(eventOfRefusal('unauthorized', 'ticket_replayed')).toBe('authn_token_reuse');
    expect(eventOfRefusal('unauthorized', 'session_unknown')).toBe('session_use_after_expire');
    expect(eventOfRefusal('unauthorized', 'ticket_unknown')).toBe('authn_login_fail');
  });
});

describe('eventOfClose', () => {
  it.each([
    [CLOSE.unsupported, 'input_validation_fail'],
    [CLOSE.tooBig, 'input_validation_fail'],
    [CLOSE.error, 'sys_refused'],
    [CLOSE.restart, 'sys_refused'],
    [CLOSE.tryLater, 'sys_refused'],
    [CLOSE.badMessage, 'input_validation_fail'],
    [CLOSE.unauthorized, 'authn_login_fail'],
    [CLOSE.forbidden, 'authz_fail'],
    [CLOSE.authTimeout, 'authn_login_fail'],
    [CLOSE.tooManyConnections, 'excess_sessions_exceeded'],
    [CLOSE.rateLimited, 'excess_rate_limit_exceeded'],
  ])('calls the end of a waiting socket with %j %s', ({ code }, event) => {
    expect(eventOfClose(code, 'some reason')).toBe(event);
  });

  it('tells a replay by its reason, whatever the code', () => {
    expect(eventOfClose(4401, 'ticket_replayed')).toBe('authn_token_reuse');
  });
});
