import { defineConfig } from 'vitest/config';

/** What starts several servers and waits for their failovers. */
const SEVERAL_SERVERS = [
  'test/cli/module-store.spec.ts',
  'test/redis/redis-cluster.spec.ts',
  'test/redis/redis-ioredis-5-cluster.spec.ts',
  'test/redis/redis-sentinel.spec.ts',
  'test/e2e/redis-cluster.e2e-spec.ts',
  'test/e2e/redis-sentinel.e2e-spec.ts',
  'test/fault/cluster.fault-spec.ts',
  'test/fault/node-death.fault-spec.ts',
  'test/fault/outage.fault-spec.ts',
  'test/fault/sentinel.fault-spec.ts',
];

/** What puts one module in the place of another. A process would not forget it when the file is over. */
const OTHER_MODULES = ['test/nest/open-telemetry-api.spec.ts', 'test/redis/redis-ioredis-5.spec.ts'];

const PROCESS_OF_ITS_OWN = [...SEVERAL_SERVERS, ...OTHER_MODULES];

/** When the others are done, and four at a time: most of it is waiting for servers to take each other for dead. */
const WAITING = { sequence: { groupOrder: 1 }, maxWorkers: 4 };

export default defineConfig({
  test: {
    reporters: ['default', './tools/count-reporter.mjs'],
    // Sockets, servers and browsers on a machine that may stand still: who needed a second try is named at the end of the run.
    retry: 1,
    // Some of the time goes into waiting for sockets and browsers: a machine of two cores takes three files at a time.
    maxWorkers: 3,
    coverage: { provider: 'v8', include: ['lib/**'], reporter: ['text-summary', 'html'] },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.spec.ts'],
          exclude: PROCESS_OF_ITS_OWN,
          // The files of a worker share what they import: loading Nest anew for each took longer than its tests.
          isolate: false,
          setupFiles: ['test/support/setup.ts'],
          testTimeout: 20_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.e2e-spec.ts', 'test/package/**/*.e2e-spec.ts'],
          exclude: PROCESS_OF_ITS_OWN,
          isolate: false,
          setupFiles: ['test/support/setup.ts'],
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'fault',
          include: ['test/fault/**/*.fault-spec.ts'],
          exclude: PROCESS_OF_ITS_OWN,
          setupFiles: ['test/support/setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 30_000,
          ...WAITING,
        },
      },
      {
        extends: true,
        test: {
          name: 'failover',
          include: PROCESS_OF_ITS_OWN,
          setupFiles: ['test/support/setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 90_000,
          ...WAITING,
        },
      },
      {
        extends: true,
        test: {
          name: 'browser',
          include: ['test/browser/**/*.browser-spec.ts'],
          setupFiles: ['test/support/setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
