import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { newNodeId } from '../../lib/core/identifiers.js';
import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { makeChatGateway } from '../support/gateways.js';
import { RawClient, type RawResponse } from '../support/raw-client.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';
import { expectRefusal } from '../support/refusal.js';

/** Twenty at once, and the next one after three minutes: nothing comes back while a test looks. */
const RATE = { limit: 20, windowMs: 3_600_000, burst: 20 };

interface Shared {
  readonly server: RedisServer;
  readonly redisPrefix: string;
}

async function startNodes({ server, redisPrefix }: Shared, options: object = {}): Promise<TestApp[]> {
  const shared = {
    redis: `redis://127.0.0.1:${server.port}`,
    redisPrefix,
    secret: randomBytes(48).toString('base64url'),
    handshake: { connectRate: RATE },
    ...options,
  };
  const start = (): Promise<TestApp> => startApp({ gateways: [makeChatGateway()], options: shared });
  return Promise.all([start(), start()]);
}

function knock(node: TestApp): Promise<RawClient> {
  return RawClient.open(node.port, { headers: { Authorization: `Bearer ${node.token()}` } });
}

async function answerOf(node: TestApp): Promise<RawResponse> {
  const client = await knock(node);
  const response = await client.response();
  client.destroy();
  return response;
}

describe('the connect rate of two nodes on one Redis', () => {
  let server: RedisServer;
  let looker: Redis;
  let redisPrefix: string;
  let nodes: TestApp[];
  const clients: RawClient[] = [];
  beforeAll(async () => {
    server = await startRedis();
    looker = new Redis(server.port, '127.0.0.1');
  });
  afterAll(async () => {
    looker.disconnect();
    await server.stop();
  });
  beforeEach(async () => {
    redisPrefix = `test-${newNodeId()}:`;
    nodes = await startNodes({ server, redisPrefix });
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    await Promise.all(nodes.map((node) => node.discard()));
  });

  /** Fifteen handshakes on each node at once: ten more than the burst. */
  async function burst(): Promise<RawResponse[]> {
    const opened = await Promise.all(Array.from({ length: 30 }, (_, index) => knock(nodes[index % 2]!)));
    clients.push(...opened);
    return Promise.all(opened.map((client) => client.response()));
  }

  it('refuses exactly the ten that a burst over both has too many, and says when to come back (TH-01)', async () => {
    const responses = await burst();
    expect(responses.filter(({ status }) => status === 101)).toHaveLength(20);
    const refused = responses.filter(({ status }) => status === 429);
    expect(refused).toHaveLength(10);
    for (const { headers } of refused) {
      const seconds = Number(headers['retry-after']);
      expect(seconds).toBeGreaterThan(120);
      expect(seconds).toBeLessThanOrEqual(180);
    }
    await expectRefusal(await knock(nodes[0]!), 'rate_limited');
    await expectRefusal(await knock(nodes[1]!), 'rate_limited');
  });

  it('answers for an address that was refused without asking Redis (TH-01, TH-09)', async () => {
    await burst();
    // A node to which the store has refused nothing learns it now. Its own count is at 16 of 20, and would let four through.
    for (const node of nodes) expect((await answerOf(node)).status).toBe(429);
    const monitor = await looker.monitor();
    const seen: string[] = [];
    monitor.on('monitor', (_time: string, args: string[]) => seen.push(args.join(' ')));
    const answers = await Promise.all(Array.from({ length: 30 }, (_, index) => answerOf(nodes[index % 2]!)));
    expect(answers.map(({ status }) => status)).toEqual(Array(30).fill(429));
    // What was sent before this has been shown when this is.
    await looker.set(`${redisPrefix}end`, '1', 'PX', 60_000);
    await eventually(() => seen.some((line) => line.includes(`${redisPrefix}end`)));
    monitor.disconnect();
    const ofRate = seen.filter((line) => line.includes(`${redisPrefix}{`) && line.includes(':g:'));
    expect(ofRate).toEqual([]);
  });

  it('asks Redis for an address that was not refused, which shows that the test above would see it', async () => {
    const monitor = await looker.monitor();
    const seen: string[] = [];
    monitor.on('monitor', (_time: string, args: string[]) => seen.push(args.join(' ')));
    expect((await answerOf(nodes[0]!)).status).toBe(101);
    await eventually(() => seen.some((line) => line.includes(`${redisPrefix}{`) && line.includes(':g:')));
    monitor.disconnect();
  });

  it('is that of a source, and not of whom it claims to be: a thousand bad credentials block nobody else (TH-09)', async () => {
    for (const node of nodes) await node.discard();
    const proxy = { trusted: ['127.0.0.1'] };
    nodes = await startNodes({ server, redisPrefix }, { proxy });
    const [node] = nodes;
    const { session } = await node!.sessions.create({ userId: 'ada' });
    const { ticket } = await node!.tickets.issue({ session: session.id });
    const from = (address: string, of: string): Promise<RawClient> =>
      RawClient.open(node!.port, { target: `/ws?ticket=${of}`, headers: { 'X-Forwarded-For': address } });
    const statuses = new Map<number, number>();
    for (let wave = 0; wave < 40; wave += 1) {
      const guesses = Array.from({ length: 25 }, async () => {
        // The user's own hash, and a secret that was never given out.
        const guess = `${ticket.slice(0, ticket.indexOf('.') + 1)}${randomBytes(32).toString('base64url')}`;
        const client = await from('203.0.113.7', guess);
        const { status } = await client.response();
        client.destroy();
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      });
      await Promise.all(guesses);
    }
    expect([...statuses.keys()].toSorted()).toEqual([401, 429]);
    expect(statuses.get(401)).toBe(RATE.burst);
    const owner = await from('198.51.100.9', ticket);
    clients.push(owner);
    expect((await owner.response()).status).toBe(101);
  });

  it('leaves no key without a time to live but the log, the list of nodes, the number of partitions and the mark of the secret (TH-09)', async () => {
    await burst();
    const [node] = nodes;
    const { session } = await node!.sessions.create({ userId: 'ada' });
    await node!.tickets.issue({ session: session.id });
    await node!.sessions.revoke({ user: 'ada' });
    await node!.sessions.revoke({ everyone: true });
    const keys = await looker.keys(`${redisPrefix}*`);
    expect(keys.some((key) => key.includes(':g:'))).toBe(true);
    const lives = await Promise.all(keys.map(async (key) => ({ key, left: await looker.pttl(key) })));
    const forEver = lives.filter(({ left }) => left === -1).map(({ key }) => key.slice(redisPrefix.length));
    expect(forEver.toSorted()).toEqual(['cfg', 'mark', '{0}:log', '{0}:n']);
  });
});

describe('the connect rate of a node whose Redis is killed in the middle of a burst', () => {
  it('still bites, at the part of the rate that is this node’s, and says so once (TH-09)', async () => {
    const server = await startRedis();
    onTestFinished(() => server.stop());
    const redisPrefix = `test-${newNodeId()}:`;
    const [node, other] = await startNodes({ server, redisPrefix }, { storeOutage: { expectedNodes: 4 } });
    onTestFinished(async () => {
      await Promise.all([node!.discard(), other!.discard()]);
    });
    const statuses = async (count: number): Promise<number[]> => {
      const found: number[] = [];
      for (let index = 0; index < count; index += 1) found.push((await answerOf(node!)).status);
      return found;
    };
    expect(await statuses(4)).toEqual([101, 101, 101, 101]);
    await server.stop();
    // One finds out, and a quarter of the burst may try; nobody gets in.
    expect(await statuses(12)).toEqual([...Array(6).fill(503), ...Array(6).fill(429)]);
    // Nest has one logger for a process: that of the application that was made last.
    const lines = [node!, other!].flatMap(({ logger }) => logger.lines);
    const said = lines.filter((line) => line.includes('storeOutage.expectedNodes'));
    expect(said).toEqual([expect.stringMatching(/^warn the store is away: this node holds 1\/4/)]);
  });
});
