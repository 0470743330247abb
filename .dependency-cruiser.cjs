/** Imports go one way: index → nest → redis | memory → core. A cycle, or an arrow against it, fails the lint. */
const layer = (name, mayNot) => ({
  name: `${name}-imports-down-only`,
  severity: 'error',
  comment: `lib/${name} must not import ${mayNot}`,
  from: { path: `^lib/${name}/` },
  to: { path: mayNot },
});

module.exports = {
  forbidden: [
    { name: 'no-cycle', severity: 'error', from: {}, to: { circular: true } },
    layer('core', '^lib/(memory|redis|nest|cli|client|testing|index)'),
    layer('memory', '^lib/(redis|nest|cli|client|testing|index)'),
    layer('redis', '^lib/(memory|nest|cli|client|testing|index)'),
    layer('nest', '^lib/(cli|client|testing|index)'),
    {
      name: 'client-stands-alone',
      severity: 'error',
      comment: 'lib/client runs in browsers: nothing of the server, nothing of node:, no package',
      from: { path: '^lib/client/' },
      to: { pathNot: '^lib/client/' },
    },
    {
      name: 'core-and-memory-know-node-only',
      severity: 'error',
      comment: 'no Nest, no ws, no Redis below lib/nest',
      from: { path: '^lib/(core|memory)/' },
      to: { dependencyTypesNot: ['core', 'local', 'type-only'], pathNot: '^lib/' },
    },
    {
      name: 'only-index-is-a-barrel',
      severity: 'error',
      from: { path: '^lib/', pathNot: '^lib/index\\.ts$' },
      to: { path: 'index\\.ts$', pathNot: 'node_modules' },
    },
    {
      name: 'no-orphan',
      severity: 'error',
      from: { orphan: true, path: '^lib/', pathNot: '^lib/index\\.ts$' },
      to: {},
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'types'],
    },
  },
};
