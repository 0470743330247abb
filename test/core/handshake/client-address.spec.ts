import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  canonicalIp,
  ClientAddressReader,
  isLoopbackIp,
  parseCidr,
  type AddressFacts,
} from '../../../lib/core/handshake/client-address.js';

const PROXY = '10.0.0.1';
const CLIENT = '203.0.113.9';

function read(facts: Partial<AddressFacts>, trusted: readonly string[] = ['10.0.0.0/8'], ipv6Prefix = 64) {
  const complete = { remoteAddress: PROXY, forwardedFor: undefined, forwardedProto: undefined, ...facts };
  return new ClientAddressReader({ trusted, ipv6Prefix }).read(complete);
}

describe('ClientAddressReader', () => {
  describe('read', () => {
    it('takes the socket for the client where no proxy is trusted (TH-07)', () => {
      expect(
        read({ remoteAddress: CLIENT, forwardedFor: '198.51.100.7', forwardedProto: 'https' }, []),
      ).toEqual({
        ip: CLIENT,
        prefix: CLIENT,
        source: 'socket',
        forwardedSecure: false,
      });
    });

    it('does not believe a peer that is no trusted proxy (TH-07, HS-15)', () => {
      expect(read({ remoteAddress: CLIENT, forwardedFor: '198.51.100.7', forwardedProto: 'https' })).toEqual({
        ip: CLIENT,
        prefix: CLIENT,
        source: 'socket',
        forwardedSecure: false,
      });
    });

    it('believes a trusted proxy (TH-07)', () => {
      expect(read({ forwardedFor: CLIENT, forwardedProto: 'https' })).toEqual({
        ip: CLIENT,
        prefix: CLIENT,
        source: 'forwarded',
        forwardedSecure: true,
      });
    });

    it('takes the right-most hop that is not trusted, whatever stands left of it (TH-07)', () => {
      expect(read({ forwardedFor: `127.0.0.1, 8.8.8.8, ${CLIENT}, 10.1.1.1` })?.ip).toBe(CLIENT);
      expect(read({ forwardedFor: `10.9.9.9, ${CLIENT}` })?.ip).toBe(CLIENT);
    });

    it('takes the left-most hop where all are trusted', () => {
      expect(read({ forwardedFor: '10.0.0.3,10.0.0.2' })).toMatchObject({
        ip: '10.0.0.3',
        source: 'forwarded',
      });
    });

    it('takes the proxy itself where it names nobody', () => {
      expect(read({})).toMatchObject({ ip: PROXY, source: 'socket' });
      expect(read({ forwardedFor: '' })).toMatchObject({ ip: PROXY, source: 'socket' });
    });

    it.each([
      '1.1.1.1:5555',
      '[2001:db8::1]:443',
      '<script>',
      'unknown',
      '_hidden',
      '1.1.1',
      '0x7f.1',
      '::g',
      '1.1.1.1 2.2.2.2',
    ])('falls back to the last valid hop at "%s" (TH-07)', (garbage) => {
      expect(read({ forwardedFor: `${CLIENT}, ${garbage}` })).toMatchObject({ ip: PROXY, source: 'socket' });
      expect(read({ forwardedFor: `${CLIENT}, ${garbage}, 10.2.2.2` })?.ip).toBe('10.2.2.2');
    });

    it('looks at no more than the last 50 of 1,000 entries (TH-07)', () => {
      const hops = Array.from({ length: 1_000 }, (_, index) => `10.0.${index >> 8}.${index & 255}`);
      expect(read({ forwardedFor: hops.join(', ') })?.ip).toBe(hops[950]);
      expect(read({ forwardedFor: `${CLIENT}, ${hops.join(', ')}` })?.ip).toBe(hops[950]);
    });

    it('takes the word of the nearest proxy for TLS', () => {
      expect(read({ forwardedProto: 'http, https' })?.forwardedSecure).toBe(true);
      expect(read({ forwardedProto: 'https, http' })?.forwardedSecure).toBe(false);
      expect(read({ forwardedProto: 'WSS' })?.forwardedSecure).toBe(true);
      expect(read({ forwardedProto: '' })?.forwardedSecure).toBe(false);
      expect(read({ forwardedProto: 'httpsx' })?.forwardedSecure).toBe(false);
    });

    it.each([undefined, '', '/tmp/app.sock', 'not an address'])(
      'has no client for the peer %j (TH-08)',
      (remoteAddress) => {
        expect(read({ remoteAddress, forwardedFor: CLIENT })).toBeNull();
      },
    );

    it('trusts an IPv4 proxy that comes over an IPv6 socket', () => {
      expect(read({ remoteAddress: '::ffff:10.0.0.1', forwardedFor: CLIENT })?.ip).toBe(CLIENT);
    });

    it('does not take an IPv6 address for the IPv4 address with the same low bits', () => {
      expect(read({ remoteAddress: '::10.0.0.1', forwardedFor: CLIENT })).toMatchObject({ source: 'socket' });
      expect(read({ remoteAddress: 'a00:1::', forwardedFor: CLIENT })).toMatchObject({ source: 'socket' });
    });

    it('counts the addresses of one /64 as one client, and those of the next as another (TH-08)', () => {
      const prefixes = new Set<string>();
      for (let host = 1; host <= 1_000; host += 1) {
        prefixes.add(read({ forwardedFor: `2001:db8:0:1::${host.toString(16)}` })!.prefix);
      }
      expect([...prefixes]).toEqual(['2001:db8:0:1:0:0:0:0/64']);
      expect(read({ forwardedFor: '2001:db8:0:2::1' })!.prefix).toBe('2001:db8:0:2:0:0:0:0/64');
    });

    it('counts two IPv4-mapped addresses as two clients (TH-08)', () => {
      const [a, b] = ['::ffff:198.51.100.1', '::ffff:198.51.100.2'].map(
        (hop) => read({ forwardedFor: hop })!.prefix,
      );
      expect([a, b]).toEqual(['198.51.100.1', '198.51.100.2']);
    });

    it.each([
      [48, '2001:db8:1:0:0:0:0:0/48'],
      [56, '2001:db8:1:ff00:0:0:0:0/56'],
      [60, '2001:db8:1:fff0:0:0:0:0/60'],
      [65, '2001:db8:1:ffff:8000:0:0:0/65'],
      [128, '2001:db8:1:ffff:ffff:ffff:ffff:ffff/128'],
    ])('cuts an address to %d bits', (bits, prefix) => {
      expect(
        read({ forwardedFor: '2001:db8:1:ffff:ffff:ffff:ffff:ffff' }, ['10.0.0.0/8'], bits)!.prefix,
      ).toBe(prefix);
    });

    it('never throws, and never names anything but an address', () => {
      const hop = fc.oneof(
        fc.ipV4(),
        fc.ipV6(),
        fc.string(),
        fc.constantFrom('::ffff:1.2.3.4', 'fe80::1%eth0'),
      );
      fc.assert(
        fc.property(hop, fc.array(hop), (peer, hops) => {
          const address = read({ remoteAddress: peer, forwardedFor: hops.join(',') }, [
            '0.0.0.0/0',
            '2000::/3',
          ]);
          if (address === null) expect(canonicalIp(peer)).toBeNull();
          else expect(canonicalIp(address.ip)).toBe(address.ip);
        }),
      );
    });
  });
});

describe('canonicalIp', () => {
  it.each([
    ['203.0.113.9', '203.0.113.9'],
    ['::ffff:203.0.113.9', '203.0.113.9'],
    ['::FFFF:CB00:7109', '203.0.113.9'],
    ['0:0:0:0:0:ffff:203.0.113.9', '203.0.113.9'],
    ['2001:DB8::1', '2001:db8:0:0:0:0:0:1'],
    ['2001:db8:0::1', '2001:db8:0:0:0:0:0:1'],
    ['2001:0db8:0000:0000:0000:0000:0000:0001', '2001:db8:0:0:0:0:0:1'],
    ['fe80::1%eth0', 'fe80:0:0:0:0:0:0:1'],
    ['::', '0:0:0:0:0:0:0:0'],
    ['::1', '0:0:0:0:0:0:0:1'],
    ['1::', '1:0:0:0:0:0:0:0'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['64:ff9b::203.0.113.9', '64:ff9b:0:0:0:0:cb00:7109'],
  ])('writes %s as %s (TH-08)', (text, canonical) => {
    expect(canonicalIp(text)).toBe(canonical);
  });

  it.each([
    '',
    ' 1.2.3.4',
    '1.2.3.4 ',
    '1.2.3.4%eth0',
    '1.2.3',
    '01.2.3.4',
    '1.2.3.4:80',
    '[::1]',
    'localhost',
    '%',
    ':',
    '::1::',
    '::ffff:1.2.3.4:80',
    '1.2.3.4\n',
  ])('is nothing for "%s"', (text) => {
    expect(canonicalIp(text)).toBeNull();
  });

  it('leaves what it has made as it is', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()), (text) => {
        const once = canonicalIp(text);
        if (once !== null) expect(canonicalIp(once)).toBe(once);
      }),
    );
  });

  it('has one spelling for all spellings of an address (TH-08)', () => {
    const groups = fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(groups, (numbers) => {
        const long = numbers.map((group) => group.toString(16).toUpperCase().padStart(4, '0')).join(':');
        const short = new URL(`http://[${long}]/`).hostname.slice(1, -1);
        expect(canonicalIp(long)).not.toBeNull();
        expect(canonicalIp(short)).toBe(canonicalIp(long));
      }),
    );
  });
});

describe('isLoopbackIp', () => {
  it.each(['127.0.0.1', '127.1.2.3', '::1', '::ffff:127.0.0.1'])('is true for %s', (text) => {
    expect(isLoopbackIp(canonicalIp(text)!)).toBe(true);
  });

  it.each(['128.0.0.1', '10.0.0.1', '::', '::2', '1::1', '::127.0.0.1'])('is false for %s', (text) => {
    expect(isLoopbackIp(canonicalIp(text)!)).toBe(false);
  });
});

describe('parseCidr', () => {
  it.each([
    ['10.0.0.0/8', { address: '10.0.0.0', bits: 8, family: 'ipv4' }],
    ['10.1.2.3', { address: '10.1.2.3', bits: 32, family: 'ipv4' }],
    ['0.0.0.0/0', { address: '0.0.0.0', bits: 0, family: 'ipv4' }],
    ['2001:DB8::/32', { address: '2001:db8:0:0:0:0:0:0', bits: 32, family: 'ipv6' }],
    ['::1', { address: '0:0:0:0:0:0:0:1', bits: 128, family: 'ipv6' }],
    ['::ffff:0.0.0.0/96', { address: '0.0.0.0', bits: 0, family: 'ipv4' }],
    ['::ffff:10.0.0.0/104', { address: '10.0.0.0', bits: 8, family: 'ipv4' }],
    ['::ffff:10.1.2.3', { address: '10.1.2.3', bits: 32, family: 'ipv4' }],
  ])('reads %s', (text, network) => {
    expect(parseCidr(text)).toEqual(network);
  });

  it.each([
    '',
    '/',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10.0.0.0/8 ',
    '10.0.0.0/0x8',
    '10.0.0/8',
    '::/129',
    'proxy',
    '*',
  ])('refuses "%s"', (text) => {
    expect(parseCidr(text)).toBeNull();
  });

  it.each([
    '::ffff:10.0.0.0/8',
    '::ffff:10.0.0.0/95',
    '::ffff:0:0/95',
    '::/0',
    '::/8',
    '::/64',
    '::/80',
    '0:0:0:0:0:ff00::/88',
  ])('refuses %s, which would trust all of IPv4 (TH-07)', (text) => {
    expect(parseCidr(text)).toBeNull();
  });

  it('trusts no IPv4 address by way of an IPv6 network (TH-07)', () => {
    fc.assert(
      fc.property(fc.ipV6(), fc.integer({ min: 0, max: 128 }), fc.ipV4(), (network, bits, peer) => {
        fc.pre(parseCidr(`${network}/${bits}`)?.family === 'ipv6');
        expect(read({ remoteAddress: peer, forwardedProto: 'https' }, [`${network}/${bits}`])).toMatchObject({
          ip: canonicalIp(peer),
          forwardedSecure: false,
        });
      }),
    );
  });
});
