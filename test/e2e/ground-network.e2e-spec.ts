import { type EventEmitter, once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Server as HttpServer } from 'node:http';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { INestApplication } from '@nestjs/common';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type AuditEvent,
  WsAuthAdapter,
  WsAuthEvents,
  WsAuthModule,
  type WsAuthOptions,
} from '../../lib/index.js';
import { baseOptions, startApp, type TestApp, type TestAppParts } from '../support/app.js';
import { makeChatGateway } from '../support/gateways.js';
import { interpose } from '../support/interpose.js';
import { handshakeBytes, RawClient } from '../support/raw-client.js';
import { CHALLENGE, expectNothingLeft, expectRefusal } from '../support/refusal.js';
import { selfSigned } from '../support/tls.js';

/** The proxy of these tests is whoever connects over loopback. */
const PROXY = '127.0.0.1';
const CLIENT = '203.0.113.9';
const OTHER = '198.51.100.7';
/** Loopback is one address: tests that knock often must not be told to slow down. */
const NO_RATE = { connectRate: { limit: 1_000_000, windowMs: 60_000, burst: 1_000_000 } };

const open: { close(): Promise<unknown> }[] = [];
const clients: RawClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const one of open.splice(0)) await one.close();
});

async function start(
  options: Partial<WsAuthOptions> = {},
  parts: Partial<TestAppParts> = {},
): Promise<TestApp> {
  const handshake = { ...NO_RATE, ...options.handshake };
  const test = await startApp({
    gateways: [makeChatGateway()],
    ...parts,
    options: { ...options, handshake },
  });
  open.push(test);
  return test;
}

type Headers = Record<string, string | readonly string[] | undefined>;

async function knock(test: TestApp, headers: Headers = {}): Promise<RawClient> {
  const client = await RawClient.open(test.port, { headers });
  clients.push(client);
  return client;
}

/** Whom the node takes the sender of these headers for, in the connection and in the audit log alike. */
async function seenAs(test: TestApp, headers: Headers): Promise<{ ip: string; source: string }> {
  const known = new Set(test.connections.local());
  const client = await knock(test, { Authorization: `Bearer ${test.token()}`, ...headers });
  await client.upgraded();
  const { handshake } = test.connections.local().find((connection) => !known.has(connection))!;
  const told = test.events.findLast(({ event }) => event === 'authn_login_success')!;
  expect([told.ip, told.ipSource]).toEqual([handshake.address, handshake.addressSource]);
  return { ip: handshake.address, source: handshake.addressSource };
}

const socket = { ip: PROXY, source: 'socket' };
const forwarded = (ip: string) => ({ ip, source: 'forwarded' });

describe('TH-07: the address of a client', () => {
  it.each<[string, readonly string[]]>([
    ['where no proxy is trusted', []],
    ['where another one is', ['10.0.0.0/8', '127.0.0.2']],
  ])('is that of the socket %s, whatever a direct peer says', async (_, trusted) => {
    const test = await start({ proxy: { trusted } });
    for (const headers of [
      { 'X-Forwarded-For': CLIENT },
      { 'X-Forwarded-For': `${CLIENT}, 10.0.0.1` },
      { 'X-Real-IP': CLIENT, Forwarded: `for=${CLIENT}`, 'CF-Connecting-IP': CLIENT, 'X-Client-IP': CLIENT },
    ])
      expect(await seenAs(test, headers)).toEqual(socket);
  });

  it('is the right-most that a trusted proxy did not stand for; what a client wrote left of it is ignored', async () => {
    const test = await start({ proxy: { trusted: [PROXY, '10.0.0.0/8'] } });
    for (const [header, seen] of [
      [CLIENT, forwarded(CLIENT)],
      [`127.0.0.1, ${OTHER}, ${CLIENT}`, forwarded(CLIENT)],
      [`${OTHER}, ${CLIENT}, 10.1.2.3`, forwarded(CLIENT)],
      [`${OTHER},${CLIENT},10.1.2.3,10.3.2.1`, forwarded(CLIENT)],
      ['10.1.2.3', forwarded('10.1.2.3')],
      [[OTHER, CLIENT], forwarded(CLIENT)],
    ] as const)
      expect(await seenAs(test, { 'X-Forwarded-For': header }), String(header)).toEqual(seen);
  });

  it('is the last valid hop, where the next one is none', async () => {
    const test = await start({ proxy: { trusted: [PROXY, '10.0.0.0/8'] } });
    for (const garbage of [
      '1.1.1.1:5555',
      '<script>',
      'unknown',
      '',
      '[2001:db8::1]:443',
      '_hidden',
      '1.1.1',
    ]) {
      expect(await seenAs(test, { 'X-Forwarded-For': `${CLIENT}, ${garbage}` }), garbage).toEqual(socket);
      const behind = { 'X-Forwarded-For': `${CLIENT}, ${garbage}, 10.1.2.3` };
      expect(await seenAs(test, behind), garbage).toEqual(forwarded('10.1.2.3'));
    }
  });

  it('is found in a header of 1,000 entries, of which the last 50 are looked at', async () => {
    const test = await start({ proxy: { trusted: [PROXY, '10.0.0.0/8'] } });
    const hops = Array.from({ length: 1_000 }, (_, index) => `10.0.${index >> 8}.${index & 255}`);
    expect(await seenAs(test, { 'X-Forwarded-For': [...hops, CLIENT].join() })).toEqual(forwarded(CLIENT));
    expect(await seenAs(test, { 'X-Forwarded-For': [CLIENT, ...hops].join() })).toEqual(
      forwarded(hops[950]!),
    );
    const spoofed = Array.from({ length: 1_000 }, () => OTHER);
    expect(await seenAs(test, { 'X-Forwarded-For': [...spoofed, CLIENT].join() })).toEqual(forwarded(CLIENT));
  });

  it('is written to the audit log as an address, and never as what was sent', async () => {
    const test = await start({ proxy: { trusted: [PROXY] } });
    const client = await knock(test, {
      'X-Forwarded-For': '<script>alert(1)</script>, 203.0.113.9%0d%0aFAKE',
      Authorization: 'Bearer x',
    });
    await expectRefusal(client, 'unauthorized', { 'www-authenticate': CHALLENGE.invalid });
    expect(test.events.at(-1)).toMatchObject({ ip: PROXY, ipSource: 'socket' });
    expect(test.logger.lines.join('\n')).not.toMatch(/script|FAKE/);
  });

  it.each(['::ffff:10.0.0.0/8', '::ffff:0:0/95', '::/0'])(
    'refuses the boot where proxy.trusted has %s, which trusts all of IPv4',
    async (entry) => {
      await expect(start({ proxy: { trusted: [entry] } })).rejects.toThrow(
        'option "proxy.trusted" must be a list of addresses or CIDR blocks such as "10.0.0.0/8" (an IPv4-mapped block needs a prefix of at least 96)',
      );
    },
  );

  it('is believed of a proxy that is listed as IPv4-mapped', async () => {
    const test = await start({ proxy: { trusted: ['::ffff:127.0.0.0/104'] } });
    expect(await seenAs(test, { 'X-Forwarded-For': CLIENT })).toEqual(forwarded(CLIENT));
  });
});

describe('TH-08: the clients that limits count', () => {
  const LIMIT = 5;
  const limited = { handshake: { connectRate: { limit: LIMIT, windowMs: 3_600_000, burst: LIMIT } } };
  const trusting = { ...limited, proxy: { trusted: [PROXY] } };

  /** The statuses of one handshake each from these addresses, with no credential: 401, or 429 before anybody looks. */
  async function statusesOf(test: TestApp, addresses: readonly string[]): Promise<number[]> {
    const statuses: number[] = [];
    for (let from = 0; from < addresses.length; from += 50) {
      const batch = addresses.slice(from, from + 50).map(async (address) => {
        const headers = { 'X-Forwarded-For': address, Authorization: 'Bearer x' };
        const client = await RawClient.open(test.port, { headers });
        const { status } = await client.response();
        client.destroy();
        return status;
      });
      statuses.push(...(await Promise.all(batch)));
    }
    return statuses;
  }
  const count = (statuses: readonly number[], status: number) =>
    statuses.filter((each) => each === status).length;

  it('are one for 1,000 addresses of a /64, and another one for the next /64', async () => {
    const test = await start(trusting);
    const addresses = Array.from({ length: 1_000 }, (_, host) => `2001:db8:0:1::${host.toString(16)}`);
    const statuses = await statusesOf(test, addresses);
    expect([count(statuses, 401), count(statuses, 429)]).toEqual([LIMIT, 1_000 - LIMIT]);
    expect(await statusesOf(test, ['2001:db8:0:2::1'])).toEqual([401]);
    await expectNothingLeft(test);
  });

  it('are one for all spellings of an address, with a zone id or without', async () => {
    const test = await start(trusting);
    const spellings = [
      '2001:DB8::1',
      '2001:db8:0::1',
      '2001:0db8:0:0:0:0:0:1',
      '2001:db8::1%eth0',
      '2001:db8::1%1',
    ];
    expect(await statusesOf(test, spellings)).toEqual([401, 401, 401, 401, 401]);
    expect(await statusesOf(test, [...spellings, '2001:db8::2'])).toEqual(Array(6).fill(429));
    expect(new Set(test.events.map(({ ip }) => ip))).toEqual(
      new Set(['2001:db8:0:0:0:0:0:1', '2001:db8:0:0:0:0:0:2']),
    );
  });

  it('are two for two IPv4-mapped addresses, each of which is its IPv4 address', async () => {
    const test = await start(trusting);
    const five = (address: string) => Array<string>(LIMIT).fill(address);
    expect(count(await statusesOf(test, five('::ffff:198.51.100.1')), 401)).toBe(LIMIT);
    expect(count(await statusesOf(test, five('::ffff:198.51.100.2')), 401)).toBe(LIMIT);
    expect(await statusesOf(test, ['198.51.100.1', '::FFFF:C633:6402', '198.51.100.3'])).toEqual([
      429, 429, 401,
    ]);
  });

  it('are by the prefix that the options say', async () => {
    const test = await start({ ...limited, proxy: { trusted: [PROXY], ipv6Prefix: 48 } });
    const addresses = Array.from({ length: 20 }, (_, net) => `2001:db8:7:${net.toString(16)}::1`);
    expect(count(await statusesOf(test, addresses), 429)).toBe(20 - LIMIT);
    expect(await statusesOf(test, ['2001:db8:8::1'])).toEqual([401]);
  });

  it('are not got around by a header that nobody is trusted to send (TH-01)', async () => {
    const test = await start(limited);
    const statuses = await statusesOf(
      test,
      Array.from({ length: 20 }, (_, host) => `198.51.100.${host}`),
    );
    expect([count(statuses, 401), count(statuses, 429)]).toEqual([LIMIT, 20 - LIMIT]);
    const late = await knock(test, { Authorization: `Bearer ${test.token()}` });
    const { headers } = await expectRefusal(late, 'rate_limited');
    expect(Number(headers['retry-after'])).toBeGreaterThan(600);
  });

  it('are counted by the /64 for guesses too, and the user comes in from elsewhere (CR-05)', async () => {
    const verify = (user: string, password: string) => (password === 'right' ? { id: user } : null);
    const test = await start({
      credentials: ['basic'],
      basic: { verify },
      proxy: { trusted: [PROXY] },
    });
    const guess = async (address: string, password: string): Promise<number> => {
      const Authorization = `Basic ${Buffer.from(`ada:${password}`).toString('base64')}`;
      const headers = { Authorization, 'X-Forwarded-For': address, 'X-Forwarded-Proto': 'https' };
      return (await (await knock(test, headers)).response()).status;
    };
    const statuses: number[] = [];
    for (let host = 1; host <= 15; host += 1) statuses.push(await guess(`2001:db8:0:1::${host}`, 'wrong'));
    expect([count(statuses, 401), count(statuses, 429)]).toEqual([10, 5]);
    expect(await guess('2001:db8:0:1::ffff', 'right')).toBe(429);
    expect(await guess('2001:db8:0:2::1', 'right')).toBe(101);
  });

  describe('without an address', () => {
    async function startOnUnixSocket(options: Partial<WsAuthOptions>) {
      const folder = mkdtempSync(join(tmpdir(), 'ws-auth-'));
      const path = join(folder, 'app.sock');
      class AppModule {}
      const Gateway = makeChatGateway();
      Module({ imports: [WsAuthModule.forRoot({ ...baseOptions(), ...options })], providers: [Gateway] })(
        AppModule,
      );
      const app: INestApplication = await NestFactory.create(AppModule, {
        logger: false,
        abortOnError: false,
      });
      open.push(app, { close: async () => rmSync(folder, { recursive: true, force: true }) });
      app.useWebSocketAdapter(new WsAuthAdapter(app));
      const events: AuditEvent[] = [];
      app.get(WsAuthEvents).subscribe((event) => void events.push(event));
      await app.init();
      const server = app.getHttpServer() as HttpServer;
      server.listen(path);
      await once(server, 'listening');
      return { path, events, Gateway };
    }

    it.each<readonly string[][]>([[[]], [[PROXY, '0.0.0.0/1']]])(
      'are refused 503 on a Unix socket, and share no bucket: trusted %j',
      async (trusted) => {
        const { path, events, Gateway } = await startOnUnixSocket({ proxy: { trusted }, handshake: {} });
        for (let index = 0; index < 3; index += 1) {
          const client = connect(path);
          client.write(handshakeBytes({ headers: { 'X-Forwarded-For': CLIENT } }));
          const chunks: Buffer[] = [];
          client.on('data', (chunk) => chunks.push(chunk));
          await once(client, 'end');
          expect(Buffer.concat(chunks).toString()).toMatch(/^HTTP\/1\.1 503 [^]*"code":"unavailable"/);
          client.destroy();
        }
        expect(events.map(({ reasonCode, status, ip }) => [reasonCode, status, ip])).toEqual(
          [1, 2, 3].map(() => ['no_client_address', 503, undefined]),
        );
        expect(Gateway.seen.connected).toEqual([]);
      },
    );

    it('are refused 503 when the socket has gone before anybody looked', async () => {
      const test = await start();
      // As Node has a socket that was destroyed before anybody asked for its peer.
      interpose(test.app.getHttpServer() as EventEmitter, 'emit', (emit) => (event, ...args) => {
        if (event === 'upgrade')
          Object.defineProperty((args[1] as Duplex).destroy(), 'remoteAddress', { value: undefined });
        return emit(event, ...args);
      });
      const client = await knock(test, { Authorization: `Bearer ${test.token()}` });
      await client.end();
      const told = await test.eventOf(({ outcome }) => outcome === 'refused');
      expect(told).toMatchObject({ reasonCode: 'no_client_address', status: 503 });
      expect(client.received.length).toBe(0);
      expect(test.connections.local()).toEqual([]);
      await expectNothingLeft(test);
    });
  });
});

describe('HS-15: TLS that is required', () => {
  it('is there over TLS to this node, whatever a header says', async () => {
    const test = await start({ handshake: { requireTls: true } }, { https: selfSigned() });
    for (const proto of [undefined, 'http']) {
      const client = await RawClient.connectTls(test.port);
      clients.push(client);
      const headers = { Authorization: `Bearer ${test.token()}`, 'X-Forwarded-Proto': proto };
      client.write(handshakeBytes({ headers }));
      await client.upgraded();
    }
    expect(test.connections.local().map(({ handshake }) => handshake.secure)).toEqual([true, true]);
  });

  it('is what the nearest trusted proxy says, and never what a client wrote left of it', async () => {
    const test = await start({ handshake: { requireTls: true }, proxy: { trusted: [PROXY, '10.0.0.0/8'] } });
    const Authorization = `Bearer ${test.token()}`;
    for (const proto of ['https, http', 'http', 'httpsx', '"https"', 'https:', ''])
      await expectRefusal(
        await knock(test, { Authorization, 'X-Forwarded-For': CLIENT, 'X-Forwarded-Proto': proto }),
        'insecure_transport',
      );
    for (const headers of [
      { Forwarded: 'proto=https' },
      { 'X-Forwarded-Ssl': 'on' },
      { 'X-Forwarded-Scheme': 'https' },
      { 'Front-End-Https': 'on' },
    ])
      await expectRefusal(await knock(test, { Authorization, ...headers }), 'insecure_transport');
    for (const proto of ['https', 'HTTPS', 'http, https', 'wss'])
      await (await knock(test, { Authorization, 'X-Forwarded-Proto': proto })).upgraded();
  });

  it('is asked for in production by default, before any credential is read', async () => {
    const before = process.env.NODE_ENV;
    process.env.NODE_ENV = 'production';
    try {
      const test = await start({
        allowMemoryStoreInProduction: true,
        proxy: { trusted: ['10.0.0.0/8'] },
      });
      const headers = { Authorization: `Bearer ${test.token()}`, 'X-Forwarded-Proto': 'https' };
      await expectRefusal(await knock(test, headers), 'insecure_transport');
      expect(test.events.at(-1)).toMatchObject({
        event: 'authn_login_fail',
        outcome: 'refused',
        reasonCode: 'insecure_transport',
        status: 403,
        ip: PROXY,
      });
      expect(test.events.at(-1)).not.toHaveProperty('method');
      expect(test.events.at(-1)).not.toHaveProperty('principal');
    } finally {
      process.env.NODE_ENV = before;
    }
  });
});

describe('HS-08: the Host', () => {
  it('is any where the server is bound to all addresses and no list is set, but never a malformed one', async () => {
    const test = await start({}, { host: '0.0.0.0' });
    const Authorization = `Bearer ${test.token()}`;
    for (const Host of ['evil.example', 'localhost', '192.0.2.1:80'])
      await (await knock(test, { Authorization, Host })).upgraded();
    await expectRefusal(await knock(test, { Authorization, Host: 'a b' }), 'malformed_handshake');
  });

  it('is held against a list where the server is bound to all addresses', async () => {
    const test = await start({ hosts: ['app.example'] }, { host: '0.0.0.0' });
    const Authorization = `Bearer ${test.token()}`;
    for (const Host of ['app.example', 'APP.example.', 'app.example:8443'])
      await (await knock(test, { Authorization, Host })).upgraded();
    for (const Host of ['evil.example', 'localhost', 'app.example.evil.example'])
      await expectRefusal(await knock(test, { Authorization, Host }), 'host_not_allowed');
  });

  it('is what the request says, and not what a proxy says of another', async () => {
    const test = await start({ proxy: { trusted: [PROXY] } });
    const headers = { Authorization: `Bearer ${test.token()}`, 'X-Forwarded-Host': 'localhost' };
    await expectRefusal(await knock(test, { ...headers, Host: 'evil.example' }), 'host_not_allowed');
    await (
      await knock(test, { ...headers, Host: 'localhost', 'X-Forwarded-Host': 'evil.example' })
    ).upgraded();
  });
});
