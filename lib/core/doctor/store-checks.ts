import { inWords, when, type DoctorCheck } from './doctor-check.js';

const LONG_GRACE_MS = 300_000;

/** Where sessions and revocations are kept. */
export const STORE_CHECKS: readonly DoctorCheck[] = [
  {
    // In production allowMemoryStoreInProduction has said already that it is meant.
    id: 'memory-store',
    severity: 'notice',
    title: 'Everything is kept in the memory of one process',
    rows: ['SE-01', 'RD-01'],
    asvs: ['7.4.1'],
    fix: 'set redis where there is more than one node',
    find: ({ options }) =>
      when(
        options.redis === undefined,
        'sessions, tickets and revocations are kept in the memory of this process: one node, gone at a restart',
      ),
  },
  {
    id: 'redis-plain',
    severity: 'warning',
    elsewhere: 'notice',
    title: 'Redis is spoken to without TLS',
    rows: ['RD-03'],
    asvs: ['12.3.1'],
    fix: 'use a rediss:// URL or the tls option in redis',
    find: ({ redis }) =>
      when(
        redis !== undefined && !redis.isTls && !redis.isLoopback,
        'redis is another machine, and the connection has no TLS: who is on the way reads sessions, and can forge revocations',
      ),
  },
  {
    id: 'redis-without-password',
    severity: 'warning',
    elsewhere: 'notice',
    title: 'Redis asks for no password',
    rows: ['RD-03'],
    asvs: ['13.2.1'],
    fix: 'give redis a user and a password, and the server an ACL (docs/redis.md)',
    find: ({ redis }) =>
      when(
        redis !== undefined && !redis.hasPassword,
        'redis is used without a password: whoever reaches the server can make sessions and tickets',
      ),
  },
  {
    id: 'redis-default-user',
    severity: 'warning',
    elsewhere: 'notice',
    title: 'Redis is used by its default user',
    rows: ['RD-03'],
    asvs: ['13.2.2', '13.2.3'],
    fix: 'make a user that has the keys and commands of docs/redis.md and no others, and name it in redis',
    find: ({ redis }) =>
      when(
        // Who asks for no password has another finding, of which this one would be a part.
        redis?.user === 'default' && redis.hasPassword,
        'redis is used as the user "default", which may do everything to every key',
      ),
  },
  {
    id: 'redis-not-persistent',
    severity: 'notice',
    title: 'Redis may forget',
    rows: ['SE-06', 'RD-04'],
    asvs: ['7.4.1'],
    fix: 'set appendonly yes on the server of the redis option',
    find: ({ redis }) =>
      when(
        redis?.server?.hasAppendLog === false,
        'redis writes no append-only file: a restart of the server ends every session, and forgets which tokens were revoked',
      ),
  },
  {
    id: 'redis-memory-unlimited',
    severity: 'notice',
    title: 'Redis may take all memory',
    rows: ['RD-04'],
    asvs: ['15.2.2'],
    fix: 'set maxmemory on the server of the redis option, with maxmemory-policy noeviction',
    find: ({ redis }) =>
      when(
        redis?.server?.maxMemoryBytes === 0,
        'redis has no maxmemory: when memory runs out the system ends the server, rather than the server refusing writes',
      ),
  },
  {
    id: 'outage-grace-long',
    severity: 'warning',
    title: 'Sockets live long on old news',
    rows: ['RD-01'],
    asvs: ['7.4.1', '16.5.2'],
    fix: 'set storeOutage.graceMs to 300,000 or less',
    find: ({ options: { redis, storeOutage } }) =>
      when(
        redis !== undefined && storeOutage.graceMs > LONG_GRACE_MS,
        `storeOutage.graceMs is ${inWords(storeOutage.graceMs)}: while the store is away a revoked socket lives on for that long`,
      ),
  },
  {
    id: 'outage-one-node',
    severity: 'notice',
    title: 'Rates are not shared out in an outage',
    rows: ['TH-09'],
    asvs: ['2.4.1', '16.5.2'],
    fix: 'set storeOutage.expectedNodes to the number of nodes',
    find: ({ options: { redis, storeOutage } }) =>
      when(
        redis !== undefined && storeOutage.expectedNodes === 1,
        'storeOutage.expectedNodes is 1: while the store is away every node lets the whole rate through',
      ),
  },
];
