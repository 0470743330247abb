import { readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../lib/core/clock.js';
import { newNodeId } from '../../lib/core/identifiers.js';
import { connectRedis } from '../../lib/redis/connect-redis.js';
import { RedisStores } from '../../lib/redis/redis-stores.js';
import { describeConnectionRegistry } from '../contract/connection-registry.contract.js';
import { describeRevocationLog } from '../contract/revocation-log.contract.js';
import { describeSessionStore } from '../contract/session-store.contract.js';
import type { StoresUnderTest } from '../contract/store-harness.js';
import { describeThrottleStore } from '../contract/throttle-store.contract.js';
import { describeTicketStore } from '../contract/ticket-store.contract.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';

/** The line of the guide: what is shown there is what is tested here. */
const RULES = readRules();
const PASSWORD = 'a-password-of-the-test';

let server: RedisServer;
let admin: Redis;
beforeAll(async () => {
  server = await startRedis();
  admin = new Redis(server.port, '127.0.0.1');
  await admin.call('ACL', 'SETUSER', 'ws-auth', ...RULES.map((rule) => (rule.startsWith('>') ? `>${PASSWORD}` : rule)));
});
afterAll(async () => {
  admin.disconnect();
  await server.stop();
});

const login = () => ({ host: '127.0.0.1', port: server.port, username: 'ws-auth', password: PASSWORD });

async function makeStores(): Promise<StoresUnderTest> {
  const stores = new RedisStores({
    clients: await connectRedis(login()),
    node: newNodeId(),
    prefix: `ws:test-${newNodeId()}:`,
    clock: systemClock,
    rememberRevocationsMs: 3_600_000,
    onError: () => {},
  });
  await stores.start();
  return { stores, now: systemClock, stop: () => stores.stop() };
}

const name = 'redis, as the user of the guide';
describeTicketStore(name, makeStores);
describeSessionStore(name, makeStores);
describeConnectionRegistry(name, makeStores);
describeRevocationLog(name, makeStores);
describeThrottleStore(name, makeStores);

describe('the ACL line of the guide', () => {
  it('refuses nothing of what the suites above have asked for (RD-03)', async () => {
    const denials = (await admin.call('ACL', 'LOG')) as unknown[];
    expect(denials).toEqual([]);
  });

  it('allows no command that the suites above have not used (RD-03)', async () => {
    const stats = await admin.info('commandstats');
    const used = new Set([...stats.matchAll(/^cmdstat_([^:]+):/gm)].map(([, command]) => command!));
    const granted = RULES.filter((rule) => rule.startsWith('+')).map((rule) => rule.slice(1));
    console.log([...used].toSorted().join(' '));
    expect(granted.filter((command) => !used.has(command))).toEqual([]);
  });

  it.each([
    ['a key of another application', ['GET', 'other:key']],
    ['a channel of another application', ['PUBLISH', 'other:channel', 'x']],
    ['a list of all keys', ['KEYS', '*']],
    ['a walk over all keys', ['SCAN', '0']],
    ['the configuration', ['CONFIG', 'GET', 'maxmemory-policy']],
    ['the users', ['ACL', 'LIST']],
    ['an end of everything', ['FLUSHALL']],
    ['a script that reaches for a key of another application', ['EVAL', "return redis.call('GET', 'other:key')", '0']],
  ])('refuses %s (RD-03)', async (_, [command, ...args]) => {
    const client = new Redis(login());
    await expect(client.call(command!, ...args!)).rejects.toThrow(/NOPERM|No permissions|can't access|not allowed/i);
    client.disconnect();
    await admin.call('ACL', 'LOG', 'RESET');
  });
});

function readRules(): string[] {
  const guide = readFileSync(new URL('../../docs/redis.md', import.meta.url), 'utf8');
  const [, block] = /```text\nACL SETUSER ws-auth ([^`]+)```/.exec(guide) ?? [];
  if (block === undefined) throw new Error('docs/redis.md has no block that begins with ACL SETUSER ws-auth');
  return block.replaceAll('\\\n', ' ').trim().split(/\s+/);
}
