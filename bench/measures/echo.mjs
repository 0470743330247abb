import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { startGenerator, startServer } from '../harness/child.mjs';
import { summarizeProfile } from '../harness/cpu-profile.mjs';
import { RESULTS } from '../harness/results.mjs';
import { summarize } from '../harness/statistics.mjs';
import { spread, table } from '../harness/table.mjs';

const SECRET = randomBytes(48).toString('base64url');
const DATA = { id: 12_345, text: 'hello, world' };

/** Messages that are echoed in a second, slice by slice and variant by variant, so that all of them have the same weather. */
export async function measureEcho(settings, log) {
  const cells = [];
  for (const handlers of settings.handlers) {
    for (const window of settings.windows) {
      const slices = new Map(settings.variants.map(({ name }) => [name, []]));
      for (let run = 0; run < settings.processes; run += 1) {
        log(`echo: ${handlers} handlers, window ${window}, processes ${run + 1} of ${settings.processes}`);
        await measureProcesses({ ...settings, handlerCount: handlers, window }, slices);
      }
      cells.push({ handlers, window, slices: Object.fromEntries(slices) });
    }
  }
  return cells;
}

async function measureProcesses(settings, slices) {
  const { variants, connections, window, handlerCount } = settings;
  const generator = startGenerator();
  const servers = [];
  try {
    const message = { event: `event${String(handlerCount >> 1).padStart(3, '0')}`, data: DATA };
    const load = { message: JSON.stringify(message), reply: JSON.stringify(message), window };
    for (const variant of variants) {
      const env = { BENCH_HANDLERS: String(handlerCount), BENCH_JWT_SECRET: SECRET };
      const { child, port } = await startServer(variant, env);
      servers.push({ name: variant.name, child });
      await generator.ask('connect', { server: variant.name, port, count: connections, secret: SECRET });
      await generator.ask('verify', { server: variant.name, ...load });
    }
    const slice = async ({ name, child }, durationMs) => {
      const before = await child.ask('usage');
      const echoed = await generator.ask('echo', { server: name, ...load, durationMs });
      const { cpu, gcMs, busyMs } = await child.ask('usage');
      const cpuMs = (cpu.user + cpu.system - before.cpu.user - before.cpu.system) / 1_000;
      return {
        perSecond: echoed.perSecond,
        cpuMicros: (cpuMs * 1_000) / echoed.messages,
        // Both by the clock on the wall: a collection is pushed aside by other processes as everything is.
        gcShare: (gcMs - before.gcMs) / (busyMs - before.busyMs),
        generatorLoad: echoed.load,
      };
    };
    for (const server of servers) await slice(server, settings.warmUpMs);
    for (let round = 0; round < settings.slices; round += 1) {
      const turned = servers.map((_, index) => servers[(index + round) % servers.length]);
      for (const server of turned) slices.get(server.name).push(await slice(server, settings.sliceMs));
    }
    if (settings.isProfiled) await profile(servers, slice, settings);
  } finally {
    await generator.stop();
    await Promise.all(servers.map(({ child }) => child.stop()));
  }
}

/** After the slices, because a profiler costs time itself. */
async function profile(servers, slice, { handlerCount, window, sliceMs }) {
  mkdirSync(RESULTS, { recursive: true });
  for (const server of servers) {
    const file = join(RESULTS, `${server.name.replaceAll(' ', '-')}-h${handlerCount}-w${window}.cpuprofile`);
    await server.child.ask('startProfile');
    await slice(server, sliceMs * 3);
    await server.child.ask('stopProfile', { file });
    const { owners, functions } = summarizeProfile(file);
    const rows = (entries) => entries.map(({ name, share }) => [name, `${(share * 100).toFixed(1)} %`]);
    console.log(`\n### Where ${server.name} spends its time (${handlerCount} handlers, window ${window})\n`);
    console.log(table(['whose', 'self time'], rows(owners)));
    console.log(`\n${table(['function', 'self time'], rows(functions))}`);
  }
}

/** The figures and their ratios. A ratio is taken within a round, and the median of those is told. */
export function reportEcho(cells, variants) {
  const names = variants.map(({ name }) => name);
  const rows = cells.flatMap(({ handlers, window, slices }) =>
    names.map((name) => {
      const column = (key) => slices[name].map((slice) => slice[key]);
      const ratioTo = (other) =>
        name === other || !slices[other]
          ? '–'
          : spread(summarize(slices[name].map(({ perSecond }, i) => perSecond / slices[other][i].perSecond)));
      const cpuOf = (other) => slices[other].map(({ cpuMicros }) => cpuMicros);
      const cpuRatioTo = (other) =>
        name === other || !slices[other]
          ? '–'
          : spread(summarize(cpuOf(name).map((cpuMicros, i) => cpuMicros / cpuOf(other)[i])));
      return [
        handlers,
        window,
        name,
        spread(summarize(column('perSecond')), 0),
        ratioTo('bare ws'),
        ratioTo('stock Nest'),
        spread(summarize(column('cpuMicros')), 1),
        cpuRatioTo('bare ws'),
        cpuRatioTo('stock Nest'),
        `${(summarize(column('gcShare')).median * 100).toFixed(0)} %`,
        `${(summarize(column('generatorLoad')).median * 100).toFixed(0)} %`,
      ];
    }),
  );
  return table(
    [
      'handlers',
      'window',
      'variant',
      'messages/s',
      '/ bare ws',
      '/ stock Nest',
      'server CPU, µs/message',
      'CPU / bare ws',
      'CPU / stock Nest',
      'GC of busy time',
      'generator busy',
    ],
    rows,
  );
}
