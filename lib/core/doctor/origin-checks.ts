import { isIP } from 'node:net';
import { isLoopbackHost, parseHost } from '../handshake/host-policy.js';
import { listed, when, type DoctorCheck } from './doctor-check.js';

/** With more than this nobody knows any more whose pages they are. */
const MANY_ORIGINS = 20;

/** Which pages may connect. */
export const ORIGIN_CHECKS: readonly DoctorCheck[] = [
  {
    id: 'origins-null',
    severity: 'warning',
    title: 'Pages of nobody in particular may connect',
    rows: ['OR-03'],
    asvs: ['4.4.2'],
    fix: 'take "null" out of origins',
    find: ({ options }) =>
      when(
        options.origins.includes('null'),
        'origins lists "null": sandboxed frames and local files of anybody may connect',
      ),
  },
  {
    id: 'origins-plain',
    severity: 'error',
    elsewhere: 'notice',
    title: 'Pages that were loaded without TLS may connect',
    rows: ['OR-02', 'HS-15'],
    asvs: ['4.4.1', '12.2.1'],
    fix: 'list the https: origin in origins, and serve the page there',
    find: ({ options }) => {
      const plain = options.origins.filter((origin) => origin.startsWith('http:') && !isLoopback(origin));
      return when(
        plain.length > 0,
        `origins lists ${listed(plain)}: whoever is on the way can change these pages, and speak as their users`,
      );
    },
  },
  {
    id: 'origins-loopback',
    severity: 'warning',
    elsewhere: 'none',
    title: 'Development origins in production',
    rows: ['OR-02'],
    asvs: ['4.4.2', '15.2.3'],
    fix: 'take them out of origins in production',
    find: ({ options }) => {
      const local = options.origins.filter(isLoopback);
      return when(
        local.length > 0,
        `origins lists ${listed(local)}: any program on a user's machine that serves a page there may connect as that user`,
      );
    },
  },
  {
    id: 'origins-address',
    severity: 'notice',
    title: 'An origin by address',
    rows: ['OR-02'],
    asvs: ['4.4.2'],
    fix: 'list a name in origins',
    find: ({ options }) => {
      const bare = options.origins.filter((origin) => isIP(hostOf(origin)) > 0 && !isLoopback(origin));
      return when(
        bare.length > 0,
        `origins lists ${listed(bare)}: an address belongs to whoever has it next`,
      );
    },
  },
  {
    id: 'origins-many',
    severity: 'notice',
    title: 'A long list of origins',
    rows: ['OR-01'],
    asvs: ['4.4.2'],
    fix: 'list in origins those only that are in use, or narrow gateways by @WsAuth({ origins })',
    find: ({ options }) =>
      when(
        options.origins.length > MANY_ORIGINS,
        `origins lists ${options.origins.length}: script that gets into any of these pages may speak as its users`,
      ),
  },
  {
    id: 'missing-origin-behind-proxy',
    severity: 'notice',
    title: 'A request without Origin may come from a browser',
    rows: ['OR-04'],
    asvs: ['4.4.2'],
    fix: 'let the proxy pass Origin on, and set handshake.missingOrigin: "refuse" where no machines connect',
    find: ({ options }) =>
      when(
        options.proxy.trusted.length > 0 && options.handshake.missingOrigin === 'explicit',
        'handshake.missingOrigin is "explicit" behind a proxy: one that strips Origin makes browsers look like machines',
      ),
  },
];

function hostOf(origin: string): string {
  const authority = origin.slice(origin.indexOf('://') + 3);
  return (parseHost(authority)?.name ?? '').replace(/^\[|\]$/g, '');
}

function isLoopback(origin: string): boolean {
  const host = parseHost(origin.slice(origin.indexOf('://') + 3));
  return host !== null && isLoopbackHost(host);
}
