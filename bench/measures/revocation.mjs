import {
  checkCloses,
  cookieOf,
  CUT_AGE_SECONDS,
  ECHO,
  openEchoing,
  SECRET,
  settle,
  startRevoking,
  VICTIM_AGE_SECONDS,
  withLoads,
} from '../harness/revocable.mjs';
import { atMost } from '../harness/goals.mjs';
import { percentiles } from '../harness/percentiles.mjs';
import { startRedis } from '../harness/redis.mjs';
import { sharedNow } from '../harness/shared-clock.mjs';
import { summarize } from '../harness/statistics.mjs';
import { spread, table } from '../harness/table.mjs';

const SIZES = {
  smoke: { one: 20, many: 100, warmUp: 20, runs: 1, processes: 1, mostMs: 200 },
  quick: { one: 200, many: 1_000, warmUp: 1_000, runs: 2, processes: 1, mostMs: 500 },
  full: { one: 500, many: 5_000, warmUp: 2_000, runs: 5, processes: 2, mostMs: 1_500 },
};
/** Time between the revocations of single sockets. */
const EVERY_MS = 8;
const LOAD_SHARE = 2 / 3;
const BYSTANDER_PER_SECOND = 1_000;
/** Those by whom a server is warmed up are older than those who are measured, and so is "before" then. */
const FIRST_AGE_SECONDS = 2 * VICTIM_AGE_SECONDS;
const FIRST_CUT_SECONDS = VICTIM_AGE_SECONDS + CUT_AGE_SECONDS;
/** A run that is over at once is watched for so long all the same. */
const LEAST_WATCHED_MS = 50;

const VARIANTS = [
  { name: 'guarded, memory' },
  { name: 'guarded, Redis', isOnRedis: true },
  { name: 'ws + PUBLISH, one loop', file: 'revoking-ws.mjs', isOnRedis: true, isPeer: true },
];

/** How soon who is revoked is cut off, and who notices that is not. */
export const revocation = {
  name: 'revocation',
  title: (settings) => {
    const { one, processes, many } = sizesOf(settings);
    const sockets = many.toLocaleString('en-US');
    return `Revocation: one socket at two-thirds load, ${one * processes} times; ${sockets} sockets at once`;
  },
  measure: async (settings, log) => {
    const sizes = sizesOf(settings);
    const redis = await startRedis();
    try {
      const context = { settings, sizes, redis, log, prefixes: 0 };
      return { one: await measureOne(context), many: await measureMany(context) };
    } finally {
      await redis.stop();
    }
  },
  report: (result) => `${reportOne(result.one)}\n\n${reportMany(result.many)}`,
  goals: ({ one, many }) => [
    ...one.map(({ variant, runs }) =>
      atMost(
        `one socket revoked at two-thirds load, ${variant}: p99 to its Close`,
        runs.map(({ closeMs }) => percentiles(closeMs).p99),
        5,
        1,
        'ms',
      ),
    ),
    ...many.variants.filter(({ isPeer }) => !isPeer).flatMap((variant) => goalsOfMany(many.count, variant)),
  ],
};

function sizesOf({ mode, sizes }) {
  return { ...(SIZES[mode] ?? SIZES.quick), ...sizes?.revocation };
}

function startVariant(context, { file, isOnRedis }) {
  context.prefixes += 1;
  // Each run finds an empty store.
  return startRevoking({ file, redis: isOnRedis && context.redis, prefix: `run${context.prefixes}:` });
}

async function measureOne(context) {
  const { sizes, log } = context;
  const measured = [];
  for (const variant of VARIANTS.filter(({ isPeer }) => !isPeer)) {
    const runs = [];
    for (let run = 0; run < sizes.processes; run += 1) {
      log(`revocation: one socket, ${variant.name}, process ${run + 1} of ${sizes.processes}`);
      runs.push(await revokeOneByOne(context, variant));
    }
    measured.push({ variant: variant.name, runs });
  }
  return measured;
}

async function revokeOneByOne(context, variant) {
  const { sizes, settings } = context;
  const { child, port } = await startVariant(context, variant);
  try {
    return await withLoads(2, async (echoing, watching) => {
      await openEchoing(echoing, { port, group: 'echo', name: 'busy', count: settings.connections });
      const sessions = await child.ask('createSessions', { users: sizes.one, name: 'victim' });
      const credentials = sessions.map(cookieOf);
      await watching.ask('open', { group: 'victims', port, credentials });
      // The first time is to warm up.
      await echoing.ask('echoAtMost', { group: 'echo', ...ECHO, durationMs: sizes.mostMs });
      const most = await echoing.ask('echoAtMost', { group: 'echo', ...ECHO, durationMs: sizes.mostMs });
      await echoing.ask('startEcho', { group: 'echo', ...ECHO, perSecond: most.perSecond * LOAD_SHARE });
      await settle();
      const from = sharedNow();
      await child.ask('watchFences');
      const ids = sessions.map(({ id }) => id);
      const closed = watching.ask('closes', { group: 'victims', count: sizes.one });
      const revocations = await child.ask('revokeEach', { sessions: ids, everyMs: EVERY_MS });
      const closes = await closed;
      checkCloses(closes);
      const fences = new Map(await child.ask('fencesBySession'));
      const { loopDelayMs } = await child.ask('fences');
      const echo = await echoing.ask('stopEcho', { group: 'echo', from, to: sharedNow() });
      const since = (at) => revocations.map(({ startedAt }, index) => at(index) - startedAt);
      return {
        mostPerSecond: most.perSecond,
        echo,
        loopDelayMs,
        fenceMs: since((index) => fences.get(ids[index])),
        closeMs: since((index) => closes[index].at),
        answerMs: since((index) => revocations[index].answeredAt),
      };
    });
  } finally {
    await child.stop();
  }
}

async function measureMany(context) {
  const { sizes, log } = context;
  const variants = VARIANTS.map(({ name, isPeer = false }) => ({ name, isPeer, runs: [] }));
  for (let run = 0; run < sizes.runs; run += 1) {
    log(`revocation: ${sizes.many} sockets at once, run ${run + 1} of ${sizes.runs}`);
    for (let turn = 0; turn < VARIANTS.length; turn += 1) {
      const index = (turn + run) % VARIANTS.length;
      variants[index].runs.push(await revokeMany(context, VARIANTS[index]));
    }
  }
  return { count: sizes.many, variants };
}

async function revokeMany(context, variant) {
  const count = context.sizes.many;
  const { child, port } = await startVariant(context, variant);
  try {
    return await withLoads(2, async (victims, bystander) => {
      await warmUp({ child, port, victims, count: context.sizes.warmUp });
      const bearers = { secret: SECRET, name: 'victim', count, ageSeconds: VICTIM_AGE_SECONDS };
      await victims.ask('open', { group: 'victims', port, bearers });
      await openEchoing(bystander, { port, group: 'bystander', count: 1 });
      await bystander.ask('startEcho', { group: 'bystander', ...ECHO, perSecond: BYSTANDER_PER_SECOND });
      await settle();
      await child.ask('watchFences');
      const closed = victims.ask('closes', { group: 'victims', count });
      const revoked = await child.ask('revoke', { selector: everyoneBefore(CUT_AGE_SECONDS) });
      const closes = await closed;
      checkCloses(closes);
      const { startedAt, answeredAt } = revoked;
      const lastClose = Math.max(...closes.map(({ at }) => at));
      await settle(LEAST_WATCHED_MS);
      const fences = await child.ask('fences');
      if (fences.count !== count) throw new Error(`${fences.count} of ${count} sockets were fenced`);
      const to = Math.max(lastClose, startedAt + LEAST_WATCHED_MS);
      const echo = await bystander.ask('stopEcho', { group: 'bystander', from: startedAt, to });
      return {
        fencedMs: fences.last - startedAt,
        closedMs: lastClose - startedAt,
        answeredMs: answeredAt - startedAt,
        loopDelayMs: fences.loopDelayMs,
        bystanderMs: echo.latencyMs,
      };
    });
  } finally {
    await child.stop();
  }
}

/** A process that has ended nobody yet compiles while it ends the first, on the core that it is measured on. */
async function warmUp({ child, port, victims, count }) {
  const bearers = { secret: SECRET, name: 'first', count, ageSeconds: FIRST_AGE_SECONDS };
  await victims.ask('open', { group: 'first', port, bearers });
  await child.ask('watchFences');
  const closed = victims.ask('closes', { group: 'first', count });
  await child.ask('revoke', { selector: everyoneBefore(FIRST_CUT_SECONDS) });
  checkCloses(await closed);
  await child.ask('fences');
  await victims.ask('disconnect', { group: 'first' });
}

function everyoneBefore(seconds) {
  return { everyone: true, issuedBefore: Date.now() - seconds * 1_000 };
}

function reportOne(measured) {
  const rows = measured.map(({ variant, runs }) => {
    const all = (key) => percentiles(runs.flatMap((run) => run[key]));
    const cell = ({ p50, p99, max }) => [p50, p99, max].map((ms) => ms.toFixed(2)).join(' / ');
    const of = (pick) => summarize(runs.map(pick)).median;
    return [
      variant,
      Math.round(of(({ echo }) => echo.perSecond)).toLocaleString('en-US'),
      `${(of(({ echo, mostPerSecond }) => echo.perSecond / mostPerSecond) * 100).toFixed(0)} %`,
      all('fenceMs').count,
      cell(all('fenceMs')),
      cell(all('closeMs')),
      cell(all('answerMs')),
      `${of(({ echo }) => echo.latencyMs.p50).toFixed(2)} / ${of(({ echo }) => echo.latencyMs.p99).toFixed(2)}`,
      `${(of(({ echo }) => echo.load) * 100).toFixed(0)} %`,
    ];
  });
  const headings = [
    'one socket',
    'echo meanwhile/s',
    'of the most',
    'revocations',
    'fenced: p50 / p99 / max ms',
    'Close seen: p50 / p99 / max ms',
    'answered: p50 / p99 / max ms',
    'echo: p50 / p99 ms',
    'load busy',
  ];
  return table(headings, rows);
}

function reportMany({ count, variants }) {
  const rows = variants.map(({ name, runs }) => {
    const cell = (pick, digits = 1) => spread(summarize(runs.map(pick)), digits);
    return [
      name,
      cell(({ fencedMs }) => fencedMs, 2),
      cell(({ closedMs }) => closedMs),
      cell(({ answeredMs }) => answeredMs),
      cell(({ loopDelayMs }) => loopDelayMs),
      cell(({ bystanderMs }) => bystanderMs.p50, 2),
      cell(({ bystanderMs }) => bystanderMs.p99, 2),
    ];
  });
  const headings = [
    `${count.toLocaleString('en-US')} sockets at once`,
    'all fenced, ms',
    'last Close seen, ms',
    'answered, ms',
    'worst loop delay, ms',
    'bystander p50, ms',
    'bystander p99, ms',
  ];
  return table(headings, rows);
}

/** What is asked of a revocation of many: the figure, at most so many ms, told with so many digits. */
const GOALS_OF_MANY = [
  ['all fenced', ({ fencedMs }) => fencedMs, 3, 1],
  ['last Close seen', ({ closedMs }) => closedMs, 600, 0],
  ['loop delay', ({ loopDelayMs }) => loopDelayMs, 20, 1],
  ["a bystander's p99", ({ bystanderMs }) => bystanderMs.p99, 5, 1],
];

function goalsOfMany(count, { name, runs }) {
  const what = `${count.toLocaleString('en-US')} sockets revoked, ${name}`;
  return GOALS_OF_MANY.map(([figure, pick, bound, digits]) =>
    atMost(`${what}: ${figure}`, runs.map(pick), bound, digits, 'ms'),
  );
}
