import { describe, expect, it } from 'vitest';
import { CLOSE } from '../../lib/core/close-code.js';
import { Connection } from '../../lib/core/connection.js';
import {
  grantOf,
  HANDSHAKE,
  looseConnection,
  principalOf,
  record,
  sessionOf,
} from '../support/core-harness.js';

const USER = 'user-hash-000001';

describe('Connection', () => {
  it('sends to its transport while it is open', () => {
    const connection = looseConnection();
    const { sent } = record(connection);
    connection.send('one');
    connection.send('two');
    expect(sent).toEqual(['one', 'two']);
  });

  it('sends nothing while it has no transport, and does not mind', () => {
    expect(() => looseConnection().send('x')).not.toThrow();
    expect(() => looseConnection().writeClose(1000, '')).not.toThrow();
  });

  it('sends nothing from the moment in which it was decided that it ends (SE-02)', () => {
    const connection = looseConnection();
    const { sent, closes } = record(connection);
    expect(connection.fence({ close: CLOSE.revoked, reason: 'revoked' })).toBe(true);
    connection.send('late');
    expect(sent).toEqual([]);
    expect(connection.isOpen).toBe(false);
    connection.writeClose(4410, 'revoked');
    expect(closes).toEqual([{ code: 4410, reason: 'revoked' }]);
  });

  it('ends once: the first reason stands (SE-02)', () => {
    const connection = looseConnection();
    connection.fence({ close: CLOSE.revoked, reason: 'first' });
    expect(connection.fence({ close: CLOSE.expired, reason: 'second' })).toBe(false);
    expect(connection.ending).toEqual({ close: CLOSE.revoked, reason: 'first' });
  });

  it('cannot be fenced when its socket is gone, and sends nothing', () => {
    const connection = looseConnection();
    const { sent } = record(connection);
    expect(connection.markClosed()).toBe(true);
    expect(connection.markClosed()).toBe(false);
    expect(connection.fence({ close: CLOSE.revoked, reason: 'late' })).toBe(false);
    connection.send('late');
    expect([sent, connection.ending, connection.isOpen]).toEqual([[], undefined, false]);
  });

  it('answers what it was granted', () => {
    const session = sessionOf(USER);
    const connection = looseConnection({
      session,
      principal: principalOf('u1', ['a']),
      credential: 'ticket',
    });
    expect(connection.principal).toEqual({ id: 'u1', roles: ['a'], scopes: [] });
    expect([connection.session, connection.credential]).toEqual([session, 'ticket']);
    expect(connection.expiresAt).toBe(connection.grant.expiresAt);
    expect(looseConnection().session).toBeUndefined();
  });

  it('ends with its credential or with its longest life, whatever comes first (LT-01)', () => {
    const opened = looseConnection().openedAt;
    const connection = new Connection('id', HANDSHAKE, grantOf({ expiresAt: opened + 500 }), opened, 1_000);
    expect(connection.expiresAt).toBe(opened + 500);
    connection.renew(grantOf({ expiresAt: Infinity }));
    expect(connection.expiresAt).toBe(opened + 1_000);
  });

  it('is cut where it has a socket', () => {
    const connection = looseConnection();
    expect(() => connection.terminate()).not.toThrow();
    const recorded = record(connection);
    connection.terminate();
    expect([recorded.cuts, recorded.closes]).toEqual([1, []]);
  });

  it('has the principal of a fresh credential', () => {
    const connection = looseConnection({ principal: principalOf('u1', ['a']) });
    connection.renew(grantOf({ principal: principalOf('u1', ['b']), expiresAt: 5, credential: 'ticket' }));
    expect(connection.principal.roles).toEqual(['b']);
    expect([connection.expiresAt, connection.credential]).toEqual([5, 'ticket']);
  });

  describe('the time at which the user last proved who it is', () => {
    const NOON = 1_800_000_000_000;

    it('is that of the credential, and no refresh with an older one sets it back', () => {
      const connection = looseConnection({ authTime: NOON });
      expect(connection.authTime).toBe(NOON);
      connection.renew(grantOf({ authTime: NOON - 1 }));
      expect(connection.authTime).toBe(NOON);
      connection.renew(grantOf({ authTime: NOON + 1 }));
      expect(connection.authTime).toBe(NOON + 1);
    });

    it('is that of a later proof, and no refresh with an older credential sets it back', () => {
      const connection = looseConnection({ authTime: NOON });
      connection.noteAuthentication(NOON + 5);
      connection.noteAuthentication(NOON + 3);
      connection.renew(grantOf({ authTime: NOON + 4 }));
      expect(connection.authTime).toBe(NOON + 5);
    });

    it('is unknown once it is in doubt, until there is a proof from the second of the doubt or later', () => {
      const connection = looseConnection({ authTime: NOON });
      connection.forgetAuthentication(NOON + 10_700);
      expect(connection.authTime).toBe(0);
      connection.noteAuthentication(NOON + 9_999);
      connection.renew(grantOf({ authTime: NOON + 9_999 }));
      expect(connection.authTime).toBe(0);
      connection.renew(grantOf({ authTime: NOON + 10_000 }));
      expect(connection.authTime).toBe(NOON + 10_000);
    });

    it('is that of the first credential that says so', () => {
      const connection = looseConnection({ authTime: 0 });
      connection.renew(grantOf({ authTime: NOON }));
      expect(connection.authTime).toBe(NOON);
    });
  });

  it('has the rights of its session, never more than its credential allows (SE-09)', () => {
    const session = sessionOf(USER, { roles: ['a', 'b'], scopes: ['read', 'write'] });
    const narrowing = { roles: ['a'], scopes: ['read', 'admin'] };
    const connection = looseConnection({ session, narrowing, principal: principalOf('u1', ['a'], ['read']) });
    connection.replaceSession({ ...session, roles: ['b', 'c'], scopes: ['admin', 'write'] });
    expect(connection.principal).toEqual({ id: 'u1', roles: [], scopes: ['admin'] });
    expect(connection.session!.roles).toEqual(['b', 'c']);
    connection.replaceSession(session);
    expect(connection.principal).toEqual({ id: 'u1', roles: ['a'], scopes: ['read'] });
  });

  it('keeps the tenant of its session', () => {
    const session = sessionOf(USER, { tenant: 'acme' });
    const connection = looseConnection({ session });
    connection.replaceSession(session);
    expect(connection.principal.tenant).toBe('acme');
    expect(Object.isFrozen(connection.principal)).toBe(true);
  });

  it('names itself to the audit log without any credential', () => {
    const session = sessionOf(USER);
    const connection = looseConnection({ session }, 'connection-1');
    expect(connection.facts).toEqual({
      connectionId: 'connection-1',
      correlationId: 'correlation-1',
      ip: '203.0.113.7',
      ipSource: 'socket',
      origin: 'https://app.example.com',
      path: '/ws',
      method: 'cookie',
      principal: 'u1',
      sessionId: session.id,
    });
  });
});
