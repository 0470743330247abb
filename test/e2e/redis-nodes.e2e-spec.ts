import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { newNodeId } from '../../lib/core/identifiers.js';
import { startApp, type TestApp } from '../support/app.js';
import { makeChatGateway } from '../support/gateways.js';
import { RawClient } from '../support/raw-client.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';

describe('two nodes on one Redis', () => {
  let server: RedisServer;
  const nodes: TestApp[] = [];
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.close()));
  });

  async function startNodes(options: object = {}): Promise<[TestApp, TestApp]> {
    const shared = {
      redis: `redis://127.0.0.1:${server.port}`,
      redisPrefix: `test-${newNodeId()}:`,
      secret: randomBytes(48).toString('base64url'),
      ...options,
    };
    const start = () => startApp({ gateways: [makeChatGateway()], options: shared });
    const [a, b] = await Promise.all([start(), start()]);
    nodes.push(a, b);
    return [a, b];
  }

  async function open(node: TestApp, target: string): Promise<RawClient> {
    const client = await RawClient.open(node.port, { target });
    await client.upgraded();
    await client.messageOf('auth.ok');
    return client;
  }

  const ticketPath = async (node: TestApp, session: string): Promise<string> =>
    `/ws?ticket=${(await node.tickets.issue({ session })).ticket}`;

  it('take a ticket that the other issued, once between them (TK-02)', async () => {
    const [a, b] = await startNodes();
    const { session } = await a.sessions.create({ userId: 'ada' });
    const target = await ticketPath(a, session.id);
    const clients = await Promise.all([
      RawClient.open(a.port, { target }),
      RawClient.open(b.port, { target }),
    ]);
    const statuses = await Promise.all(clients.map(async (client) => (await client.response()).status));
    expect(statuses.toSorted()).toEqual([101, 401]);
  });

  it('close the sockets of a session that the other revoked, and both answer (SE-01)', async () => {
    const [a, b] = await startNodes();
    const { session } = await a.sessions.create({ userId: 'ada' });
    const onA = await open(a, await ticketPath(a, session.id));
    const onB = [
      await open(b, await ticketPath(b, session.id)),
      await open(b, await ticketPath(a, session.id)),
    ];
    const { session: other } = await b.sessions.create({ userId: 'bob' });
    const bystander = await open(b, await ticketPath(b, other.id));
    expect(await a.sessions.revoke({ session: session.id })).toEqual({ sockets: 3, nodes: 2, pending: 0 });
    for (const client of [onA, ...onB]) expect(await client.closed()).toMatchObject({ code: 4410 });
    bystander.send('echo', 1);
    expect(await bystander.message()).toEqual({ event: 'echo', data: 1 });
  });

  it('show changed roles to the very next message on the other node (SE-09)', async () => {
    const [a, b] = await startNodes();
    const { session } = await a.sessions.create({ userId: 'ada' });
    const client = await open(b, await ticketPath(a, session.id));
    client.send('admin');
    expect(await client.message()).toMatchObject({ event: 'exception', data: { code: 'forbidden' } });
    await a.sessions.setRoles({ user: 'ada' }, { roles: ['admin'] });
    await b.sessions.get(session.id);
    client.send('admin');
    expect(await client.message()).toEqual({ event: 'admin', data: 'ada' });
  });

  it('count the connections of a user together (SE-07)', async () => {
    const [a, b] = await startNodes({ connections: { maxPerUser: 3 } });
    const { session } = await a.sessions.create({ userId: 'ada' });
    const targets = await Promise.all(Array.from({ length: 8 }, () => ticketPath(a, session.id)));
    const clients = await Promise.all(
      targets.map((target, index) => RawClient.open([a, b][index % 2]!.port, { target })),
    );
    const statuses = await Promise.all(clients.map(async (client) => (await client.response()).status));
    expect(statuses.filter((status) => status === 101)).toHaveLength(3);
    expect(statuses.filter((status) => status === 429)).toHaveLength(5);
  });
});

describe('a node whose Redis goes away', () => {
  it('answers 503 at once, and takes handshakes again when it is back (RD-01)', async () => {
    const server = await startRedis();
    const node = await startApp({
      gateways: [makeChatGateway()],
      options: { redis: `redis://127.0.0.1:${server.port}`, secret: randomBytes(32).toString('hex') },
    });
    const status = async (): Promise<number> => {
      const client = await RawClient.open(node.port, {
        headers: { Authorization: `Bearer ${node.token()}` },
      });
      const response = await client.response();
      client.destroy();
      return response.status;
    };
    expect(await status()).toBe(101);
    await server.stop();
    const started = performance.now();
    expect(await status()).toBe(503);
    expect(performance.now() - started).toBeLessThan(2_000);
    const again = await startRedis('--port', `${server.port}`);
    let last = 0;
    for (let tries = 0; tries < 100 && last !== 101; tries += 1) {
      last = await status();
      if (last !== 101) await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(last).toBe(101);
    await node.close();
    await again.stop();
  });
});
