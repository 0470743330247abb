import { describe, expect, it } from 'vitest';
import { StoreUnavailable, TokenRejected } from '../../../lib/core/errors.js';
import {
  identitySwitch,
  refusalOfAdmission,
  toRefusal,
  unauthorized,
} from '../../../lib/core/handshake/attempt-refusals.js';
import { HandshakeAttempt } from '../../../lib/core/handshake/handshake-attempt.js';
import { gatewayPolicy } from '../../support/core-harness.js';
import { HandshakeRefused } from '../../../lib/core/handshake/refusal.js';

describe('refusals of an attempt', () => {
  it('tell a missing credential from a bad one, to the client too', () => {
    const [missing, bad] = [new HandshakeAttempt(), new HandshakeAttempt()];
    bad.hasPresented = true;
    const [none, invalid] = [
      unauthorized(missing, 'credential_missing'),
      unauthorized(bad, 'ticket_unknown'),
    ];
    expect([none.refusal, invalid.refusal]).toEqual(['unauthorized', 'unauthorized']);
    expect(none.headers['WWW-Authenticate']).not.toContain('invalid_token');
    expect(invalid.headers['WWW-Authenticate']).toContain('invalid_token');
  });

  it('ask for user and password too where the gateway takes them', () => {
    const attempt = new HandshakeAttempt();
    attempt.gateway = gatewayPolicy({ credentials: new Set(['basic', 'bearer']) });
    expect(toRefusal(new TokenRejected('expired'), attempt).headers['WWW-Authenticate']).toEqual([
      'Bearer realm="ws", error="invalid_token"',
      'Basic realm="ws", charset="UTF-8"',
    ]);
  });

  it('forbid another identity', () => {
    expect(identitySwitch()).toMatchObject({ refusal: 'forbidden', reason: 'identity_switch' });
  });

  it.each([
    [{ outcome: 'ticket_unknown', replayed: false }, 'unauthorized', 'ticket_unknown'],
    [{ outcome: 'ticket_unknown', replayed: true }, 'unauthorized', 'ticket_replayed'],
    [{ outcome: 'ticket_mismatch', binding: 'path' }, 'unauthorized', 'ticket_mismatch_path'],
    [{ outcome: 'session_unknown' }, 'unauthorized', 'session_unknown'],
    [{ outcome: 'revoked' }, 'unauthorized', 'revoked'],
    [{ outcome: 'limit', of: 'user' }, 'too_many_connections', 'limit_of_user'],
    [{ outcome: 'rate', retryAfterMs: 7 }, 'rate_limited', 'connect_rate'],
    [{ outcome: 'late' }, 'unavailable', 'store_too_late'],
  ] as const)('of %j is %s', (result, refusal, reason) => {
    const refused = refusalOfAdmission(new HandshakeAttempt(), result);
    expect(refused).toMatchObject({ refusal, reason });
    if (result.outcome === 'rate') expect(refused.retryAfterMs).toBe(7);
  });

  it('are made of whatever a step threw, and never let anybody in (CR-06)', () => {
    const own = new HandshakeRefused('not_found', 'no_gateway_on_path');
    expect(toRefusal(own, new HandshakeAttempt())).toBe(own);
    expect(toRefusal(new TokenRejected('expired'), new HandshakeAttempt())).toMatchObject({
      refusal: 'unauthorized',
      reason: 'token_expired',
    });
    expect(toRefusal(new StoreUnavailable('away'), new HandshakeAttempt())).toMatchObject({
      reason: 'store_unavailable',
    });
    for (const thrown of [new TypeError('a bug'), 'text', undefined]) {
      expect(toRefusal(thrown, new HandshakeAttempt())).toMatchObject({
        refusal: 'unavailable',
        reason: 'verifier_failed',
        cause: thrown,
      });
    }
  });
});
