import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newSessionToken, newTicket } from '../../../lib/core/identifiers.js';
import { openToken, sealToken } from '../../../lib/core/ticket/sealed-token.js';

const userHash = 'u'.repeat(16);
const { ticket } = newTicket(userHash);
const token = newSessionToken(userHash);

describe('sealToken', () => {
  it('holds nothing of the token or the ticket in the clear (TK-01)', () => {
    const sealed = Buffer.from(sealToken(token, ticket), 'base64url').toString('latin1');
    expect(sealed).not.toContain(token.slice(-10));
    expect(sealed).not.toContain(userHash);
    expect(sealed).not.toContain(ticket.slice(-10));
  });

  it('never makes the same text twice', () => {
    expect(new Set(Array.from({ length: 100 }, () => sealToken(token, ticket))).size).toBe(100);
  });

  it('is text that a store can keep', () => {
    expect(sealToken(token, ticket)).toMatch(/^[A-Za-z0-9_-]+$/);
  });
});

describe('openToken', () => {
  it('opens what was sealed with the same ticket', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), fc.string(), (text, key) => {
        expect(openToken(sealToken(text, key), key)).toBe(text);
      }),
    );
  });

  it('opens nothing with another ticket', () => {
    const sealed = sealToken(token, ticket);
    expect(openToken(sealed, newTicket(userHash).ticket)).toBeNull();
    expect(openToken(sealed, `${ticket} `)).toBeNull();
    expect(openToken(sealed, '')).toBeNull();
  });

  it('opens nothing that was changed in a single bit', () => {
    const bytes = Buffer.from(sealToken(token, ticket), 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const bent = Buffer.from(bytes);
      bent[bit >> 3]! ^= 1 << (bit & 7);
      expect(openToken(bent.toString('base64url'), ticket)).toBeNull();
    }
  });

  it('opens nothing that was cut short', () => {
    const bytes = Buffer.from(sealToken(token, ticket), 'base64url');
    for (let length = 0; length < bytes.length; length += 1) {
      expect(openToken(bytes.subarray(0, length).toString('base64url'), ticket)).toBeNull();
    }
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (sealed, key) => {
        expect(openToken(sealed, key)).toBeNull();
      }),
    );
  });
});
