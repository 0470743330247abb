const { writeFileSync } = require('node:fs');
const { tryWaysIn } = require('./try-ways-in.cjs');

/** Tries the ways in on each server that Nest has, and writes what came of it to the file that `WAYS_IN_RESULTS` names. */
exports.tryEachServer = async ({ core, fastify, ...modules }) => {
  const create = (module, adapter, settings) =>
    adapter ? core.NestFactory.create(module, adapter, settings) : core.NestFactory.create(module, settings);
  const onFastify = (https) => new fastify.FastifyAdapter(https ? { https } : {});
  const results = [];
  for (const ground of [
    { name: 'Express' },
    { name: 'Fastify', adapter: onFastify },
    { name: 'Express, HTTPS', tls: true },
    { name: 'Fastify, HTTPS', adapter: onFastify, tls: true },
  ])
    results.push(...(await tryWaysIn({ ...modules, create }, { ...ground, published: true })));
  writeFileSync(process.env.WAYS_IN_RESULTS, JSON.stringify(results));
};
