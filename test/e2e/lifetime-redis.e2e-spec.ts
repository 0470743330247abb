import { createSecretKey, randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { newNodeId, tokenHashOf } from '../../lib/core/identifiers.js';
import { ISSUER, startApp, type TestApp } from '../support/app.js';
import { makeChatGateway } from '../support/gateways.js';
import { RawClient } from '../support/raw-client.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';

const REVALIDATE_MS = 500;
/** A fifth more than the interval, and what a busy machine takes. */
const BOUND_MS = REVALIDATE_MS * 1.2 + 1_000;

/** Nobody publishes what these tests do to the store: it happens behind the back of every node. */
describe('a state of the store that was changed without a word', () => {
  let server: RedisServer;
  let redis: Redis;
  let prefix: string;
  let test: TestApp;

  beforeAll(async () => {
    server = await startRedis();
    redis = new Redis(server.port, '127.0.0.1');
    prefix = `test-${newNodeId()}:`;
    test = await startApp({
      gateways: [makeChatGateway()],
      options: {
        redis: `redis://127.0.0.1:${server.port}`,
        redisPrefix: prefix,
        secret: createSecretKey(randomBytes(32)),
        lifetime: { revalidateMs: REVALIDATE_MS },
      },
    });
  });
  afterAll(async () => {
    await test.discard();
    redis.disconnect();
    await server.stop();
  });
  const clients: RawClient[] = [];
  afterEach(() => {
    for (const client of clients.splice(0)) client.destroy();
  });

  async function admitted(headers: Record<string, string>): Promise<RawClient> {
    const client = await RawClient.open(test.port, { headers });
    clients.push(client);
    await client.upgraded();
    await client.messageOf('auth.ok');
    return client;
  }

  /** What the keys of the one partition begin with. */
  async function partition(): Promise<string> {
    const [key] = await redis.keys(`${prefix}*:log`);
    return key ? key.slice(0, -'log'.length) : `${prefix}{0}:`;
  }

  async function expectClosedInBound(client: RawClient, code: number): Promise<void> {
    const begun = performance.now();
    expect(await client.closed()).toMatchObject({ code, before: [] });
    expect(performance.now() - begun).toBeLessThan(BOUND_MS);
  }

  it('closes the sockets of a session that is gone, and of no other (LT-05)', async () => {
    const [gone, kept] = [
      await test.sessions.create({ userId: 'ada' }),
      await test.sessions.create({ userId: 'bob' }),
    ];
    const one = await admitted({ Cookie: `__Host-sid=${gone.token}` });
    const other = await admitted({ Cookie: `__Host-sid=${kept.token}` });
    expect(await redis.del(`${await partition()}s:${gone.session.id}`)).toBe(1);
    await expectClosedInBound(one, 4419);
    other.send('echo', 1);
    expect(await other.messageOf('echo')).toEqual({ event: 'echo', data: 1 });
  });

  it('closes the sockets of a token that was revoked (LT-05)', async () => {
    const bearer = (jti: string) => ({ Authorization: `Bearer ${test.token({ jti, sub: 'carol' })}` });
    const [one, other] = [await admitted(bearer('bad')), await admitted(bearer('good'))];
    await redis.set(`${await partition()}j:${tokenHashOf(ISSUER, 'bad')}`, '1', 'PX', 60_000);
    await expectClosedInBound(one, 4410);
    other.send('echo', 1);
    expect(await other.messageOf('echo')).toEqual({ event: 'echo', data: 1 });
  });

  it('closes the sockets of a user whose credentials were revoked (LT-05)', async () => {
    const one = await admitted({ Authorization: `Bearer ${test.token({ sub: 'dave' })}` });
    const connection = test.connections.ofUser('dave')[0]!;
    await redis.set(
      `${await partition()}ue:${connection.grant.userHash}`,
      `1:${Date.now() + 5_000}`,
      'PX',
      60_000,
    );
    await expectClosedInBound(one, 4410);
  });
});
