import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../lib/core/clock.js';
import { newNodeId } from '../../lib/core/identifiers.js';
import { connectRedis } from '../../lib/redis/connect-redis.js';
import { RedisStores } from '../../lib/redis/redis-stores.js';
import { describeAnomalyStore } from '../contract/anomaly-store.contract.js';
import { describeConnectionRegistry } from '../contract/connection-registry.contract.js';
import { describeRevocationLog } from '../contract/revocation-log.contract.js';
import { describeSessionStore } from '../contract/session-store.contract.js';
import { createSession, newUserHash, type StoresUnderTest } from '../contract/store-harness.js';
import { describeThrottleStore } from '../contract/throttle-store.contract.js';
import { describeTicketStore } from '../contract/ticket-store.contract.js';
import { startSentinel, type RedisSentinel } from '../support/redis-sentinel.js';

let sentinel: RedisSentinel;
beforeAll(async () => {
  sentinel = await startSentinel();
});
afterAll(() => sentinel.stop());

async function startNode(option: object = sentinel.option): Promise<StoresUnderTest> {
  const stores = new RedisStores({
    clients: await connectRedis(option),
    node: newNodeId(),
    prefix: `test-${newNodeId()}:`,
    clock: systemClock,
    rememberRevocationsMs: 3_600_000,
    onError: () => {},
  });
  await stores.start();
  return { stores, now: systemClock, stop: () => stores.stop() };
}

describeTicketStore('sentinel', () => startNode());
describeSessionStore('sentinel', () => startNode());
describeConnectionRegistry('sentinel', () => startNode());
describeRevocationLog('sentinel', () => startNode());
describeThrottleStore('sentinel', () => startNode());
describeAnomalyStore('sentinel', () => startNode());

describe('option "redis" for Sentinel', () => {
  it('takes a client that goes by sentinels, of which it makes copies that hear of a failover', async () => {
    const own = new Redis({
      ...sentinel.option,
      sentinels: [...sentinel.option.sentinels],
      lazyConnect: true,
    });
    const node = await startNode(own);
    const session = await createSession(node, newUserHash());
    expect(await node.stores.sessions.get([session.id])).toMatchObject([{ id: session.id }]);
    expect(own.status).toBe('wait');
    expect(own.options.failoverDetector).toBe(false);
    await node.stop();
  });

  it('asks each sentinel only so long, and hears of a failover from them', async () => {
    const clients = await connectRedis(sentinel.option);
    for (const client of [clients.commands, clients.revocations, clients.subscriber]) {
      expect(client).toMatchObject({
        options: {
          role: 'master',
          failoverDetector: true,
          sentinelCommandTimeout: 500,
          enableOfflineQueue: false,
        },
      });
      client.disconnect();
    }
  });

  it.each([
    [{ sentinels: [], name: 'main' }],
    [{ sentinels: [{ host: 'x', port: 1 }] }],
    [{ sentinels: 'x', name: 'main' }],
  ])('refuses %j', async (option) => {
    await expect(connectRedis(option)).rejects.toThrow(/with Sentinel it needs "sentinels".*and "name"/);
  });

  it('has one partition (RD-04)', async () => {
    const node = await startNode();
    const partitions = Array.from({ length: 50 }, () => node.stores.revocations.partitionOf(newUserHash()));
    expect(new Set(partitions)).toEqual(new Set(['0']));
    await node.stop();
  });
});
