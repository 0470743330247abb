import { availableParallelism } from 'node:os';

/** The end-to-end suites in a consumer's project; `tools/matrix.mjs` puts it there. */
export default {
  test: {
    include: ['test/e2e/**/*.e2e-spec.ts'],
    setupFiles: ['test/support/setup.ts'],
    // Most of it is waiting.
    maxWorkers: Math.max(2, availableParallelism()),
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
};
