import { createSecretKey, generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { WsAuthOptionsError } from '../../lib/core/errors.js';
import { CREDENTIAL_KINDS } from '../../lib/core/handshake/credential-kind.js';
import { isSubprotocol } from '../../lib/core/handshake/subprotocol.js';
import {
  DEFAULT_OPTIONS,
  resolveOptions,
  type ResolvedOptions,
  type WsAuthOptions,
} from '../../lib/core/options.js';

const jwt = {
  secret: 'an HMAC secret of more than 32 bytes, for tests',
  algorithms: ['HS256'],
  issuer: 'https://issuer.example',
  audience: 'chat',
} as const;

/** The least that is needed: each test adds or breaks one thing. */
const least: WsAuthOptions = { origins: ['https://app.example.com'], credentials: ['ticket', 'bearer'], jwt };

type Given = Record<string, unknown>;

function resolve(given: Given = {}, production = false): ResolvedOptions {
  return resolveOptions({ ...least, ...given } as WsAuthOptions, { production });
}

/** The sentences with which the options are refused; none when they are taken. */
function problemsOf(given: Given, production = false): readonly string[] {
  try {
    resolve(given, production);
  } catch (error) {
    expect(error).toBeInstanceOf(WsAuthOptionsError);
    return (error as WsAuthOptionsError).problems;
  }
  return [];
}

/** Every path of an option that has a default, with that default. */
function defaultsByPath(group: object, prefix = ''): [path: string, value: unknown][] {
  return Object.entries(group).flatMap(([key, value]): [string, unknown][] => {
    const path = `${prefix}${key}`;
    const isGroup = typeof value === 'object' && !Array.isArray(value);
    return isGroup ? defaultsByPath(value as object, `${path}.`) : [[path, value]];
  });
}

/** `{ a: { b: value } }` for `a.b`. */
function nest(path: string, value: unknown): Given {
  return path.split('.').reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as Given;
}

const ALL_DEFAULTS = defaultsByPath(DEFAULT_OPTIONS);

describe('resolveOptions', () => {
  describe('defaults', () => {
    it('resolves the least that is needed', () => {
      const { jwt: resolvedJwt, ...rest } = resolve();
      expect(resolvedJwt.map(({ algorithms }) => algorithms)).toEqual([['HS256']]);
      expect(rest).toStrictEqual({
        origins: ['https://app.example.com'],
        credentials: ['ticket', 'bearer'],
        secret: undefined,
        redis: undefined,
        redisPrefix: 'ws:',
        redisPartitions: undefined,
        storeOutage: { graceMs: 60_000, expectedNodes: 2 },
        hosts: undefined,
        strict: false,
        production: false,
        principalIdPattern: /^[\x21-\x7e]{1,128}$/,
        closeCodes: 'project',
        allowMemoryStoreInProduction: false,
        basic: undefined,
        clientCertificate: undefined,
        readers: [],
        cookie: { name: 'sid', secure: 'auto', sameSite: 'strict', partitioned: false },
        handshake: {
          missingOrigin: 'explicit',
          timeoutMs: 10_000,
          verifyTimeoutMs: 5_000,
          maxPending: 1_000,
          maxPendingPerAddress: 50,
          maxHeaders: 100,
          headersTimeoutMs: 10_000,
          requireTls: false,
          refuseBrowsersWith: 'close-code',
          protocols: [],
          foreignPaths: [],
          dangerouslyAllowTokenInUrl: undefined,
          connectRate: { limit: 600, windowMs: 60_000, burst: 200 },
        },
        ticket: { ttlMs: 30_000, maxOutstanding: 20, maxPerMinute: 60, requiresCookie: false },
        session: { idleMs: 1_800_000, absoluteMs: 43_200_000, extendedBy: 'messages', maxPerUser: 100 },
        firstMessage: {
          timeoutMs: 5_000,
          maxBytes: 8_192,
          maxHeldFrames: 256,
          maxHeldBytes: 262_144,
          maxWaiting: 1_000,
          maxWaitingPerAddress: 20,
        },
        connections: { maxPerSession: 20, maxPerUser: 50, onLimit: 'reject' },
        message: {
          maxPayloadBytes: 65_536,
          maxFragments: 64,
          maxBufferedChunks: 1_024,
          fragmentTimeoutMs: 10_000,
          maxControlFramesPerSecond: 10,
          compression: false,
          maxDepth: 32,
          maxNodes: 10_000,
          concurrency: 1,
          maxQueued: 32,
          outbound: { highWaterBytes: 262_144, maxBytes: 1_048_576, whenSlow: 'drop' },
          stepUp: { timeoutMs: 120_000, maxParked: 8, maxParkedBytes: 65_536 },
          asyncContext: false,
        },
        throttle: {
          preset: 'chat',
          perConnection: { limit: 3_000, windowMs: 60_000, burst: 200 },
          perConnectionBytes: { limit: 262_144, windowMs: 1_000, burst: 1_048_576 },
          perUser: { limit: 6_000, windowMs: 60_000, burst: 400, shared: true },
          malformed: { limit: 20, windowMs: 60_000, burst: 20 },
          violations: { limit: 20, windowMs: 10_000, burst: 20 },
          limits: [],
        },
        lifetime: {
          maxMs: 43_200_000,
          idleMs: 900_000,
          pingIntervalMs: 30_000,
          pongTimeoutMs: 10_000,
          revalidateMs: 60_000,
          drainMs: 20_000,
          closeGraceMs: 2_000,
        },
        proxy: { trusted: [], ipv6Prefix: 64 },
        audit: { log: true, sinks: [], reportOnly: [] },
        anomalies: {
          ticketReplayed: { threshold: 3, windowMs: 600_000, action: 'none' },
          ticketWrongBinding: { threshold: 3, windowMs: 600_000, action: 'none' },
          failuresOfAddress: { threshold: 50, windowMs: 900_000, action: 'none' },
          failuresOfCredential: { threshold: 20, windowMs: 900_000, action: 'none' },
          successAfterFailures: { threshold: 5, windowMs: 900_000, action: 'none' },
          sessionOnManyAddresses: { threshold: 5, windowMs: 3_600_000, action: 'none' },
          cookieTossing: { threshold: 3, windowMs: 600_000, action: 'none' },
          banMs: 900_000,
          spareLoggedIn: true,
          neverBan: [],
        },
        telemetry: undefined,
        doctor: { ignore: [] },
      });
    });

    it('takes the default for every option that is undefined', () => {
      for (const [path, value] of ALL_DEFAULTS) {
        expect(resolve(nest(path, undefined))).toMatchObject(nest(path, value));
      }
    });

    it('takes the default of a group option by option, so that one of them does not lose the others', () => {
      const { handshake } = resolve({ handshake: { maxPending: 7, connectRate: { burst: 3 } } });
      expect(handshake.maxPending).toBe(7);
      expect(handshake.timeoutMs).toBe(10_000);
      expect(handshake.connectRate).toEqual({ limit: 600, windowMs: 60_000, burst: 3 });
    });

    it('keeps false and 0 where they are meant', () => {
      expect(resolve({ audit: { log: false } }).audit.log).toBe(false);
      expect(resolve({ firstMessage: { maxHeldFrames: 0 } }).firstMessage.maxHeldFrames).toBe(0);
    });

    it('takes every value that it would have taken by itself', () => {
      for (const [path, value] of ALL_DEFAULTS) {
        expect(resolve(nest(path, value))).toMatchObject(nest(path, value));
      }
    });

    it('does not change what it was given', () => {
      const given = { ...least, handshake: Object.freeze({ maxPending: 3 }), proxy: Object.freeze({}) };
      const copy = structuredClone({ ...given, jwt: undefined });
      resolve(given);
      expect({ ...given, jwt: undefined }).toEqual(copy);
    });
  });

  describe('unknown and misspelt keys', () => {
    const topLevel = [
      'origins',
      'credentials',
      'jwt',
      'secret',
      'hosts',
      'strict',
      'principalIdPattern',
      'closeCodes',
      'allowMemoryStoreInProduction',
      'cookie',
      'handshake',
      'ticket',
      'session',
      'firstMessage',
      'connections',
      'message',
      'lifetime',
      'proxy',
      'audit',
    ];
    const inGroups = [
      ...ALL_DEFAULTS.map(([path]) => path),
      'cookie.name',
      'cookie.secure',
      'cookie.sameSite',
      'cookie.partitioned',
    ];

    it.each([...topLevel, ...inGroups])('names %s as the nearest when it is misspelt', (path) => {
      const keys = path.split('.');
      const name = keys.pop()!;
      const misspelt = [...keys, `${name.slice(0, 2)}${name.slice(1)}`].join('.');
      expect(problemsOf(nest(misspelt, 1))).toContain(
        `unknown option "${misspelt}": did you mean "${name}"?`,
      );
    });

    it.each([
      ['ttl', 'ticket.ttl', 'ttlMs'],
      ['the letter case', 'handshake.maxpending', 'maxPending'],
      ['the singular', 'origin', 'origins'],
      ['the plural', 'tickets', 'ticket'],
    ])('names the nearest for %s', (_, path, nearest) => {
      expect(problemsOf(nest(path, 1))).toContain(`unknown option "${path}": did you mean "${nearest}"?`);
    });

    it('lists what is known when nothing is near', () => {
      expect(problemsOf({ audit: { destination: 'stdout' } })).toEqual([
        'unknown option "audit.destination": known are log, sinks, reportOnly',
      ]);
    });

    it('knows no switch that turns the Origin check off', () => {
      for (const key of ['checkOrigin', 'allowAnyOrigin', 'disableOriginCheck']) {
        expect(problemsOf({ handshake: { [key]: false } })).toHaveLength(1);
        expect(problemsOf({ [key]: false })).toHaveLength(1);
      }
    });
  });

  describe('wrong units and kinds', () => {
    const durations = ALL_DEFAULTS.filter(([path]) => path.endsWith('Ms')).map(([path]) => path);
    const counts = ALL_DEFAULTS.filter(([path, value]) => typeof value === 'number' && !path.endsWith('Ms'));
    const flags = ALL_DEFAULTS.filter(([, value]) => typeof value === 'boolean');
    const lists = ALL_DEFAULTS.filter(([, value]) => Array.isArray(value));

    it.each(durations)('refuses "30s", 0, -1, NaN and Infinity as %s', (path) => {
      for (const [value, described] of [
        ['30s', '"30s"'],
        [0, '0'],
        [-1, '-1'],
        [Number.NaN, 'NaN'],
        [Number.POSITIVE_INFINITY, 'Infinity'],
        [2 ** 31, '2147483648'],
      ]) {
        const sentences = problemsOf(nest(path, value));
        expect(sentences[0]).toMatch(
          new RegExp(
            `^option "${path}" must be a number of milliseconds above 0 and at most \\d+, received `,
          ),
        );
        expect(sentences[0]).toContain(`received ${described}`);
      }
    });

    it.each(counts.map(([path]) => path))('refuses 1.5, -1, "10" and Infinity as %s', (path) => {
      const mayBeInfinite = path === 'message.concurrency' || /^anomalies\..*\.threshold$/.test(path);
      for (const value of [1.5, -1, '10', ...(mayBeInfinite ? [] : [Number.POSITIVE_INFINITY])]) {
        const described = typeof value === 'string' ? `"${value}"` : String(value);
        const [sentence] = problemsOf(nest(path, value));
        expect(sentence).toMatch(
          new RegExp(`^option "${path}" must be a whole number from \\d+ to \\d+, received `),
        );
        expect(sentence).toContain(`received ${described}`);
      }
    });

    it('starts from other numbers with throttle.preset "strict", each of which can still be changed', () => {
      const { throttle } = resolve({ throttle: { preset: 'strict', perUser: { limit: 500 } } });
      expect(throttle.perConnection).toEqual({ limit: 100, windowMs: 60_000, burst: 20 });
      expect(throttle.perUser).toEqual({ limit: 500, windowMs: 60_000, burst: 60, shared: true });
      expect(throttle.violations).toEqual({ limit: 3, windowMs: 60_000, burst: 3 });
    });

    it('refuses limits for every handler that cannot be used, each with its place', () => {
      expect(problemsOf({ throttle: { limits: {} } })[0]).toMatch(/"throttle.limits" must be a list/);
      expect(
        problemsOf({
          throttle: {
            limits: [
              { limit: 5, windowMs: 1_000 },
              { limit: 0, windowMs: 1_000 },
            ],
          },
        }),
      ).toEqual(['option "throttle.limits[1]": "limit" must be a whole number above 0, received 0']);
    });

    it('takes Infinity as message.concurrency, and false as lifetime.idleMs', () => {
      expect(resolve({ message: { concurrency: Infinity } }).message.concurrency).toBe(Infinity);
      expect(resolve({ lifetime: { idleMs: false } }).lifetime.idleMs).toBe(false);
    });

    it.each(flags.map(([path]) => path))('refuses "false" and 0 as %s', (path) => {
      expect(problemsOf(nest(path, 'false'))).toEqual([
        `option "${path}" must be true or false, received "false"`,
      ]);
      expect(problemsOf(nest(path, 0))).toEqual([`option "${path}" must be true or false, received 0`]);
    });

    it.each(lists.map(([path]) => path))('refuses a single text as %s', (path) => {
      expect(problemsOf(nest(path, 'one'))[0]).toMatch(
        new RegExp(`^option "${path}" must be a list of .*, received a string$`),
      );
    });

    it.each([
      'cookie',
      'handshake',
      'handshake.connectRate',
      'ticket',
      'session',
      'firstMessage',
      'connections',
      'message',
      'lifetime',
      'proxy',
      'audit',
    ])('refuses null and a list as the group %s', (group) => {
      expect(problemsOf(nest(group, null))).toEqual([`option "${group}" must be an object, received null`]);
      expect(problemsOf(nest(group, []))).toEqual([`option "${group}" must be an object, received a list`]);
    });

    it.each([
      ['strict', 'yes', 'option "strict" must be true or false, received "yes"'],
      [
        'closeCodes',
        'own',
        'option "closeCodes" must be one of "project", "iana", "policy-violation", received "own"',
      ],
      [
        'handshake.missingOrigin',
        'allow',
        'option "handshake.missingOrigin" must be one of "explicit", "refuse", received "allow"',
      ],
      [
        'handshake.refuseBrowsersWith',
        4401,
        'option "handshake.refuseBrowsersWith" must be one of "close-code", "http-status", received 4401',
      ],
      [
        'session.extendedBy',
        'pings',
        'option "session.extendedBy" must be one of "messages", "http", received "pings"',
      ],
      [
        'connections.onLimit',
        'replace',
        'option "connections.onLimit" must be one of "reject", "replace-oldest", received "replace"',
      ],
    ])('says what %s may be', (path, value, sentence) => {
      expect(problemsOf(nest(path, value))).toEqual([sentence]);
    });

    it.each([
      ['ticket.ttlMs', 60_001, 'at most 60000'],
      ['handshake.timeoutMs', 120_001, 'at most 120000'],
      ['firstMessage.timeoutMs', 120_001, 'at most 120000'],
      ['lifetime.closeGraceMs', 30_001, 'at most 30000'],
      ['handshake.maxHeaders', 9, 'from 10 to 1000'],
      ['handshake.maxHeaders', 1_001, 'from 10 to 1000'],
      ['ticket.maxOutstanding', 1_001, 'from 1 to 1000'],
      ['session.maxPerUser', 0, 'from 1 to 10000'],
      ['firstMessage.maxBytes', 255, 'from 256 to'],
      ['message.maxPayloadBytes', 2 ** 30 + 1, 'from 256 to 1073741824'],
      ['proxy.ipv6Prefix', 47, 'from 48 to 128'],
      ['proxy.ipv6Prefix', 129, 'from 48 to 128'],
    ])('keeps %s from being %d', (path, value, range) => {
      const [sentence] = problemsOf(nest(path, value));
      expect(sentence).toContain(`option "${path}" must be `);
      expect(sentence).toContain(range);
      expect(sentence).toContain(`received ${value}`);
    });

    it('says everything that is wrong at once', () => {
      const sentences = problemsOf({ origins: [], ticket: { ttlMs: '30s' }, session: { idelMs: 1 } });
      expect(sentences).toHaveLength(3);
    });

    it.each([null, undefined, 'options', 7])('needs an object, not %s', (given) => {
      expect(() => resolveOptions(given as never, { production: false })).toThrow(
        /WsAuthModule\.forRoot\(\) needs an options object, received /,
      );
    });
  });

  describe('origins', () => {
    it.each([[undefined], [[]], ['https://app.example.com'], [null]])(
      'are required: not %j (OR-01)',
      (origins) => {
        expect(problemsOf({ origins })).toEqual([
          'option "origins" is missing: list the origins whose pages may connect, such as ["https://app.example.com"]; ' +
            'without it any web page could open a socket in the name of your users',
        ]);
      },
    );

    it('refuses the wildcard (OR-01)', () => {
      expect(problemsOf({ origins: ['*'] })).toEqual([
        'option "origins": "*" would let every web page connect in the name of your users: list the origins',
      ]);
    });

    it('tells each entry that is none', () => {
      expect(problemsOf({ origins: ['https://app.example.com/', 3] })).toEqual([
        'option "origins": "https://app.example.com/" never equals what a browser sends: write "https://app.example.com"',
        'option "origins": 3 is not a string such as "https://app.example.com"',
      ]);
    });

    it('take the literal null (OR-03)', () => {
      expect(resolve({ origins: ['null'] }).origins).toEqual(['null']);
    });
  });

  describe('credentials', () => {
    it.each([[undefined], [[]], ['ticket']])('are required: not %j', (credentials) => {
      expect(problemsOf({ credentials })[0]).toMatch(
        /^option "credentials" is missing: choose from "ticket", /,
      );
    });

    it('are of the known kinds', () => {
      const known = 'known are ticket, bearer, cookie, basic, client-certificate, first-message';
      expect(CREDENTIAL_KINDS.join(', ')).toBe(
        'ticket, bearer, cookie, basic, client-certificate, first-message',
      );
      expect(problemsOf({ credentials: ['ticket', 'tickets'] })).toEqual([
        `option "credentials" lists "tickets": ${known}`,
      ]);
      expect(problemsOf({ credentials: ['ticket', 4] })).toEqual([
        `option "credentials" lists a number: ${known}`,
      ]);
      expect(problemsOf({ credentials: ['ticket', ['bearer']] })).toEqual([
        `option "credentials" lists a list: ${known}`,
      ]);
    });

    it('are listed once', () => {
      expect(resolve({ credentials: ['ticket', 'cookie', 'ticket'] }).credentials).toEqual([
        'ticket',
        'cookie',
      ]);
    });
  });

  describe('secret', () => {
    it('takes a text, bytes or a key of 32 bytes and more', () => {
      const bytes = Buffer.alloc(32, 7);
      for (const secret of ['x'.repeat(32), bytes, createSecretKey(bytes)]) {
        expect(resolve({ secret }).secret).toBe(secret);
      }
    });

    it('counts bytes and not characters', () => {
      expect(resolve({ secret: 'é'.repeat(16) }).secret).toBe('é'.repeat(16));
    });

    it('refuses a short one, and does not repeat it', () => {
      const [sentence] = problemsOf({ secret: 'secret' });
      expect(sentence).toBe(
        'option "secret" has 6 bytes, and at least 32 are needed: take one from `openssl rand -base64 48`',
      );
      expect(problemsOf({ secret: 'hunter2-hunter2' })[0]).not.toContain('hunter2');
      expect(problemsOf({ secret: createSecretKey(Buffer.alloc(31, 1)) })).toEqual([
        'option "secret" must be a secret key of at least 32 bytes',
      ]);
    });

    it('refuses a key that is not secret, and what is no key at all', () => {
      const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      expect(problemsOf({ secret: publicKey })).toEqual([
        'option "secret" must be a secret key of at least 32 bytes',
      ]);
      expect(problemsOf({ secret: 12 })).toEqual([
        'option "secret" must be a string, a Buffer or a KeyObject, received a number',
      ]);
    });
  });

  describe('hosts', () => {
    it('takes names with and without a port', () => {
      expect(resolve({ hosts: ['app.example.com', 'localhost:3000'] }).hosts).toEqual([
        'app.example.com',
        'localhost:3000',
      ]);
    });

    it.each(['https://app.example.com', '*.example.com', 'a b', '', 'x:99999'])('refuses "%s"', (host) => {
      expect(problemsOf({ hosts: [host] })).toEqual([
        `option "hosts" must be a list of host names such as "app.example.com" or "localhost:3000"; "${host}" is none`,
      ]);
    });

    it('refuses the empty list', () => {
      expect(problemsOf({ hosts: [] })).toEqual([
        'option "hosts" is empty, so that every request would be refused: list the names, or leave it out',
      ]);
    });
  });

  describe('principalIdPattern', () => {
    it('takes a pattern that has no memory', () => {
      expect(resolve({ principalIdPattern: /^\d+$/i }).principalIdPattern).toEqual(/^\d+$/i);
    });

    it.each([/a/g, /a/y, '^a$', null])('refuses %s', (principalIdPattern) => {
      expect(problemsOf({ principalIdPattern })).toEqual([
        'option "principalIdPattern" must be a regular expression without the flags g and y',
      ]);
    });
  });

  describe('handshake', () => {
    it.each(['ticket.ws-auth.x', 'base64url.bearer.ws-auth.x', 'a b', 'a,b', '', 'x'.repeat(129)])(
      'does not speak the subprotocol "%s" (HS-13)',
      (protocol) => {
        expect(isSubprotocol(protocol)).toBe(false);
        expect(problemsOf({ handshake: { protocols: [protocol] } })[0]).toContain(
          'option "handshake.protocols" must be a list of subprotocol names that carry no credential; ',
        );
      },
    );

    it('speaks the subprotocols it was given, in their order', () => {
      expect(resolve({ handshake: { protocols: ['app.v2', 'app.v1'] } }).handshake.protocols).toEqual([
        'app.v2',
        'app.v1',
      ]);
    });

    it.each(['graphql', '/a?b', '/a#b', '/a b', '/é'])('leaves no foreign path "%s"', (path) => {
      expect(problemsOf({ handshake: { foreignPaths: [path] } })).toEqual([
        `option "handshake.foreignPaths" must be a list of paths that begin with "/"; "${path}" is none`,
      ]);
    });

    it('shortens the time to verify when the whole time is shorter', () => {
      expect(resolve({ handshake: { timeoutMs: 2_000 } }).handshake.verifyTimeoutMs).toBe(2_000);
      expect(resolve({ handshake: { timeoutMs: 8_000 } }).handshake.verifyTimeoutMs).toBe(5_000);
    });
  });

  describe('proxy', () => {
    it.each(['::ffff:10.0.0.0/8', '::/64', '10.0.0.0/33', 'nginx', true, 1])(
      'does not trust %s (TH-07)',
      (entry) => {
        const [sentence] = problemsOf({ proxy: { trusted: [entry] } });
        expect(sentence).toContain('option "proxy.trusted" must be a list of addresses or CIDR blocks');
        expect(sentence).toContain('an IPv4-mapped block needs a prefix of at least 96');
      },
    );

    it('trusts addresses and blocks', () => {
      const trusted = ['10.0.0.0/8', '127.0.0.1', '::1', '2001:db8::/32', '::ffff:10.0.0.0/104'];
      expect(resolve({ proxy: { trusted } }).proxy.trusted).toEqual(trusted);
    });
  });

  describe('unsafe combinations', () => {
    it('refuses bearer without a way to verify it', () => {
      expect(problemsOf({ jwt: undefined })).toEqual([
        'option "jwt" is missing: "credentials" lists "bearer", so say how tokens are verified',
      ]);
    });

    it('refuses a first message that could carry nothing', () => {
      expect(problemsOf({ credentials: ['first-message'] })).toEqual([
        'option "credentials" lists only "first-message": add "bearer" or "ticket", which is what the first message carries',
      ]);
    });

    it('refuses the memory store in production unless that is meant', () => {
      expect(problemsOf({}, true)).toEqual([
        'the embedded memory store is not for production: sessions and revocations would stay on one node and end with ' +
          'the process; set "redis", or allowMemoryStoreInProduction: true if that is what you want',
      ]);
      expect(problemsOf({ redis: 'redis://localhost', secret: 'x'.repeat(32) }, true)).toEqual([]);
      expect(problemsOf({ allowMemoryStoreInProduction: true }, true)).toEqual([]);
    });

    it('asks for a secret with Redis, because all nodes need the same', () => {
      expect(problemsOf({ redis: 'redis://localhost:6379' })).toEqual([
        'option "secret" is missing: with "redis" all nodes need the same one, of at least 32 bytes; take it from ' +
          '`openssl rand -base64 48`',
      ]);
    });

    it.each([
      [{ redis: 'localhost:6379' }, /"redis" must be a redis:\/\/ or rediss:\/\/ URL/],
      [{ redis: 6379 }, /"redis" must be a redis:\/\/ or rediss:\/\/ URL/],
      [{ redisPrefix: 'a b' }, /"redisPrefix" must be 1 to 64/],
      [{ redisPartitions: 32 }, /"redisPartitions" must be one of 1, 16, 64, 256, received 32/],
      [{ redisPartitions: '16' }, /"redisPartitions" must be one of 1, 16, 64, 256, received "16"/],
      [{ storeOutage: { grace: 1 } }, /unknown option "storeOutage\.grace": did you mean "graceMs"/],
      [{ storeOutage: { expectedNodes: 0 } }, /"storeOutage\.expectedNodes"/],
    ])('refuses %j', (options, sentence) => {
      expect(problemsOf(options as Given)).toEqual([expect.stringMatching(sentence)]);
    });

    it('refuses a session that may be idle for longer than it lives', () => {
      expect(problemsOf({ session: { idleMs: 2_000, absoluteMs: 1_999 } })).toEqual([
        'option "session.idleMs" is longer than "session.absoluteMs": a session could never be idle that long',
      ]);
      expect(problemsOf({ session: { idleMs: 2_000, absoluteMs: 2_000 } })).toEqual([]);
    });

    it('refuses a verification that takes longer than the handshake', () => {
      expect(problemsOf({ handshake: { timeoutMs: 2_000, verifyTimeoutMs: 2_001 } })).toEqual([
        'option "handshake.verifyTimeoutMs" is longer than "handshake.timeoutMs", which would always come first',
      ]);
    });

    it('refuses an auth frame above the payload limit', () => {
      expect(problemsOf({ firstMessage: { maxBytes: 70_000 } })).toEqual([
        'option "firstMessage.maxBytes" is above "message.maxPayloadBytes", which would always come first',
      ]);
    });

    it('refuses SameSite=None without Partitioned (CK-01)', () => {
      expect(problemsOf({ cookie: { sameSite: 'none' } })).toEqual([
        'option "cookie.sameSite" is "none": set "cookie.partitioned" too, browsers send no other cross-site cookie',
      ]);
    });
  });

  describe('production', () => {
    const production = (given: Given = {}) => resolve({ allowMemoryStoreInProduction: true, ...given }, true);

    it('requires TLS (HS-15), unless that was said otherwise', () => {
      expect(production().handshake.requireTls).toBe(true);
      expect(production({ handshake: { requireTls: false } }).handshake.requireTls).toBe(false);
      expect(resolve().handshake.requireTls).toBe(false);
    });

    it('always has a Secure cookie (CK-01)', () => {
      expect(production().cookie.secure).toBe(true);
      expect(production({ cookie: { secure: 'auto' } }).cookie.secure).toBe(true);
    });
  });
});
