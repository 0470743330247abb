/** The end-to-end suites in a consumer's project; `tools/matrix.mjs` puts it there. */
export default {
  test: {
    include: ['test/e2e/**/*.e2e-spec.ts'],
    setupFiles: ['test/support/setup.ts'],
    reporters: ['default', './count-reporter.mjs', ['json', { outputFile: 'results.json' }]],
    // As in the repository: who needed a second try is named.
    retry: 1,
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
};
