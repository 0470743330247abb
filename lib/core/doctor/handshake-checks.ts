import { isLoopbackHost, parseHost } from '../handshake/host-policy.js';
import { inWords, perMinute, when, type DoctorCheck } from './doctor-check.js';

const SLOW_HANDSHAKE_MS = 15_000;
const SLOW_HEADERS_MS = 30_000;
const MANY_PENDING = 10_000;
const MANY_PENDING_OF_ADDRESS = 1_000;
const MANY_HEADERS = 200;
/** A hundred times what is the default. */
const MANY_CONNECTS_PER_MINUTE = 60_000;

/** What comes before a connection. */
export const HANDSHAKE_CHECKS: readonly DoctorCheck[] = [
  {
    id: 'hosts-unset',
    severity: 'warning',
    elsewhere: 'notice',
    title: 'Any Host is answered',
    rows: ['HS-08'],
    asvs: ['2.2.1'],
    fix: 'set hosts to the names of this server',
    find: ({ options }) =>
      when(
        options.hosts === undefined,
        'hosts is not set: unless this server listens on loopback, a page can point a name of its own at it (DNS rebinding)',
      ),
  },
  {
    id: 'hosts-loopback',
    severity: 'warning',
    elsewhere: 'none',
    title: 'Only loopback names are answered',
    rows: ['HS-08'],
    asvs: ['2.2.1'],
    fix: 'add the public names to hosts',
    find: ({ options: { hosts = [] } }) =>
      when(
        hosts.length > 0 && hosts.every(isLoopbackName),
        'hosts lists loopback names only: every other request is refused 421',
      ),
  },
  {
    id: 'tls-not-required',
    severity: 'error',
    elsewhere: 'none',
    title: 'Connections without TLS are taken',
    rows: ['HS-15'],
    asvs: ['4.4.1', '12.2.1'],
    fix: 'leave handshake.requireTls out, and name the proxy that ends TLS in proxy.trusted',
    find: ({ options }) =>
      when(
        !options.handshake.requireTls,
        'handshake.requireTls is false: credentials and messages can be read and changed on their way',
      ),
  },
  {
    id: 'tls-unreachable',
    severity: 'error',
    title: 'Nobody can connect by TLS',
    rows: ['HS-15', 'TH-07'],
    asvs: ['12.2.1'],
    fix: 'name the proxy that ends TLS in proxy.trusted, or give the server a certificate',
    find: ({ options, isTlsServer, gateways }) => {
      const isProxied = options.proxy.trusted.length > 0;
      const own = gateways.filter(({ port }) => port > 0).map(({ name }) => name);
      const places = [
        ...(isTlsServer === false && gateways.some(({ port }) => port === 0) ? ['the application'] : []),
        ...own,
      ];
      return when(
        options.handshake.requireTls && !isProxied && places.length > 0,
        `handshake.requireTls is on, ${places.join(' and ')} speaks plain HTTP, and proxy.trusted is empty: every handshake there is refused 403`,
      );
    },
  },
  {
    id: 'handshake-slow',
    severity: 'warning',
    title: 'Handshakes may take long',
    rows: ['HS-02'],
    asvs: ['15.2.2'],
    fix: 'set handshake.timeoutMs to 15,000 or less',
    find: ({ options }) =>
      when(
        options.handshake.timeoutMs > SLOW_HANDSHAKE_MS,
        'handshake.timeoutMs is above 15 seconds: slow clients hold their slots for that long',
      ),
  },
  {
    id: 'headers-slow',
    severity: 'warning',
    title: 'Request headers may take long',
    rows: ['HS-02'],
    asvs: ['15.2.2'],
    fix: 'set handshake.headersTimeoutMs to 30,000 or less',
    find: ({ options: { handshake } }) =>
      when(
        handshake.headersTimeoutMs > SLOW_HEADERS_MS,
        `handshake.headersTimeoutMs is ${inWords(handshake.headersTimeoutMs)}: a client that drips its header holds a socket for that long`,
      ),
  },
  {
    id: 'headers-many',
    severity: 'notice',
    title: 'Many header lines are taken',
    rows: ['HS-12'],
    asvs: ['15.2.2'],
    fix: 'set handshake.maxHeaders to 200 or less',
    find: ({ options: { handshake } }) =>
      when(
        handshake.maxHeaders > MANY_HEADERS,
        `handshake.maxHeaders is ${handshake.maxHeaders}: each request may cost that many`,
      ),
  },
  {
    id: 'pending-unbounded',
    severity: 'warning',
    title: 'Handshakes in progress are hardly limited',
    rows: ['HS-03'],
    asvs: ['2.4.1', '15.2.2'],
    fix: 'lower handshake.maxPending and handshake.maxPendingPerAddress',
    find: ({ options: { handshake } }) =>
      when(
        handshake.maxPending > MANY_PENDING || handshake.maxPendingPerAddress > MANY_PENDING_OF_ADDRESS,
        `handshake.maxPending is ${handshake.maxPending} and maxPendingPerAddress ${handshake.maxPendingPerAddress}: who opens handshakes and stops there takes that much memory and as many calls of the verifier`,
      ),
  },
  {
    id: 'connect-rate-off',
    severity: 'warning',
    title: 'The rate of connections is as good as off',
    rows: ['TH-01'],
    asvs: ['2.4.1'],
    fix: 'lower handshake.connectRate.limit',
    find: ({ options: { handshake } }) =>
      when(
        perMinute(handshake.connectRate) > MANY_CONNECTS_PER_MINUTE,
        `handshake.connectRate lets one address connect ${Math.round(perMinute(handshake.connectRate))} times a minute`,
      ),
  },
  {
    id: 'refuse-browsers-http',
    severity: 'notice',
    title: 'Browsers do not learn why they were refused',
    rows: ['LT-07'],
    asvs: ['16.5.3'],
    fix: 'leave handshake.refuseBrowsersWith out',
    find: ({ options }) =>
      when(
        options.handshake.refuseBrowsersWith === 'http-status',
        'handshake.refuseBrowsersWith is "http-status": script sees 1006 and nothing else, so that a client cannot tell when to stop trying',
      ),
  },
  {
    id: 'foreign-paths',
    severity: 'notice',
    title: 'Upgrades that are not guarded',
    rows: ['HS-10'],
    asvs: ['4.4.2'],
    fix: 'make sure that each of them checks Origin and credentials itself, or take it out of handshake.foreignPaths',
    find: ({ options: { handshake } }) =>
      when(
        handshake.foreignPaths.length > 0,
        `handshake.foreignPaths leaves ${handshake.foreignPaths.join(', ')} to other listeners: nothing is checked there`,
      ),
  },
];

function isLoopbackName(entry: string): boolean {
  const host = parseHost(entry);
  return host !== null && isLoopbackHost(host);
}
