import { canHold } from '../harness/descriptors.mjs';
import { atLeast } from '../harness/goals.mjs';
import { startRedis } from '../harness/redis.mjs';
import { cookieOf, ECHO, openEchoing, SECRET, startRevoking, withLoads } from '../harness/revocable.mjs';
import { summarize } from '../harness/statistics.mjs';
import { count, spread, table } from '../harness/table.mjs';
import { goalsInProcess, measureInProcess, reportInProcess } from './growth-in-process.mjs';
import { goalsOfSweep, measureSweep, reportSweep } from './sweep.mjs';

const SIZES = {
  smoke: {
    small: 100,
    sessions: 1_000,
    sockets: 300,
    inProcess: 1_000,
    swept: 1_000,
    sweeps: 1,
    rounds: 2,
    warmUps: 1,
    slice: 50,
    echoMs: 100,
  },
  quick: {
    small: 1_000,
    sessions: 10_000,
    sockets: 4_000,
    inProcess: 20_000,
    swept: 100_000,
    sweeps: 1,
    rounds: 4,
    warmUps: 2,
    slice: 200,
    echoMs: 200,
  },
  full: {
    small: 1_000,
    sessions: 100_000,
    sockets: 10_000,
    inProcess: 100_000,
    swept: 100_000,
    sweeps: 3,
    rounds: 10,
    warmUps: 4,
    slice: 500,
    echoMs: 500,
  },
};
/** Connections of a server besides those that are idle. */
const BESIDES = 1_000;
const OPERATIONS = ['handshake', 'echo', 'revocation'];
const FILL_AT_ONCE = 5_000;

/** What an operation costs when a node, or its store, has much more to remember. */
export const growth = {
  name: 'growth',
  title: (settings) => {
    const { small, swept } = sizesOf(settings);
    return `Growth: what an operation costs with ${count(small)} and with up to ${count(swept)} sessions or connections`;
  },
  measure: async (settings, log) => {
    const sizes = sizesOf(settings);
    const cases = [];
    for (const one of casesOf(sizes, log)) {
      log(`growth: ${one.name}`);
      cases.push({ ...one, rounds: await measureCase(one, settings, sizes) });
    }
    log(`growth: ${sizes.inProcess} connections in one process`);
    return { cases, inProcess: await measureInProcess(sizes), sweep: await measureSweep(sizes, log) };
  },
  report: ({ cases, inProcess, sweep }) =>
    [reportCases(cases), reportInProcess(inProcess), reportSweep(sweep)].join('\n\n'),
  goals: ({ cases, inProcess, sweep }) => [
    ...cases.flatMap(({ name, small, large, rounds }) =>
      OPERATIONS.map((operation) =>
        atLeast(
          `${operation}, ${count(large)} / ${count(small)} ${name}, by processor time`,
          ratiosOf(rounds, operation, 'cpuMicros'),
          0.95,
        ),
      ),
    ),
    ...goalsInProcess(inProcess),
    ...goalsOfSweep(sweep),
  ],
};

function sizesOf({ mode, sizes }) {
  return { ...(SIZES[mode] ?? SIZES.quick), ...sizes?.growth };
}

function casesOf({ small, sessions, sockets }, log) {
  const cases = [
    { name: 'sessions in memory', small, large: sessions, of: 'sessions' },
    { name: 'sessions in Redis', small, large: sessions, of: 'sessions', isOnRedis: true },
  ];
  if (canHold(sockets + BESIDES, log))
    cases.push({ name: 'live connections', small, large: sockets, of: 'connections' });
  return cases;
}

/** Two servers, one with little and one with much, slice by slice and turned each round. */
async function measureCase(one, settings, sizes) {
  const nodes = [];
  try {
    return await withLoads(2, async (...loads) => {
      for (const [index, size] of [one.small, one.large].entries())
        nodes.push(await startFilled(one, size, loads[index], settings, sizes));
      const rounds = [];
      for (let round = 0; round < sizes.warmUps + sizes.rounds; round += 1) {
        const slices = {};
        for (const node of round % 2 === 0 ? nodes : nodes.toReversed())
          slices[node.size === one.small ? 'small' : 'large'] = await measureSlice(node, round, sizes);
        if (round >= sizes.warmUps) rounds.push(slices);
      }
      return rounds;
    });
  } finally {
    await Promise.all(nodes.map(({ child }) => child.stop()));
    await Promise.all(nodes.map(({ redis }) => redis?.stop()));
  }
}

async function startFilled({ of, isOnRedis }, size, load, { connections }, { slice }) {
  const redis = isOnRedis ? await startRedis() : undefined;
  const { child, port } = await startRevoking({ redis });
  const sessions = of === 'sessions' ? size : slice * 2;
  for (let filled = 0; filled < sessions; filled += FILL_AT_ONCE) {
    const users = Math.min(FILL_AT_ONCE, sessions - filled);
    await child.ask('createSessions', { users, name: `from-${filled}`, isKept: true });
  }
  if (of === 'connections') {
    const bearers = { secret: SECRET, name: 'idle', count: size };
    await load.ask('open', { group: 'idle', port, bearers });
  }
  await openEchoing(load, { port, group: 'echo', name: 'busy', count: connections });
  return { child, port, load, redis, size };
}

/** Handshakes with sessions from all over the store, echo, and the revocation of those sessions with their sockets. */
async function measureSlice({ child, port, load }, round, { slice, echoMs }) {
  const sessions = await child.ask('pickSessions', { count: slice });
  const group = `round-${round}`;
  const credentials = sessions.map(cookieOf);
  const handshake = await withCpu(child, slice, () => load.ask('open', { group, port, credentials }));
  const echo = await withCpu(child, undefined, async () => {
    const { perSecond, echoed } = await load.ask('echoAtMost', {
      group: 'echo',
      ...ECHO,
      durationMs: echoMs,
    });
    return { ms: 1_000 / perSecond, operations: echoed };
  });
  const closed = load.ask('closes', { group, count: slice });
  const revocation = await withCpu(child, slice, async () => {
    const ms = await child.ask('revokeAll', { sessions: sessions.map(({ id }) => id) });
    await closed;
    return ms;
  });
  await load.ask('disconnect', { group });
  await child.ask('createSessions', { users: slice, name: `again-${round}`, isKept: true });
  return { handshake, echo, revocation };
}

/** Milliseconds on the wall and microseconds of the server's processor for each operation. */
async function withCpu(child, operations, work) {
  const before = await child.ask('usage');
  const answer = await work();
  const { cpu } = await child.ask('usage');
  const ms = answer.ms ?? answer / operations;
  const cpuMicros = cpu.user + cpu.system - before.cpu.user - before.cpu.system;
  return { ms, cpuMicros: cpuMicros / (answer.operations ?? operations) };
}

/** By how much as much is done in the same time with much to remember as with little, within a round. */
function ratiosOf(rounds, operation, key) {
  return rounds.map(({ small, large }) => small[operation][key] / large[operation][key]);
}

function reportCases(cases) {
  const rows = cases.flatMap(({ name, small, large, rounds }) =>
    OPERATIONS.map((operation) => {
      const cell = (size, key, factor, digits) =>
        spread(summarize(rounds.map((round) => round[size][operation][key] * factor)), digits);
      return [
        `${operation}: ${count(small)} and ${count(large)} ${name}`,
        cell('small', 'ms', 1_000, 0),
        cell('large', 'ms', 1_000, 0),
        spread(summarize(ratiosOf(rounds, operation, 'ms'))),
        cell('small', 'cpuMicros', 1, 0),
        cell('large', 'cpuMicros', 1, 0),
        spread(summarize(ratiosOf(rounds, operation, 'cpuMicros'))),
      ];
    }),
  );
  const headings = [
    'operation',
    'few, µs',
    'many, µs',
    'done in the same time, many / few',
    'few, server CPU µs',
    'many, server CPU µs',
    'by CPU, many / few',
  ];
  return table(headings, rows);
}
