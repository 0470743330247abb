import { describe, expect, it } from 'vitest';
import { CLOSE } from '../../../lib/core/close-code.js';
import { WsAuthError } from '../../../lib/core/errors.js';
import {
  HandshakeRefused,
  REFUSALS,
  retryLater,
  type RefusalCode,
} from '../../../lib/core/handshake/refusal.js';

const codes = Object.keys(REFUSALS) as RefusalCode[];

describe('REFUSALS', () => {
  it('has the status of each class that clients were promised', () => {
    expect(Object.fromEntries(codes.map((code) => [code, REFUSALS[code].status]))).toEqual({
      malformed_handshake: 400,
      subprotocol_required: 400,
      credential_in_url: 400,
      multiple_credentials: 400,
      unauthorized: 401,
      insecure_transport: 403,
      origin_not_allowed: 403,
      forbidden: 403,
      not_found: 404,
      method_not_allowed: 405,
      host_not_allowed: 421,
      upgrade_required: 426,
      rate_limited: 429,
      too_many_connections: 429,
      header_too_large: 431,
      draining: 503,
      overloaded: 503,
      unavailable: 503,
    });
  });

  it('has a close code for everything about the credential, and for nothing before it', () => {
    const closes = codes.map((code) => [code, new HandshakeRefused(code, 'x').close] as const);
    expect(Object.fromEntries(closes.filter(([, close]) => close !== undefined))).toEqual({
      credential_in_url: CLOSE.badMessage,
      multiple_credentials: CLOSE.badMessage,
      unauthorized: CLOSE.unauthorized,
      forbidden: CLOSE.forbidden,
      too_many_connections: CLOSE.tooManyConnections,
      unavailable: CLOSE.tryLater,
    });
  });
});

describe('HandshakeRefused', () => {
  it('shows the class to the client and the reason to the operator (HS-14)', () => {
    const refusal = new HandshakeRefused('unauthorized', 'ticket_replayed');
    expect(refusal).toBeInstanceOf(WsAuthError);
    expect(refusal.name).toBe('HandshakeRefused');
    expect(refusal.code).toBe('handshake_refused');
    expect(refusal.publicMessage).toBe('unauthorized');
    expect(refusal.message).toBe('handshake refused: ticket_replayed');
    expect(refusal.status).toBe(401);
    expect(refusal.title).toBe('Unauthorized');
  });

  it('looks the same to a client for every reason of a class (HS-14)', () => {
    const shown = ['token_signature', 'ticket_unknown', 'revoked'].map((reason) => {
      const { status, title, close, publicMessage, headers, retryAfterMs } = new HandshakeRefused(
        'unauthorized',
        reason,
      );
      return { status, title, close, publicMessage, headers, retryAfterMs };
    });
    expect(shown[1]).toEqual(shown[0]);
    expect(shown[2]).toEqual(shown[0]);
  });

  it('has no headers and no wait unless it is given some', () => {
    const refusal = new HandshakeRefused('not_found', 'x');
    expect(refusal.headers).toEqual({});
    expect(refusal.retryAfterMs).toBeUndefined();
  });

  it('keeps headers, wait and cause', () => {
    const cause = new Error('down');
    const refusal = new HandshakeRefused('unavailable', 'x', {
      headers: { Allow: 'GET' },
      retryAfterMs: 5,
      cause,
    });
    expect(refusal).toMatchObject({ headers: { Allow: 'GET' }, retryAfterMs: 5, cause });
  });
});

describe('retryLater', () => {
  it('is between one and three seconds, and not the same for all', () => {
    const waits = Array.from({ length: 200 }, () => retryLater().retryAfterMs);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(1_000);
    expect(Math.max(...waits)).toBeLessThan(3_000);
    expect(new Set(waits).size).toBeGreaterThan(100);
  });
});
