import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { throttleKey } from '../../lib/core/throttle/throttle-store.js';
import { type NodeOnRedis, startNodeOnRedis } from '../support/node-on-redis.js';
import type { CoreNode } from '../support/core-node.js';

describe('RedisAnomalyStore', () => {
  let admin: Redis;
  let node: CoreNode;
  let stop: NodeOnRedis['stop'];
  beforeAll(async () => {
    ({ admin, node, stop } = await startNodeOnRedis());
  });
  afterAll(() => stop());

  it('TH-09: leaves no key without an end, counted once or often', async () => {
    const { anomalies } = node.stores;
    const before = new Set(await admin.keys('*'));
    const key = throttleKey('anomaly', 'x');
    for (let times = 0; times < 5; times += 1) await anomalies.count(key, 60_000);
    await anomalies.count(throttleKey('anomaly', 'once'), 60_000.5);
    const members = throttleKey('anomaly', 'members');
    await anomalies.addMembers(members, ['a', 'b'], 60_000, 3);
    await anomalies.addMembers(members, ['c', 'd'], 60_000, 3);
    const ban = { reason: 'x', isAutomatic: true };
    await anomalies.ban({ ...ban, prefix: '192.0.2.1', remainingMs: 90_000 });
    await anomalies.ban({ ...ban, prefix: '192.0.2.2', remainingMs: 10_000 });
    await anomalies.lift('192.0.2.2');
    const written = (await admin.keys('*')).filter((name) => !before.has(name));
    expect(written).toHaveLength(4);
    for (const name of written) {
      const ttl = await admin.pttl(name);
      expect(ttl).toBeGreaterThan(0);
      expect(ttl).toBeLessThanOrEqual(name === 'ws:bans' ? 90_000 : 60_001);
    }
    expect(await admin.pttl('ws:bans')).toBeGreaterThan(60_001);
  });
});
