import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { newNodeId } from '../../lib/core/identifiers.js';
import { WsAuth, type WsAuthOptions, WsBans, WsRecentAuth } from '../../lib/index.js';
import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { makeChatGateway } from '../support/gateways.js';
import { type HandshakeParts, RawClient } from '../support/raw-client.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';

const ATTACKER = '203.0.113.9';
const OFFICE = '198.51.100.7';
const ELSEWHERE = '192.0.2.1';
const PASSWORD = 'correct horse';

let redis: RedisServer;
const nodes: TestApp[] = [];
const clients: RawClient[] = [];
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await Promise.all(nodes.splice(0).map((node) => node.discard()));
});

async function startNodes(options: Partial<WsAuthOptions> = {}): Promise<[TestApp, TestApp]> {
  const shared = {
    credentials: ['ticket', 'bearer', 'basic'] as const,
    basic: {
      verify: (user: string, password: string) => (password === PASSWORD ? { id: user } : null),
    },
    // So that every client has the address that its test says.
    proxy: { trusted: ['127.0.0.1'] },
    redis: `redis://127.0.0.1:${redis.port}`,
    redisPrefix: `test-${newNodeId()}:`,
    secret: randomBytes(48).toString('base64url'),
    ...options,
  };
  const start = () => startApp({ gateways: [makeChatGateway()], options: shared });
  const started = await Promise.all([start(), start()]);
  nodes.push(...started);
  return started;
}

const from = (address: string, parts: HandshakeParts = {}): HandshakeParts => ({
  ...parts,
  headers: { Origin: undefined, ...parts.headers, 'X-Forwarded-For': address, 'X-Forwarded-Proto': 'https' },
});
const basic = (user: string, password: string): HandshakeParts => ({
  headers: { Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` },
});

/** Tries to connect. @returns the status */
async function attempt(node: TestApp, address: string, parts: HandshakeParts): Promise<number> {
  const client = await RawClient.open(node.port, from(address, parts));
  clients.push(client);
  return (await client.response()).status;
}

async function connect(node: TestApp, address: string, parts: HandshakeParts): Promise<RawClient> {
  const client = await RawClient.open(node.port, from(address, parts));
  clients.push(client);
  await client.upgraded();
  return client;
}

const counted = (rule: string, ...of: TestApp[]) =>
  of
    .flatMap(({ events }) => events)
    .filter((event) => event.reasonCode === rule && event.event === 'anomaly_detected');
const bansOf = (node: TestApp) => node.app.get(WsBans);

describe('anomalies on two nodes', () => {
  it('CR-05: ban who replays tickets on both, and nobody else', async () => {
    const [a, b] = await startNodes({ anomalies: { ticketReplayed: { threshold: 4, action: 'ban' } } });
    const { ticket } = await a.tickets.issue({ principal: { id: 'ada' } });
    const replay = { target: `/ws?ticket=${ticket}` };
    expect(await attempt(b, ELSEWHERE, replay)).toBe(101);
    for (const node of [a, b, a, b]) expect(await attempt(node, ATTACKER, replay)).toBe(401);
    await eventually(() => [a, b].every(({ engine }) => engine.bans.remaining(ATTACKER) > 0));
    expect(counted('ticketReplayed', a, b)).toMatchObject([{ count: 4, action: 'ban', ip: ATTACKER }]);
    for (const node of [a, b]) {
      expect(await attempt(node, ATTACKER, { headers: { Authorization: `Bearer ${node.token()}` } })).toBe(
        429,
      );
      expect(await attempt(node, ELSEWHERE, { headers: { Authorization: `Bearer ${node.token()}` } })).toBe(
        101,
      );
    }
    expect(await bansOf(b).list()).toMatchObject([{ prefix: ATTACKER, reason: 'ticketReplayed' }]);
  });

  it('CR-05: never lock a user out for the failures of others, who stays logged in and comes again', async () => {
    const [a, b] = await startNodes({
      anomalies: {
        failuresOfCredential: { threshold: 6, action: 'ban' },
        failuresOfAddress: { threshold: 6, action: 'ban' },
      },
    });
    const victim = await connect(a, OFFICE, basic('ada', PASSWORD));
    for (let times = 0; times < 6; times += 1)
      expect(await attempt(times % 2 ? a : b, ATTACKER, basic('ada', 'guess'))).toBe(401);
    await eventually(() => [a, b].every(({ engine }) => engine.bans.remaining(ATTACKER) > 0));
    expect(counted('failuresOfCredential', a, b)).toMatchObject([{ count: 6, claimRef: expect.any(String) }]);
    expect(counted('failuresOfAddress', a, b)).toHaveLength(1);
    expect(await attempt(a, ATTACKER, basic('ada', PASSWORD))).toBe(429);
    victim.send('echo', 1);
    expect(await victim.messageOf('echo')).toEqual({ event: 'echo', data: 1 });
    for (const node of [a, b]) {
      expect(await attempt(node, OFFICE, basic('ada', PASSWORD))).toBe(101);
      expect(await attempt(node, ELSEWHERE, basic('ada', PASSWORD))).toBe(101);
    }
  });

  it('CR-05: never lock out a user behind the address of the attacker', async () => {
    const [a, b] = await startNodes({ anomalies: { failuresOfAddress: { threshold: 4, action: 'ban' } } });
    const victim = await connect(b, OFFICE, basic('ada', PASSWORD));
    for (let times = 0; times < 4; times += 1)
      expect(await attempt(a, OFFICE, { headers: { Authorization: 'Bearer x.y.z' } })).toBe(401);
    await b.eventOf(({ event, reasonCode }) => event === 'address_unbanned' && reasonCode === 'logged_in');
    await eventually(() => [a, b].every(({ engine }) => engine.bans.remaining(OFFICE) === 0));
    for (const node of [a, b]) expect(await attempt(node, OFFICE, basic('ada', PASSWORD))).toBe(101);
    victim.send('echo', 1);
    expect(await victim.messageOf('echo')).toEqual({ event: 'echo', data: 1 });
    expect(counted('failuresOfAddress', a, b)).toHaveLength(1);
  });

  it('tell of a success after failures on the other node', async () => {
    const [a, b] = await startNodes({ anomalies: { successAfterFailures: { threshold: 3 } } });
    for (let times = 0; times < 3; times += 1) await attempt(a, ATTACKER, basic('ada', 'guess'));
    await eventually(() => a.events.length === 3);
    await eventually(async () => {
      await attempt(b, ATTACKER, basic('ada', PASSWORD));
      return counted('successAfterFailures', b).length > 0;
    });
    expect(counted('successAfterFailures', a, b)).toMatchObject([
      { principal: 'ada', ip: ATTACKER, node: b.engine.node },
    ]);
  });

  it('revoke a session that connects from too many addresses, on both', async () => {
    const [a, b] = await startNodes({
      anomalies: { sessionOnManyAddresses: { threshold: 3, action: 'revoke' } },
    });
    const { session } = await a.sessions.create({ userId: 'ada' });
    const opened: RawClient[] = [];
    for (const [index, node] of [a, a, b, b].entries()) {
      const { ticket } = await a.tickets.issue({ session: session.id });
      opened.push(await connect(node, `192.0.2.${index}`, { target: `/ws?ticket=${ticket}` }));
    }
    for (const client of opened) expect(await client.closed()).toMatchObject({ code: 4410 });
    expect(counted('sessionOnManyAddresses', a, b)).toMatchObject([
      { count: 4, action: 'revoke', principal: 'ada' },
    ]);
  });
});

describe('a step-up', () => {
  it('is asked of who succeeds after failures, however recent the login is', async () => {
    const handled: unknown[] = [];
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class BankGateway {
      @WsRecentAuth('1h')
      @SubscribeMessage('transfer')
      transfer(@MessageBody() data: unknown) {
        handled.push(data);
        return { event: 'transferred', data };
      }
    }
    const test = await startApp({
      gateways: [BankGateway],
      options: { anomalies: { successAfterFailures: { threshold: 3, action: 'step-up' } } },
    });
    nodes.push(test);
    const seconds = Math.floor(Date.now() / 1_000);
    for (let times = 0; times < 3; times += 1) {
      const bad = await RawClient.open(test.port, { headers: { Authorization: 'Bearer x.y.z' } });
      clients.push(bad);
      expect((await bad.response()).status).toBe(401);
    }
    await new Promise((resolve) => setImmediate(resolve));
    const token = test.token({ auth_time: seconds - 60 });
    const client = await RawClient.open(test.port, { headers: { Authorization: `Bearer ${token}` } });
    clients.push(client);
    await client.upgraded();
    await client.messageOf('auth.ok');
    client.send('transfer', 1);
    expect((await client.messageOf('auth.required')).data).toMatchObject({ reason: 'step_up' });
    client.send('auth.refresh', { token: test.token({ auth_time: seconds - 60 }) });
    await client.messageOf('auth.ok');
    expect(handled).toEqual([]);
    client.send('auth.refresh', { token: test.token({ auth_time: Math.floor(Date.now() / 1_000) }) });
    expect((await client.messageOf('transferred')).data).toBe(1);
    expect(counted('successAfterFailures', test)).toMatchObject([{ action: 'step-up', principal: 'ada' }]);
  });
});

describe('WsBans', () => {
  it('bans on all nodes, lists, and lifts', async () => {
    const [a, b] = await startNodes();
    const login = basic('ada', PASSWORD);
    await bansOf(a).ban(ATTACKER, 60_000, 'abuse report 7');
    expect(await attempt(a, ATTACKER, login)).toBe(429);
    await eventually(() => b.engine.bans.size === 1);
    const client = await RawClient.open(b.port, from(ATTACKER, login));
    clients.push(client);
    const response = await client.response();
    expect(response.status).toBe(429);
    expect(response.body).not.toContain('abuse');
    expect(Number(response.headers['retry-after'])).toBeGreaterThan(50);
    expect(await bansOf(b).list()).toMatchObject([
      { prefix: ATTACKER, reason: 'abuse report 7', isAutomatic: false },
    ]);
    expect(await bansOf(b).lift(ATTACKER)).toBe(true);
    expect(await bansOf(b).lift(ATTACKER)).toBe(false);
    await eventually(() => a.engine.bans.size === 0);
    expect(await attempt(a, ATTACKER, login)).toBe(101);
    expect(
      [...a.events, ...b.events]
        .filter(({ event }) => event.startsWith('address_'))
        .map(({ event }) => event),
    ).toEqual(['address_banned', 'address_unbanned']);
  });

  it('is known to a node that starts later', async () => {
    const options = { redisPrefix: `test-${newNodeId()}:`, secret: randomBytes(48).toString('base64url') };
    const [a] = await startNodes(options);
    await bansOf(a).ban('2001:db8:0:1::5', 60_000);
    const [late] = await startNodes(options);
    expect(await attempt(late, '2001:db8:0:1:ffff::1', basic('ada', PASSWORD))).toBe(429);
    expect(await attempt(late, '2001:db8:0:2::1', basic('ada', PASSWORD))).toBe(101);
  });

  it('is forged by no nonsense between the nodes (SE-05)', async () => {
    const prefix = `test-${newNodeId()}:`;
    const [a] = await startNodes({ redisPrefix: prefix });
    const forger = new Redis(redis.port, '127.0.0.1');
    const said = (notice: unknown): string => JSON.stringify(['x', notice]);
    const ban = { prefix: OFFICE, remainingMs: 60_000, reason: 'x', isAutomatic: false };
    for (const message of [
      '',
      '{',
      'x'.repeat(1_000_000),
      said({ kind: 'ban', ban: { ...ban, prefix: '*' } }),
      said({ kind: 'ban', ban: { ...ban, remainingMs: 'long' } }),
      said({ kind: 'ban', ban: { ...ban, remainingMs: 1e300 } }),
      said({ kind: 'ban', ban: [ban] }),
      said({ kind: '__proto__', ban }),
      said({ kind: 'explained', id: 'aaaaaaaaaaaa', node: a.engine.node, explanation: {} }),
      JSON.stringify([a.engine.node, { kind: 'ban', ban }]),
    ])
      await forger.publish(`${prefix}notices`, message);
    await forger.publish(`${prefix}notices`, said({ kind: 'ban', ban: { ...ban, prefix: ATTACKER } }));
    await eventually(() => a.engine.bans.remaining(ATTACKER) > 0);
    expect(a.engine.bans.size).toBe(1);
    forger.disconnect();
    expect(await attempt(a, OFFICE, basic('ada', PASSWORD))).toBe(101);
  });

  it('leaves who is connected', async () => {
    const [a] = await startNodes();
    const client = await connect(a, OFFICE, basic('ada', PASSWORD));
    await bansOf(a).ban(OFFICE, 60_000);
    client.send('echo', 1);
    expect(await client.messageOf('echo')).toEqual({ event: 'echo', data: 1 });
  });

  it('takes nothing that is no address, time or word', async () => {
    const [a] = await startNodes();
    const bans = bansOf(a);
    for (const address of ['*', '', '203.0.113.0/24', 'localhost', '203.0.113.9/64', null as never])
      await expect(bans.ban(address, 1_000)).rejects.toMatchObject({ code: 'invalid_selector' });
    for (const duration of [0, -1, NaN, Infinity, 31 * 86_400_000])
      await expect(bans.ban(ATTACKER, duration)).rejects.toMatchObject({ code: 'invalid_selector' });
    await expect(bans.ban(ATTACKER, 1_000, 'a\u0085b')).rejects.toMatchObject({ code: 'invalid_selector' });
    expect(await bans.list()).toEqual([]);
  });
});
