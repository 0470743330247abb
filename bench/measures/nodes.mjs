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
import { summarize } from '../harness/statistics.mjs';
import { spread, table } from '../harness/table.mjs';

const SIZES = {
  smoke: { one: 20, many: 100, tickets: 50, runs: 1 },
  quick: { one: 200, many: 1_000, tickets: 500, runs: 1 },
  full: { one: 500, many: 1_000, tickets: 2_000, runs: 3 },
};
/** Time between the revocations of single sockets. */
const EVERY_MS = 8;
const BYSTANDER_PER_SECOND = 1_000;
/** Both nodes of a run share a core. */
const NODES = ['node 1', 'node 2'];

/** What is ordered on one node and done on another, through Redis. */
export const nodes = {
  name: 'nodes',
  title: () => 'Two nodes and one Redis: ordered on node 1, the sockets on node 2',
  measure: async (settings, log) => {
    const sizes = sizesOf(settings);
    const runs = [];
    for (let run = 0; run < sizes.runs; run += 1) {
      log(`nodes: run ${run + 1} of ${sizes.runs}`);
      runs.push(await measureRun(sizes));
    }
    return { many: sizes.many, runs };
  },
  report: ({ many, runs }) => `${reportOne(runs)}\n\n${reportTickets(runs)}\n\n${reportMany(many, runs)}`,
  goals: ({ runs }) => [
    atMost(
      'one socket of another node revoked: p99 to its Close',
      runs.map(({ one }) => percentiles(one.closeMs).p99),
      5,
      1,
      'ms',
    ),
  ],
};

function sizesOf({ mode, sizes }) {
  return { ...(SIZES[mode] ?? SIZES.quick), ...sizes?.nodes };
}

async function measureRun(sizes) {
  const redis = await startRedis();
  const started = [];
  try {
    for (const name of NODES) started.push({ name, ...(await startRevoking({ redis })) });
    const [first, second] = started;
    return {
      one: await revokeElsewhere(sizes.one, first, second),
      tickets: await useElsewhere(sizes.tickets, first, second),
      many: await revokeEverywhere(sizes.many, first, second),
    };
  } finally {
    await Promise.all(started.map(({ child }) => child.stop()));
    await redis.stop();
  }
}

/** Sessions are revoked on the first node, one after the other; their sockets are on the second one. */
function revokeElsewhere(count, first, second) {
  return withLoads(1, async (load) => {
    const sessions = await first.child.ask('createSessions', { users: count, name: 'victim' });
    const group = 'victims';
    await load.ask('open', { group, port: second.port, credentials: sessions.map(cookieOf) });
    await settle();
    await second.child.ask('watchFences');
    const ids = sessions.map(({ id }) => id);
    const closed = load.ask('closes', { group, count });
    const [revocations, closes] = await Promise.all([
      first.child.ask('revokeEach', { sessions: ids, everyMs: EVERY_MS }),
      closed,
    ]);
    checkCloses(closes);
    const unsure = revocations.find(({ sockets, pending }) => sockets !== 1 || pending !== 0);
    if (unsure)
      throw new Error(
        `a revocation hit ${unsure.sockets} sockets, and ${unsure.pending} nodes did not answer`,
      );
    const fences = new Map(await second.child.ask('fencesBySession'));
    const since = (at) => revocations.map(({ startedAt }, index) => at(index) - startedAt);
    return {
      fenceMs: since((index) => fences.get(ids[index])),
      closeMs: since((index) => closes[index].at),
      answerMs: since((index) => revocations[index].answeredAt),
    };
  });
}

/** Tickets are issued on the first node and open sockets on the second one, where each is good once. */
function useElsewhere(count, first, second) {
  return withLoads(1, async (load) => {
    const sessions = await first.child.ask('createSessions', { users: count, name: 'visitor' });
    const begin = performance.now();
    const issued = await first.child.ask('issueTickets', { sessions: sessions.map(({ id }) => id) });
    const issuedMs = performance.now() - begin;
    const credentials = issued.map((ticket) => ({ query: `?ticket=${ticket}` }));
    const usedMs = await load.ask('open', { group: 'visitors', port: second.port, credentials });
    const answer = await load.ask('refusalOf', { port: first.port, credential: credentials[0] });
    if (answer !== 'Close 4401') throw new Error(`a used ticket was answered with: ${answer}`);
    return { count, issuedPerSecond: (count / issuedMs) * 1_000, usedPerSecond: (count / usedMs) * 1_000 };
  });
}

/** Everybody is revoked on the first node; half of the sockets are on each, and a bystander is on the second one. */
function revokeEverywhere(count, ...both) {
  const [first, second] = both;
  return withLoads(2, async (load, bystander) => {
    const half = count / 2;
    const bearers = { secret: SECRET, name: 'victim', count: half, ageSeconds: VICTIM_AGE_SECONDS };
    for (const { name, port } of both) await load.ask('open', { group: name, port, bearers });
    await openEchoing(bystander, { port: second.port, group: 'bystander', count: 1 });
    await bystander.ask('startEcho', { group: 'bystander', ...ECHO, perSecond: BYSTANDER_PER_SECOND });
    await settle();
    await Promise.all(both.map(({ child }) => child.ask('watchFences')));
    const closed = both.map(({ name }) => load.ask('closes', { group: name, count: half }));
    const issuedBefore = Date.now() - CUT_AGE_SECONDS * 1_000;
    const { startedAt, answeredAt, sockets, pending } = await first.child.ask('revoke', {
      selector: { everyone: true, issuedBefore },
    });
    const closes = await Promise.all(closed);
    closes.forEach(checkCloses);
    const fences = await Promise.all(both.map(({ child }) => child.ask('fences')));
    const lastCloses = closes.map((ofNode) => Math.max(...ofNode.map(({ at }) => at)));
    const to = Math.max(...lastCloses);
    const echo = await bystander.ask('stopEcho', { group: 'bystander', from: startedAt, to });
    return {
      nodes: both.map(({ name }, index) => ({
        name,
        fencedMs: fences[index].last - startedAt,
        closedMs: lastCloses[index] - startedAt,
        loopDelayMs: fences[index].loopDelayMs,
      })),
      answeredMs: answeredAt - startedAt,
      sockets,
      pending,
      bystanderMs: echo.latencyMs,
    };
  });
}

function reportOne(runs) {
  const row = (name, key) => {
    const { count, p50, p99, max } = percentiles(runs.flatMap(({ one }) => one[key]));
    return [name, count, ...[p50, p99, max].map((ms) => ms.toFixed(2))];
  };
  return table(
    ['one socket, from the call of revoke() on node 1', 'revocations', 'p50, ms', 'p99, ms', 'max, ms'],
    [
      row('fenced on node 2', 'fenceMs'),
      row('Close seen by the client', 'closeMs'),
      row('revoke() answered: node 2 has complied', 'answerMs'),
    ],
  );
}

function reportTickets(runs) {
  const cell = (key) => spread(summarize(runs.map(({ tickets }) => tickets[key])), 0);
  return table(
    ['tickets', 'a second'],
    [
      ['issued on node 1', cell('issuedPerSecond')],
      ['used on node 2: handshakes', cell('usedPerSecond')],
    ],
  );
}

function reportMany(count, runs) {
  const rows = NODES.map((name, node) => {
    const cell = (key) => spread(summarize(runs.map(({ many }) => many.nodes[node][key])), 1);
    return [name, cell('fencedMs'), cell('closedMs'), cell('loopDelayMs')];
  });
  const cell = (pick, digits) => spread(summarize(runs.map(({ many }) => pick(many))), digits);
  return [
    table(
      [
        `${count.toLocaleString('en-US')} sockets, half on each`,
        'all fenced, ms',
        'last Close seen, ms',
        'worst loop delay, ms',
      ],
      rows,
    ),
    '',
    `revoke() on node 1 answered after ${cell(({ answeredMs }) => answeredMs, 1)} ms; a bystander on node 2 echoed with ` +
      `p50 ${cell(({ bystanderMs }) => bystanderMs.p50, 2)} ms and p99 ${cell(({ bystanderMs }) => bystanderMs.p99, 2)} ms. ` +
      'Both nodes share one core here, so that each waits for the other.',
  ].join('\n');
}
