import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../lib/core/clock.js';
import { StoreUnavailable } from '../../lib/core/errors.js';
import { newNodeId } from '../../lib/core/identifiers.js';
import { throttleKey } from '../../lib/core/throttle/throttle-store.js';
import { RedisStores } from '../../lib/redis/redis-stores.js';
import { connectClients, startRedis, type RedisServer } from '../support/redis-server.js';

const HOURLY = { limit: 60, windowMs: 3_600_000, burst: 10 };

describe('RedisThrottleStore', () => {
  let server: RedisServer;
  let looker: Redis;
  beforeAll(async () => {
    server = await startRedis();
    looker = new Redis(server.port, '127.0.0.1');
  });
  afterAll(async () => {
    looker.disconnect();
    await server.stop();
  });

  const node = async (prefix: string, port = server.port): Promise<RedisStores> =>
    new RedisStores({
      clients: await connectClients(port),
      node: newNodeId(),
      prefix,
      clock: systemClock,
      rememberRevocationsMs: 3_600_000,
      onError: () => {},
    });

  it('counts the takes of two nodes together, to the last one (TH-09)', async () => {
    const prefix = `test-${newNodeId()}:`;
    const nodes = [await node(prefix), await node(prefix)];
    const key = throttleKey('test', 'ada');
    const decisions = await Promise.all(
      Array.from({ length: 40 }, (_, index) => nodes[index % 2]!.throttle.take(key, HOURLY, 1)),
    );
    expect(decisions.filter(({ allowed }) => allowed)).toHaveLength(10);
    await Promise.all(nodes.map((stores) => stores.stop()));
  });

  it('keeps one key for each identity, which ends when it is whole again and shows nobody (TH-08, TH-09)', async () => {
    const prefix = `test-${newNodeId()}:`;
    const stores = await node(prefix);
    for (const user of ['ada', 'bob']) {
      for (let count = 0; count < 5; count += 1) {
        await stores.throttle.take(throttleKey('test', user), HOURLY, 3);
      }
    }
    const keys = await looker.keys(`${prefix}*`);
    expect(keys).toHaveLength(2);
    for (const key of keys) {
      expect(key).not.toMatch(/ada|bob/);
      const left = await looker.pttl(key);
      expect(left).toBeGreaterThan(9 * 60_000 - 30_000);
      expect(left).toBeLessThanOrEqual(9 * 60_000);
    }
    await stores.stop();
  });

  it('leaves no key for what was refused (TH-09)', async () => {
    const prefix = `test-${newNodeId()}:`;
    const stores = await node(prefix);
    const refused = await stores.throttle.take(throttleKey('test', 'ada'), HOURLY, 11);
    expect(refused.allowed).toBe(false);
    expect(await looker.keys(`${prefix}*`)).toEqual([]);
    await stores.stop();
  });

  it('says that the store is away when it is (TH-09)', async () => {
    const other = await startRedis();
    onTestFinished(() => other.stop());
    const stores = await node('test:', other.port);
    await other.stop();
    await expect(stores.throttle.take(throttleKey('test', 'ada'), HOURLY, 1)).rejects.toBeInstanceOf(
      StoreUnavailable,
    );
    await stores.stop();
  });
});
