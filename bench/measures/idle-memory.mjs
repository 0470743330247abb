import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startGenerator, startServer } from '../harness/child.mjs';
import { compareSnapshots } from '../harness/heap-snapshot.mjs';
import { summarize } from '../harness/statistics.mjs';
import { spread, table } from '../harness/table.mjs';

const SECRET = randomBytes(48).toString('base64url');
/** What is made once and not for a connection is made for these. */
const FIRST = 100;
const MORE = 1_000;

/** Memory of an idle connection, in fresh processes: the heap of an old one has holes. */
export async function measureMemory({ variants, handlers, memoryRuns, isHeapProfiled }, log) {
  const cells = [];
  for (const handlerCount of handlers) {
    for (const variant of variants) {
      log(`memory: ${variant.name}, ${handlerCount} handlers`);
      const runs = [];
      for (let run = 0; run < memoryRuns; run += 1) runs.push(await measureOne(variant, handlerCount));
      cells.push({ handlers: handlerCount, variant: variant.name, runs });
      if (isHeapProfiled) await describeHeap(variant, handlerCount);
    }
  }
  return cells;
}

function measureOne(variant, handlerCount) {
  return filled(variant, handlerCount, async (child, connectMore) => {
    const before = await child.ask('memory');
    await connectMore();
    const after = await child.ask('memory');
    return {
      heap: (after.heapUsed - before.heapUsed) / MORE,
      rss: (after.rss - before.rss) / MORE,
    };
  });
}

/** A snapshot is taken in a process of its own: it leaves the heap larger than it was. */
async function describeHeap(variant, handlerCount) {
  const folder = mkdtempSync(join(tmpdir(), 'bench-heap-'));
  const [first, second] = ['before', 'after'].map((name) => join(folder, `${name}.heapsnapshot`));
  try {
    await filled(variant, handlerCount, async (child, connectMore) => {
      await child.ask('snapshot', { file: first });
      await connectMore();
      await child.ask('snapshot', { file: second });
    });
    console.log(`\n### What a connection of ${variant.name} holds (${handlerCount} handlers)\n`);
    const rows = compareSnapshots(first, second).map(({ name, objects, bytes }) => [
      name.replaceAll('|', '\\|'),
      (objects / MORE).toFixed(2),
      (bytes / MORE).toFixed(0),
    ]);
    console.log(table(['object', 'of them', 'bytes'], rows));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function filled(variant, handlerCount, use) {
  const env = { BENCH_HANDLERS: String(handlerCount), BENCH_JWT_SECRET: SECRET };
  const { child, port } = await startServer(variant, env);
  const generator = startGenerator();
  try {
    const target = { server: variant.name, port, secret: SECRET };
    await generator.ask('connect', { ...target, count: FIRST });
    return await use(child, () => generator.ask('connect', { ...target, count: MORE }));
  } finally {
    await generator.stop();
    await child.stop();
  }
}

export function reportMemory(cells) {
  const heapOf = (handlers, variant) => {
    const cell = cells.find((one) => one.handlers === handlers && one.variant === variant);
    return cell && summarize(cell.runs.map(({ heap }) => heap)).median;
  };
  const rows = cells.map(({ handlers, variant, runs }) => {
    const heap = summarize(runs.map((run) => run.heap));
    const ratioTo = (other) => {
      const theirs = heapOf(handlers, other);
      return variant === other || !theirs ? '–' : (heap.median / theirs).toFixed(2);
    };
    return [
      handlers,
      variant,
      spread(heap, 0),
      ratioTo('bare ws'),
      ratioTo('stock Nest'),
      spread(summarize(runs.map((run) => run.rss)), 0),
    ];
  });
  return table(
    ['handlers', 'variant', 'heap, bytes/connection', '/ bare ws', '/ stock Nest', 'RSS, bytes/connection'],
    rows,
  );
}
