import { canHold } from '../harness/descriptors.mjs';
import { Fleet } from '../harness/fleet.mjs';
import { table } from '../harness/table.mjs';
import { variantNamed } from '../variants.mjs';

/** What is made once and not for a connection is made for these. */
const FIRST = 100;
/** A timer or two may be on its way at the time of a look; one for each connection would be hundreds. */
const MORE_TIMERS = 10;
const SIZES = {
  smoke: { connections: 200, settlingMs: 200, watchedMs: 500 },
  quick: { connections: 1_000, settlingMs: 1_000, watchedMs: 2_000 },
  full: { connections: 10_000, settlingMs: 3_000, watchedMs: 10_000 },
};

const SERVERS = [
  // Pings as by default: every connection gets one in each interval of 30 s.
  { ...variantNamed('guarded'), env: { BENCH_PINGS: 'default' } },
  { ...variantNamed('guarded'), name: 'guarded without pings' },
  variantNamed('bare ws'),
];

/** What connections cost that say nothing: timers, and processor time of the server. */
export const idle = {
  name: 'idle',
  title: ({ mode, sizes }) => {
    const { connections, watchedMs } = sizes?.idle ?? SIZES[mode];
    return `${connections.toLocaleString('en-US')} idle connections, watched for ${watchedMs / 1_000} s`;
  },
  measure: async ({ mode, sizes }, log) => {
    const size = sizes?.idle ?? SIZES[mode];
    if (!canHold(FIRST + size.connections, log)) return { ...size, servers: [] };
    log(`idle: timers at ${size.connections} connections`);
    const timers = await filled(
      SERVERS.map((server) => ({ ...server, preload: 'count-timers.mjs' })),
      size,
      countTimers,
    );
    log(`idle: ${size.connections} connections`);
    const looks = await filled(SERVERS, size, (child) => look(child, size));
    const servers = SERVERS.map(({ name }, index) => ({ name, timers: timers[index], ...looks[index] }));
    return { ...size, servers };
  },
  report: ({ connections, servers }) =>
    table(
      [
        'server',
        `timers at ${FIRST}`,
        `timers at ${FIRST + connections}`,
        `server CPU at ${FIRST}, ms/s`,
        `server CPU at ${FIRST + connections}, ms/s`,
        `loop busy at ${FIRST + connections}`,
      ],
      servers.map(({ name, timers, before, after }) => [
        name,
        timers.before.all,
        timers.after.all,
        before.cpuMsPerSecond.toFixed(2),
        after.cpuMsPerSecond.toFixed(2),
        `${(after.utilization * 100).toFixed(2)} %`,
      ]),
    ),
  goals: ({ connections, servers }) =>
    servers
      .filter(({ name }) => name.startsWith('guarded'))
      .map(({ name, timers }) => ({
        what: `timers of ${name} at ${FIRST + connections} connections, against ${FIRST}`,
        goal: `≤ ${MORE_TIMERS} more`,
        measured: `${timers.after.all} and ${timers.before.all}`,
        isMet: timers.after.all <= timers.before.all + MORE_TIMERS,
      })),
};

/** In processes of their own, because counting has a price. */
async function countTimers(child) {
  // The deadlines of the handshakes are over.
  await child.ask('memory');
  return child.ask('timers');
}

/** Asks servers with few connections and with many. They are filled one by one, and asked at the same time: they are idle. */
async function filled(servers, { connections }, ask) {
  const fleets = [];
  const fill = async (count, first) => {
    for (const fleet of fleets) await fleet.connect(fleet.members[0], count, first);
    return Promise.all(fleets.map(({ members }) => ask(members[0].child)));
  };
  try {
    // Each has a generator of its own: one could not hold the connections of all.
    for (const server of servers) fleets.push(await Fleet.start([server]));
    const before = await fill(FIRST, 0);
    const after = await fill(connections, FIRST);
    return servers.map((_, index) => ({ before: before[index], after: after[index] }));
  } finally {
    await Promise.all(fleets.map((fleet) => fleet.stop()));
  }
}

/** The garbage is gone, and what the start has left to do is done, before the idle time is watched. */
async function look(child, { settlingMs, watchedMs }) {
  await child.ask('memory');
  await new Promise((resolve) => setTimeout(resolve, settlingMs));
  const before = { usage: await child.ask('usage'), loop: await child.ask('loop') };
  await new Promise((resolve) => setTimeout(resolve, watchedMs));
  const after = { usage: await child.ask('usage'), loop: await child.ask('loop') };
  const cpuMs =
    (after.usage.cpu.user + after.usage.cpu.system - before.usage.cpu.user - before.usage.cpu.system) / 1_000;
  const active = after.loop.active - before.loop.active;
  const silent = after.loop.idle - before.loop.idle;
  return { cpuMsPerSecond: cpuMs / (watchedMs / 1_000), utilization: active / (active + silent) };
}
