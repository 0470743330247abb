import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  HostPolicy,
  isLoopbackHost,
  parseHost,
  parseHostEntry,
} from '../../../lib/core/handshake/host-policy.js';

describe('parseHost', () => {
  it.each([
    ['app.example.com', 'app.example.com', undefined],
    ['app.example.com:8443', 'app.example.com', 8443],
    ['APP.EXAMPLE', 'app.example', undefined],
    ['app.example.', 'app.example', undefined],
    ['localhost:3000', 'localhost', 3000],
    ['localhost:1', 'localhost', 1],
    ['localhost:65535', 'localhost', 65_535],
    ['127.0.0.1', '127.0.0.1', undefined],
    ['[::1]', '[::1]', undefined],
    ['[::1]:8080', '[::1]', 8080],
    ['[2001:DB8::1]', '[2001:db8::1]', undefined],
    ['my_service', 'my_service', undefined],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example', undefined],
    [`${'a'.repeat(63)}.example`, `${'a'.repeat(63)}.example`, undefined],
  ])('reads %s (HS-08)', (header, name, port) => {
    expect(parseHost(header)).toEqual({ name, port });
  });

  it.each([
    '',
    ' ',
    'a b',
    '[',
    ']',
    '[]',
    '[::1',
    '[::1]x',
    '[::1].',
    '[:::]',
    '[....]',
    '[1.2.3.4]',
    '[fe80::1%eth0]',
    '::1',
    'x:99999',
    'x:65536',
    'x:0',
    'x:',
    'x:-1',
    'x:80:80',
    'x:8a',
    '.',
    '..',
    'a..b',
    '.a',
    'a..',
    '-a',
    'a/b',
    'a?b',
    'a#b',
    'a@b',
    'user@app.example',
    'a,b',
    'a%2eb',
    'bücher.example',
    'a\u00a0',
    'a\n',
    'a\n.b',
    `${'a'.repeat(64)}.example`,
    'a.'.repeat(127) + 'a',
    'a'.repeat(20_000),
  ])('refuses %j (HS-08)', (header) => {
    expect(parseHost(header)).toBeNull();
  });

  it('never throws, and answers with a name that it would read the same again (HS-08, OR-05)', () => {
    const pieces = fc.constantFrom(
      '[',
      ']',
      ':',
      '.',
      '%',
      '@',
      'a',
      '-',
      '1',
      '::1',
      ' ',
      '\u0080',
      '/',
      '99999',
    );
    const hostile = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: pieces }), fc.webAuthority());
    fc.assert(
      fc.property(hostile, (header) => {
        const host = parseHost(header);
        if (host)
          expect(parseHost(host.port === undefined ? host.name : `${host.name}:${host.port}`)).toEqual(host);
      }),
    );
  });

  it('reads a hostile header in a time that grows with its length only', () => {
    const started = performance.now();
    // So long that what is quadratic takes minutes.
    for (const piece of ['a', 'a.', '-', '[', ':', '[:', '.']) {
      expect(parseHost(piece.repeat(1_000_000))).toBeNull();
    }
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});

describe('isLoopbackHost', () => {
  it.each(['localhost', 'LOCALHOST', 'localhost.', 'app.localhost', '127.0.0.1', '[::1]', 'localhost:3000'])(
    'is true for %s',
    (header) => {
      expect(isLoopbackHost(parseHost(header)!)).toBe(true);
    },
  );

  it.each([
    'localhost.evil.example',
    'evillocalhost',
    '127.0.0.1.evil.example',
    'evil.example',
    '10.0.0.1',
    '2130706433',
  ])('is false for %s', (header) => {
    expect(isLoopbackHost(parseHost(header)!)).toBe(false);
  });
});

describe('HostPolicy', () => {
  const allows = (hosts: readonly string[] | undefined, header: string, boundToLoopback = false) =>
    new HostPolicy(hosts).allows(parseHost(header)!, boundToLoopback);

  describe('allows, with a list', () => {
    const hosts = ['app.example', 'api.example:8443', 'localhost:3000'];

    it('answers to the names on it, in any case and with a trailing dot (HS-08)', () => {
      for (const header of [
        'app.example',
        'APP.EXAMPLE',
        'app.example.',
        'app.example:80',
        'app.example:9999',
      ]) {
        expect(allows(hosts, header)).toBe(true);
      }
    });

    it('asks for the port where the entry has one', () => {
      expect(allows(hosts, 'api.example:8443')).toBe(true);
      expect(allows(hosts, 'api.example:8444')).toBe(false);
      expect(allows(hosts, 'api.example')).toBe(false);
    });

    it.each([
      'evil.example',
      'app.example.evil.example',
      'evilapp.example',
      'x.app.example',
      '127.0.0.1',
      '[::1]',
    ])('does not answer to %s (HS-08)', (header) => {
      expect(allows(hosts, header)).toBe(false);
    });

    it('answers to no loopback name that is not on it, wherever it is bound', () => {
      expect(allows(hosts, 'localhost', true)).toBe(false);
      expect(allows(hosts, 'localhost:3000', true)).toBe(true);
    });
  });

  describe('allows, without a list', () => {
    it('answers to loopback names only where it is bound to loopback (HS-08)', () => {
      expect(allows(undefined, 'localhost:3000', true)).toBe(true);
      expect(allows(undefined, '127.0.0.1', true)).toBe(true);
      expect(allows(undefined, 'evil.example', true)).toBe(false);
      expect(allows(undefined, 'localhost.evil.example', true)).toBe(false);
    });

    it('answers to any name elsewhere', () => {
      expect(allows(undefined, 'evil.example')).toBe(true);
    });
  });

  it('writes a host as text, whichever was written before', () => {
    const policy = new HostPolicy(undefined);
    const names = [
      'a.example',
      'a.example',
      'a.example:1',
      'a.example:2',
      'b.example:2',
      '[::1]:80',
      'a.example',
    ];
    expect(names.map((name) => policy.textOf(parseHost(name)!))).toEqual(names);
  });
});

describe('parseHostEntry', () => {
  it('reads an entry like a Host header', () => {
    expect(parseHostEntry('App.Example:8443')).toEqual({ name: 'app.example', port: 8443 });
    expect(parseHostEntry('*.example')).toBeNull();
  });
});
