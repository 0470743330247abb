import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HandshakeRefused } from '../../../lib/core/handshake/refusal.js';
import { readUpgradeRequest, type RawUpgrade } from '../../../lib/core/handshake/upgrade-request.js';
import { GOOD_HEADERS, rawUpgrade, withHeaders } from '../support/upgrades.js';

const MAX_HEADERS = 100;

/** The refusal of a request, or `null` when it is read. */
function refusalOf(raw: RawUpgrade): HandshakeRefused | null {
  try {
    readUpgradeRequest(raw, MAX_HEADERS);
  } catch (error) {
    if (error instanceof HandshakeRefused) return error;
    throw error;
  }
  return null;
}

/** The status and reason with which a handshake with these headers is refused. */
function refusalWith(
  changes: Record<string, string | undefined>,
): [status: number | undefined, reason: string | undefined] {
  const refusal = refusalOf(rawUpgrade({ lines: withHeaders(changes) }));
  return [refusal?.status, refusal?.reason];
}

describe('readUpgradeRequest', () => {
  it('reads a good request', () => {
    const lines = withHeaders({
      Cookie: 'a=1',
      Authorization: 'Bearer x',
      'Sec-WebSocket-Protocol': 'app.v1, ws-auth.v1',
    });
    expect(readUpgradeRequest(rawUpgrade({ url: '/ws?a=1&b=%20?', lines }), MAX_HEADERS)).toEqual({
      host: { name: 'app.example.com', port: undefined },
      path: '/ws',
      query: 'a=1&b=%20?',
      origin: 'https://app.example.com',
      authorization: 'Bearer x',
      cookie: 'a=1',
      headers: rawUpgrade({ lines }).headers,
      protocols: ['app.v1', 'ws-auth.v1'],
    });
  });

  it('tells an empty Origin from a missing one', () => {
    const read = (origin: string | undefined) =>
      readUpgradeRequest(rawUpgrade({ lines: withHeaders({ Origin: origin }) }), MAX_HEADERS).origin;
    expect(read('')).toBe('');
    expect(read(undefined)).toBeUndefined();
  });

  describe('method and HTTP version (HS-06)', () => {
    it.each(['POST', 'HEAD', 'OPTIONS', 'CONNECT', 'get', 'PUT', undefined])(
      'answers %s with 405 and Allow',
      (method) => {
        const refusal = refusalOf(rawUpgrade({ method }));
        expect(refusal?.status).toBe(405);
        expect(refusal?.headers).toEqual({ Allow: 'GET' });
      },
    );

    it.each([
      [1, 0],
      [0, 9],
    ])('refuses HTTP/%d.%d', (httpVersionMajor, httpVersionMinor) => {
      const refusal = refusalOf(rawUpgrade({ httpVersionMajor, httpVersionMinor }));
      expect(refusal?.status).toBe(400);
      expect(refusal?.reason).toBe('http_version');
    });
  });

  describe('Upgrade and Connection (HS-06)', () => {
    it.each(['websocket', 'WebSocket', 'WEBSOCKET'])('takes Upgrade: %s', (value) => {
      expect(refusalWith({ Upgrade: value })).toEqual([undefined, undefined]);
    });

    it.each(['h2c', 'h2c, websocket', 'websocket, websocket', 'websocket/13', 'websockets', '', undefined])(
      'answers Upgrade: %s with 426 and the version that is spoken',
      (value) => {
        const refusal = refusalOf(
          rawUpgrade({ lines: withHeaders({ Upgrade: value, 'HTTP2-Settings': 'AAMAAABk' }) }),
        );
        expect(refusal?.status).toBe(426);
        expect(refusal?.headers).toEqual({ Upgrade: 'websocket', 'Sec-WebSocket-Version': '13' });
      },
    );

    it('refuses two Upgrade headers', () => {
      const lines = [...GOOD_HEADERS, ['Upgrade', 'h2c'] as const];
      expect(refusalOf(rawUpgrade({ lines }))?.status).toBe(426);
    });

    it.each(['Upgrade', 'upgrade', 'keep-alive, Upgrade', 'Upgrade,keep-alive', 'close , UPGRADE'])(
      'takes Connection: %s',
      (value) => {
        expect(refusalWith({ Connection: value })).toEqual([undefined, undefined]);
      },
    );

    it.each(['keep-alive', 'upgraded', 'not-upgrade', 'close', '', undefined])(
      'refuses Connection: %s',
      (value) => {
        expect(refusalWith({ Connection: value })).toEqual([400, 'connection_header']);
      },
    );
  });

  describe('WebSocket version and key', () => {
    it.each(['8', '7', '0', '013', '13 ', '+13', '13, 8', '13,13', '14', '', undefined])(
      'answers version %j with 426 and the one that is spoken (HS-05)',
      (value) => {
        const refusal = refusalOf(rawUpgrade({ lines: withHeaders({ 'Sec-WebSocket-Version': value }) }));
        expect(refusal?.status).toBe(426);
        expect(refusal?.headers).toMatchObject({ 'Sec-WebSocket-Version': '13' });
      },
    );

    it.each([
      '',
      'dGhlIHNhbXBsZSBub25jZQ',
      'dGhlIHNhbXBsZSBub25jZQ==x',
      'AAAA',
      'dGhlIHNhbXBsZSBub25j_Q==',
      undefined,
    ])('refuses the key %j', (value) => {
      expect(refusalWith({ 'Sec-WebSocket-Key': value })).toEqual([400, 'websocket_key']);
    });
  });

  describe('body (HS-07)', () => {
    it('takes a request that says its body is empty', () => {
      expect(refusalWith({ 'Content-Length': '0' })).toEqual([undefined, undefined]);
    });

    it.each(['1', '00', '+0', '-0', '0x0', ' ', '', '99999999999999999999'])(
      'refuses Content-Length: %j',
      (value) => {
        expect(refusalWith({ 'Content-Length': value })).toEqual([400, 'body_on_upgrade']);
      },
    );

    it.each(['chunked', 'identity', ''])('refuses Transfer-Encoding: %j', (value) => {
      expect(refusalWith({ 'Transfer-Encoding': value })).toEqual([400, 'body_on_upgrade']);
    });
  });

  describe('Host (HS-08)', () => {
    it.each(['a b', '[', 'x:99999', '', undefined])('refuses Host: %j', (value) => {
      expect(refusalWith({ Host: value })).toEqual([400, 'host_header']);
    });
  });

  describe('target (HS-09)', () => {
    it.each([
      ['/', '/', ''],
      ['/ws', '/ws', ''],
      ['/ws?', '/ws', ''],
      ['/ws?a=http://x/../y', '/ws', 'a=http://x/../y'],
      ['/a/b.c/~d', '/a/b.c/~d', ''],
      ['/%77s', '/%77s', ''],
      ['/...', '/...', ''],
    ])('reads %s in two parts, and decodes nothing', (url, path, query) => {
      expect(readUpgradeRequest(rawUpgrade({ url }), MAX_HEADERS)).toMatchObject({ path, query });
    });

    it.each([
      'http://evil/ws',
      'ws://app.example.com/ws',
      'app.example.com:443',
      '*',
      '',
      'ws',
      '?a',
      undefined,
      '//evil/ws',
      '///ws',
      '/ws#x',
      '/ws?a#x',
      '/ws\\x',
      '/ws?a\\b',
      '\\ws',
      '/public/../ws',
      '/./ws',
      '/ws/..',
      '/ws/.',
      '/public/%2e%2e/ws',
      '/public/.%2E/ws',
      '/a%2fws',
      '/a%2Fws',
      '/a%5cws',
      '/ws%00',
      '/w s',
      '/ws\u0080',
      '/wś',
    ])('refuses %j', (url) => {
      expect(refusalOf(rawUpgrade({ url }))?.status).toBe(400);
    });

    it('lets no target reach a path that it does not name byte for byte', () => {
      const piece = fc.constantFrom(
        '/',
        '.',
        '..',
        'ws',
        '%2e',
        '%77',
        '?',
        '#',
        '\\',
        'a',
        '//',
        '%',
        ';',
        '@',
        ':',
      );
      fc.assert(
        fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
          const url = pieces.join('');
          const refusal = refusalOf(rawUpgrade({ url }));
          if (refusal) {
            expect(refusal.status).toBe(400);
            return;
          }
          const { path } = readUpgradeRequest(rawUpgrade({ url }), MAX_HEADERS);
          expect(path).toBe(url.split('?', 1)[0]);
          // What the path names for a URL parser is what it says.
          expect(new URL(url, 'http://app.example.com').pathname).toBe(path);
        }),
      );
    });
  });

  describe('duplicate headers (HS-11)', () => {
    const singletons = [
      'Host',
      'Origin',
      'Authorization',
      'Content-Length',
      'Sec-WebSocket-Key',
      'Sec-WebSocket-Version',
    ];

    it.each(singletons)('refuses two of %s, whichever is the good one', (name) => {
      const good = new Map(GOOD_HEADERS.map(([key, value]) => [key, value])).get(name) ?? '0';
      const evil = [name.toLowerCase(), 'evil.example'] as const;
      const rest = GOOD_HEADERS.filter(([key]) => key !== name);
      for (const pair of [
        [[name, good] as const, evil],
        [evil, [name, good] as const],
      ]) {
        const refusal = refusalOf(rawUpgrade({ lines: [...rest, ...pair] }));
        expect(refusal?.status).toBe(400);
        expect(refusal?.reason).toBe(`duplicate_header_${name.toLowerCase().replaceAll('-', '_')}`);
      }
    });

    it('refuses two that are the same', () => {
      for (const name of singletons) {
        const lines = [...withHeaders({ [name]: undefined }), [name, '13'] as const, [name, '13'] as const];
        expect(refusalOf(rawUpgrade({ lines }))?.status).toBe(400);
      }
    });

    it('takes several of a header that is a list', () => {
      const lines = [
        ...GOOD_HEADERS,
        ['Sec-WebSocket-Protocol', 'app.v1'] as const,
        ['Sec-WebSocket-Protocol', 'app.v2'] as const,
      ];
      expect(readUpgradeRequest(rawUpgrade({ lines }), MAX_HEADERS).protocols).toEqual(['app.v1', 'app.v2']);
    });
  });

  describe('size (HS-12)', () => {
    const filled = (count: number) => [
      ...GOOD_HEADERS,
      ...Array.from({ length: count - GOOD_HEADERS.length }, (_, index) => [`x-${index}`, ''] as const),
    ];

    it('takes as many header lines as are allowed', () => {
      expect(refusalOf(rawUpgrade({ lines: filled(MAX_HEADERS) }))).toBeNull();
    });

    it.each([101, 2_100])('answers %d header lines with 431', (count) => {
      expect(refusalOf(rawUpgrade({ lines: filled(count) }))?.status).toBe(431);
      expect(refusalOf(rawUpgrade({ lines: filled(count).toReversed() }))?.status).toBe(431);
    });

    it('takes extensions of at most 1,024 characters', () => {
      expect(refusalWith({ 'Sec-WebSocket-Extensions': 'x'.repeat(1_024) })).toEqual([undefined, undefined]);
      expect(refusalWith({ 'Sec-WebSocket-Extensions': 'x'.repeat(1_025) })).toEqual([
        400,
        'extensions_too_long',
      ]);
    });

    it('takes 32 subprotocols and no more', () => {
      const list = (count: number) => Array.from({ length: count }, (_, index) => `p${index}`).join(',');
      expect(refusalWith({ 'Sec-WebSocket-Protocol': list(32) })).toEqual([undefined, undefined]);
      expect(refusalWith({ 'Sec-WebSocket-Protocol': list(33) })).toEqual([400, 'subprotocol_header']);
    });

    it('reads spaces, commas and tabs in a time that grows with their number only', () => {
      const started = performance.now();
      for (const piece of [' ', ',', '\t', ' ,', 'a ', 'a ,']) {
        for (const name of ['Sec-WebSocket-Protocol', 'Connection', 'Sec-WebSocket-Extensions']) {
          expect(refusalWith({ [name]: piece.repeat(200_000) })[0]).toBe(400);
        }
      }
      expect(performance.now() - started).toBeLessThan(5_000);
    });
  });

  describe('subprotocols (HS-12, HS-13)', () => {
    it('keeps the order of the client, and those that carry a credential', () => {
      const { protocols } = readUpgradeRequest(
        rawUpgrade({ lines: withHeaders({ 'Sec-WebSocket-Protocol': 'ticket.ws-auth.wst_x ,\tapp.v1' }) }),
        MAX_HEADERS,
      );
      expect(protocols).toEqual(['ticket.ws-auth.wst_x', 'app.v1']);
    });

    it('takes constructor and __proto__ for names like any other', () => {
      expect(refusalWith({ 'Sec-WebSocket-Protocol': 'constructor, __proto__' })).toEqual([
        undefined,
        undefined,
      ]);
    });

    it.each([
      '',
      ',',
      'a,',
      ',a',
      'a,,b',
      'a b',
      'a;b',
      'a/b',
      'a"b',
      'a, a',
      'é',
      'a\u00a0',
      '\u00a0a',
      'a,\u00a0b',
      'a\u000bb',
      'a,\ufeffb',
    ])('refuses %j', (value) => {
      expect(refusalWith({ 'Sec-WebSocket-Protocol': value })).toEqual([400, 'subprotocol_header']);
    });
  });

  it('never throws anything but a refusal', () => {
    const value = fc.string({ unit: 'binary', maxLength: 40 });
    const name = fc.constantFrom(
      ...GOOD_HEADERS.map(([key]) => key),
      'Cookie',
      'Sec-WebSocket-Protocol',
      'X',
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 4 }), value, (pairs, url) => {
        const lines = withHeaders(Object.fromEntries(pairs));
        expect(() => refusalOf(rawUpgrade({ lines, url }))).not.toThrow();
        expect(() => refusalOf(rawUpgrade({ lines }))).not.toThrow();
      }),
    );
  });
});
