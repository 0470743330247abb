import { createRequire } from 'node:module';
import { Redis } from 'ioredis-5';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../lib/core/clock.js';
import { newNodeId } from '../../lib/core/identifiers.js';
import { connectRedis } from '../../lib/redis/connect-redis.js';
import { RedisStores } from '../../lib/redis/redis-stores.js';
import { describeAnomalyStore } from '../contract/anomaly-store.contract.js';
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
import { startRedis, type RedisServer } from '../support/redis-server.js';

/** The lowest release that the package declares: what the library loads by itself is this one too. */
vi.mock('ioredis', () => import('ioredis-5'));

let server: RedisServer;
let own: Redis;
beforeAll(async () => {
  server = await startRedis();
  own = new Redis({ port: server.port, host: '127.0.0.1', lazyConnect: true });
});
afterAll(() => server.stop());

async function startNode(option: string | object, prefix = `test-${newNodeId()}:`): Promise<StoresUnderTest> {
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

const name = 'redis, ioredis 5.9';
const makeStores = (): Promise<StoresUnderTest> => startNode(own);
describeTicketStore(name, makeStores);
describeSessionStore(name, makeStores);
describeConnectionRegistry(name, makeStores);
describeRevocationLog(name, makeStores);
describeThrottleStore(name, makeStores);
describeAnomalyStore(name, makeStores);

describe('ioredis 5.9', () => {
  it('is what these tests run on', async () => {
    const { version } = createRequire(import.meta.url)('ioredis-5/package.json') as { version: string };
    expect(version).toMatch(/^5\.9\./);
    const clients = await connectRedis({ port: server.port, host: '127.0.0.1' });
    for (const client of [clients.commands, clients.revocations, clients.subscriber]) {
      expect(client).toBeInstanceOf(Redis);
      client.disconnect();
    }
  });

  it.each([
    ['a URL', () => `redis://127.0.0.1:${server.port}/0`],
    ['options', () => ({ host: '127.0.0.1', port: server.port })],
    ['a client', () => own],
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

  it('leaves the client of the application as it is', () => {
    expect(own.status).toBe('wait');
    expect(own.options.enableOfflineQueue).toBe(true);
  });

  it('catches up with what was said while the subscription was cut (SE-04)', async () => {
    const prefix = `test-${newNodeId()}:`;
    const [one, other] = [await startNode(own, prefix), await startNode(own, prefix)];
    const userHash = newUserHash();
    const heard = hear(other, userHash);
    const admin = new Redis(server.port, '127.0.0.1');
    await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await revokeUser(one, userHash);
    await eventually(() => heard.length === 1);
    admin.disconnect();
    await Promise.all([one.stop(), other.stop()]);
  });
});
