import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../lib/core/clock.js';
import { newNodeId } from '../../lib/core/identifiers.js';
import { connectRedis } from '../../lib/redis/connect-redis.js';
import { RedisStores } from '../../lib/redis/redis-stores.js';
import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
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
    await Promise.all(nodes.splice(0).map((node) => node.discard()));
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
    const bystanders = [
      await open(a, await ticketPath(a, other.id)),
      await open(b, await ticketPath(b, other.id)),
    ];
    const started = performance.now();
    expect(await a.sessions.revoke({ session: session.id })).toEqual({ sockets: 3, nodes: 2, pending: 0 });
    for (const client of [onA, ...onB]) expect(await client.closed()).toMatchObject({ code: 4410 });
    expect(performance.now() - started).toBeLessThan(1_000);
    for (const bystander of bystanders) {
      bystander.send('echo', 1);
      expect(await bystander.message()).toEqual({ event: 'echo', data: 1 });
    }
  });

  it('close the sockets of a user, and of everyone, that the other revoked (SE-01)', async () => {
    const [a, b] = await startNodes();
    const openFor = async (userId: string): Promise<RawClient[]> => {
      const { session } = await a.sessions.create({ userId });
      return [await open(a, await ticketPath(a, session.id)), await open(b, await ticketPath(b, session.id))];
    };
    const [first, second, other] = [await openFor('ada'), await openFor('ada'), await openFor('bob')];
    expect(await b.sessions.revoke({ user: 'ada' })).toEqual({ sockets: 4, nodes: 2, pending: 0 });
    for (const client of [...first, ...second]) expect(await client.closed()).toMatchObject({ code: 4410 });
    for (const client of other) {
      client.send('echo', 1);
      expect(await client.message()).toEqual({ event: 'echo', data: 1 });
    }
    expect(await a.sessions.revoke({ everyone: true })).toEqual({ sockets: 2, nodes: 2, pending: 0 });
    for (const client of other) expect(await client.closed()).toMatchObject({ code: 4410 });
  });

  it('name a session in their logs by one reference, and never by what it is known by (LG-04)', async () => {
    const [a, b] = await startNodes();
    const { session, token } = await a.sessions.create({ userId: 'ada' });
    const targets = [await ticketPath(a, session.id), await ticketPath(b, session.id)];
    const clients = [await open(a, targets[0]!), await open(b, targets[1]!)];
    await b.sessions.revoke({ session: session.id });
    for (const client of clients) await client.closed();
    const [onA, onB] = await Promise.all(
      [a, b].map((node) => node.eventOf(({ event }) => event === 'authn_login_success')),
    );
    expect(onA!.sessionRef).toMatch(/^[\w-]{16,}$/);
    expect(onA!.node).not.toBe(onB!.node);
    const events = [...a.events, ...b.events];
    const refs = events.flatMap(({ sessionRef }) => sessionRef ?? []);
    expect(refs.length).toBeGreaterThanOrEqual(4);
    expect(new Set(refs)).toEqual(new Set([onA!.sessionRef]));
    const written = [JSON.stringify(events), ...a.logger.lines, ...b.logger.lines].join('\n');
    const tickets = targets.map((target) => target.slice(target.indexOf('=') + 1));
    const handles = [session.id, token, ...tickets].flatMap((secret) => [secret, secret.split('.')[1]!]);
    expect(handles.filter((handle) => written.includes(handle))).toEqual([]);
  });

  it('find within the time of a revalidation what was changed in Redis without a word (LT-05)', async () => {
    let skew = 0;
    const node = newNodeId();
    const prefix = `test-${node}:`;
    const stores = new RedisStores({
      clients: await connectRedis({ host: '127.0.0.1', port: server.port }),
      node,
      prefix,
      clock: systemClock,
      rememberRevocationsMs: 3_600_000,
      onError: () => {},
    });
    const app = await startApp({
      gateways: [makeChatGateway()],
      engine: { node, stores, monotonic: () => performance.now() + skew },
    });
    nodes.push(app);
    const [ada, bob] = [
      await app.sessions.create({ userId: 'ada' }),
      await app.sessions.create({ userId: 'bob' }),
    ];
    const [gone, kept] = [
      await open(app, await ticketPath(app, ada.session.id)),
      await open(app, await ticketPath(app, bob.session.id)),
    ];
    const looker = new Redis(server.port, '127.0.0.1');
    expect(await looker.del(`${prefix}{0}:s:${ada.session.id}`)).toBe(1);
    looker.disconnect();
    // A minute, and the fifth by which it is spread.
    skew = 72_000;
    expect(await gone.closed()).toMatchObject({ code: 4419 });
    kept.send('echo', 1);
    expect(await kept.messageOf('echo')).toEqual({ event: 'echo', data: 1 });
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
    expect(await client.messageOf('admin')).toEqual({ event: 'admin', data: 'ada' });
  });

  it('count the connections of a user together (SE-07)', async () => {
    const [a, b] = await startNodes({ connections: { maxPerUser: 3 } });
    const { session } = await a.sessions.create({ userId: 'ada' });
    const targets = await Promise.all(Array.from({ length: 20 }, () => ticketPath(a, session.id)));
    const clients = await Promise.all(
      targets.map((target, index) => RawClient.open([a, b][index % 2]!.port, { target })),
    );
    const statuses = await Promise.all(clients.map(async (client) => (await client.response()).status));
    expect(statuses.filter((status) => status === 101)).toHaveLength(3);
    expect(statuses.filter((status) => status === 429)).toHaveLength(17);
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
    await eventually(async () => (await status()) === 101, 20_000);
    await node.discard();
    await again.stop();
  });
});
