import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bearerChallenge,
  carriesCredential,
  MAX_TOKEN_LENGTH,
  readCredential,
  stripCredentials,
  type ReaderSettings,
} from '../../../lib/core/handshake/credential-reader.js';
import { HandshakeRefused } from '../../../lib/core/handshake/refusal.js';
import type { UpgradeRequest } from '../../../lib/core/handshake/upgrade-request.js';
import { upgradeRequest } from '../support/upgrades.js';

const JWT = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl';
const TICKET = `wst_${'u'.repeat(16)}.${'s'.repeat(43)}`;
const BEARER_PROTOCOL = `base64url.bearer.ws-auth.${Buffer.from(JWT).toString('base64url')}`;
const TICKET_PROTOCOL = `ticket.ws-auth.${TICKET}`;

const NO_MORE: ReadonlySet<string> = new Set();
const BUILT_IN: ReaderSettings = { takesBasic: false, tokenParameter: undefined, hasReaders: false };

const read = (change: Partial<UpgradeRequest>, settings = BUILT_IN) =>
  readCredential(upgradeRequest(change), settings);

/** The refusal of a request, which must be one. */
function refusalOf(change: Partial<UpgradeRequest>): HandshakeRefused {
  try {
    read(change);
  } catch (error) {
    expect(error).toBeInstanceOf(HandshakeRefused);
    return error as HandshakeRefused;
  }
  throw new Error('the request was not refused');
}

describe('readCredential', () => {
  it('finds none where there is none', () => {
    expect(read({})).toBeNull();
    expect(read({ query: 'room=1&debug', protocols: ['app.v1'], cookie: '__Host-sid=x' })).toBeNull();
  });

  it('finds a ticket in the query', () => {
    expect(read({ query: `room=1&ticket=${TICKET}` })).toEqual({ kind: 'ticket', value: TICKET });
  });

  it('finds a ticket in a subprotocol', () => {
    expect(read({ protocols: [TICKET_PROTOCOL, 'app.v1'] })).toEqual({ kind: 'ticket', value: TICKET });
  });

  it('finds a token in the Authorization header', () => {
    expect(read({ authorization: `Bearer ${JWT}` })).toEqual({ kind: 'bearer', value: JWT });
  });

  it('finds a token in a subprotocol', () => {
    expect(read({ protocols: ['app.v1', BEARER_PROTOCOL] })).toEqual({ kind: 'bearer', value: JWT });
  });

  describe('one explicit credential (CR-01)', () => {
    const sources: [name: string, change: Partial<UpgradeRequest>][] = [
      ['a ticket in the query', { query: `ticket=${TICKET}` }],
      ['a ticket in a subprotocol', { protocols: [TICKET_PROTOCOL] }],
      ['a token in a subprotocol', { protocols: [BEARER_PROTOCOL] }],
      ['a token in the header', { authorization: `Bearer ${JWT}` }],
    ];
    const pairs = sources.flatMap(([a, first], index) =>
      sources.slice(index + 1).map(([b, second]) => {
        const protocols = [...(first.protocols ?? []), ...(second.protocols ?? [])];
        return [a, b, { ...first, ...second, protocols }] as const;
      }),
    );

    it.each(pairs)('refuses %s beside %s', (_a, _b, change) => {
      const refusal = refusalOf(change);
      expect(refusal.refusal).toBe('multiple_credentials');
      expect(refusal.status).toBe(400);
    });

    it('refuses the same ticket twice (CR-02)', () => {
      expect(refusalOf({ query: `ticket=${TICKET}&ticket=${TICKET}` }).refusal).toBe('multiple_credentials');
      expect(refusalOf({ query: `ticket=${TICKET}&%74icket=x` }).refusal).toBe('multiple_credentials');
      expect(refusalOf({ query: 'ticket=a&TICKET=b' }).refusal).toBe('multiple_credentials');
    });

    it('does not count a cookie', () => {
      expect(read({ query: `ticket=${TICKET}`, cookie: '__Host-sid=x' })).toEqual({
        kind: 'ticket',
        value: TICKET,
      });
    });
  });

  describe('tokens in the URL (CR-02)', () => {
    it.each([
      'token',
      'access_token',
      'jwt',
      'auth',
      'TOKEN',
      'Access_Token',
      '%74oken',
      '%54OKEN',
      'access%5Ftoken',
      'access%5ftoken',
      'token[]',
      'token[0]',
      'token%5B%5D',
      'token[a][b]',
      'token[%0a]',
      'token[\n]',
      'token[%zz]',
      '%74oken[%ff]',
      'jwt[',
    ])('refuses ?%s=, without looking at the value', (name) => {
      const refusal = refusalOf({ query: `a=1&${name}=${JWT}` });
      expect(refusal.refusal).toBe('credential_in_url');
      expect(refusal.status).toBe(400);
      expect(refusal.message).not.toContain(JWT);
    });

    it('refuses one with an empty value, or none', () => {
      expect(refusalOf({ query: 'token=' }).refusal).toBe('credential_in_url');
      expect(refusalOf({ query: 'token' }).refusal).toBe('credential_in_url');
    });

    it('refuses a ticket that poses as a token', () => {
      expect(refusalOf({ query: `token=${TICKET}` }).refusal).toBe('credential_in_url');
    });

    it('refuses a list of tickets', () => {
      expect(refusalOf({ query: `ticket[]=${TICKET}` }).refusal).toBe('credential_in_url');
      expect(refusalOf({ query: `ticket%5B0%5D=${TICKET}` }).refusal).toBe('credential_in_url');
    });

    it('leaves other parameters alone', () => {
      expect(read({ query: 'tokens=1&my_token=2&authority=x&=token&a=token=1&author=y' })).toBeNull();
    });
  });

  describe('tickets that cannot be one', () => {
    it.each([
      ['ticket=', ''],
      ['ticket', 'ticket'],
      ['ticket=a%20b', 'a%20b'],
      ['ticket=a=b', 'a=b'],
    ])('hands %s on as it was sent, for the ticket parser to refuse', (query, value) => {
      expect(read({ query })).toEqual({ kind: 'ticket', value });
    });
  });

  describe('Bearer syntax (CR-03)', () => {
    it.each(['bearer', 'BEARER', 'Bearer', 'bEaReR'])('takes the scheme as %s', (scheme) => {
      expect(read({ authorization: `${scheme} ${JWT}` })).toEqual({ kind: 'bearer', value: JWT });
    });

    it('takes all of b64token', () => {
      expect(read({ authorization: 'Bearer a-._~+/9==' })).toEqual({ kind: 'bearer', value: 'a-._~+/9==' });
    });

    it.each([
      '',
      'Bearer',
      'Bearer ',
      'Bearer  x',
      'Bearer\tx',
      'Bearer a b',
      'Bearer x ',
      'Bearer x,y',
      'Bearer "x"',
      'Bearer =',
      'Bearer a=b',
      'Bearer é',
      'Bearer x\u0085',
      'Bearerx',
      'Token x',
      'x',
    ])('answers Authorization: %j with 401', (authorization) => {
      const refusal = refusalOf({ authorization });
      expect(refusal.status).toBe(401);
      expect(refusal.headers).toEqual({ 'WWW-Authenticate': 'Bearer realm="ws", error="invalid_token"' });
    });

    it('takes 8,192 characters and no more', () => {
      expect(read({ authorization: `Bearer ${'a'.repeat(MAX_TOKEN_LENGTH)}` })?.value).toHaveLength(8_192);
      const refusal = refusalOf({ authorization: `Bearer ${'a'.repeat(MAX_TOKEN_LENGTH + 1)}` });
      expect(refusal.status).toBe(401);
      expect(refusal.reason).toBe('bearer_too_long');
      expect(refusalOf({ authorization: `Bearer ${'a'.repeat(20_480)}` }).status).toBe(401);
    });
  });

  describe('Basic where the gateway takes it (CR-04)', () => {
    const takesBasic: ReaderSettings = { ...BUILT_IN, takesBasic: true };
    const basic = (text: string | Buffer): string => `Basic ${Buffer.from(text).toString('base64')}`;
    const readBasic = (authorization: string, change: Partial<UpgradeRequest> = {}) =>
      read({ authorization, ...change }, takesBasic);

    it('is split at the first colon, in UTF-8, with or without an Origin', () => {
      expect(readBasic(basic('ada:secret'))).toEqual({
        kind: 'basic',
        value: { user: 'ada', password: 'secret' },
      });
      const value = { user: 'ädä', password: 'a:b:ß' };
      expect(readBasic(basic('ädä:a:b:ß'), { origin: undefined })).toEqual({ kind: 'basic', value });
      expect(readBasic('basic dTpw')).toMatchObject({ kind: 'basic' });
      expect(readBasic(basic(':'))).toMatchObject({ value: { user: '', password: '' } });
    });

    it.each([
      ['garbage in base64', 'Basic dXNl!!cjpw'],
      ['base64 with a line break', 'Basic dTp\tw'],
      ['base64 of no canonical form', 'Basic dTpxcR=='],
      ['no colon', basic('adasecret')],
      ['CRLF', basic('user\r\nFAKE: line:pw')],
      ['NUL', basic('user:p\u0000w')],
      ['C1 controls', basic('us\u0085er:pw')],
      ['no UTF-8', basic(Buffer.from([0xff, 0xfe, 0x3a, 0x61]))],
      ['nothing', 'Basic '],
      ['the scheme alone', 'Basic'],
      ['more than 8 KiB', basic(`u:${'p'.repeat(8_192)}`)],
    ])('is refused with 401 for %s', (_, authorization) => {
      expect(() => readBasic(authorization)).toThrowError(
        expect.objectContaining({ refusal: 'unauthorized' }),
      );
    });

    it('beside a ticket is ignored from a browser, and one too many from a machine', () => {
      const query = `ticket=${TICKET}`;
      expect(readBasic(basic('u:p'), { query })).toMatchObject({ kind: 'ticket' });
      expect(() => readBasic(basic('u:p'), { query, origin: undefined })).toThrowError(
        expect.objectContaining({ refusal: 'multiple_credentials' }),
      );
    });
  });

  describe('a token in the URL, where that was allowed', () => {
    const settings: ReaderSettings = { ...BUILT_IN, tokenParameter: 'access_token' };

    it('is a bearer token', () => {
      expect(read({ query: `a=1&access_token=${JWT}` }, settings)).toEqual({ kind: 'bearer', value: JWT });
    });

    it('is refused in another parameter, twice, beside another credential, or when it is none', () => {
      for (const [query, refusal] of [
        [`token=${JWT}`, 'credential_in_url'],
        [`access_token=${JWT}&access_token=${JWT}`, 'multiple_credentials'],
        [`access_token=${JWT}&ticket=${TICKET}`, 'multiple_credentials'],
        ['access_token=%20', 'unauthorized'],
        ['access_token=', 'unauthorized'],
      ])
        expect(() => read({ query }, settings)).toThrowError(expect.objectContaining({ refusal }));
    });
  });

  describe('Basic (CR-04)', () => {
    it('is ambient beside an Origin, and no credential', () => {
      expect(read({ authorization: 'Basic dTpw' })).toBeNull();
      expect(read({ authorization: 'basic dTpw', query: `ticket=${TICKET}` })).toEqual({
        kind: 'ticket',
        value: TICKET,
      });
    });

    it('is refused without an Origin, where a machine meant it', () => {
      expect(refusalOf({ authorization: 'Basic dTpw', origin: undefined }).status).toBe(401);
    });
  });

  describe('tokens in a subprotocol', () => {
    const withEncoded = (encoded: string) =>
      refusalOf({ protocols: [`base64url.bearer.ws-auth.${encoded}`] });

    it.each([
      ['nothing', ''],
      ['padding', Buffer.from('token').toString('base64')],
      ['standard base64', '+/+/'],
      ['an impossible length', 'abcde'],
      ['left-over bits', 'YR'],
      ['a dot', 'YWJj.YWJj'],
      ['an encoded space', Buffer.from('a b').toString('base64url')],
      ['an encoded line feed', Buffer.from('a\nb').toString('base64url')],
      ['encoded bytes that are no ASCII', Buffer.from('tök').toString('base64url')],
      ['more than 8,192 characters', Buffer.from('a'.repeat(8_193)).toString('base64url')],
    ])('refuses %s', (_, encoded) => {
      const refusal = withEncoded(encoded);
      expect(refusal.status).toBe(401);
      expect(refusal.reason).toBe('bearer_subprotocol_syntax');
    });

    it('reads back every b64token', () => {
      fc.assert(
        fc.property(fc.stringMatching(/^[A-Za-z0-9._~+/-]{1,80}={0,2}$/), (token) => {
          const protocol = `base64url.bearer.ws-auth.${Buffer.from(token).toString('base64url')}`;
          expect(read({ protocols: [protocol] })).toEqual({ kind: 'bearer', value: token });
        }),
      );
    });

    it('takes 8,192 characters', () => {
      const token = 'a'.repeat(MAX_TOKEN_LENGTH);
      const protocol = `base64url.bearer.ws-auth.${Buffer.from(token).toString('base64url')}`;
      expect(read({ protocols: [protocol] })).toEqual({ kind: 'bearer', value: token });
    });

    it('has one spelling for each token', () => {
      fc.assert(
        fc.property(fc.stringMatching(/^[A-Za-z0-9_-]{1,24}$/), (encoded) => {
          const decoded = Buffer.from(encoded, 'base64url').toString('base64url');
          fc.pre(decoded !== encoded);
          expect(withEncoded(encoded).status).toBe(401);
        }),
      );
    });
  });

  it('repeats nothing of what was presented', () => {
    for (const change of [
      { authorization: 'Bearer canary canary' },
      { protocols: ['base64url.bearer.ws-auth.canary='] },
      { query: 'token=canary' },
      { query: 'ticket=canary&ticket=canary' },
    ]) {
      const refusal = refusalOf(change);
      expect(`${refusal.message} ${refusal.publicMessage} ${JSON.stringify(refusal.headers)}`).not.toContain(
        'canary',
      );
    }
  });

  it('reads a hostile query in a time that grows with its length only (HS-12)', () => {
    const started = performance.now();
    for (const piece of ['%&', '%E0%A4%A&', '[', '&', '=', '%5b', '%']) {
      const query = piece.repeat(200_000 / piece.length);
      expect(read({ query })).toBeNull();
      expect(read({ query: `${query}%0a` })).toBeNull();
      expect(stripCredentials(query, NO_MORE)).toBe(query);
    }
    expect(performance.now() - started).toBeLessThan(5_000);
  });

  it('never throws anything but a refusal', () => {
    const text = fc.string({ unit: 'binary' });
    fc.assert(
      fc.property(text, text, fc.array(text), (query, authorization, protocols) => {
        try {
          read({ query, authorization, protocols });
        } catch (error) {
          expect(error).toBeInstanceOf(HandshakeRefused);
        }
      }),
    );
  });
});

describe('stripCredentials', () => {
  it('takes out what carries a credential, and leaves the rest as it was (LG-02)', () => {
    expect(stripCredentials(`a=%20b&ticket=${TICKET}&c`, NO_MORE)).toBe('a=%20b&c');
    expect(stripCredentials(`%74icket=${TICKET}`, NO_MORE)).toBe('');
    expect(stripCredentials(`a=1&Token=x&jwt[]=y&auth=z&access_token=w&b=2`, NO_MORE)).toBe('a=1&b=2');
    expect(stripCredentials('', NO_MORE)).toBe('');
  });

  it('leaves no canary, however the name is spelt (LG-02)', () => {
    const name = fc.constantFrom('ticket', 'token', 'access_token', 'jwt', 'auth');
    const spelling = fc.tuple(name, fc.infiniteStream(fc.nat(2))).map(([text, choices]) =>
      [...text]
        .map((letter) => {
          const choice = choices.next().value;
          if (choice === 0) return letter;
          return choice === 1 ? letter.toUpperCase() : `%${letter.charCodeAt(0).toString(16)}`;
        })
        .join(''),
    );
    const suffix = fc.constantFrom('', '[]', '%5B%5D', '[0][a]', '[%0a]');
    fc.assert(
      fc.property(spelling, suffix, (spelt, tail) => {
        expect(stripCredentials(`a=1&${spelt}${tail}=canary&b=2`, NO_MORE)).toBe('a=1&b=2');
      }),
    );
  });
});

describe('carriesCredential', () => {
  it('knows the subprotocols that are never chosen (HS-13)', () => {
    expect(carriesCredential(TICKET_PROTOCOL)).toBe(true);
    expect(carriesCredential(BEARER_PROTOCOL)).toBe(true);
    expect(carriesCredential('ticket.ws-auth.')).toBe(true);
    expect(carriesCredential('ws-auth.v1')).toBe(false);
    expect(carriesCredential('app.ticket.ws-auth.x')).toBe(false);
  });
});

describe('bearerChallenge', () => {
  it('has an error code only when something was presented (RFC 6750 §3)', () => {
    expect(bearerChallenge(false)).toBe('Bearer realm="ws"');
    expect(bearerChallenge(true)).toBe('Bearer realm="ws", error="invalid_token"');
  });
});
