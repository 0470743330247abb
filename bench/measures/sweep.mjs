import { startServer } from '../harness/child.mjs';
import { atMost } from '../harness/goals.mjs';
import { SECRET } from '../harness/revocable.mjs';
import { summarize } from '../harness/statistics.mjs';
import { count, spread, table } from '../harness/table.mjs';

const TICKS = 1_200;

/** What a tick costs, by the real wheel and watches, and by a clock that is set forward. */
export async function measureSweep({ small, swept, sweeps }, log) {
  const measured = [];
  for (const connections of [small, swept]) {
    log(`growth: sweep of ${connections} connections`);
    const runs = [];
    for (let run = 0; run < sweeps; run += 1) runs.push(await sweepOnce(connections));
    measured.push({ connections, runs });
  }
  return measured;
}

async function sweepOnce(connections) {
  const { child } = await startServer({ file: 'core-growth.mjs', env: { BENCH_JWT_SECRET: SECRET } });
  try {
    return await child.ask('sweep', { connections, ticks: TICKS });
  } finally {
    await child.stop();
  }
}

export function reportSweep(sweep) {
  const rows = sweep.map(({ connections, runs }) => {
    const cell = (pick, digits) => spread(summarize(runs.map(pick)), digits);
    return [
      count(connections),
      cell(({ tickMs }) => tickMs.p50, 3),
      cell(({ tickMs }) => tickMs.p99, 3),
      cell(({ tickMs }) => tickMs.max, 2),
      cell(({ pings, ticks }) => pings / ticks, 0),
      cell(({ revalidations, ticks }) => revalidations / ticks, 0),
    ];
  });
  const headings = [
    'sweep: connections',
    'a tick: p50, ms',
    'p99, ms',
    'max, ms',
    'pings a tick',
    're-validations a tick',
  ];
  return table(headings, rows);
}

/** Nearly every tick must be within the bound, not the usual one. */
export function goalsOfSweep(sweep) {
  const { connections, runs } = sweep.at(-1);
  const p99s = runs.map(({ tickMs }) => tickMs.p99);
  return [atMost(`sweep of ${count(connections)} connections: p99 of a tick`, p99s, 1, 2, 'ms')];
}
