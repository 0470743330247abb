import { Cluster, Redis } from 'ioredis-5';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../lib/core/clock.js';
import { newNodeId } from '../../lib/core/identifiers.js';
import { connectRedis } from '../../lib/redis/connect-redis.js';
import { RedisStores } from '../../lib/redis/redis-stores.js';
import { describeConnectionRegistry } from '../contract/connection-registry.contract.js';
import { describeRevocationLog } from '../contract/revocation-log.contract.js';
import { describeSessionStore } from '../contract/session-store.contract.js';
import {
  createSession,
  hear,
  lives,
  newUserHash,
  revokeUser,
  type StoresUnderTest,
} from '../contract/store-harness.js';
import { describeThrottleStore } from '../contract/throttle-store.contract.js';
import { describeTicketStore } from '../contract/ticket-store.contract.js';
import { eventually } from '../support/eventually.js';
import { startCluster, type RedisCluster } from '../support/redis-cluster.js';
import { startSentinel, type RedisSentinel } from '../support/redis-sentinel.js';

vi.mock('ioredis', () => import('ioredis-5'));

let cluster: RedisCluster;
let sentinel: RedisSentinel;
beforeAll(async () => {
  [cluster, sentinel] = await Promise.all([startCluster(), startSentinel()]);
});
afterAll(async () => {
  await Promise.all([cluster.stop(), sentinel.stop()]);
});

async function startNode(option: object, prefix = `test-${newNodeId()}:`): Promise<StoresUnderTest> {
  const stores = new RedisStores({
    clients: await connectRedis(option),
    node: newNodeId(),
    prefix,
    clock: systemClock,
    rememberRevocationsMs: 3_600_000,
    onError: () => {},
  });
  await stores.start();
  return { stores, now: systemClock, stop: () => stores.stop() };
}

const name = 'cluster, ioredis 5.9';
const makeStores = (): Promise<StoresUnderTest> => startNode({ cluster: cluster.startupNodes });
describeTicketStore(name, makeStores);
describeSessionStore(name, makeStores);
describeConnectionRegistry(name, makeStores);
describeRevocationLog(name, makeStores);
describeThrottleStore(name, makeStores);

describe('ioredis 5.9', () => {
  it.each([
    ['the nodes of a cluster', () => ({ cluster: cluster.startupNodes })],
    ['a cluster client', () => new Cluster([...cluster.startupNodes], { lazyConnect: true })],
    ['sentinels', () => sentinel.option],
    [
      'a client that goes by sentinels',
      () => new Redis({ ...sentinel.option, sentinels: [...sentinel.option.sentinels], lazyConnect: true }),
    ],
  ])('serves two nodes that are given %s', async (_, option) => {
    const prefix = `test-${newNodeId()}:`;
    const [one, other] = [await startNode(option(), prefix), await startNode(option(), prefix)];
    const userHash = newUserHash();
    const session = await createSession(one, userHash);
    expect(await lives(other, session.id)).toBe(true);
    const heard = hear(other, userHash);
    await revokeUser(one, userHash);
    await eventually(() => heard.length === 1);
    expect(await lives(other, session.id)).toBe(false);
    await Promise.all([one.stop(), other.stop()]);
  });
});
