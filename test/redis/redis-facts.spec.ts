import { describe, expect, it } from 'vitest';
import type { RedisClient } from '../../lib/redis/redis-client.js';
import { describeReach, describeServers } from '../../lib/redis/redis-facts.js';

function client(options: object, more: object = {}): RedisClient {
  return { options, ...more } as unknown as RedisClient;
}

function cluster(redisOptions: object, ...hosts: string[]): RedisClient {
  const nodes = hosts.map((host) => ({ options: { host } }));
  return client({ redisOptions }, { nodes: () => nodes });
}

function info(more: object = {}): ReadonlyMap<string, string> {
  return new Map(Object.entries({ redis_version: '7.2.4', aof_enabled: '1', maxmemory: '1000', ...more }));
}

describe('describeReach', () => {
  it.each<[string, RedisClient, boolean]>([
    ['a name of this machine', client({ host: 'localhost' }), true],
    ['an address of it', client({ host: '127.0.0.53' }), true],
    ['its IPv6 address', client({ host: '::1' }), true],
    ['a socket in the file system', client({ host: 'localhost', path: '/run/redis.sock' }), true],
    ['no host, which is localhost', client({}), true],
    ['another name', client({ host: 'redis.internal' }), false],
    ['an address that only begins like it', client({ host: '10.127.0.0' }), false],
    ['another IPv6 address', client({ host: 'fd00::1' }), false],
    ['a sentinel elsewhere', client({ host: 'localhost', sentinels: [{ host: '10.0.0.1' }] }), false],
    ['a node of a cluster elsewhere', cluster({}, '127.0.0.1', '10.0.0.1'), false],
    ['a cluster on this machine', cluster({}, '127.0.0.1', '127.0.0.1'), true],
  ])('tells whether it is %s', (_, given, isLoopback) => {
    expect(describeReach(given).isLoopback).toBe(isLoopback);
  });

  it('reads TLS and the user, and of the password only that there is one', () => {
    const options = { host: 'redis', tls: {}, username: 'ws-auth', password: 'canary' };
    const facts = { isLoopback: false, isTls: true, hasPassword: true, user: 'ws-auth' };
    expect(describeReach(client(options))).toEqual(facts);
    expect(describeReach(cluster(options, 'redis'))).toEqual(facts);
  });

  it('does not take TLS for on that ioredis leaves aside because there are sentinels (RD-03)', () => {
    const options = { sentinels: [{ host: '10.0.0.1' }], name: 'mymaster', tls: {} };
    expect(describeReach(client(options)).isTls).toBe(false);
    expect(describeReach(client({ ...options, enableTLSForSentinelMode: true })).isTls).toBe(true);
    expect(describeReach(client({ ...options, sentinels: [] })).isTls).toBe(true);
  });

  it.each([{}, { password: 'canary' }, { username: '', password: null }])(
    'takes who names no user for the default one: %j',
    (options) => {
      expect(describeReach(client(options)).user).toBe('default');
    },
  );
});

describe('describeServers', () => {
  it('tells of several the one that is worst off', () => {
    const infos = [info(), info({ aof_enabled: '0' }), info({ maxmemory: '0' })];
    expect(describeServers(infos, [])).toEqual({
      version: '7.2.4',
      hasAppendLog: false,
      maxMemoryBytes: 0,
      problems: [],
    });
  });

  it('does not complain of what a server does not say', () => {
    const facts = describeServers([new Map()], []);
    expect(facts.hasAppendLog).toBe(true);
    expect(facts.maxMemoryBytes).toBeNaN();
  });
});
