import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';

/** Where a request comes from, and how that is known. */
export interface ClientAddress {
  /** The address in one spelling: IPv4-mapped addresses as IPv4, IPv6 in full lower-case groups. */
  readonly ip: string;
  /** What limits are counted by: the IPv4 address, or the IPv6 prefix (requirement TH-08). */
  readonly prefix: string;
  readonly source: 'socket' | 'forwarded';
  /** True when a trusted proxy says that the client spoke TLS to it. */
  readonly forwardedSecure: boolean;
}

/** What is read of a request to find its client. */
export interface AddressFacts {
  readonly remoteAddress: string | undefined;
  readonly forwardedFor: string | undefined;
  readonly forwardedProto: string | undefined;
}

const MAX_HOPS = 50;
/** ::ffff:0:0, under which IPv6 has the addresses of IPv4. */
const MAPPED_IPV4 = '0:0:0:0:0:ffff:0:0';

/** Finds the client behind trusted proxies: the right-most hop that no trusted proxy stands for (requirement TH-07). */
export class ClientAddressReader {
  readonly #trusted = new BlockList();
  readonly #hasTrusted: boolean;
  readonly #ipv6Prefix: number;

  constructor(options: { trusted: readonly string[]; ipv6Prefix: number }) {
    this.#ipv6Prefix = options.ipv6Prefix;
    this.#hasTrusted = options.trusted.length > 0;
    for (const entry of options.trusted) {
      const cidr = parseCidr(entry);
      if (cidr) this.#trusted.addSubnet(cidr.address, cidr.bits, cidr.family);
    }
  }

  /** @returns `null` when the socket has no address: it is gone, or it is no network socket. */
  read(facts: AddressFacts): ClientAddress | null {
    const peer = canonicalIp(facts.remoteAddress);
    if (peer === null) return null;
    if (!this.#hasTrusted || !this.#isTrusted(peer)) return this.#describe(peer, 'socket', false);
    const client = this.#lastUntrustedHop(facts.forwardedFor, peer);
    return this.#describe(
      client,
      client === peer ? 'socket' : 'forwarded',
      isForwardedHttps(facts.forwardedProto),
    );
  }

  /** Walks the header from the right; a hop that is no address ends the walk at the last good one. */
  #lastUntrustedHop(header: string | undefined, peer: string): string {
    if (header === undefined) return peer;
    let client = peer;
    for (const entry of header.split(',').slice(-MAX_HOPS).toReversed()) {
      const hop = canonicalIp(entry.trim());
      if (hop === null) return client;
      client = hop;
      if (!this.#isTrusted(hop)) return client;
    }
    return client;
  }

  #isTrusted(ip: string): boolean {
    return this.#trusted.check(ip, isIPv4(ip) ? 'ipv4' : 'ipv6');
  }

  #describe(ip: string, source: ClientAddress['source'], forwardedSecure: boolean): ClientAddress {
    return { ip, prefix: addressPrefix(ip, this.#ipv6Prefix), source, forwardedSecure };
  }
}

/** One spelling for each address, or `null` for what is none (a port, a name, garbage). Zone ids are dropped. */
export function canonicalIp(text: string | undefined): string | null {
  if (text === undefined) return null;
  if (isIPv4(text)) return text;
  const bare = text.split('%', 1)[0]!;
  if (!isIPv6(bare)) return null;
  const groups = ipv6Groups(bare);
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return [groups[6]! >> 8, groups[6]! & 255, groups[7]! >> 8, groups[7]! & 255].join('.');
  }
  return groups.map((group) => group.toString(16)).join(':');
}

/** True for 127.0.0.0/8 and ::1, in the canonical spelling. */
export function isLoopbackIp(ip: string): boolean {
  return ip.startsWith('127.') || ip === '0:0:0:0:0:0:0:1';
}

/** A network in CIDR notation, or `null` when the text is none or would trust more than it says. */
export function parseCidr(text: string): { address: string; bits: number; family: 'ipv4' | 'ipv6' } | null {
  const [address = '', bitsText, ...rest] = text.split('/');
  const version = isIP(address);
  if (rest.length > 0 || version === 0) return null;
  const maximum = version === 4 ? 32 : 128;
  if (bitsText !== undefined && !/^\d{1,3}$/.test(bitsText)) return null;
  const bits = bitsText === undefined ? maximum : Number(bitsText);
  if (bits > maximum) return null;
  if (version === 4) return { address, bits, family: 'ipv4' };
  const canonical = canonicalIp(address)!;
  if (!isIPv4(canonical))
    return coversMapped(canonical, bits) ? null : { address: canonical, bits, family: 'ipv6' };
  // ::ffff:10.0.0.0/8 would cover all of IPv4 (CVE-2026-90711): a mapped network says how much of IPv4 it means.
  return bits >= 96 ? { address: canonical, bits: bits - 96, family: 'ipv4' } : null;
}

/** True for an IPv6 network such as ::/64 that has all of IPv4 in it, which nobody means who writes it. */
function coversMapped(address: string, bits: number): boolean {
  return addressPrefix(address, bits) === addressPrefix(MAPPED_IPV4, bits);
}

/** What limits count an address by: the IPv4 address itself, or the prefix of an IPv6 one (requirement TH-08). */
export function addressPrefix(ip: string, ipv6Prefix: number): string {
  if (isIPv4(ip)) return ip;
  const groups = ip.split(':').map((group) => Number.parseInt(group, 16));
  const kept = groups.map((group, index) => {
    const bits = Math.min(16, Math.max(0, ipv6Prefix - index * 16));
    return group & (0xffff << (16 - bits)) & 0xffff;
  });
  return `${kept.map((group) => group.toString(16)).join(':')}/${ipv6Prefix}`;
}

/** The eight groups of an address that `isIPv6` accepted. */
function ipv6Groups(text: string): number[] {
  const [head = '', tail] = text.split('::');
  const left = groupsOf(head);
  if (tail === undefined) return left;
  const right = groupsOf(tail);
  return [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right];
}

function groupsOf(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((part) => {
    if (!part.includes('.')) return [Number.parseInt(part, 16)];
    const [a, b, c, d] = part.split('.').map(Number) as [number, number, number, number];
    return [(a << 8) | b, (c << 8) | d];
  });
}

function isForwardedHttps(header: string | undefined): boolean {
  if (header === undefined) return false;
  const nearest = header.split(',').at(-1)!.trim().toLowerCase();
  return nearest === 'https' || nearest === 'wss';
}
