import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { CredentialReader, WsAuthOptions } from '../../lib/index.js';
import { newNodeId } from '../../lib/core/identifiers.js';
import { ORIGIN, startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { makeChatGateway } from '../support/gateways.js';
import { handshakeBytes, type HandshakeParts, messageBytes, RawClient } from '../support/raw-client.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';
import { expectRefusal } from '../support/refusal.js';

const open: TestApp[] = [];
const clients: RawClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await Promise.all(open.splice(0).map((test) => test.discard()));
});

async function start(options: Partial<WsAuthOptions>): Promise<TestApp> {
  const test = await startApp({ gateways: [makeChatGateway()], options });
  open.push(test);
  return test;
}

async function knock(test: TestApp, parts: HandshakeParts): Promise<RawClient> {
  const client = await RawClient.open(test.port, parts);
  clients.push(client);
  return client;
}

const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
const CHALLENGES = 'Bearer realm="ws", error="invalid_token", Basic realm="ws", charset="UTF-8"';

/** Who knows the password is let in, and has a role. */
const verify = (user: string, password: string) =>
  password === 'correct horse' ? { id: user, roles: ['machine'] } : null;

describe('Basic', () => {
  const options: Partial<WsAuthOptions> = { credentials: ['basic', 'ticket', 'bearer'], basic: { verify } };

  it('admits who knows the password, with the principal that the application names', async () => {
    const test = await start(options);
    const client = await knock(test, {
      headers: { Authorization: basic('ada', 'correct horse'), Origin: undefined },
    });
    await client.upgraded();
    client.send('whoami');
    expect((await client.messageOf('whoami')).data).toMatchObject({ id: 'ada', roles: ['machine'] });
    expect(test.connections.local()[0]).toMatchObject({ credential: 'basic' });
    expect(test.events.at(-1)).toMatchObject({
      event: 'authn_login_success',
      method: 'basic',
      principal: 'ada',
    });
  });

  it('refuses all else alike, asks for it, and writes no password anywhere (CR-04, HS-14)', async () => {
    const test = await start(options);
    const canary = 'canary-password';
    for (const Authorization of [
      basic('ada', canary),
      basic('nobody', canary),
      `Basic ${canary}!!`,
      basic('ada\r\nFAKE: line', canary),
    ]) {
      const client = await knock(test, { headers: { Authorization } });
      await expectRefusal(client, 'unauthorized', { 'www-authenticate': CHALLENGES });
    }
    const missing = await knock(test, {});
    await expectRefusal(missing, 'unauthorized', {
      'www-authenticate': 'Bearer realm="ws", Basic realm="ws", charset="UTF-8"',
    });
    expect(test.logger.lines.join('\n')).not.toContain(canary);
    expect(test.logger.lines.filter((line) => line.includes('FAKE'))).toEqual([]);
  });

  it('answers a browser by HTTP, since only a 401 makes it ask for the password', async () => {
    const test = await start({ ...options, handshake: { refuseBrowsersWith: 'close-code' } });
    expect((await (await knock(test, {})).response()).status).toBe(401);
  });

  it('takes a token or a ticket as the password of the token user', async () => {
    const test = await start({ ...options, basic: { tokenUser: 'token' } });
    const { ticket } = await test.tickets.issue({ principal: { id: 'bob' }, path: '/ws' });
    for (const [password, id] of [
      [test.token(), 'ada'],
      [ticket, 'bob'],
    ] as const) {
      const client = await knock(test, {
        headers: { Authorization: basic('token', password), Origin: undefined },
      });
      await client.upgraded();
      client.send('whoami');
      expect((await client.messageOf('whoami')).data.id).toBe(id);
    }
    const other = await knock(test, {
      headers: { Authorization: basic('ada', test.token()), Origin: undefined },
    });
    await expectRefusal(other, 'unauthorized', { 'www-authenticate': CHALLENGES });
  });

  it('is answered 503 when nobody can tell', async () => {
    const failing = (): never => {
      throw new Error('the directory is away');
    };
    const test = await start({ ...options, basic: { verify: failing } });
    await expectRefusal(await knock(test, { headers: { Authorization: basic('ada', 'x') } }), 'unavailable');
  });

  it('is refused over plain HTTP in production, before anybody looks at it (CR-04)', async () => {
    const before = process.env.NODE_ENV;
    process.env.NODE_ENV = 'production';
    try {
      const test = await start({
        ...options,
        handshake: { requireTls: false },
        // Not ours: what comes here did not come through it.
        proxy: { trusted: ['10.0.0.1'] },
        allowMemoryStoreInProduction: true,
      });
      const client = await knock(test, { headers: { Authorization: basic('ada', 'correct horse') } });
      await expectRefusal(client, 'insecure_transport');
      expect(test.events.at(-1)).toMatchObject({ reasonCode: 'basic_without_tls' });
    } finally {
      process.env.NODE_ENV = before;
    }
  });

  it('is not guessed more often by guessing at the same time (CR-05)', async () => {
    let asked = 0;
    const slow = async () => {
      asked += 1;
      await new Promise((resolve) => setTimeout(resolve, 20));
      return null;
    };
    const test = await start({ ...options, basic: { verify: slow } });
    const answers = await Promise.all(
      Array.from({ length: 40 }, async (_, count) => {
        const client = await knock(test, { headers: { Authorization: basic('ada', `guess ${count}`) } });
        return (await client.response()).status;
      }),
    );
    expect(asked).toBe(10);
    expect(answers.filter((status) => status === 401)).toHaveLength(10);
    expect(answers.filter((status) => status === 429)).toHaveLength(30);
  });

  it('does not outlive a revocation that came while the password was looked up (SE-03)', async () => {
    let go = (): void => {};
    const waiting = new Promise<void>((resolve) => (go = resolve));
    const asked: string[] = [];
    const slow = async (user: string) => {
      asked.push(user);
      await waiting;
      return { id: user };
    };
    const test = await start({ ...options, basic: { verify: slow } });
    const client = await knock(test, { headers: { Authorization: basic('ada', 'old password') } });
    await eventually(() => asked.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 5));
    await test.sessions.revoke({ user: 'ada', reason: 'password_changed' });
    await new Promise((resolve) => setTimeout(resolve, 5));
    go();
    expect((await client.response()).status).toBe(401);
    expect(test.connections.local()).toEqual([]);
  });

  it('beside a session cookie of the same user, from a browser, leaves the session in charge', async () => {
    const test = await start({ ...options, credentials: ['basic', 'cookie'] });
    const { token, session } = await test.sessions.create({ userId: 'ada' });
    const headers = {
      Host: `localhost:${test.port}`,
      Authorization: basic('ada', 'correct horse'),
      Cookie: `__Host-sid=${token}`,
    };
    const client = await knock(test, { headers });
    await client.upgraded();
    expect(test.connections.local()[0]).toMatchObject({ credential: 'cookie', session: { id: session.id } });
    await test.sessions.revoke({ session: session.id });
    expect((await client.closed()).code).toBe(4410);
    expect((await (await knock(test, { headers })).response()).status).toBe(101);
    expect(test.connections.local()[0]).toMatchObject({ credential: 'basic' });
  });

  it('does not boot half set up', async () => {
    await expect(start({ credentials: ['basic'] })).rejects.toThrow('option "basic" is missing');
    await expect(start({ ...options, basic: {} })).rejects.toThrow('option "basic" needs "verify"');
  });

  describe('guessed on two nodes', () => {
    let redis: RedisServer;
    beforeAll(async () => {
      redis = await startRedis();
    });
    afterAll(() => redis.stop());

    it('is stopped after ten failures of an address for a user, and the user comes in from elsewhere (CR-05)', async () => {
      const shared = {
        ...options,
        redis: `redis://127.0.0.1:${redis.port}`,
        redisPrefix: `test-${newNodeId()}:`,
        secret: randomBytes(48).toString('base64url'),
        proxy: { trusted: ['127.0.0.1'] },
      };
      const nodes = [await start(shared), await start(shared)];
      const guess = (count: number, password: string, from: string): Promise<RawClient> =>
        knock(nodes[count % 2]!, {
          headers: {
            Authorization: basic('ada', password),
            'X-Forwarded-For': from,
            'X-Forwarded-Proto': 'https',
          },
        });
      const statuses: number[] = [];
      for (let count = 0; count < 50; count += 1)
        statuses.push((await (await guess(count, `guess ${count}`, '203.0.113.5')).response()).status);
      expect(statuses.filter((status) => status === 401)).toHaveLength(10);
      expect(statuses.filter((status) => status === 429)).toHaveLength(40);
      await expectRefusal(await guess(0, 'correct horse', '203.0.113.5'), 'rate_limited');
      expect((await (await guess(0, 'correct horse', '203.0.113.6')).response()).status).toBe(101);
    });
  });
});

describe('a reader of the application', () => {
  const apiKey: CredentialReader<string> = {
    kind: 'api-key',
    parameters: ['api_key'],
    read: ({ headers, rawQuery }) => {
      const fromQuery = new URLSearchParams(rawQuery).get('api_key');
      const fromHeader = headers['x-api-key'];
      if (fromHeader === 'broken') throw new Error('unreadable');
      return fromQuery ?? (typeof fromHeader === 'string' ? fromHeader : null);
    },
    verify: async (value) => (value === 'key of ada' ? { id: 'ada' } : null),
  };
  const options: Partial<WsAuthOptions> = {
    credentials: ['api-key', 'bearer'],
    readers: [apiKey as CredentialReader],
  };

  it('admits by what it reads, with or without an Origin', async () => {
    const test = await start(options);
    for (const Origin of [ORIGIN, undefined]) {
      const client = await knock(test, { headers: { 'X-Api-Key': 'key of ada', Origin } });
      await client.upgraded();
    }
    expect(test.connections.local().map(({ credential }) => credential)).toEqual(['api-key', 'api-key']);
  });

  it('has its parameter taken out of the URL before anybody sees it (LG-02)', async () => {
    const Gateway = makeChatGateway();
    const test = await startApp({ gateways: [Gateway], options });
    open.push(test);
    const client = await knock(test, { target: '/ws?a=1&api_key=key%20of%20ada&b=2' });
    await client.upgraded();
    expect(test.connections.local()[0]!.handshake.query).toBe('a=1&b=2');
    expect(test.logger.lines.join('\n')).not.toContain('key%20of');
  });

  it('is one credential among others: two are refused, and a bad one is 401', async () => {
    const test = await start(options);
    const both = await knock(test, {
      headers: { 'X-Api-Key': 'key of ada', Authorization: `Bearer ${test.token()}` },
    });
    await expectRefusal(both, 'multiple_credentials');
    const invalid = { 'www-authenticate': 'Bearer realm="ws", error="invalid_token"' };
    for (const key of ['wrong', 'broken'])
      await expectRefusal(await knock(test, { headers: { 'X-Api-Key': key } }), 'unauthorized', invalid);
  });

  it('may have an Authorization scheme of its own', async () => {
    const own: CredentialReader<string> = {
      kind: 'hmac',
      read: ({ headers }) => /^HMAC (.+)$/.exec(headers.authorization ?? '')?.[1] ?? null,
      verify: (value) => (value === 'signed' ? { id: 'ada' } : null),
    };
    const test = await start({ credentials: ['hmac', 'bearer'], readers: [own as CredentialReader] });
    const statusOf = async (Authorization: string): Promise<number> =>
      (await (await knock(test, { headers: { Authorization, Origin: undefined } })).response()).status;
    expect(await statusOf('HMAC signed')).toBe(101);
    expect(await statusOf('HMAC forged')).toBe(401);
    expect(await statusOf('Digest x')).toBe(401);
    expect(await statusOf(`Bearer ${test.token()}`)).toBe(101);
  });

  it('of what browsers send by themselves is no credential without an Origin', async () => {
    const test = await start({ ...options, readers: [{ ...apiKey, ambient: true } as CredentialReader] });
    const client = await knock(test, { headers: { 'X-Api-Key': 'key of ada', Origin: undefined } });
    await expectRefusal(client, 'origin_not_allowed');
    expect((await (await knock(test, { headers: { 'X-Api-Key': 'key of ada' } })).response()).status).toBe(
      101,
    );
  });

  it.each<[string, Partial<WsAuthOptions>, string]>([
    [
      'a kind that nobody lists',
      { credentials: ['bearer'], readers: [apiKey as CredentialReader] },
      '"credentials" does not list',
    ],
    ['a kind that nobody reads', { credentials: ['api-key'], readers: [] }, 'known are'],
    ['a name that is taken', { readers: [{ ...apiKey, kind: 'ticket' } as CredentialReader] }, 'is taken'],
    ['no functions', { readers: [{ kind: 'x' } as never] }, 'needs the functions "read" and "verify"'],
  ])('does not boot with %s', async (_, change, sentence) => {
    await expect(start({ ...options, ...change })).rejects.toThrow(sentence);
  });
});

describe('a token in the URL', () => {
  it('is taken from the parameter that was named, cut out of the URL, and warned about at the boot', async () => {
    const test = await start({ handshake: { dangerouslyAllowTokenInUrl: 'access_token' } });
    const token = test.token();
    const client = await knock(test, { target: `/ws?access_token=${token}&a=1` });
    await client.upgraded();
    await client.messageOf('auth.ok');
    expect(test.connections.local()[0]!.handshake.query).toBe('a=1');
    const log = test.logger.lines.join('\n');
    expect(log).not.toContain(token);
    expect(log).toContain(
      'handshake.dangerouslyAllowTokenInUrl takes tokens from the query parameter "access_token"',
    );
    const machine = await knock(test, {
      target: `/ws?access_token=${test.token()}`,
      headers: { Origin: undefined },
    });
    await machine.upgraded();
    const wrong = await knock(test, { target: '/ws?access_token=wrong' });
    await expectRefusal(wrong, 'unauthorized', {
      'www-authenticate': 'Bearer realm="ws", error="invalid_token"',
    });
    await expectRefusal(await knock(test, { target: `/ws?token=${token}` }), 'credential_in_url');
  });
});

describe('a TLS client certificate', () => {
  let folder: string;
  const read = (name: string): Buffer => readFileSync(join(folder, name));
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
  };

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ws-auth-tls-'));
    const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    openssl(
      'req',
      '-x509',
      ...ec,
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
      '-subj',
      '/CN=test ca',
      '-days',
      '2',
    );
    openssl(
      'req',
      '-x509',
      ...ec,
      '-keyout',
      'other.key',
      '-out',
      'other.pem',
      '-subj',
      '/CN=mallory',
      '-days',
      '2',
    );
    for (const name of ['server', 'ada']) {
      openssl('req', ...ec, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
      openssl(
        'x509',
        '-req',
        '-in',
        `${name}.csr`,
        '-CA',
        'ca.pem',
        '-CAkey',
        'ca.key',
        '-CAcreateserial',
        '-out',
        `${name}.pem`,
        '-days',
        '1',
      );
    }
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  async function startTls(): Promise<TestApp> {
    const test = await startApp({
      gateways: [makeChatGateway()],
      options: {
        credentials: ['client-certificate', 'bearer'],
        clientCertificate: {
          principal: ({ subject }) => (subject.CN === 'ada' ? { id: 'ada', roles: ['machine'] } : null),
        },
      },
      https: {
        key: read('server.key'),
        cert: read('server.pem'),
        ca: read('ca.pem'),
        requestCert: true,
        rejectUnauthorized: false,
      },
    });
    open.push(test);
    return test;
  }

  /** Opens a TLS connection, and reads what comes until the head of the response is there. */
  async function answerTo(
    test: TestApp,
    name: string | undefined,
    headers: HandshakeParts['headers'] = {},
  ): Promise<{ status: number; socket: TLSSocket }> {
    const own = name ? { key: read(`${name}.key`), cert: read(`${name}.pem`) } : {};
    const socket = connectTls({
      port: test.port,
      host: '127.0.0.1',
      ca: read('ca.pem'),
      checkServerIdentity: () => undefined,
      ...own,
    });
    await new Promise<void>((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
    socket.write(handshakeBytes({ headers: { Origin: undefined, ...headers } }));
    const head = await new Promise<string>((resolve) =>
      socket.once('data', (data) => resolve(data.toString())),
    );
    return { status: Number(head.split(' ')[1]), socket };
  }

  it('admits who has the key of a certificate that the server trusts, and ends with it', async () => {
    const test = await startTls();
    const { status, socket } = await answerTo(test, 'ada');
    expect(status).toBe(101);
    const [connection] = test.connections.local();
    expect(connection).toMatchObject({ credential: 'client-certificate', principal: { id: 'ada' } });
    expect(connection!.expiresAt).toBeLessThanOrEqual(Date.now() + 24 * 3_600_000);
    const echoed = new Promise((resolve) => socket.once('data', resolve));
    socket.write(messageBytes('echo', 1));
    expect(String(await echoed)).toContain('"echo"');
    socket.destroy();
  });

  it('refuses one that nobody has signed, none at all, and one that the application does not know', async () => {
    const test = await startTls();
    for (const [name, headers] of [
      ['other', { Origin: ORIGIN }],
      [undefined, { Origin: ORIGIN }],
      ['server', {}],
    ] as const) {
      const { status, socket } = await answerTo(test, name, headers);
      expect(status).toBe(401);
      socket.destroy();
    }
  });

  it('gives way to an explicit credential', async () => {
    const test = await startTls();
    const { status, socket } = await answerTo(test, 'ada', {
      Authorization: `Bearer ${test.token({ sub: 'bob' })}`,
    });
    expect(status).toBe(101);
    expect(test.connections.local()[0]).toMatchObject({ credential: 'bearer', principal: { id: 'bob' } });
    socket.destroy();
  });
});
