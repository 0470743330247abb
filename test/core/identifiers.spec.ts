import { createHash, createSecretKey } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  isSessionId,
  newId,
  newNodeId,
  newSessionToken,
  newTicket,
  parseTicket,
  sessionIdOf,
  tokenHashOf,
  userHashOf,
  userHashOfSession,
} from '../../lib/core/identifiers.js';

const key = createSecretKey(Buffer.alloc(32, 1));
const otherKey = createSecretKey(Buffer.alloc(32, 2));
const userHash = userHashOf(key, 'alice');

/** Values that are no text, and texts in a form of ours bent a little. */
const notTexts = [undefined, null, 1, true, {}, [], ['a', 'b'], Symbol('s'), () => 'wst_'];

describe('userHashOf', () => {
  it('is 16 URL-safe characters', () => {
    expect(userHash).toMatch(/^[A-Za-z0-9_-]{16}$/);
  });

  it('is the same for the same user and key, and another for another user or key', () => {
    expect(userHashOf(key, 'alice')).toBe(userHash);
    expect(userHashOf(key, 'alice ')).not.toBe(userHash);
    expect(userHashOf(otherKey, 'alice')).not.toBe(userHash);
  });
});

describe('newTicket', () => {
  it('has 256 random bits and no two alike in 10,000 (TK-01)', () => {
    const secrets = new Set<string>();
    const ones = new Uint32Array(256);
    for (let count = 0; count < 10_000; count += 1) {
      const { ticket } = newTicket(userHash);
      const secret = ticket.slice(`wst_${userHash}.`.length);
      expect(secret).toHaveLength(43);
      secrets.add(secret);
      const bytes = Buffer.from(secret, 'base64url');
      for (let bit = 0; bit < 256; bit += 1) ones[bit]! += (bytes[bit >> 3]! >> (bit & 7)) & 1;
    }
    expect(secrets.size).toBe(10_000);
    // Ten standard deviations: a bit that is fixed or loaded lies outside, chance does not.
    for (const count of ones) expect(Math.abs(count - 5_000)).toBeLessThan(500);
  });

  it('is wst_, the user hash, a dot and the secret, and at most 120 characters', () => {
    const { ticket } = newTicket(userHash);
    expect(ticket).toMatch(/^wst_[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]{43}$/);
    expect(ticket.length).toBeLessThanOrEqual(120);
    expect(ticket.startsWith(`wst_${userHash}.`)).toBe(true);
  });

  it('hands out a hash that holds nothing of the secret (TK-01)', () => {
    const { ticket, hash } = newTicket(userHash);
    const secret = ticket.slice(-43);
    expect(hash).toBe(createHash('sha256').update(secret).digest().toString('base64url', 0, 16));
    expect(ticket).not.toContain(hash);
  });
});

describe('parseTicket', () => {
  it('finds a ticket by the key under which it was stored', () => {
    const { ticket, hash } = newTicket(userHash);
    expect(parseTicket(ticket)).toEqual({ userHash, hash });
  });

  it.each(notTexts.map((value) => [value]))('refuses %s, which is no text (TK-09)', (value) => {
    expect(parseTicket(value)).toBeNull();
  });

  it('refuses a text of 5 MB (TK-09)', () => {
    expect(parseTicket(`wst_${'a'.repeat(5 * 2 ** 20)}`)).toBeNull();
  });

  it.each([
    ['one character less', (ticket: string) => ticket.slice(0, -1)],
    ['one character more', (ticket: string) => `${ticket}A`],
    ['a line feed at its end', (ticket: string) => `${ticket}\n`],
    ['a space in front', (ticket: string) => ` ${ticket}`],
    ['padding', (ticket: string) => `${ticket}=`],
    ['the prefix in capitals', (ticket: string) => ticket.replace('wst_', 'WST_')],
    ['no prefix', (ticket: string) => ticket.slice(4)],
    ['a slash in its secret', (ticket: string) => `${ticket.slice(0, -1)}/`],
    ['another separator', (ticket: string) => ticket.replace('.', ':')],
    ['a wildcard', (ticket: string) => `${ticket.slice(0, -1)}*`],
  ])('refuses a ticket with %s (TK-09)', (_, bend) => {
    // A secret without a dot or slash of its own, so that each bend hits what it names.
    expect(parseTicket(bend(`wst_${'u'.repeat(16)}.${'s'.repeat(43)}`))).toBeNull();
  });

  it('accepts the form of a ticket and nothing else (TK-09)', () => {
    const form = /^wst_[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]{43}$/;
    const nearly = fc
      .tuple(
        fc.constant(`wst_${'u'.repeat(16)}.${'s'.repeat(43)}`),
        fc.nat(63),
        fc.string({ unit: 'binary', maxLength: 2 }),
      )
      .map(([ticket, at, put]) => ticket.slice(0, at) + put + ticket.slice(at + put.length));
    fc.assert(
      fc.property(fc.oneof(fc.string(), nearly, fc.anything()), (value) => {
        const isTicket = typeof value === 'string' && form.test(value);
        expect(parseTicket(value) !== null).toBe(isTicket);
      }),
    );
  });

  it('tells two tickets that differ in their last character apart', () => {
    const { ticket } = newTicket(userHash);
    const twin = ticket.slice(0, -1) + (ticket.endsWith('A') ? 'B' : 'A');
    expect(parseTicket(twin)?.hash).not.toBe(parseTicket(ticket)?.hash);
  });
});

describe('newSessionToken', () => {
  it('is the user hash, a dot and 43 random characters', () => {
    const token = newSessionToken(userHash);
    expect(token).toMatch(/^[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]{43}$/);
    expect(token.startsWith(`${userHash}.`)).toBe(true);
    expect(newSessionToken(userHash)).not.toBe(token);
  });
});

describe('sessionIdOf', () => {
  it('is a handle of the same user, and holds nothing of the token', () => {
    const token = newSessionToken(userHash);
    const id = sessionIdOf(token)!;
    expect(isSessionId(id)).toBe(true);
    expect(userHashOfSession(id)).toBe(userHash);
    expect(token).not.toContain(id.slice(17));
    expect(sessionIdOf(token)).toBe(id);
  });

  it('does not open a session with its own id', () => {
    expect(sessionIdOf(sessionIdOf(newSessionToken(userHash)))).toBeNull();
  });

  it('does not take a ticket for a session token', () => {
    expect(sessionIdOf(newTicket(userHash).ticket)).toBeNull();
  });

  it.each(notTexts.map((value) => [value]))('refuses %s, which is no text', (value) => {
    expect(sessionIdOf(value)).toBeNull();
  });

  it('refuses every text that is not exactly a token', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (text) => {
        expect(sessionIdOf(text)).toBeNull();
      }),
    );
  });
});

describe('isSessionId', () => {
  it('knows an id from a token and from anything else', () => {
    const token = newSessionToken(userHash);
    expect(isSessionId(sessionIdOf(token))).toBe(true);
    expect(isSessionId(token)).toBe(false);
    expect(isSessionId(`${sessionIdOf(token)}\n`)).toBe(false);
    for (const value of notTexts) expect(isSessionId(value)).toBe(false);
  });
});

describe('tokenHashOf', () => {
  it('is the same for the same issuer and jti', () => {
    expect(tokenHashOf('https://issuer', 'id')).toBe(tokenHashOf('https://issuer', 'id'));
  });

  it('never has one key for two pairs that run together (JW-05, TH-08)', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.nat(20), (issuer, tokenId, at) => {
        const together = issuer + tokenId;
        const cut = Math.min(at, together.length);
        fc.pre(cut !== issuer.length);
        expect(tokenHashOf(together.slice(0, cut), together.slice(cut))).not.toBe(
          tokenHashOf(issuer, tokenId),
        );
      }),
    );
  });
});

describe('newId', () => {
  it('is 12 URL-safe characters, and another each time', () => {
    const ids = new Set(Array.from({ length: 1_000 }, newId));
    expect(ids.size).toBe(1_000);
    for (const id of ids) expect(id).toMatch(/^[A-Za-z0-9_-]{12}$/);
  });
});

describe('newNodeId', () => {
  it('is another at every start', () => {
    expect(newNodeId()).toMatch(/^[A-Za-z0-9_-]{10}$/);
    expect(newNodeId()).not.toBe(newNodeId());
  });
});
