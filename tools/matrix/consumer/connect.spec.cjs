require('reflect-metadata');
const { writeFileSync } = require('node:fs');
const { Test } = require('@nestjs/testing');
const { tryWaysIn } = require('./try-ways-in.cjs');
const { WAYS_IN } = require('./ways-in.cjs');

const modules = {
  common: require('@nestjs/common'),
  websockets: require('@nestjs/websockets'),
  library: require('nestjs-ws-auth'),
  ws: require('ws'),
  create: async (module, adapter, settings) => {
    const compiled = await Test.createTestingModule({ imports: [module] }).compile();
    return compiled.createNestApplication(settings);
  },
};

describe('a CommonJS application under Jest', () => {
  let results;
  beforeAll(async () => {
    results = await tryWaysIn(modules, { name: 'Express' });
    if (process.env.WAYS_IN_RESULTS) writeFileSync(process.env.WAYS_IN_RESULTS, JSON.stringify(results));
  }, 60_000);

  it.each(WAYS_IN.filter(({ needs }) => !needs).map(({ name }) => name))(
    'admits by %s, refuses what is wrong, and closes the socket when the user is revoked',
    (name) => {
      expect(results.find(({ way }) => way === name)).toMatchObject({ isRight: true });
    },
  );
});
