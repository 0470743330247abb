import { describe, expect, it } from 'vitest';
import type { VerifiedBasis } from '../../../lib/core/handshake/credential-verifier.js';
import { authTimeOf, grantOf } from '../../../lib/core/handshake/grant-of.js';
import type { VerifiedToken } from '../../../lib/core/handshake/token-verifier.js';
import type { Admitted } from '../../../lib/core/session/connection-registry.js';
import type { TicketRecord } from '../../../lib/core/ticket/ticket-store.js';
import { principalOf, sessionOf } from '../../support/core-harness.js';

const USER = 'user-hash-000001';

function admitted(change: Partial<Admitted> = {}): Admitted {
  return {
    outcome: 'admitted',
    connectionId: 'c',
    principal: principalOf('u1', ['member'], ['read', 'write']),
    session: undefined,
    userHash: USER,
    ticket: undefined,
    logTail: '0-0',
    evicted: undefined,
    ...change,
  };
}

const token = { issuedAt: 5, expiresAt: 9_000, narrowing: { scopes: ['read'] } } as unknown as VerifiedToken;
const byToken: VerifiedBasis = {
  basis: { mode: 'principal', principal: principalOf('u1'), userHash: USER, issuedAt: 5, tokenHash: 'hash' },
  credential: 'bearer',
  token,
};
const byTicket = { basis: { mode: 'ticket' }, credential: 'ticket' } as VerifiedBasis;
const ticket = {
  authenticatedAt: 3,
  narrowing: { roles: [] },
  token: { hash: 'of-the-ticket', expiresAt: 4_000 },
} as unknown as TicketRecord;

describe('grantOf', () => {
  it('of a token has its end, its time, its hash and no more than its rights', () => {
    expect(grantOf(admitted(), byToken, 'bearer')).toMatchObject({
      principal: { id: 'u1', roles: ['member'], scopes: ['read'] },
      credential: 'bearer',
      tokenHash: 'hash',
      authenticatedAt: 5,
      expiresAt: 9_000,
    });
  });

  it('of a ticket has what the ticket allows, and ends with the token that asked for it (TK-06)', () => {
    expect(grantOf(admitted({ ticket }), byTicket, 'first-message')).toMatchObject({
      principal: { roles: [], scopes: ['read', 'write'] },
      credential: 'first-message',
      tokenHash: 'of-the-ticket',
      authenticatedAt: 3,
      expiresAt: 4_000,
    });
  });

  it('of a session has the time of its login, and ends with whatever ends first', () => {
    const session = {
      ...sessionOf(USER, { authenticatedAt: 7, absoluteEndsAt: 3_000 }),
      lastUsedAt: 7,
      remainingMs: 1,
    };
    expect(grantOf(admitted({ session, ticket }), byTicket, 'ticket')).toMatchObject({
      session: { id: session.id },
      authenticatedAt: 7,
      expiresAt: 3_000,
    });
  });
});

describe('authTimeOf', () => {
  const session = sessionOf(USER, { authTime: 100 });
  const tokenOf = (authTime: number | undefined) => ({ issuedAt: 500, authTime }) as VerifiedToken;

  it('of a session is its own, or a later one of the credential; never the issue of a token', () => {
    expect(authTimeOf({ session })).toBe(100);
    expect(authTimeOf({ session, token: tokenOf(undefined) })).toBe(100);
    expect(authTimeOf({ session, token: tokenOf(50) })).toBe(100);
    expect(authTimeOf({ session, token: tokenOf(300) })).toBe(300);
    expect(authTimeOf({ session, ticket: { ...ticket, authTime: 200 } })).toBe(200);
  });

  it('without a session is that of the ticket, the token or the proof, and 0 where nobody knows', () => {
    expect(authTimeOf({ token: tokenOf(50) })).toBe(50);
    expect(authTimeOf({ token: tokenOf(undefined) })).toBe(500);
    expect(authTimeOf({ ticket: { ...ticket, authTime: 0 }, provedAt: 900 })).toBe(0);
    expect(authTimeOf({ provedAt: 900 })).toBe(900);
    expect(authTimeOf({})).toBe(0);
  });
});
