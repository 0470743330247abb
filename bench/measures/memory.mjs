import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canHold } from '../harness/descriptors.mjs';
import { eventOf, Fleet } from '../harness/fleet.mjs';
import { atMost } from '../harness/goals.mjs';
import { compareSnapshots } from '../harness/heap-snapshot.mjs';
import { heapRatios } from '../harness/ratios.mjs';
import { summarize } from '../harness/statistics.mjs';
import { spread, table } from '../harness/table.mjs';
import { chooseVariants } from '../variants.mjs';

/**
 * What is made once and not for a connection is made for these, and with it most of what V8 compiles. They have an address
 * each, and those after them have the same ones.
 */
const FIRST = 1_000;
/** How many more are opened between the two looks, and in how many fresh processes. */
const SIZES = {
  smoke: [{ more: 200, runs: 1 }],
  quick: [{ more: 1_000, runs: 1 }],
  full: [
    { more: 1_000, runs: 2 },
    { more: 10_000, runs: 2 },
  ],
};

const NAMES = [
  'bare ws',
  'bare ws with request',
  'stock Nest',
  'guarded',
  'guarded cookie on Redis',
  'Socket.IO',
  'graphql-ws',
  'Python websockets',
];
/** Who is looked at with 100 handlers, too: whom they may cost something for each connection. */
const WITH_MANY_HANDLERS = ['bare ws', 'stock Nest', 'guarded'];

/** Memory of an idle connection, in fresh processes: the heap of an old one has holes. */
export const memory = {
  name: 'memory',
  title: () => 'Memory of an idle connection',
  measure: async (settings, log) => {
    const cells = [];
    for (const { more, runs } of sizesOf(settings)) {
      if (!canHold(FIRST + more, log)) continue;
      const alike = serversOf(settings).map((server) => ({ ...server, more, runs: [] }));
      // Run by run over all, so that a ratio is one of neighbours.
      for (let run = 0; run < runs; run += 1) {
        for (const { variant, handlers, runs: taken } of alike) {
          log(`memory: ${variant.name}, ${handlers} handlers, ${more} connections, ${run + 1} of ${runs}`);
          taken.push(await measureOne(variant, handlers, more));
        }
      }
      cells.push(...alike);
    }
    if (settings.isHeapProfiled) for (const server of serversOf(settings)) await describeHeap(server, log);
    return cells.map(({ variant, handlers, more, runs }) => ({ name: variant.name, handlers, more, runs }));
  },
  report,
  goals,
};

function sizesOf({ mode, sizes }) {
  return sizes?.memory ?? SIZES[mode];
}

function serversOf(settings) {
  return chooseVariants(NAMES, settings).flatMap((variant) =>
    settings.handlers
      .filter((handlers) => handlers === 1 || WITH_MANY_HANDLERS.includes(variant.name))
      .map((handlers) => ({ variant, handlers })),
  );
}

function measureOne(variant, handlers, more) {
  return filled(variant, handlers, async (child, connectMore) => {
    const before = await child.ask('memory');
    await connectMore(more);
    const after = await child.ask('memory');
    // A server that is not Node tells no heap.
    const grown = (key) => (before[key] === undefined ? null : (after[key] - before[key]) / more);
    return { heap: grown('heapUsed'), external: grown('external'), rss: grown('rss') };
  });
}

/** A snapshot is taken in a process of its own: it leaves the heap larger than it was. */
async function describeHeap({ variant, handlers }, log) {
  if (!variant.file.endsWith('.mjs')) return;
  log(`memory: what the heap of ${variant.name} holds, ${handlers} handlers`);
  const [{ more }] = SIZES.quick;
  const folder = mkdtempSync(join(tmpdir(), 'bench-heap-'));
  const [first, second] = ['before', 'after'].map((name) => join(folder, `${name}.heapsnapshot`));
  try {
    await filled(variant, handlers, async (child, connectMore) => {
      await child.ask('snapshot', { file: first });
      await connectMore(more);
      await child.ask('snapshot', { file: second });
    });
    console.log(`\n### What a connection of ${variant.name} holds (${handlers} handlers)\n`);
    const rows = compareSnapshots(first, second).map(({ name, objects, bytes }) => [
      name.replaceAll('|', '\\|'),
      (objects / more).toFixed(2),
      (bytes / more).toFixed(0),
    ]);
    console.log(table(['object', 'of them', 'bytes'], rows));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function filled(variant, handlers, use) {
  const fleet = await Fleet.start([variant], { BENCH_HANDLERS: String(handlers) });
  try {
    const [member] = fleet.members;
    await fleet.connect(member, FIRST);
    await fleet.prove(member, eventOf(handlers));
    return await use(member.child, (count) => fleet.connect(member, count, FIRST));
  } finally {
    await fleet.stop();
  }
}

function report(cells) {
  const rows = cells.map((cell) => [
    thousands(cell.more),
    cell.handlers,
    cell.name,
    bytesOf(cell, 'heap'),
    ratioText(cells, cell, 'bare ws'),
    ratioText(cells, cell, 'stock Nest'),
    bytesOf(cell, 'external'),
    bytesOf(cell, 'rss'),
  ]);
  return table(
    [
      'connections',
      'handlers',
      'server',
      'heap, bytes/connection',
      '/ bare ws',
      '/ stock Nest',
      'external, bytes/connection',
      'RSS, bytes/connection',
    ],
    rows,
  );
}

function bytesOf({ runs }, key) {
  return runs.some((run) => run[key] === null) ? '–' : spread(summarize(runs.map((run) => run[key])), 0);
}

function ratioText(cells, cell, other) {
  const ratios = cell.name === other ? undefined : heapRatios(cells, cell, other);
  return ratios ? spread(summarize(ratios)) : '–';
}

const GOALS = [
  ['bare ws', 1.5],
  ['stock Nest', 0.4],
];

function goals(cells) {
  return cells
    .filter(({ name }) => name === 'guarded')
    .flatMap((cell) =>
      GOALS.flatMap(([other, bound]) => {
        const ratios = heapRatios(cells, cell, other);
        const handlers = cell.handlers === 1 ? '1 handler' : `${cell.handlers} handlers`;
        const what = `heap of an idle guarded connection / ${other}, at ${thousands(cell.more)}, ${handlers}`;
        return ratios ? [atMost(what, ratios, bound)] : [];
      }),
    );
}

function thousands(count) {
  return count.toLocaleString('en-US');
}
