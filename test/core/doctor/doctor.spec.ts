import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ASVS } from '../../../lib/core/doctor/asvs.js';
import { CHECK_IDS, type CheckId } from '../../../lib/core/doctor/check-ids.js';
import { DOCTOR_CHECKS, examine } from '../../../lib/core/doctor/doctor.js';
import { describeFinding, type Severity } from '../../../lib/core/doctor/finding.js';
import { DEFAULT_OPTIONS, resolveOptions } from '../../../lib/core/options.js';
import {
  facts,
  gateway,
  GOOD_OPTIONS,
  handler,
  issuer,
  redis,
  secretIssuer,
  type Change,
} from './doctor-fixture.js';

const MADE_UP = 'change-me-change-me-change-me-change-me';
/** Every rule that has a threshold. */
const ANOMALY_RULES = Object.entries(DEFAULT_OPTIONS.anomalies).flatMap(([name, rule]) =>
  typeof rule === 'object' && 'threshold' in rule ? [name] : [],
);
const SHARED = randomBytes(48).toString('base64url');
const reader = (more: object) => ({ kind: 'device', read: () => null, verify: () => null, ...more });
const withReader = (more: object): Change => ({
  options: { credentials: ['ticket', 'device'], readers: [reader(more)], jwt: undefined },
});
const set = (options: object): Change => ({ options });

/** For each check a set-up in which it finds something, and one next to it in which it does not. */
const CASES: Readonly<Record<CheckId, readonly [bad: Change, good: Change]>> = {
  'origins-null': [set({ origins: ['null'] }), set({ origins: ['https://null.example.com'] })],
  'origins-plain': [
    set({ origins: ['http://app.example.com'] }),
    set({ origins: ['http://localhost:3000'] }),
  ],
  'origins-loopback': [
    set({ origins: ['http://localhost:3000'] }),
    set({ origins: ['https://localhost.example.com'] }),
  ],
  'origins-address': [set({ origins: ['https://192.0.2.7'] }), set({ origins: ['https://127.0.0.1:3000'] })],
  'origins-many': [
    set({ origins: Array.from({ length: 21 }, (_, index) => `https://app${index}.example.com`) }),
    set({ origins: Array.from({ length: 20 }, (_, index) => `https://app${index}.example.com`) }),
  ],
  'missing-origin-behind-proxy': [
    set({ proxy: { trusted: ['10.0.0.0/8'] } }),
    set({ proxy: { trusted: ['10.0.0.0/8'] }, handshake: { missingOrigin: 'refuse' } }),
  ],
  'hosts-unset': [set({ hosts: undefined }), set({ hosts: ['app.example.com'] })],
  'hosts-loopback': [
    set({ hosts: ['localhost', '127.0.0.1:3000'] }),
    set({ hosts: ['localhost', 'app.example.com'] }),
  ],
  'tls-not-required': [set({ handshake: { requireTls: false } }), set({ handshake: { requireTls: true } })],
  'tls-unreachable': [
    { isTlsServer: false },
    { isTlsServer: false, options: { proxy: { trusted: ['10.0.0.1'] } } },
  ],
  'handshake-slow': [set({ handshake: { timeoutMs: 15_001 } }), set({ handshake: { timeoutMs: 15_000 } })],
  'headers-slow': [
    set({ handshake: { headersTimeoutMs: 30_001 } }),
    set({ handshake: { headersTimeoutMs: 30_000 } }),
  ],
  'headers-many': [set({ handshake: { maxHeaders: 201 } }), set({ handshake: { maxHeaders: 200 } })],
  'pending-unbounded': [
    set({ handshake: { maxPendingPerAddress: 1_001 } }),
    set({ handshake: { maxPending: 10_000, maxPendingPerAddress: 1_000 } }),
  ],
  'connect-rate-off': [
    set({ handshake: { connectRate: { limit: 60_001 } } }),
    set({ handshake: { connectRate: { limit: 120_000, windowMs: 120_000 } } }),
  ],
  'refuse-browsers-http': [
    set({ handshake: { refuseBrowsersWith: 'http-status' } }),
    set({ handshake: { refuseBrowsersWith: 'close-code' } }),
  ],
  'foreign-paths': [
    set({ handshake: { foreignPaths: ['/graphql'] } }),
    set({ handshake: { foreignPaths: [] } }),
  ],
  'proxy-trusts-everybody': [
    set({ proxy: { trusted: ['0.0.0.0/0'] } }),
    set({ proxy: { trusted: ['192.0.2.0/24'] } }),
  ],
  'proxy-trusts-wide': [
    set({ proxy: { trusted: ['192.0.0.0/15', '2001:db8::/31'] } }),
    set({ proxy: { trusted: ['10.0.0.0/8', '172.16.0.0/12', '203.0.0.0/16', 'fd00::/8', '2001:db8::/32'] } }),
  ],
  'proxy-ipv6-single': [set({ proxy: { ipv6Prefix: 65 } }), set({ proxy: { ipv6Prefix: 64 } })],
  'basic-passwords': [
    set({ credentials: ['ticket', 'basic'], basic: { verify: () => null } }),
    set({ credentials: ['ticket', 'basic'], basic: { tokenUser: 'token' } }),
  ],
  'basic-plain': [
    {
      production: false,
      isTlsServer: false,
      options: { credentials: ['basic'], basic: { verify: () => null } },
    },
    {
      production: false,
      isTlsServer: true,
      options: { credentials: ['basic'], basic: { verify: () => null } },
    },
  ],
  'client-certificate-plain': [
    {
      isTlsServer: false,
      options: { credentials: ['client-certificate'], clientCertificate: { principal: () => null } },
    },
    { options: { credentials: ['client-certificate'], clientCertificate: { principal: () => null } } },
  ],
  'cookie-without-ticket': [set({ credentials: ['cookie'] }), set({ credentials: ['cookie', 'ticket'] })],
  'cookie-cross-site': [
    set({ cookie: { sameSite: 'none', partitioned: true } }),
    set({ cookie: { sameSite: 'lax' } }),
  ],
  'cookie-plain': [
    { production: false, options: { credentials: ['cookie'] } },
    { production: false, options: { credentials: ['cookie'], cookie: { secure: true } } },
  ],
  'reader-ambient': [withReader({ ambient: true }), withReader({ ambient: false })],
  'reader-in-url': [withReader({ parameters: ['key'] }), withReader({ parameters: [] })],
  'ticket-without-cookie': [
    set({ credentials: ['ticket', 'cookie'] }),
    set({ credentials: ['ticket', 'cookie'], ticket: { requiresCookie: true } }),
  ],
  'ticket-long': [set({ ticket: { ttlMs: 30_001 } }), set({ ticket: { ttlMs: 30_000 } })],
  'ticket-many': [
    set({ ticket: { maxOutstanding: 101 } }),
    set({ ticket: { maxOutstanding: 100, maxPerMinute: 600 } }),
  ],
  'first-message-slow': [
    set({ firstMessage: { timeoutMs: 15_001 } }),
    set({ firstMessage: { timeoutMs: 15_001 }, credentials: ['ticket'] }),
  ],
  'first-message-large': [
    set({ firstMessage: { maxBytes: 16_385 } }),
    set({ firstMessage: { maxBytes: 16_384, maxHeldBytes: 1_048_576 } }),
  ],
  'first-message-crowd': [
    set({ firstMessage: { maxWaitingPerAddress: 201 } }),
    set({ firstMessage: { maxWaiting: 10_000, maxWaitingPerAddress: 200 } }),
  ],
  'principal-id-loose': [
    set({ principalIdPattern: /^[^ ]+$/ }),
    set({ principalIdPattern: /^[a-z]{1,64}$/ }),
  ],
  'callers-own': [{ hasOwnCallers: true }, { hasOwnCallers: false }],
  'token-in-url': [
    set({ handshake: { dangerouslyAllowTokenInUrl: 'access_token' } }),
    set({ handshake: { dangerouslyAllowTokenInUrl: undefined } }),
  ],
  'jwt-secret-guessable': [set(secretIssuer(MADE_UP)), set(secretIssuer(SHARED))],
  'jwt-rsa-short': [
    set(issuer({ publicKey: rsa(2_048), algorithms: ['RS256'] })),
    set(issuer({ publicKey: rsa(3_072), algorithms: ['RS256'] })),
  ],
  'jwt-algorithms-many': [
    set(issuer({ publicKey: rsa(3_072), algorithms: ['RS256', 'PS256'] })),
    set(issuer({ publicKey: rsa(3_072), algorithms: ['PS256'] })),
  ],
  'jwt-types-generic': [set(issuer({ types: undefined })), set(issuer({ types: ['application/at+jwt'] }))],
  'jwt-clock-tolerance': [
    set(issuer({ clockToleranceSeconds: 31 })),
    set(issuer({ clockToleranceSeconds: 30 })),
  ],
  'jwt-long-lived': [set(issuer({ maxAgeSeconds: 3_601 })), set(issuer({ maxAgeSeconds: 3_600 }))],
  'jwt-audiences-many': [
    set(issuer({ audience: ['a', 'b', 'c', 'd', 'e', 'f'] })),
    set(issuer({ audience: ['a', 'b', 'c', 'd', 'e'] })),
  ],
  'jwt-without-session': [
    set(issuer({ requireSession: false })),
    set({ ...issuer({ requireSession: false }), credentials: ['bearer'] }),
  ],
  'jwt-keys-plain': [
    { production: false, options: issuer({ publicKey: undefined, jwksUri: 'http://127.0.0.1:9/keys' }) },
    {
      production: false,
      options: issuer({ publicKey: undefined, jwksUri: 'https://issuer.example.com/keys' }),
    },
  ],
  'session-idle-long': [set({ session: { idleMs: 3_600_001 } }), set({ session: { idleMs: 3_600_000 } })],
  'session-absolute-long': [
    set({ session: { absoluteMs: 86_400_001 } }),
    set({ session: { absoluteMs: 86_400_000 } }),
  ],
  'sessions-many': [set({ session: { maxPerUser: 1_001 } }), set({ session: { maxPerUser: 1_000 } })],
  'connections-many': [
    set({ connections: { maxPerUser: 501 } }),
    set({ connections: { maxPerUser: 500, maxPerSession: 200 } }),
  ],
  'connections-replace': [
    set({ connections: { onLimit: 'replace-oldest' } }),
    set({ connections: { onLimit: 'reject' } }),
  ],
  'lifetime-long': [set({ lifetime: { maxMs: 86_400_001 } }), set({ lifetime: { maxMs: 86_400_000 } })],
  'idle-off': [set({ lifetime: { idleMs: false } }), set({ lifetime: { idleMs: 3_600_000 } })],
  'heartbeat-slow': [
    set({ lifetime: { pingIntervalMs: 120_001 } }),
    set({ lifetime: { pingIntervalMs: 120_000, pongTimeoutMs: 60_000 } }),
  ],
  'revalidation-slow': [
    set({ lifetime: { revalidateMs: 600_001 } }),
    set({ lifetime: { revalidateMs: 600_000 } }),
  ],
  'close-grace-long': [
    set({ lifetime: { closeGraceMs: 10_001 } }),
    set({ lifetime: { closeGraceMs: 10_000 } }),
  ],
  'drain-long': [set({ lifetime: { drainMs: 30_001 } }), set({ lifetime: { drainMs: 30_000 } })],
  'close-codes-remapped': [set({ closeCodes: 'iana' }), set({ closeCodes: 'project' })],
  'message-large': [
    set({ message: { maxPayloadBytes: 1_048_577 } }),
    set({ message: { maxPayloadBytes: 1_048_576 } }),
  ],
  'message-deep': [set({ message: { maxDepth: 65 } }), set({ message: { maxDepth: 64, maxNodes: 100_000 } })],
  'fragments-many': [
    set({ message: { maxFragments: 1_025 } }),
    set({ message: { maxFragments: 1_024, maxBufferedChunks: 16_384, fragmentTimeoutMs: 60_000 } }),
  ],
  'control-frames-many': [
    set({ message: { maxControlFramesPerSecond: 101 } }),
    set({ message: { maxControlFramesPerSecond: 100 } }),
  ],
  'compression-on': [set({ message: { compression: true } }), set({ message: { compression: false } })],
  'concurrency-infinite': [
    set({ message: { concurrency: Infinity } }),
    set({ message: { concurrency: 100 } }),
  ],
  'queue-long': [set({ message: { maxQueued: 1_001 } }), set({ message: { maxQueued: 1_000 } })],
  'outbound-large': [
    set({ message: { outbound: { maxBytes: 16_777_217 } } }),
    set({ message: { outbound: { maxBytes: 16_777_216 } } }),
  ],
  'throttle-loose': [
    set({ throttle: { perConnection: { limit: 60_001 } } }),
    set({ throttle: { perConnection: { limit: 60_000 }, perUser: { limit: 120_000 } } }),
  ],
  'throttle-bytes-loose': [
    set({ throttle: { perConnectionBytes: { limit: 10_485_761 } } }),
    set({ throttle: { perConnectionBytes: { limit: 10_485_760 } } }),
  ],
  'throttle-not-shared': [
    set({ throttle: { perUser: { shared: false } } }),
    set({ throttle: { perUser: { shared: true } } }),
  ],
  'violations-patient': [
    set({ throttle: { violations: { limit: 1_001 } } }),
    set({ throttle: { violations: { limit: 1_000 }, malformed: { limit: 6_000 } } }),
  ],
  'gateway-undeclared': [{ gateways: [gateway({ access: undefined })] }, { gateways: [gateway()] }],
  'gateway-public': [{ gateways: [gateway({ access: 'public' })] }, { gateways: [gateway()] }],
  'gateway-uncovered': [
    { uncovered: ['gateway ChatGateway is not covered by the global Guard'] },
    { uncovered: [] },
  ],
  'handler-without-rule': [
    { gateways: [handler({ hasRule: false })] },
    { gateways: [{ ...handler({ hasRule: false }), access: 'public' }] },
  ],
  'handler-skips-throttle': [
    { gateways: [handler({ skipsThrottle: true })] },
    { gateways: [handler({ skipsThrottle: false })] },
  ],
  'gateway-own-port': [{ gateways: [gateway({ port: 3001 })] }, { gateways: [gateway({ port: 0 })] }],
  'memory-store': [
    { redis: undefined, options: { redis: undefined, allowMemoryStoreInProduction: true } },
    { redis: undefined },
  ],
  'redis-plain': [{ redis: redis({ isTls: false }) }, { redis: redis({ isTls: false, isLoopback: true }) }],
  'redis-without-password': [
    { redis: redis({ hasPassword: false }) },
    { redis: redis({ hasPassword: true }) },
  ],
  'redis-default-user': [{ redis: redis({ user: 'default' }) }, { redis: redis({ user: 'ws-auth' }) }],
  'redis-not-persistent': [
    { redis: redis({}, { hasAppendLog: false }) },
    { redis: { ...redis(), server: undefined } },
  ],
  'redis-memory-unlimited': [
    { redis: redis({}, { maxMemoryBytes: 0 }) },
    { redis: redis({}, { maxMemoryBytes: Number.NaN }) },
  ],
  'outage-grace-long': [
    set({ storeOutage: { graceMs: 300_001 } }),
    set({ storeOutage: { graceMs: 300_000 } }),
  ],
  'outage-one-node': [
    set({ storeOutage: { expectedNodes: 1 } }),
    set({ storeOutage: { expectedNodes: 1 }, redis: undefined, allowMemoryStoreInProduction: true }),
  ],
  'anomalies-lock-out': [
    set({ anomalies: { spareLoggedIn: false, ticketReplayed: { action: 'ban' } } }),
    set({ anomalies: { spareLoggedIn: false, sessionOnManyAddresses: { action: 'revoke' } } }),
  ],
  'anomalies-off': [
    set({ anomalies: Object.fromEntries(ANOMALY_RULES.map((rule) => [rule, { threshold: Infinity }])) }),
    set({
      anomalies: Object.fromEntries(ANOMALY_RULES.slice(1).map((rule) => [rule, { threshold: Infinity }])),
    }),
  ],
  'secret-unset': [
    set({ secret: undefined, redis: undefined, allowMemoryStoreInProduction: true }),
    set({ secret: SHARED }),
  ],
  'secret-guessable': [set({ secret: MADE_UP }), set({ secret: randomBytes(16).toString('hex') + SHARED })],
  'secret-shared': [
    set({ secret: SHARED, ...secretIssuer(Buffer.from(SHARED)) }),
    set({ secret: SHARED, ...secretIssuer(randomBytes(48).toString('base64url')) }),
  ],
  'audit-log-off': [set({ audit: { log: false } }), set({ audit: { log: true } })],
  'report-only': [set({ audit: { reportOnly: ['throttle'] } }), set({ audit: { reportOnly: [] } })],
  'environment-unset': [
    { production: false, nodeEnv: undefined },
    { production: false, nodeEnv: 'development' },
  ],
  'environment-unknown': [
    { production: false, nodeEnv: 'staging' },
    { production: false, nodeEnv: 'test' },
  ],
  'node-end-of-life': [{ nodeVersion: '20.19.0' }, { nodeVersion: '22.12.0' }],
};

function rsa(modulusLength: number) {
  return generateKeyPairSync('rsa', { modulusLength }).publicKey;
}

function idsOf(change: Change): string[] {
  return examine(facts(change)).findings.map(({ id }) => id);
}

function severitiesOf(id: CheckId, change: Change): Severity[] {
  return examine(facts(change))
    .findings.filter((finding) => finding.id === id)
    .map(({ severity }) => severity);
}

describe('examine', () => {
  it('has nothing to say about a set-up that is as it should be (CF-01)', () => {
    expect(examine(facts())).toEqual({ findings: [], ignored: [] });
  });

  it.each(CHECK_IDS.map((id) => [id, ...CASES[id]] as const))(
    'finds %s, and not next to it',
    (id, bad, good) => {
      expect(idsOf(bad)).toContain(id);
      expect(idsOf(good)).not.toContain(id);
    },
  );

  it.each([
    ['20.19.0', true],
    ['22.12.0', false],
    ['23.1.0', true],
    ['25.9.0', true],
    ['26.0.0', false],
    ['27.1.0', false],
  ])('knows whether Node %s has ended, and claims nothing of lines to come', (nodeVersion, hasEnded) => {
    const now = Date.UTC(2026, 10, 1);
    expect(idsOf({ nodeVersion, now }).includes('node-end-of-life')).toBe(hasEnded);
  });

  it('takes no secret into what it says', () => {
    const bad = set({ secret: MADE_UP, ...secretIssuer(MADE_UP) });
    const said = JSON.stringify(examine(facts(bad)));
    expect(idsOf(bad)).toEqual(
      expect.arrayContaining(['secret-guessable', 'jwt-secret-guessable', 'secret-shared']),
    );
    expect(said).not.toContain(MADE_UP);
  });

  it('names every place that is without limit', () => {
    const gateways = [
      gateway({ name: 'A', concurrency: Infinity }),
      { ...handler({ concurrency: Infinity, method: 'run' }), name: 'B' },
    ];
    const [finding] = examine(facts({ gateways })).findings;
    expect(finding!.found).toMatch(/^A, B\.run\(\) is Infinity/);
  });

  it.each<[CheckId, Severity, readonly Severity[]]>([
    ['tls-not-required', 'error', []],
    ['origins-loopback', 'warning', []],
    ['hosts-unset', 'warning', ['notice']],
    ['jwt-secret-guessable', 'error', ['warning']],
    ['origins-null', 'warning', ['warning']],
  ])('takes %s for a thing of production: %s there, and %j elsewhere', (id, inProduction, elsewhere) => {
    const [bad] = CASES[id];
    expect(severitiesOf(id, bad)).toEqual([inProduction]);
    expect(severitiesOf(id, { ...bad, production: false })).toEqual(elsewhere);
  });

  it('puts the worst first', () => {
    const change = set({ handshake: { requireTls: false, maxHeaders: 201 }, message: { compression: true } });
    expect(examine(facts(change)).findings.map(({ severity }) => severity)).toEqual([
      'error',
      'warning',
      'notice',
    ]);
  });

  it('leaves out what the options say is meant, and tells that it did', () => {
    const change = set({
      message: { compression: true },
      doctor: { ignore: ['compression-on', 'headers-many'] },
    });
    expect(examine(facts(change))).toEqual({ findings: [], ignored: ['compression-on'] });
  });
});

describe('the checks', () => {
  it('are one for each id, in their order', () => {
    expect(DOCTOR_CHECKS.map(({ id }) => id)).toEqual(CHECK_IDS);
    expect(new Set(CHECK_IDS).size).toBe(CHECK_IDS.length);
    expect(CHECK_IDS.length).toBeGreaterThanOrEqual(40);
  });

  it.each(DOCTOR_CHECKS.map((check) => [check.id, check] as const))(
    '%s says what it is about, and what to do',
    (_, { rows, asvs, title, fix }) => {
      expect(rows.length).toBeGreaterThan(0);
      expect(asvs.length).toBeGreaterThan(0);
      for (const item of asvs) expect(ASVS).toHaveProperty([item]);
      expect(title).toMatch(/^[A-Z].*[^.]$/);
      expect(fix).toMatch(/^[a-z].*[^.]$/);
    },
  );

  it('name options that there are', () => {
    const known = Object.entries(DEFAULT_OPTIONS).flatMap(([group, options]) =>
      Object.keys(options).map((name) => `${group}.${name}`),
    );
    const groups = Object.keys(DEFAULT_OPTIONS).join('|');
    const named = DOCTOR_CHECKS.flatMap(
      ({ fix }) => fix.match(new RegExp(`\\b(${groups})\\.[a-zA-Z0-9]+`, 'g')) ?? [],
    );
    expect(named.length).toBeGreaterThan(30);
    expect(named.filter((option) => !known.includes(option))).toEqual([]);
  });
});

describe('describeFinding', () => {
  it('is one line, with the id by which it is looked up', () => {
    const [finding] = examine(facts(set({ message: { compression: true } }))).findings;
    expect(describeFinding(finding!)).toMatch(
      /^message\.compression is on: .*; leave message\.compression out \(doctor: compression-on, TH-06\)$/,
    );
  });
});

describe('doctor.ignore', () => {
  const problemsOf = (doctor: object): readonly string[] => {
    try {
      resolveOptions({ ...GOOD_OPTIONS, doctor }, { production: true });
      return [];
    } catch (error) {
      return (error as { problems: readonly string[] }).problems;
    }
  };

  it('takes ids of checks, and nothing else', () => {
    expect(problemsOf({ ignore: ['compression-on'] })).toEqual([]);
    expect(problemsOf({ ignore: ['compresion-on'] })).toEqual([
      'option "doctor.ignore" must be a list of ids of checks, as docs/doctor.md has them; "compresion-on" is none',
    ]);
    expect(problemsOf({ ignored: [] })).toEqual(['unknown option "doctor.ignored": did you mean "ignore"?']);
  });
});
