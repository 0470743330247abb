import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WsAuthEvents, type WsAuthOptions } from '../../lib/index.js';
import { newNodeId } from '../../lib/core/identifiers.js';
import { ORIGIN, startApp, type TestApp } from '../support/app.js';
import { makeChatGateway } from '../support/gateways.js';
import { type HandshakeParts, RawClient } from '../support/raw-client.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';

const open: TestApp[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((test) => test.discard()));
});

async function start(options: Partial<WsAuthOptions> = {}): Promise<TestApp> {
  const test = await startApp({ gateways: [makeChatGateway()], options });
  open.push(test);
  return test;
}

/** How often the server was asked to write or to tell anything. */
async function writesOf(client: Redis): Promise<string[]> {
  const stats = await client.info('commandstats');
  return stats.match(/^cmdstat_(?:set|hset|xadd|publish|hdel):calls=\d+/gm) ?? [];
}

const explain = (test: TestApp, id: string) => test.app.get(WsAuthEvents).explain(id);

/** The correlation id that a refused client has in its hands. */
async function refused(test: TestApp, parts: HandshakeParts): Promise<string> {
  const client = await RawClient.open(test.port, parts);
  const { body } = await client.response();
  client.destroy();
  return (JSON.parse(body) as { correlationId: string }).correlationId;
}

const bearer = (token: string): HandshakeParts => ({ headers: { Authorization: `Bearer ${token}` } });

describe('explain', () => {
  it('says which rule refused an Origin, what was compared, and the option', async () => {
    const test = await start();
    const id = await refused(test, { headers: { Origin: 'https://evil.example' } });
    expect(await explain(test, id)).toMatchObject({
      rule: 'OR-02',
      option: 'origins',
      received: 'https://evil.example',
      expected: ORIGIN,
      event: { correlationId: id, status: 403, ip: '127.0.0.1', path: '/ws' },
    });
  });

  it('says what the client is not told of its token, and nothing of the token', async () => {
    const test = await start();
    const token = test.token({ aud: 'another' });
    const explained = await explain(test, await refused(test, bearer(token)));
    expect(explained).toMatchObject({
      rule: 'JW-02',
      option: 'jwt.audience',
      received: 'another',
      expected: 'chat',
      event: { reasonCode: 'token_audience', status: 401 },
    });
    for (const part of token.split('.')) expect(JSON.stringify(explained)).not.toContain(part);
  });

  it('says which binding of a ticket differs, and shows the ticket as a reference', async () => {
    const test = await start();
    const { ticket } = await test.tickets.issue({
      principal: { id: 'ada' },
      origin: 'https://other.example',
    });
    const explained = await explain(test, await refused(test, { target: `/ws?ticket=${ticket}` }));
    expect(explained).toMatchObject({
      rule: 'TK-05',
      why: 'The ticket was issued to a page of another origin. It is spent.',
      event: { ticketRef: expect.stringMatching(/^[0-9a-f]{32}$/) },
    });
    expect(JSON.stringify(explained)).not.toContain(ticket.slice(4, 20));
  });

  it('says why a connection was closed, by the id in the close reason', async () => {
    const test = await start();
    const client = await RawClient.open(test.port, bearer(test.token()));
    await client.upgraded();
    test.connections.close({ user: 'ada' });
    const { reason } = await client.closed();
    client.destroy();
    const id = /;id=([\w-]{12})$/.exec(reason)![1]!;
    expect(await explain(test, id)).toMatchObject({ event: { closeCode: 4403, principal: 'ada' } });
  });

  it('knows nothing of an id that nobody was given', async () => {
    const test = await start();
    for (const id of ['aaaaaaaaaaaa', '', '*', '__proto__', 'x'.repeat(10_000)])
      expect(await explain(test, id)).toBeNull();
  });
});

describe('explain on two nodes', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());

  async function startNodes(): Promise<[TestApp, TestApp]> {
    const shared = {
      redis: `redis://127.0.0.1:${server.port}`,
      redisPrefix: `test-${newNodeId()}:`,
      secret: randomBytes(48).toString('base64url'),
    };
    return Promise.all([start(shared), start(shared)]);
  }

  it('finds what the other has refused', async () => {
    const [a, b] = await startNodes();
    const id = await refused(a, { headers: { Origin: 'https://evil.example' } });
    const explained = await explain(b, id);
    expect(explained).toMatchObject({
      rule: 'OR-02',
      received: 'https://evil.example',
      event: { node: a.engine.node },
    });
    expect(explained).toEqual(await explain(a, id));
  });

  it('finds for all who ask at once', async () => {
    const [a, b] = await startNodes();
    const id = await refused(a, bearer('x.y.z'));
    const answers = await Promise.all(Array.from({ length: 20 }, () => explain(b, id)));
    for (const answer of answers) expect(answer?.rule).toBe('JW-01');
  });

  it('gives up soon when nobody knows', async () => {
    const [, b] = await startNodes();
    const started = performance.now();
    expect(await explain(b, 'aaaaaaaaaaaa')).toBeNull();
    expect(performance.now() - started).toBeLessThan(2_000);
  });

  it('costs the store nothing when something is refused', async () => {
    const [a] = await startNodes();
    const client = new Redis(server.port, '127.0.0.1');
    const before = await writesOf(client);
    for (let times = 0; times < 50; times += 1)
      await refused(a, { headers: { Origin: `https://evil-${times}.example` } });
    expect(await writesOf(client)).toEqual(before);
    client.disconnect();
  });
});
