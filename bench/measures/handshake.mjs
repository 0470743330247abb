import { setTimeout as sleep } from 'node:timers/promises';
import { Fleet } from '../harness/fleet.mjs';
import { atLeast } from '../harness/goals.mjs';
import { percentiles } from '../harness/percentiles.mjs';
import { profileServers } from '../harness/profile.mjs';
import { inRounds, serverCost } from '../harness/rounds.mjs';
import { summarize } from '../harness/statistics.mjs';
import { busyShare, spread, table } from '../harness/table.mjs';
import { chooseVariants } from '../variants.mjs';

const SIZES = {
  smoke: { processes: 1, slices: 1, handshakes: 50, warmUp: 50 },
  quick: { processes: 1, slices: 4, handshakes: 800, warmUp: 3_000 },
  full: { processes: 2, slices: 4, handshakes: 1_500, warmUp: 8_000 },
};
/** How many clients are on their way at a time. */
const AT_ONCE = 50;
/**
 * Clients that are there all the time. Where nobody is there between two slices, V8 forgets the shapes of what makes a connection,
 * and with them what it has compiled: every slice would begin in a cold process.
 */
const STAYING = 20;
/** What a server still has to do when the last client has left, such as to tell Redis, is a part of its work. */
const TAIL_MS = 30;

const ROWS = [
  'bare ws',
  'ws + jsonwebtoken',
  'ws + Redis ticket',
  'stock Nest',
  'tutorial',
  'Socket.IO',
  'graphql-ws',
  'Python websockets',
  'guarded',
  'guarded + audit sink',
  'guarded ES256',
  'guarded ES256 again',
  'guarded cookie',
  'guarded ticket',
  'guarded ticket on Redis',
  'guarded first message',
];
/** In full mode alone. */
const MORE_ROWS = [
  'tutorial (KeyObject)',
  'Socket.IO (KeyObject)',
  'public',
  'guarded HS256 again',
  'guarded ES256 without cache',
  'guarded on Redis',
  'guarded cookie on Redis',
];

/** Connections that are opened, let in and ended, slice by slice and variant by variant. */
export const handshake = {
  name: 'handshake',
  title: () => `Handshakes, ${AT_ONCE} at a time`,
  measure,
  report,
  goals,
};

async function measure(settings, log) {
  const { processes, ...sizes } = settings.sizes?.handshake ?? SIZES[settings.mode];
  const names = settings.mode === 'full' ? [...ROWS, ...MORE_ROWS] : ROWS;
  const variants = chooseVariants(names, settings);
  const slices = Object.fromEntries(variants.map(({ name }) => [name, []]));
  for (let run = 0; run < processes; run += 1) {
    log(`handshake: ${variants.length} servers, processes ${run + 1} of ${processes}`);
    const taken = await measureProcesses(variants, { ...settings, ...sizes, run });
    for (const { name } of variants) slices[name].push(...taken[name]);
  }
  return { atOnce: AT_ONCE, handshakes: sizes.handshakes, slices };
}

async function measureProcesses(variants, { run, slices, handshakes, warmUp, isProfiled }) {
  const fleet = await Fleet.start(variants, { BENCH_HANDLERS: '1' });
  try {
    for (const member of fleet.members) {
      await fleet.connect(member, STAYING);
      await fleet.prove(member, 'event000');
    }
    const slice = async (member, count) => {
      await fleet.prepare(member, count);
      const { done, cpuMs, gcShare } = await serverCost(member.child, () => visits(fleet, member));
      const { p50, p99 } = percentiles(done.openMs);
      return {
        process: run,
        perSecond: (count * 1_000) / done.wallMs,
        cpuMicros: (cpuMs * 1_000) / count,
        p50Ms: p50,
        p99Ms: p99,
        gcShare,
        generatorLoad: done.load,
      };
    };
    for (const member of fleet.members) await slice(member, warmUp);
    const taken = await inRounds(fleet.members, slices, (member) => slice(member, handshakes));
    if (isProfiled) await profileServers(fleet.members, 'handshakes', (member) => slice(member, warmUp));
    return taken;
  } finally {
    await fleet.stop();
  }
}

async function visits({ generator }, { name }) {
  const done = await generator.ask('visit', { server: name, atOnce: AT_ONCE });
  await sleep(TAIL_MS);
  return done;
}

function report({ slices }) {
  const rows = Object.entries(slices).map(([name, ofVariant]) => {
    const column = (key) => summarize(ofVariant.map((slice) => slice[key]));
    return [
      name,
      spread(column('perSecond'), 0),
      ratioText(slices, name, 'bare ws', 'perSecond'),
      ratioText(slices, name, 'stock Nest', 'perSecond'),
      ratioText(slices, name, 'tutorial', 'perSecond'),
      name.includes('Redis') ? ratioText(slices, name, 'ws + Redis ticket', 'perSecond') : '–',
      spread(column('cpuMicros'), 0),
      ratioText(slices, name, 'bare ws', 'cpuMicros'),
      ratioText(slices, name, 'stock Nest', 'cpuMicros'),
      spread(column('p50Ms'), 1),
      spread(column('p99Ms'), 1),
      busyShare(column('generatorLoad').median),
    ];
  });
  return table(
    [
      'variant',
      'handshakes/s',
      '/ bare ws',
      '/ stock Nest',
      '/ tutorial',
      '/ ws + Redis ticket',
      'server CPU, µs/handshake',
      'CPU / bare ws',
      'CPU / stock Nest',
      'p50, ms',
      'p99, ms',
      'generator busy',
    ],
    rows,
  );
}

function ratioText(slices, name, other, key) {
  return name === other || !slices[other] ? '–' : spread(summarize(ratios(slices, name, other, key)));
}

/** Round by round. */
function ratios(slices, name, other, key) {
  return slices[name].map((slice, round) => slice[key] / slices[other][round][key]);
}

/** Each goal: whose handshakes, over whose, and how many times as many. */
const GOALS = [
  ['guarded', 'stock Nest', 1],
  ['guarded', 'tutorial', 4.5],
  ['guarded ticket on Redis', 'ws + Redis ticket', 1],
];

function goals({ slices }) {
  return GOALS.filter(([name, other]) => slices[name] && slices[other]).map(([name, other, bound]) =>
    atLeast(`handshakes, ${name} / ${other}`, ratios(slices, name, other, 'perSecond'), bound),
  );
}
