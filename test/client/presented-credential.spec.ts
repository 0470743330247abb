import { describe, expect, it } from 'vitest';
import { addressFor, presentedAs } from '../../lib/client/presented-credential.js';

const url = new URL('wss://api.example/chat?room=1');
const protocols = ['chat.v2', 'ws-auth.v1'];
const ticket = 'wst_5KKVp5UvCpmTMFq7.kN4Bu_GW1McyE0LWGoJgPbkNOuLad0GGuMkVho6LNeQ';

describe('presentedAs', () => {
  it('takes tickets as tickets, and tokens as tokens', () => {
    expect(presentedAs('ticket', ticket)).toEqual({ ticket });
    expect(presentedAs('token', 'a.b.c')).toEqual({ token: 'a.b.c' });
  });

  it('refuses as a ticket what might be a token, without repeating it', () => {
    for (const value of ['eyJhbGciOi.e30.c2ln', `wst_${'a'.repeat(117)}`, 'wst_a b', ''])
      expect(() => presentedAs('ticket', value)).toThrow(/^bad_credential$/);
  });

  it('refuses a token that is none', () => {
    for (const value of ['', 'a b', 'é', 'a'.repeat(8_193), 'a\nb', false, 1, ['a']])
      expect(() => presentedAs('token', value)).toThrow(/^bad_credential$/);
  });
});

describe('addressFor', () => {
  it('puts a ticket into the query, and leaves the rest of it', () => {
    expect(addressFor({ url, mode: 'query', protocols }, { ticket })).toEqual([
      `wss://api.example/chat?room=1&ticket=${ticket}`,
      protocols,
    ]);
  });

  it('puts a token into no URL, whatever the mode', () => {
    for (const mode of ['query', 'subprotocol', 'first-message', undefined] as const)
      expect(addressFor({ url, mode, protocols }, { token: 's3cret' })[0]).toBe(url.href);
  });

  it('offers a credential as the last subprotocol, beside real ones', () => {
    expect(addressFor({ url, mode: 'subprotocol', protocols }, { ticket })[1]).toEqual([
      ...protocols,
      `ticket.ws-auth.${ticket}`,
    ]);
    const token = 'eyJhbGciOiJIUzI1NiJ9.e30.c2ln';
    expect(addressFor({ url, mode: 'subprotocol', protocols }, { token })[1].at(-1)).toBe(
      `base64url.bearer.ws-auth.${Buffer.from(token).toString('base64url')}`,
    );
  });

  it('writes base64url, whatever base64 has in these places', () => {
    const token = '~~~???>>>~';
    expect(addressFor({ url, mode: 'subprotocol', protocols }, { token })[1].at(-1)).toBe(
      `base64url.bearer.ws-auth.${Buffer.from(token).toString('base64url')}`,
    );
  });

  it('adds nothing for a cookie or a first message', () => {
    expect(addressFor({ url, mode: undefined, protocols }, undefined)).toEqual([url.href, protocols]);
    expect(addressFor({ url, mode: 'first-message', protocols }, { ticket })).toEqual([url.href, protocols]);
  });
});
