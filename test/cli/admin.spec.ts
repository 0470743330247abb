import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { newNodeId } from '../../lib/core/identifiers.js';
import { startApp, type TestApp } from '../support/app.js';
import { makeChatGateway } from '../support/gateways.js';
import { RawClient } from '../support/raw-client.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';
import { runCli, type CliWorld } from './cli-run.js';

const SECRET = randomBytes(48).toString('base64url');
const HOUR_AGO = new Date(Date.now() - 3_600_000).toISOString();

describe('the command line on a store with live sockets', () => {
  let server: RedisServer;
  let prefix: string;
  let nodes: TestApp[];
  let env: Record<string, string>;

  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    prefix = `test-${newNodeId()}:`;
    env = { WS_AUTH_REDIS_URL: `redis://127.0.0.1:${server.port}`, WS_AUTH_SECRET: SECRET };
    const options = { redis: env.WS_AUTH_REDIS_URL, redisPrefix: prefix, secret: SECRET };
    nodes = await Promise.all([1, 2].map(() => startApp({ gateways: [makeChatGateway()], options })));
  });
  afterEach(() => Promise.all(nodes.map((node) => node.discard())));

  const cli = (args: readonly string[], world: CliWorld = {}) =>
    runCli([...args, '--prefix', prefix], { env, ...world });

  async function connect(node: TestApp, session: string): Promise<RawClient> {
    const { ticket } = await node.tickets.issue({ session });
    const client = await RawClient.open(node.port, { target: `/ws?ticket=${ticket}` });
    await client.upgraded();
    await client.messageOf('auth.ok');
    return client;
  }

  /** Two sessions of ada with a socket on each node, and one of bob. */
  async function logIn() {
    const [a, b] = nodes as [TestApp, TestApp];
    const { session: phone, token } = await a.sessions.create({ userId: 'ada', data: 'phone\u001b[2J' });
    const { session: laptop } = await a.sessions.create({ userId: 'ada', roles: ['admin'] });
    const { session: bobs } = await b.sessions.create({ userId: 'bob' });
    return {
      token,
      phone: { session: phone, clients: [await connect(a, phone.id), await connect(b, phone.id)] },
      laptop: { session: laptop, clients: [await connect(b, laptop.id)] },
      bob: { session: bobs, clients: [await connect(b, bobs.id)] },
    };
  }

  async function expectRevoked(...clients: RawClient[]): Promise<void> {
    for (const client of clients) expect(await client.closed()).toMatchObject({ code: 4410 });
  }

  async function expectAlive(...clients: RawClient[]): Promise<void> {
    for (const client of clients) {
      client.send('echo', 1);
      expect(await client.messageOf('echo')).toEqual({ event: 'echo', data: 1 });
    }
  }

  const sessionsOf = async (user: string): Promise<{ reference: string; sockets: number }[]> => {
    const { out } = await cli(['sessions', '--user', user, '--json']);
    return (JSON.parse(out) as { sessions: { reference: string; sockets: number }[] }).sessions;
  };

  /** The one of ada that has two sockets. */
  const phoneReference = async (): Promise<string> =>
    (await sessionsOf('ada')).find(({ sockets }) => sockets === 2)!.reference;

  it('lists the sessions of a user with their sockets on all nodes, and neither id nor token (LG-04)', async () => {
    const { phone, laptop, token } = await logIn();
    const [text, json] = [
      await cli(['sessions', '--user', 'ada']),
      await cli(['sessions', '--user', 'ada', '--json']),
    ];
    expect([text.code, json.code]).toEqual([0, 0]);
    const { sessions } = JSON.parse(json.out) as { sessions: object[] };
    // Two of one millisecond stand in no order.
    expect(sessions).toHaveLength(2);
    expect(sessions).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ sockets: 2, roles: [], data: 'phone\u001b[2J' }),
        expect.objectContaining({ sockets: 1, roles: ['admin'] }),
      ]),
    );
    const printed = [text, json].map(({ out, err }) => out + err).join();
    for (const secret of [token, phone.session.id, laptop.session.id, SECRET]) {
      expect(printed).not.toContain(secret);
      expect(printed).not.toContain(secret.split('.').at(-1));
    }
    // What the application stores with a session says nothing to a terminal.
    expect(text.out).toContain('phone\\u001b[2J');
  });

  it('ends one session by its reference on every node, and leaves the others alone (SE-01)', async () => {
    const { phone, laptop, bob } = await logIn();
    const reference = await phoneReference();
    const { code, out, err } = await cli(['revoke', '--session', reference, '--reason', 'stolen', '--json']);
    expect({ code, result: JSON.parse(out) }).toEqual({
      code: 0,
      result: { sockets: 2, nodes: 2, pending: 0 },
    });
    await expectRevoked(...phone.clients);
    await expectAlive(...laptop.clients, ...bob.clients);
    expect(JSON.parse(err)).toMatchObject({ event: 'authn_token_revoked', reasonCode: 'stolen', sockets: 2 });
  });

  it('takes the reference of the audit log beside the user', async () => {
    const { laptop } = await logIn();
    const { sessionRef } = nodes[0]!.events.findLast(({ event }) => event === 'session_created')!;
    expect(await cli(['revoke', '--session', sessionRef!])).toMatchObject({
      code: 2,
      err: expect.stringMatching(/does not tell whose session it is: give --user too/),
    });
    const { code, out } = await cli(['revoke', '--session', sessionRef!, '--user', 'ada']);
    expect({ code, out }).toEqual({ code: 0, out: 'revoked: 1 socket closed by 2 nodes\n' });
    await expectRevoked(...laptop.clients);
  });

  it('ends everything of a user', async () => {
    const { phone, laptop, bob } = await logIn();
    const { code, out } = await cli(['revoke', '--user', 'ada']);
    expect({ code, out }).toEqual({ code: 0, out: 'revoked: 3 sockets closed by 2 nodes\n' });
    await expectRevoked(...phone.clients, ...laptop.clients);
    await expectAlive(...bob.clients);
    expect(await sessionsOf('ada')).toEqual([]);
  });

  it('ends what was issued before a time, and nothing later', async () => {
    const { phone, bob } = await logIn();
    expect(await cli(['revoke', '--user', 'ada', '--before', HOUR_AGO, '--json'])).toMatchObject({
      code: 0,
      out: '{"sockets":0,"nodes":2,"pending":0}\n',
    });
    await expectAlive(...phone.clients, ...bob.clients);
    const { out } = await cli(['revoke', '--before', String(Date.now()), '--yes', '--json']);
    expect(JSON.parse(out)).toEqual({ sockets: 4, nodes: 2, pending: 0 });
    await expectRevoked(...phone.clients, ...bob.clients);
  });

  it('asks before it ends what is everyone’s, and does nothing without a yes', async () => {
    const { phone, laptop, bob } = await logIn();
    const all = [...phone.clients, ...laptop.clients, ...bob.clients];
    const unasked = await cli(['revoke', '--everyone']);
    expect(unasked).toMatchObject({
      code: 2,
      err: expect.stringMatching(/nobody is there to ask: give --yes/),
    });
    const no = await cli(['revoke', '--before', HOUR_AGO], { answer: false });
    expect(no).toMatchObject({ code: 2, out: '', err: expect.stringMatching(/nothing was revoked/) });
    expect(no.asked).toEqual([
      expect.stringMatching(/^This ends everything issued before .*Z, of every user/),
    ]);
    await expectAlive(...all);
    const yes = await cli(['revoke', '--everyone', '--json'], { answer: true });
    expect({ code: yes.code, asked: yes.asked.length, result: JSON.parse(yes.out) }).toEqual({
      code: 0,
      asked: 1,
      result: { sockets: 4, nodes: 2, pending: 0 },
    });
    await expectRevoked(...all);
  });

  it('ends with 1 when a node has not answered yet', async () => {
    const client = new Redis(server.port, '127.0.0.1');
    await client.zadd(`${prefix}{0}:n`, Date.now() + 60_000, 'a-node-that-hangs');
    const { code, out } = await cli(['revoke', '--user', 'ada']);
    client.disconnect();
    expect({ code, out }).toEqual({
      code: 1,
      out: 'revoked: 0 sockets closed by 2 nodes; 1 more have not answered yet, and comply when they hear of it\n',
    });
  });

  it('remembers a revocation for longer than any session of the nodes could live (SE-06)', async () => {
    await logIn();
    await cli(['revoke', '--user', 'ada']);
    const client = new Redis(server.port, '127.0.0.1');
    const [cut] = await client.keys(`${prefix}{0}:ue:*`);
    const remaining = await client.pttl(cut!);
    client.disconnect();
    expect(remaining).toBeGreaterThan(20 * 86_400_000);
  });

  it('leaves no node behind', async () => {
    const client = new Redis(server.port, '127.0.0.1');
    const before = await client.zcard(`${prefix}{0}:n`);
    await cli(['sessions', '--user', 'ada']);
    expect(await client.zcard(`${prefix}{0}:n`)).toBe(before);
    client.disconnect();
  });

  it('does not find a session that has ended', async () => {
    await logIn();
    const reference = await phoneReference();
    await cli(['revoke', '--user', 'ada']);
    expect(await cli(['revoke', '--session', reference])).toMatchObject({
      code: 2,
      err: expect.stringMatching(/there is no such session/),
    });
  });

  it('refuses to revoke by another secret, by which it would find nobody (SE-01)', async () => {
    const { phone } = await logIn();
    const world = { env: { ...env, WS_AUTH_SECRET: randomBytes(48).toString('base64url') } };
    for (const args of [['revoke', '--user', 'ada'], ['sessions', '--user', 'ada'], ['bans']])
      expect(await cli(args, world)).toMatchObject({
        code: 2,
        out: '',
        err: expect.stringMatching(/the secret is not the one of the nodes/),
      });
    await expectAlive(...phone.clients);
  });

  it('goes on where no node has said which its secret is', async () => {
    await logIn();
    const client = new Redis(server.port, '127.0.0.1');
    await client.del(`${prefix}mark`);
    expect(await cli(['revoke', '--user', 'ada'])).toMatchObject({ code: 0 });
    // The command is none of the nodes, and does not say it for them.
    expect(await client.exists(`${prefix}mark`)).toBe(0);
    client.disconnect();
  });

  it('leaves nothing in a store that no node has used under that prefix', async () => {
    const { code, err } = await runCli(['sessions', '--user', 'ada', '--prefix', 'other:'], { env });
    expect(code).toBe(2);
    expect(err).toMatch(/no node has used this store under the prefix "other:" yet/);
    const client = new Redis(server.port, '127.0.0.1');
    expect(await client.keys('other:*')).toEqual([]);
    client.disconnect();
  });
});

describe('a command at a server with a password', () => {
  it('says that the password is wrong, and not what it is', async () => {
    const server = await startRedis('--requirepass', 'right-password');
    onTestFinished(() => server.stop());
    const env = {
      WS_AUTH_REDIS_URL: `redis://:canary-password@127.0.0.1:${server.port}`,
      WS_AUTH_SECRET: SECRET,
    };
    const { code, err } = await runCli(['bans'], { env });
    expect(code).toBe(2);
    expect(err).toMatch(/Redis cannot be used: WRONGPASS/);
    expect(err).not.toContain('canary-password');
  });
});

describe('a command that cannot be carried out', () => {
  const URL_OF_NOTHING = 'redis://:canary-password@127.0.0.1:1';
  const env = { WS_AUTH_REDIS_URL: URL_OF_NOTHING, WS_AUTH_SECRET: SECRET };
  const reference = `${'a'.repeat(16)}.${'0'.repeat(32)}`;

  it.each<[string, readonly string[], Record<string, string>, RegExp]>([
    [
      'no store',
      ['sessions', '--user', 'ada'],
      { WS_AUTH_SECRET: SECRET },
      /set WS_AUTH_REDIS_URL, or give --redis/,
    ],
    ['no secret', ['sessions', '--user', 'ada'], { WS_AUTH_REDIS_URL: URL_OF_NOTHING }, /set WS_AUTH_SECRET/],
    [
      'a short secret',
      ['sessions', '--user', 'ada'],
      { ...env, WS_AUTH_SECRET: 'x' },
      /"secret" has 1 bytes/,
    ],
    [
      'a store that is away',
      ['sessions', '--user', 'ada'],
      env,
      /Redis cannot be used: connect ECONNREFUSED/,
    ],
    [
      'a password among the arguments',
      ['sessions', '--user', 'ada', '--redis', URL_OF_NOTHING],
      env,
      /--redis must hold no password/,
    ],
    [
      'a secret among the arguments',
      ['sessions', '--user', 'ada', '--secret', 'canary-password'],
      env,
      /Unknown option '--secret'/,
    ],
    ['a wrong prefix', ['sessions', '--user', 'ada', '--prefix', 'a b'], env, /"redisPrefix" must be/],
    ['nobody', ['sessions'], env, /say whose sessions: --user <id>/],
    ['nothing', ['revoke'], env, /say what to revoke/],
    ['an empty user', ['revoke', '--user', ''], env, /--user is empty/],
    ['two users', ['revoke', '--user', 'ada', '--user', 'bob', '--yes'], env, /--user is given twice/],
    [
      'a password in the query',
      ['bans', '--redis', 'redis://127.0.0.1:1?password=canary-password'],
      env,
      /--redis must hold no password/,
    ],
    [
      'a password in what is no URL',
      ['bans', '--redis', '//:canary-password@127.0.0.1:1'],
      env,
      /--redis must hold no password/,
    ],
    [
      'a store beside the application',
      ['bans', '--module', 'dist/app.module.js', '--redis', 'redis://127.0.0.1:1'],
      env,
      /--module knows the store/,
    ],
    [
      'an application that has no store',
      ['bans', '--module', 'test/cli/fixtures/made-app.ts'],
      {},
      /the application has no "redis"/,
    ],
    [
      'an application that does not boot',
      ['bans', '--module', 'test/cli/fixtures/refused-app.ts#RefusedModule'],
      {},
      /option "origins" is missing/,
    ],
    ['two things', ['revoke', '--user', 'ada', '--everyone'], env, /choose one/],
    [
      'a session before a time',
      ['revoke', '--session', reference, '--before', HOUR_AGO],
      env,
      /--session goes with --user/,
    ],
    [
      'a session id',
      ['revoke', '--session', `${'a'.repeat(16)}.${'b'.repeat(22)}`],
      env,
      /none of the references/,
    ],
    ['a time without zone', ['revoke', '--before', '2026-11-22T10:00:00'], env, /a time with zone/],
    ['a time to come', ['revoke', '--user', 'ada', '--before', '2999-01-01T00:00Z'], env, /is to come/],
    [
      'a sentence for a reason',
      ['revoke', '--user', 'ada', '--reason', 'left us'],
      env,
      /--reason is a word/,
    ],
    ['an argument too many', ['revoke', 'ada'], env, /an argument too many/],
  ])('names %s, ends with 2 and tells no secret', async (_, args, world, text) => {
    const { code, out, err } = await runCli(args, { env: world });
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(text);
    expect(err).not.toContain('canary-password');
    expect(err).not.toContain(SECRET);
  });
});
