import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeOriginProblem, OriginPolicy } from '../../../lib/core/handshake/origin-policy.js';

const policy = new OriginPolicy([
  'https://app.example',
  'https://xn--bcher-kva.example',
  'http://localhost:3000',
]);

describe('OriginPolicy', () => {
  describe('allows', () => {
    it.each(['https://app.example', 'https://xn--bcher-kva.example', 'http://localhost:3000'])(
      'allows %s, which is listed',
      (origin) => {
        expect(policy.allows(origin)).toBe(true);
      },
    );

    // Each of these has been an allowed origin for somebody's parser, matcher or eye (OR-02).
    it.each([
      ['a trailing slash', 'https://app.example/'],
      ['a path', 'https://app.example/x'],
      ['a query', 'https://app.example?'],
      ['a fragment', 'https://app.example#'],
      ['user information', 'https://u:p@app.example'],
      ['the allowed host as user information', 'https://app.example@evil.example'],
      ['a backslash', 'https://app.example\\.evil.example'],
      ['backslashes for slashes', 'https:\\\\app.example'],
      ['a TAB inside', 'https://app.exam\tple'],
      ['a space in front', ' https://app.example'],
      ['a space behind', 'https://app.example '],
      ['a no-break space behind', 'https://app.example\u00a0'],
      ['a line feed behind', 'https://app.example\n'],
      ['NUL behind', 'https://app.example\0'],
      ['blob:', 'blob:https://app.example/x'],
      ['filesystem:', 'filesystem:https://app.example/x'],
      ['view-source:', 'view-source:https://app.example'],
      ['a trailing dot', 'https://app.example.'],
      ['the default port', 'https://app.example:443'],
      ['another port', 'https://app.example:444'],
      ['an empty port', 'https://app.example:'],
      ['http', 'http://app.example'],
      ['wss', 'wss://app.example'],
      ['no scheme', 'app.example'],
      ['a relative scheme', '//app.example'],
      ['one slash', 'https:/app.example'],
      ['three slashes', 'https:///app.example'],
      ['the scheme in capitals', 'HTTPS://app.example'],
      ['the host in capitals', 'https://APP.EXAMPLE'],
      ['a suffix', 'https://app.example.evil.example'],
      ['a prefix', 'https://evilapp.example'],
      ['a sub-domain', 'https://other.app.example'],
      ['the domain above', 'https://example'],
      ['a dollar sign', 'https://app.example$.evil.example'],
      ['a backtick', 'https://app.example`.evil.example'],
      ['a dot that is any character', 'https://appxexample'],
      ['a wildcard', 'https://*.example'],
      ['a percent escape', 'https://app%2eexample'],
      ['a Cyrillic letter', 'https://\u0430pp.example'],
      ['its punycode twin', 'https://xn--pp-6kc.example'],
      ['the Unicode form of a listed name', 'https://b\u00fccher.example'],
      ['a full-width dot', 'https://app\uff0eexample'],
      ['two values', 'https://app.example, https://app.example'],
      ['two values, the evil one first', 'https://evil.example, https://app.example'],
      ['two values without a comma', 'https://app.example https://evil.example'],
      ['an IPv4 literal', 'http://127.0.0.1'],
      ['an IPv4 literal with the listed port', 'http://127.0.0.1:3000'],
      ['an IPv6 literal', 'http://[::1]:3000'],
      ['an IPv4 address as a number', 'http://2130706433:3000'],
      ['localhost on another port', 'http://localhost:1'],
      ['the empty text', ''],
      ['null', 'null'],
      ['NULL', 'NULL'],
      ['Null', 'Null'],
      ['undefined', 'undefined'],
      ['a property of Object.prototype', '__proto__'],
      ['another property of it', 'constructor'],
    ])('refuses %s (OR-02, OR-03)', (_, origin) => {
      expect(policy.allows(origin)).toBe(false);
    });

    it.each(['://', 'http://[', '%'.repeat(8_192), '\u0080\u00ff\u009b', 'https://app.example'.repeat(500)])(
      'refuses the malformed origin %$ without throwing (OR-05)',
      (origin) => {
        expect(policy.allows(origin)).toBe(false);
      },
    );

    it('allows what is listed, byte for byte, and nothing else', () => {
      const bent = fc
        .tuple(
          fc.constantFrom(...policy.list),
          fc.nat(30),
          fc.nat(2),
          fc.string({ unit: 'binary', maxLength: 3 }),
        )
        .map(([origin, at, cut, put]) => origin.slice(0, at) + put + origin.slice(at + cut));
      fc.assert(
        fc.property(fc.oneof(bent, fc.string({ unit: 'binary' }), fc.webUrl()), (origin) => {
          expect(policy.allows(origin)).toBe(policy.list.includes(origin));
        }),
      );
    });

    it('allows the literal null only where it is listed (OR-03)', () => {
      expect(new OriginPolicy(['null']).allows('null')).toBe(true);
      expect(new OriginPolicy(['null']).allows('')).toBe(false);
    });

    it('does not fold custom schemes into null (OR-03)', () => {
      const extension = new OriginPolicy(['chrome-extension://abc']);
      expect(extension.allows('chrome-extension://abc')).toBe(true);
      expect(extension.allows('chrome-extension://other')).toBe(false);
      expect(extension.allows('null')).toBe(false);
    });
  });

  describe('list', () => {
    it('names the origins as they were listed', () => {
      expect(new OriginPolicy(['https://b.example', 'https://a.example']).list).toEqual([
        'https://b.example',
        'https://a.example',
      ]);
    });
  });

  describe('equals', () => {
    it('does not ask for the same order', () => {
      const [ab, ba] = [
        new OriginPolicy(['https://a', 'https://b']),
        new OriginPolicy(['https://b', 'https://a']),
      ];
      expect(ab.equals(ba)).toBe(true);
    });

    it('tells a longer or another list apart', () => {
      const a = new OriginPolicy(['https://a']);
      expect(a.equals(new OriginPolicy(['https://a', 'https://b']))).toBe(false);
      expect(new OriginPolicy(['https://a', 'https://b']).equals(a)).toBe(false);
      expect(a.equals(new OriginPolicy(['https://b']))).toBe(false);
    });
  });
});

describe('describeOriginProblem', () => {
  it.each([
    'https://app.example.com',
    'http://localhost:3000',
    'http://127.0.0.1:8080',
    'http://[::1]:3000',
    'https://xn--bcher-kva.example',
    'chrome-extension://abcdefghijklmnop',
    'moz-extension://0b4e5c7a-0000-4000-8000-000000000000',
    'capacitor://localhost',
    'null',
  ])('takes %s', (entry) => {
    expect(describeOriginProblem(entry)).toBeNull();
  });

  it.each([
    ['https://app.example.com/', 'https://app.example.com'],
    ['https://app.example.com:443', 'https://app.example.com'],
    ['http://app.example.com:80', 'http://app.example.com'],
    ['HTTPS://App.Example.com', 'https://app.example.com'],
    ['https://u:p@app.example.com', 'https://app.example.com'],
    ['https://b\u00fccher.example', 'https://xn--bcher-kva.example'],
    ['http://[0:0:0:0:0:0:0:1]:3000', 'http://[::1]:3000'],
    ['http://2130706433', 'http://127.0.0.1'],
    ['wss://app.example.com', 'https://app.example.com'],
    ['ws://localhost:3000', 'http://localhost:3000'],
  ])('says that no browser sends %s, and what it sends', (entry, canonical) => {
    expect(describeOriginProblem(entry)).toBe(
      `"${entry}" never equals what a browser sends: write "${canonical}"`,
    );
  });

  it.each([
    'app.example.com',
    'app.example.com:443',
    '',
    ' ',
    'file:///',
    'file://host',
    'data:text/html,x',
    'about:blank',
    'NULL',
    'chrome-extension://',
    'http://[',
    'https://',
    '/',
  ])('says that "%s" is no origin', (entry) => {
    expect(describeOriginProblem(entry)).toBe(
      `"${entry}" is not an origin: write scheme, host and port, such as "https://app.example.com"`,
    );
  });

  it('refuses wildcards, which are compared with nothing (OR-01)', () => {
    expect(describeOriginProblem('*')).toContain('would let every web page connect');
    expect(describeOriginProblem('https://*.example.com')).toBe(
      '"https://*.example.com" has a wildcard: origins are compared exactly, list each one',
    );
    expect(describeOriginProblem('https://app?.example.com')).toContain('has a wildcard');
  });

  it.each([undefined, null, 1, {}, ['https://app.example.com'], /https/])(
    'refuses %s, which is no text',
    (entry) => {
      expect(describeOriginProblem(entry)).toContain('is not a string such as "https://app.example.com"');
    },
  );

  it('lets nothing stand for the opaque null but the literal itself (OR-03)', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.webUrl(), fc.string(), fc.constantFrom('file://', 'data:,', 'blob:null/x')),
        (entry) => {
          fc.pre(entry !== 'null' && describeOriginProblem(entry) === null);
          expect(new OriginPolicy([entry]).allows('null')).toBe(false);
        },
      ),
    );
  });

  it('proposes nothing that it would refuse itself', () => {
    fc.assert(
      fc.property(fc.webUrl({ withFragments: true, withQueryParameters: true }), (url) => {
        const proposed = /: write "(.*)"$/.exec(describeOriginProblem(url) ?? '')?.[1];
        if (proposed !== undefined) expect(describeOriginProblem(proposed)).toBeNull();
      }),
    );
  });
});
