import { readFileSync } from 'node:fs';
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
import {
  createSession,
  hear,
  newUserHash,
  revokeUser,
  type StoresUnderTest,
} from '../contract/store-harness.js';
import { describeThrottleStore } from '../contract/throttle-store.contract.js';
import { describeTicketStore } from '../contract/ticket-store.contract.js';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';

/** The lines of the guide: what is shown there is what is tested here. */
const RULES = readRules(/```text\nACL SETUSER ws-auth ([^`]+)```/);
const NAMING_RULES = readRules(/From there on add `([^`]+)`/);
const CLUSTER_RULES = readRules(/On a cluster add `([^`]+)`/);
const PASSWORD = 'a-password-of-the-test';
const CREDENTIALS = { username: 'ws-auth', password: PASSWORD };

let server: RedisServer;
let admin: Redis;
beforeAll(async () => {
  server = await startRedis();
  admin = await admit(server, RULES);
});
afterAll(async () => {
  admin.disconnect();
  await server.stop();
});

/** Makes the user on a server. @returns a connection of somebody who may do everything */
async function admit({ port }: RedisServer, rules: readonly string[]): Promise<Redis> {
  const client = new Redis(port, '127.0.0.1');
  const own = rules.map((rule) => (rule.startsWith('>') ? `>${PASSWORD}` : rule));
  await client.call('ACL', 'SETUSER', 'ws-auth', ...own);
  // A server that does not know the command refuses the rule.
  await client.call('ACL', 'SETUSER', 'ws-auth', ...NAMING_RULES).catch(() => {});
  return client;
}

const loginAt = ({ port }: RedisServer) => ({ host: '127.0.0.1', port, ...CREDENTIALS });

async function startStores(option: object, prefix = `ws:test-${newNodeId()}:`): Promise<StoresUnderTest> {
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

const makeStores = (): Promise<StoresUnderTest> => startStores(loginAt(server));

const name = 'redis, as the user of the guide';
describeTicketStore(name, makeStores);
describeSessionStore(name, makeStores);
describeConnectionRegistry(name, makeStores);
describeRevocationLog(name, makeStores);
describeThrottleStore(name, makeStores);
describeAnomalyStore(name, makeStores);

describe('the ACL line of the guide', () => {
  it('lets a node catch up with what it has missed (RD-03, SE-04)', async () => {
    const prefix = `ws:test-${newNodeId()}:`;
    const [one, other] = [
      await startStores(loginAt(server), prefix),
      await startStores(loginAt(server), prefix),
    ];
    const userHash = newUserHash();
    const heard = hear(other, userHash);
    await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await revokeUser(one, userHash);
    await eventually(() => heard.length === 1);
    await Promise.all([one.stop(), other.stop()]);
  });

  it('refuses nothing of what the suites above have asked for (RD-03)', async () => {
    const denials = (await admin.call('ACL', 'LOG')) as unknown[];
    expect(denials).toEqual([]);
  });

  it('allows no command that the suites above have not used (RD-03)', async () => {
    const stats = await admin.info('commandstats');
    const used = new Set([...stats.matchAll(/^cmdstat_([^:]+):/gm)].map(([, command]) => command!));
    const granted = RULES.filter((rule) => rule.startsWith('+')).map((rule) => rule.slice(1));
    expect(granted.filter((command) => !used.has(command))).toEqual([]);
  });

  it('is enough for a node that may not tell its name (RD-03)', async () => {
    await admin.call('ACL', 'SETUSER', 'ws-auth', '-client');
    const client = new Redis(loginAt(server));
    await expect(client.call('CLIENT', 'SETINFO', 'LIB-NAME', 'test')).rejects.toThrow();
    client.disconnect();
    const under = await makeStores();
    const session = await createSession(under, newUserHash());
    expect(await under.stores.sessions.get([session.id])).toMatchObject([{ id: session.id }]);
    await under.stop();
    await admin.call('ACL', 'LOG', 'RESET');
  });

  it.each([
    ['a key of another application', ['GET', 'other:key']],
    ['a channel of another application', ['PUBLISH', 'other:channel', 'x']],
    ['a list of all keys', ['KEYS', '*']],
    ['a walk over all keys', ['SCAN', '0']],
    ['the configuration', ['CONFIG', 'GET', 'maxmemory-policy']],
    ['the users', ['ACL', 'LIST']],
    ['an end of everything', ['FLUSHALL']],
    [
      'a script that reaches for a key of another application',
      ['EVAL', "return redis.call('GET', 'other:key')", '0'],
    ],
  ])('refuses %s (RD-03)', async (_, [command, ...args]) => {
    const client = new Redis(loginAt(server));
    await expect(client.call(command!, ...args!)).rejects.toThrow(
      /NOPERM|No permissions|can't access|not allowed/i,
    );
    client.disconnect();
    await admin.call('ACL', 'LOG', 'RESET');
  });
});

describe('another application on the same server', () => {
  it('can be kept from the messages between nodes by its own line (SE-05, RD-03)', async () => {
    await admin.call('ACL', 'SETUSER', 'other', 'on', `>${PASSWORD}`, '~other:*', '&other:*', '+@all');
    const client = new Redis({ host: '127.0.0.1', port: server.port, username: 'other', password: PASSWORD });
    expect(await client.publish('other:channel', 'x')).toBe(0);
    for (const channel of ['ws:entries', 'ws:ack:a-node']) {
      await expect(client.publish(channel, 'x')).rejects.toThrow(/NOPERM|No permissions/i);
      await expect(client.subscribe(channel)).rejects.toThrow(/NOPERM|No permissions/i);
    }
    await expect(client.xadd('ws:{0}:log', '*', 'k', 'v')).rejects.toThrow(/NOPERM|No permissions/i);
    client.disconnect();
    await admin.call('ACL', 'LOG', 'RESET');
  });
});

describe('the ACL line of the guide for a cluster', () => {
  let master: RedisServer;
  let masterAdmin: Redis;
  beforeAll(async () => {
    const bus = ['--cluster-port', `${await freePort()}`, '--cluster-announce-ip', '127.0.0.1'];
    master = await startRedis('--cluster-enabled', 'yes', ...bus);
    masterAdmin = await admit(master, [...RULES, ...CLUSTER_RULES]);
    await masterAdmin.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
    await eventually(async () =>
      String(await masterAdmin.call('CLUSTER', 'INFO')).includes('cluster_state:ok'),
    );
  });
  afterAll(async () => {
    masterAdmin.disconnect();
    await master.stop();
  });

  it('is enough for a node, and not more than that (RD-03)', async () => {
    const cluster = [{ host: '127.0.0.1', port: master.port }];
    const under = await startStores({ cluster, options: { redisOptions: CREDENTIALS } });
    const userHash = newUserHash();
    const heard = hear(under, userHash);
    await revokeUser(under, userHash);
    await eventually(() => heard.length === 1);
    const stats = await masterAdmin.info('commandstats');
    for (const rule of CLUSTER_RULES) expect(stats).toContain(`cmdstat_${rule.slice(1)}:`);
    expect(await masterAdmin.call('ACL', 'LOG')).toEqual([]);
    await under.stop();
  });
});

function readRules(pattern: RegExp): string[] {
  const guide = readFileSync(new URL('../../docs/redis.md', import.meta.url), 'utf8');
  const [, block] = pattern.exec(guide) ?? [];
  if (block === undefined) throw new Error(`docs/redis.md has nothing that fits ${pattern}`);
  return block.replaceAll('\\\n', ' ').trim().split(/\s+/);
}
