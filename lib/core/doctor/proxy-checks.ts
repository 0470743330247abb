import { isIPv4 } from 'node:net';
import { parseCidr } from '../handshake/client-address.js';
import { listed, when, type DoctorCheck } from './doctor-check.js';

/** Networks of one's own, which are as large as this. RFC 1918, RFC 6598, RFC 4193. */
const PRIVATE_RANGES: readonly (readonly [RegExp, number])[] = [
  [/^10\./, 8],
  [/^172\.(1[6-9]|2\d|3[01])\./, 12],
  [/^192\.168\./, 16],
  [/^100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./, 10],
  [/^127\./, 8],
];
/** Of IPv6: that of a provider, whose customers are strangers. */
const WIDE_IPV6_BITS = 32;
const WIDE_IPV4_BITS = 16;

/** Whose word counts about where a client is. */
export const PROXY_CHECKS: readonly DoctorCheck[] = [
  {
    id: 'proxy-trusts-everybody',
    severity: 'error',
    title: 'Anybody is believed about addresses',
    rows: ['TH-07', 'HS-15'],
    asvs: ['4.1.3', '15.3.4'],
    fix: 'list the addresses of your proxies in proxy.trusted',
    find: ({ options }) => {
      const all = options.proxy.trusted.filter((entry) => parseCidr(entry)?.bits === 0);
      return when(
        all.length > 0,
        `proxy.trusted lists ${listed(all)}: every client says itself from where it comes, and whether it speaks TLS`,
      );
    },
  },
  {
    id: 'proxy-trusts-wide',
    severity: 'warning',
    title: 'Whole networks of others are believed about addresses',
    rows: ['TH-07'],
    asvs: ['4.1.3', '15.3.4'],
    fix: 'narrow proxy.trusted to the addresses of your proxies',
    find: ({ options }) => {
      const wide = options.proxy.trusted.filter(isWide);
      return when(
        wide.length > 0,
        `proxy.trusted lists ${listed(wide)}: who has an address in there may claim any other`,
      );
    },
  },
  {
    id: 'proxy-ipv6-single',
    severity: 'warning',
    title: 'IPv6 addresses are counted one by one',
    rows: ['TH-08'],
    asvs: ['2.4.1', '15.3.4'],
    fix: 'set proxy.ipv6Prefix to 64 or less',
    find: ({ options: { proxy } }) =>
      when(
        proxy.ipv6Prefix > 64,
        `proxy.ipv6Prefix is ${proxy.ipv6Prefix}: every household has 2^64 addresses, so that limits by address hold nobody`,
      ),
  },
];

function isWide(entry: string): boolean {
  const cidr = parseCidr(entry);
  if (cidr === null || cidr.bits === 0) return false;
  if (!isIPv4(cidr.address)) return cidr.bits < WIDE_IPV6_BITS && !/^f[cd]/i.test(cidr.address);
  const own = PRIVATE_RANGES.find(([range]) => range.test(cidr.address));
  return cidr.bits < (own?.[1] ?? WIDE_IPV4_BITS);
}
