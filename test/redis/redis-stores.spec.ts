import { afterAll, beforeAll } from 'vitest';
import { systemClock } from '../../lib/core/clock.js';
import { newNodeId } from '../../lib/core/identifiers.js';
import { RedisStores } from '../../lib/redis/redis-stores.js';
import { describeAnomalyStore } from '../contract/anomaly-store.contract.js';
import { describeConnectionRegistry } from '../contract/connection-registry.contract.js';
import { describeRevocationLog } from '../contract/revocation-log.contract.js';
import { describeSessionStore } from '../contract/session-store.contract.js';
import type { StoresUnderTest } from '../contract/store-harness.js';
import { describeThrottleStore } from '../contract/throttle-store.contract.js';
import { describeTicketStore } from '../contract/ticket-store.contract.js';
import { connectClients, startRedis, type RedisServer } from '../support/redis-server.js';

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

const makeStores = async (): Promise<StoresUnderTest> => {
  const stores = new RedisStores({
    clients: await connectClients(server.port),
    node: newNodeId(),
    prefix: `test-${newNodeId()}:`,
    clock: systemClock,
    rememberRevocationsMs: 3_600_000,
    onError: () => {},
  });
  await stores.start();
  return { stores, now: systemClock, stop: () => stores.stop() };
};

describeTicketStore('redis', makeStores);
describeSessionStore('redis', makeStores);
describeConnectionRegistry('redis', makeStores);
describeRevocationLog('redis', makeStores);
describeThrottleStore('redis', makeStores);
describeAnomalyStore('redis', makeStores);
