import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ResolvedCookieOptions } from '../../../lib/core/session/cookie-options.js';
import { SessionCookie, type CookieTransport } from '../../../lib/core/session/session-cookie.js';

const TLS: CookieTransport = { secure: true, loopback: false };
const LOOPBACK: CookieTransport = { secure: false, loopback: true };
const PLAIN: CookieTransport = { secure: false, loopback: false };

function cookie(options: Partial<ResolvedCookieOptions> = {}): SessionCookie {
  return new SessionCookie({
    name: 'sid',
    secure: 'auto',
    sameSite: 'strict',
    partitioned: false,
    ...options,
  });
}

describe('SessionCookie', () => {
  describe('issue', () => {
    it.each([
      ['TLS', TLS],
      ['loopback', LOOPBACK],
    ])('writes the safest cookie there is over %s (CK-01)', (_, transport) => {
      expect(cookie().issue('token', transport)).toBe(
        '__Host-sid=token; Path=/; HttpOnly; Secure; SameSite=Strict',
      );
    });

    it('writes a plain one where the transport is plain', () => {
      expect(cookie().issue('token', PLAIN)).toBe('sid=token; Path=/; HttpOnly; SameSite=Strict');
    });

    it('writes a Secure one wherever that is asked for', () => {
      expect(cookie({ secure: true }).issue('token', PLAIN)).toBe(
        '__Host-sid=token; Path=/; HttpOnly; Secure; SameSite=Strict',
      );
    });

    it.each([
      ['lax', false, 'SameSite=Lax'],
      ['none', true, 'SameSite=None; Partitioned'],
      ['strict', true, 'SameSite=Strict; Partitioned'],
    ] as const)('writes SameSite %s', (sameSite, partitioned, attributes) => {
      const written = cookie({ sameSite, partitioned, secure: true }).issue('token', TLS);
      expect(written).toBe(`__Host-sid=token; Path=/; HttpOnly; Secure; ${attributes}`);
    });

    it('is never partitioned without being Secure, which browsers drop', () => {
      expect(cookie({ partitioned: true }).issue('token', PLAIN)).toBe(
        'sid=token; Path=/; HttpOnly; SameSite=Strict',
      );
    });

    it('has the prefix __Host- exactly where what the prefix asks for is there (CK-01)', () => {
      const options = fc.record({
        name: fc.constantFrom('sid', 'chat'),
        secure: fc.constantFrom('auto' as const, true as const),
        sameSite: fc.constantFrom('strict' as const, 'lax' as const),
        partitioned: fc.boolean(),
      });
      const transports = fc.record({ secure: fc.boolean(), loopback: fc.boolean() });
      fc.assert(
        fc.property(options, transports, (given, transport) => {
          const [pair, ...attributes] = cookie(given).issue('token', transport).split('; ');
          expect(pair!.startsWith('__Host-')).toBe(attributes.includes('Secure'));
          expect(attributes).toEqual(expect.arrayContaining(['Path=/', 'HttpOnly']));
          expect(attributes.join()).not.toMatch(/Domain|Expires|Max-Age/i);
        }),
      );
    });
  });

  describe('issueCrossSite', () => {
    it('is partitioned and Secure, whatever the options', () => {
      expect(cookie({ name: 'chat' }).issueCrossSite('token')).toBe(
        '__Host-chat=token; Path=/; HttpOnly; Secure; SameSite=None; Partitioned',
      );
    });
  });

  describe('clear', () => {
    it('takes the cookie away in both forms in which it may have been given', () => {
      expect(cookie().clear(TLS)).toEqual([
        '__Host-sid=; Path=/; HttpOnly; Secure; SameSite=Strict; Max-Age=0',
        '__Host-sid=; Path=/; HttpOnly; Secure; SameSite=None; Partitioned; Max-Age=0',
      ]);
    });

    it('has one form where the cookie is partitioned anyway, or plain', () => {
      expect(cookie({ partitioned: true, sameSite: 'none', secure: true }).clear(TLS)).toEqual([
        '__Host-sid=; Path=/; HttpOnly; Secure; SameSite=None; Partitioned; Max-Age=0',
      ]);
      expect(cookie().clear(PLAIN)).toEqual(['sid=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0']);
    });
  });

  describe('read', () => {
    const read = (header: string | undefined, transport = TLS) => cookie().read(header, transport);

    it('finds the value among others', () => {
      expect(read('a=1; __Host-sid=token; b=2')).toEqual({ kind: 'value', value: 'token' });
      expect(read('__Host-sid=token')).toEqual({ kind: 'value', value: 'token' });
      expect(read('a=1;__Host-sid=token')).toEqual({ kind: 'value', value: 'token' });
    });

    it.each([
      undefined,
      '',
      ';',
      '=',
      'a=1',
      'sid',
      '__Host-sid',
      '=__Host-sid',
      'x__Host-sid=1',
      '__Host-sidx=1',
    ])('finds none in %j', (header) => {
      expect(read(header)).toEqual({ kind: 'absent' });
    });

    it.each([
      '__HOST-sid=token',
      '__host-sid=token',
      '__Host-SID=token',
      '\u00a0__Host-sid=token',
      '__Host-sid\u00a0=token',
      '\ufeff__Host-sid=token',
      '\u000b__Host-sid=token',
      '"__Host-sid"=token',
      '__Host-sid\0=token',
      '__Host%2Dsid=token',
      '__Secure-sid=token',
      'sid=token',
    ])('does not take %j for the session cookie (CK-03)', (header) => {
      expect(read(header)).toEqual({ kind: 'absent' });
    });

    it('trims spaces and tabs around name and value, and nothing else (CK-03)', () => {
      expect(read(' \t__Host-sid\t = \ttoken \t')).toEqual({ kind: 'value', value: 'token' });
      expect(read('__Host-sid=\u00a0token')).toEqual({ kind: 'value', value: '\u00a0token' });
    });

    it.each(['%E0%A4%A', '"token"', 'a=b=c', '', 'a b', '%74oken'])(
      'hands %j on as it was sent (CK-03)',
      (value) => {
        expect(read(`__Host-sid=${value}`)).toEqual({ kind: 'value', value });
      },
    );

    it.each([
      '__Host-sid=evil; __Host-sid=good',
      '__Host-sid=good; __Host-sid=evil',
      '__Host-sid=same; __Host-sid=same',
      '__Host-sid=; __Host-sid=good',
      '__Host-sid=good; a=1; __Host-sid = evil',
    ])('calls %j ambiguous (CK-02)', (header) => {
      expect(read(header)).toEqual({ kind: 'duplicate' });
    });

    it('reads each name only where it would be written (CK-01)', () => {
      const both = 'sid=planted; __Host-sid=token';
      expect(read(both, TLS)).toEqual({ kind: 'value', value: 'token' });
      expect(read(both, LOOPBACK)).toEqual({ kind: 'value', value: 'token' });
      expect(read('sid=planted', TLS)).toEqual({ kind: 'absent' });
      expect(read('__Host-sid=token', PLAIN)).toEqual({ kind: 'absent' });
      expect(read('sid=token', PLAIN)).toEqual({ kind: 'value', value: 'token' });
    });

    it('reads back what it has issued', () => {
      const transports = fc.record({ secure: fc.boolean(), loopback: fc.boolean() });
      fc.assert(
        fc.property(fc.stringMatching(/^[A-Za-z0-9_.-]{1,80}$/), transports, (token, transport) => {
          const [pair] = cookie().issue(token, transport).split('; ');
          expect(read(`a=1; ${pair}; b=2`, transport)).toEqual({ kind: 'value', value: token });
        }),
      );
    });

    it('never throws, and reads separators in a time that grows with their number only', () => {
      fc.assert(
        fc.property(fc.string({ unit: 'binary' }), (header) => {
          expect(read(header).kind).toBe('absent');
        }),
      );
      const started = performance.now();
      for (const piece of [';', '=', ' ', '\t=', ' ;', '__Host-sid ']) {
        expect(read(piece.repeat(200_000 / piece.length)).kind).toBe('absent');
      }
      expect(performance.now() - started).toBeLessThan(5_000);
    });
  });

  describe('the operator', () => {
    function told(options: Partial<ResolvedCookieOptions>, use: (cookie: SessionCookie) => void): string[] {
      const sentences: string[] = [];
      const resolved = {
        name: 'sid',
        secure: 'auto',
        sameSite: 'strict',
        partitioned: false,
        ...options,
      } as const;
      use(new SessionCookie(resolved, (sentence) => sentences.push(sentence)));
      return sentences;
    }

    it('hears once of two session cookies in one request, and of what they come from (CK-02)', () => {
      const twice = (name: string, transport: CookieTransport) => (own: SessionCookie) => {
        for (let time = 0; time < 3; time += 1) own.read(`${name}=a; ${name}=b`, transport);
      };
      expect(told({}, twice('sid', PLAIN))).toEqual([
        'two session cookies "sid" came with one request, which was refused (cookie_tossing_suspected): most likely another host ' +
          'has set one for the parent domain; serve this one over TLS, where the cookie is "__Host-sid" and no other host can set it',
      ]);
      expect(told({ name: 'chat' }, twice('__Host-chat', TLS))).toEqual([
        'two session cookies "__Host-chat" came with one request, which was refused (cookie_tossing_suspected): browsers let no ' +
          'other host set that cookie, so the client has one of a login here and one of POST /ws-auth/cookie, "cookie.partitioned" ' +
          'was changed, or it is no browser',
      ]);
    });

    it('hears once of a cookie without the prefix where the prefix is asked for (CK-01)', () => {
      const sentences = told({}, (own) => {
        for (const header of ['sid=planted', 'a=1; sid=planted']) own.read(header, TLS);
      });
      expect(sentences).toEqual([
        'a cookie "sid" came without "__Host-sid": it is taken for no session, since a cookie without the prefix can be set by ' +
          'every host of the domain; if the application set it for the parent domain, set WsSessionCookie.issue() instead, and give ' +
          'other hosts a ticket',
      ]);
    });

    it('hears once that the cookie is issued without the prefix, where there is no TLS', () => {
      const sentences = told({}, (own) => {
        for (let time = 0; time < 3; time += 1) own.issue('token', PLAIN);
      });
      expect(sentences).toEqual([
        'the session cookie travels as plain "sid": without TLS every host of the domain, and the network, can read and replace ' +
          'it; this is for development, production takes "__Host-" and TLS only',
      ]);
    });

    it('hears nothing of what is as it should be, nor a word of any value', () => {
      const sentences = told({}, (own) => {
        own.issue('token', TLS);
        own.issue('token', LOOPBACK);
        own.read(undefined, TLS);
        own.read('a=1; sidx=2; xsid=3', TLS);
        own.read('sid=planted; __Host-sid=token', TLS);
        own.read('sid=token', PLAIN);
      });
      expect(sentences).toEqual([]);
      const all = told({}, (own) => {
        own.read('sid=SECRET; sid=SECRET', PLAIN);
        own.read('__Host-sid=SECRET; __Host-sid=SECRET', TLS);
        own.read('sid=SECRET', TLS);
        own.issue('SECRET', PLAIN);
      });
      expect(all).toHaveLength(4);
      expect(all.join()).not.toContain('SECRET');
    });
  });
});
