import { DATA, eventOf, Fleet } from '../harness/fleet.mjs';
import { atLeast } from '../harness/goals.mjs';
import { profileServers } from '../harness/profile.mjs';
import { inRounds, serverCost } from '../harness/rounds.mjs';
import { summarize } from '../harness/statistics.mjs';
import { busyShare, spread, table } from '../harness/table.mjs';
import { chooseVariants } from '../variants.mjs';

const SIZES = {
  smoke: { processes: 1, slices: 1, sliceMs: 100, warmUpMs: 100 },
  quick: { processes: 1, slices: 4, sliceMs: 350, warmUpMs: 600 },
  full: { processes: 3, slices: 3, sliceMs: 500, warmUpMs: 800 },
};

/** Measured everywhere. */
const CORE = ['bare ws', 'stock Nest', 'guarded', 'guarded + Nest guard'];
/** Where replies of one tick can go together, and where they cannot. */
const PEERS = ['stock Nest + trivial guard', 'Socket.IO', 'Python websockets'];
/** What is done for each message costs the same with one in flight: in full mode alone. */
const PER_MESSAGE = [
  'stock Nest + JWT guard',
  'stock Nest + throttler',
  'graphql-ws',
  'guarded + WsThrottle',
];
/** In full mode alone. */
const MORE = [
  'bare ws + cork',
  'stock Nest + throttler (60 s)',
  'stock Nest + JWT guard (KeyObject)',
  'public',
  'guarded + Nest pipe',
  'guarded + Nest interceptor',
];

/** Messages that are echoed in a second, slice by slice and variant by variant, so that all of them have the same weather. */
export const echo = {
  name: 'echo',
  title: ({ connections }) => `Echo, ${connections} connections`,
  measure,
  report,
  goals,
};

async function measure(settings, log) {
  const sizes = settings.sizes?.echo ?? SIZES[settings.mode];
  const cells = cellsOf(settings);
  for (let run = 0; run < sizes.processes; run += 1) {
    const fleet = await startFleet(cells, settings, log);
    try {
      for (const window of settings.windows) {
        log(`echo: window ${window}, processes ${run + 1} of ${sizes.processes}`);
        const measured = cells.filter((cell) => cell.window === window);
        await measureWindow(fleet, measured, { ...settings, ...sizes, window, run });
      }
    } finally {
      await fleet.stop();
    }
  }
  return cells.map(({ handlers, window, slices }) => ({ handlers, window, slices }));
}

/** Which variants are measured with how many handlers and messages in flight. */
function cellsOf(settings) {
  const { handlers, windows, mode } = settings;
  const isFull = mode === 'full';
  const widest = Math.max(...windows);
  const fewest = Math.min(...handlers);
  return handlers.flatMap((count) =>
    windows
      .filter((window) => isFull || count === fewest || window === widest)
      .map((window) => {
        const names = [...CORE];
        if (count === fewest) names.push(...PEERS);
        if (count === fewest && (isFull || window === widest)) names.push(...PER_MESSAGE);
        if (count === fewest && isFull && window === widest) names.push(...MORE);
        const variants = chooseVariants(names, settings);
        const slices = Object.fromEntries(variants.map(({ name }) => [name, []]));
        return { handlers: count, window, variants, slices };
      }),
  );
}

/** One process for each variant and number of handlers, so that those numbers are compared within a round, too. */
async function startFleet(cells, { connections }, log) {
  const members = new Map();
  for (const { handlers, variants } of cells) {
    for (const variant of variants) {
      const env = { ...variant.env, BENCH_HANDLERS: String(handlers) };
      const name = memberName(variant.name, handlers);
      members.set(name, { ...variant, name, env, handlers });
    }
  }
  log(`echo: ${members.size} servers start`);
  const fleet = await Fleet.start([...members.values()]);
  try {
    for (const member of fleet.members) {
      await fleet.connect(member, connections);
      await fleet.prove(member, eventOf(member.variant.handlers));
    }
  } catch (error) {
    await fleet.stop();
    throw error;
  }
  return fleet;
}

function memberName(name, handlers) {
  return `${name}, ${handlers} ${handlers === 1 ? 'handler' : 'handlers'}`;
}

async function measureWindow({ members, generator }, cells, settings) {
  const { window, run, slices, sliceMs, warmUpMs, isProfiled } = settings;
  const names = new Set(
    cells.flatMap(({ handlers, variants }) => variants.map(({ name }) => memberName(name, handlers))),
  );
  const measured = members.filter(({ name }) => names.has(name));
  const slice = async ({ name, child, variant }, durationMs) => {
    const load = { server: name, event: eventOf(variant.handlers), data: DATA, window, durationMs };
    const { done, cpuMs, gcShare } = await serverCost(child, () => generator.ask('echo', load));
    return {
      process: run,
      perSecond: done.perSecond,
      cpuMicros: (cpuMs * 1_000) / done.messages,
      gcShare,
      generatorLoad: done.load,
    };
  };
  for (const member of measured) await slice(member, warmUpMs);
  const taken = await inRounds(measured, slices, (member) => slice(member, sliceMs));
  for (const cell of cells)
    for (const { name } of cell.variants) cell.slices[name].push(...taken[memberName(name, cell.handlers)]);
  if (isProfiled) await profileServers(measured, `window ${window}`, (member) => slice(member, sliceMs * 3));
}

/** The figures and their ratios. A ratio is taken within a round, and the median of those is told. */
function report(cells) {
  const rows = cells.flatMap((cell) =>
    Object.entries(cell.slices).map(([name, slices]) => {
      const column = (key) => summarize(slices.map((slice) => slice[key]));
      return [
        cell.handlers,
        cell.window,
        name,
        spread(column('perSecond'), 0),
        ratioText(cell, name, 'bare ws', 'perSecond'),
        ratioText(cell, name, 'stock Nest', 'perSecond'),
        spread(column('cpuMicros'), 1),
        ratioText(cell, name, 'bare ws', 'cpuMicros'),
        ratioText(cell, name, 'stock Nest', 'cpuMicros'),
        spread(scaled(column('gcShare'), 100), 0),
        busyShare(column('generatorLoad').median),
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
      'GC, % of busy time',
      'generator busy',
    ],
    rows,
  );
}

function scaled({ median, min, max }, factor) {
  return { median: median * factor, min: min * factor, max: max * factor };
}

function ratioText(cell, name, other, key) {
  if (name === other || !cell.slices[other]) return '–';
  return spread(summarize(ratios(cell, name, cell, other, key)));
}

/** Round by round, also between two numbers of handlers: their slices were taken in the same rounds. */
function ratios(cell, name, otherCell, other, key = 'perSecond') {
  const theirs = otherCell.slices[other];
  return cell.slices[name].map((slice, round) => slice[key] / theirs[round][key]);
}

/** Each goal: whose echo, over whose, with how many in flight, and how many times as much. */
const GOALS = [
  ['guarded + Nest guard', 'stock Nest', 8, 1.8],
  ['guarded', 'stock Nest', 8, 2.4],
  ['guarded + Nest guard', 'stock Nest', 1, 1.3],
  ['guarded', 'stock Nest', 1, 1.3],
  ['guarded + Nest guard', 'bare ws', 8, 1.2],
  ['guarded', 'bare ws', 8, 1.2],
  ['guarded + WsThrottle', 'stock Nest + throttler', 8, 15],
  ['guarded + WsThrottle', 'stock Nest + throttler (60 s)', 8, 15],
];
const HANDLERS_GOAL = 0.97;

function goals(cells) {
  const few = cells.filter(({ handlers }) => handlers === 1);
  const rows = GOALS.flatMap(([name, other, window, bound]) => {
    const cell = few.find((one) => one.window === window);
    if (!cell?.slices[name] || !cell.slices[other]) return [];
    return [atLeast(`echo, ${name} / ${other}, window ${window}`, ratios(cell, name, cell, other), bound)];
  });
  for (const cell of cells.filter(({ handlers }) => handlers === 100)) {
    const one = few.find(({ window }) => window === cell.window);
    if (!one?.slices.guarded || !cell.slices.guarded) continue;
    const values = ratios(cell, 'guarded', one, 'guarded');
    rows.push(atLeast(`echo, guarded, 100 handlers / 1, window ${cell.window}`, values, HANDLERS_GOAL));
  }
  return rows;
}
