import type { OptionProblems } from '../option-rules.js';
import {
  count,
  defaultsOf,
  resolveGroup,
  strings,
  type OptionSpecs,
  type OptionValues,
} from '../option-spec.js';
import { parseCidr } from './client-address.js';

/** Reverse proxies in front of this node. */
export interface ProxyOptions {
  /** Addresses (CIDR) of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed. @default [] */
  trusted?: readonly string[];
  /** How many bits of an IPv6 address make one client. 48 to 128. @default 64 */
  ipv6Prefix?: number;
}

const SPECS = {
  trusted: strings(
    (entry) => parseCidr(entry) !== null,
    'addresses or CIDR blocks such as "10.0.0.0/8" (an IPv4-mapped block needs a prefix of at least 96)',
  ),
  ipv6Prefix: count(64, 48, 128),
} satisfies OptionSpecs<ProxyOptions>;

/** The options with their values. */
export type ResolvedProxyOptions = OptionValues<typeof SPECS>;

export const PROXY_DEFAULTS = defaultsOf(SPECS);

/** Validates the `proxy` group. */
export function resolveProxyOptions(given: unknown, problems: OptionProblems): ResolvedProxyOptions {
  return resolveGroup('proxy', SPECS, given, problems);
}
