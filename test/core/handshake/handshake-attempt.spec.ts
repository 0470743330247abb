import { describe, expect, it, vi } from 'vitest';
import { Connection, type Grant, type Handshake } from '../../../lib/core/connection.js';
import type { GatewayPolicy } from '../../../lib/core/handshake/gateway-policy.js';
import { HandshakeAttempt } from '../../../lib/core/handshake/handshake-attempt.js';
import { HandshakeRefused } from '../../../lib/core/handshake/refusal.js';
import { upgradeRequest } from '../support/upgrades.js';

const handshake: Handshake = {
  correlationId: 'handshake-id',
  path: '/ws',
  query: '',
  origin: 'https://app.example.com',
  host: 'app.example.com',
  address: '203.0.113.9',
  addressSource: 'forwarded',
  secure: true,
  protocol: '',
};

const never = () => new Promise<never>(() => {});

describe('HandshakeAttempt', () => {
  describe('facts', () => {
    it('has a correlation id from the start, and another for each attempt', () => {
      const { correlationId } = new HandshakeAttempt().facts;
      expect(correlationId).toMatch(/^[A-Za-z0-9_-]{12}$/);
      expect(new HandshakeAttempt().correlationId).not.toBe(correlationId);
    });

    it('takes nothing for granted', () => {
      const attempt = new HandshakeAttempt();
      expect(attempt.hasPresented).toBe(false);
      expect(attempt.isFromAllowedOrigin).toBe(false);
      expect(attempt.isRefresh).toBe(false);
    });

    it('grows with what the steps find out', () => {
      const attempt = new HandshakeAttempt();
      expect(Object.values(attempt.facts).filter((fact) => fact !== undefined)).toHaveLength(1);
      attempt.address = { ip: '192.0.2.1', prefix: '192.0.2.1', source: 'socket', forwardedSecure: false };
      attempt.request = upgradeRequest({
        query: 'ticket=canary',
        authorization: 'Bearer canary',
        cookie: 'sid=canary',
      });
      expect(attempt.facts).toMatchObject({
        ip: '192.0.2.1',
        ipSource: 'socket',
        path: '/ws',
        origin: 'https://app.example.com',
      });
      attempt.method = 'ticket';
      attempt.principalId = 'alice';
      attempt.sessionId = 'session';
      attempt.ticketHash = 'hash';
      expect(attempt.facts).toMatchObject({
        method: 'ticket',
        principal: 'alice',
        sessionId: 'session',
        ticketHash: 'hash',
      });
    });

    it('never holds a credential or a header (LG-02)', () => {
      const attempt = new HandshakeAttempt();
      attempt.request = upgradeRequest({
        query: 'ticket=canary',
        authorization: 'Bearer canary',
        cookie: 'sid=canary',
        protocols: ['ticket.ws-auth.canary'],
      });
      expect(JSON.stringify(attempt.facts)).not.toContain('canary');
    });

    it('is that of the handshake for a refresh', () => {
      const grant = { session: { id: 'session-id' }, principal: { id: 'alice' } } as Grant;
      const connection = new Connection('connection-id', handshake, grant, 0);
      const gateway = { path: '/ws' } as GatewayPolicy;
      const attempt = HandshakeAttempt.ofConnection(connection, gateway);
      expect(attempt.gateway).toBe(gateway);
      expect(attempt.isRefresh).toBe(true);
      expect(attempt.facts).toMatchObject({
        ip: '203.0.113.9',
        ipSource: 'forwarded',
        origin: 'https://app.example.com',
        path: '/ws',
        sessionId: 'session-id',
      });
    });
  });

  describe('race', () => {
    it('answers with the work when nobody aborts', async () => {
      await expect(new HandshakeAttempt().race(Promise.resolve(7))).resolves.toBe(7);
    });

    it('passes on what the work rejects with', async () => {
      const error = new Error('down');
      await expect(new HandshakeAttempt().race(Promise.reject(error))).rejects.toBe(error);
    });

    it('rejects at once when the attempt is aborted, whatever the work does (HS-04)', async () => {
      const attempt = new HandshakeAttempt();
      const raced = attempt.race(never());
      attempt.abort('client_gone');
      await expect(raced).rejects.toMatchObject({ refusal: 'unavailable', reason: 'client_gone' });
    });

    it('rejects when the attempt was aborted before, and swallows the work', async () => {
      const attempt = new HandshakeAttempt();
      attempt.abort('timeout');
      await expect(attempt.race(Promise.reject(new Error('nobody listens')))).rejects.toMatchObject({
        reason: 'timeout',
      });
    });

    it('races one thing after the other', async () => {
      const attempt = new HandshakeAttempt();
      await attempt.race(Promise.resolve(1));
      const second = attempt.race(never());
      attempt.abort('shutdown');
      await expect(second).rejects.toMatchObject({ refusal: 'draining', status: 503 });
    });
  });

  describe('abort', () => {
    it('tells what is under way through the signal', () => {
      const attempt = new HandshakeAttempt();
      const heard = vi.fn();
      attempt.signal.addEventListener('abort', heard);
      expect(attempt.abortReason).toBeUndefined();
      attempt.abort('client_gone');
      expect(heard).toHaveBeenCalledTimes(1);
      expect(attempt.abortReason).toBe('client_gone');
    });

    it('keeps the first reason', () => {
      const attempt = new HandshakeAttempt();
      attempt.abort('timeout');
      attempt.abort('client_gone');
      expect(attempt.abortReason).toBe('timeout');
    });

    it('asks the client to come back a little later', () => {
      const attempt = new HandshakeAttempt();
      attempt.abort('timeout');
      const error = attempt.abortError();
      expect(error).toBeInstanceOf(HandshakeRefused);
      expect(error.status).toBe(503);
      expect(error.retryAfterMs).toBeGreaterThanOrEqual(1_000);
    });
  });

  describe('release', () => {
    it('gives back everything once (HS-04)', () => {
      const attempt = new HandshakeAttempt();
      const [first, second] = [vi.fn(), vi.fn()];
      attempt.holds(first);
      attempt.holds(second);
      attempt.release();
      attempt.release();
      expect(first).toHaveBeenCalledTimes(1);
      expect(second).toHaveBeenCalledTimes(1);
    });
  });
});
