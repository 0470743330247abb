import { startRedis } from '../harness/redis.mjs';
import { cookieOf, SECRET, settle, startRevoking, withLoads } from '../harness/revocable.mjs';
import { summarize } from '../harness/statistics.mjs';
import { count, spread, table } from '../harness/table.mjs';

const SIZES = {
  smoke: { users: 200, sockets: 100, operations: 100, runs: 1 },
  quick: { users: 5_000, sockets: 2_000, operations: 1_000, runs: 1 },
  full: { users: 10_000, sockets: 10_000, operations: 2_000, runs: 3 },
};
const SESSIONS_OF_MANY = 3;
const IDLE_MS = 1_000;
const CREATED_AT_ONCE = 5_000;
/** What a core spends on anything else, or must have free for peaks, is left to it. */
const CORE_SHARE = 0.7;

const BYTES = [
  ['userOf1Session', 'a user with 1 session'],
  ['userOf3Sessions', 'a user with 3 sessions'],
  ['session', 'each further session of a user'],
  ['connection', 'a live connection, one of each user'],
  ['ticket', 'an unused ticket, one of each session'],
];
const OPERATIONS = [
  ['ticketIssue', 'a ticket issued', 'evalsha'],
  ['ticketHandshake', 'a handshake by ticket', 'evalsha'],
  ['cookieHandshake', 'a handshake by session cookie', 'evalsha'],
  ['jwtHandshake', 'a handshake by JWT', 'evalsha'],
  ['goodbye', 'a connection that ends', 'hdel'],
  ['touch', 'a session touched', 'evalsha'],
  ['revocation', 'a session revoked, of one connection', 'evalsha'],
];

/** What of Redis a deployment needs: memory by what is kept, processor time by what is done. */
export const redisCost = {
  name: 'redis-cost',
  title: (settings) =>
    `Redis: memory of ${count(sizesOf(settings).users)} users, processor time of an operation`,
  measure: async (settings, log) => {
    const sizes = sizesOf(settings);
    const runs = [];
    for (let run = 0; run < sizes.runs; run += 1) {
      log(`redis-cost: run ${run + 1} of ${sizes.runs}`);
      runs.push(await measureRun(sizes));
    }
    return { runs, ...mediansOf(runs) };
  },
  report: (result) => `${reportBytes(result)}\n\n${reportOperations(result)}\n\n${reportSizing(result)}`,
  goals: () => [],
};

function sizesOf({ mode, sizes }) {
  return { ...(SIZES[mode] ?? SIZES.quick), ...sizes?.['redis-cost'] };
}

async function measureRun(sizes) {
  const redis = await startRedis();
  const { child, port } = await startRevoking({ redis });
  try {
    return await withLoads(1, async (load) => {
      const context = { redis, child, port, load, ...sizes };
      return { bytesPer: await measureMemory(context), ...(await measureOperations(context)) };
    });
  } finally {
    await child.stop();
    await redis.stop();
  }
}

/** `used_memory` before and after; the tables of Redis that grow with the keys are part of it. */
async function measureMemory({ redis, child, port, load, users, sockets }) {
  const grown = async (number, work) => {
    const before = await redis.info('memory');
    const answer = await work();
    const after = await redis.info('memory');
    return { bytes: (after.used_memory - before.used_memory) / number, answer };
  };
  // What the first of each kind brings with it, such as the scripts, is there already.
  await Promise.all([
    child.ask('createSessions', { users: 1, name: 'first' }),
    load.ask('open', { group: 'first', port, bearers: { secret: SECRET, name: 'first', count: 1 } }),
  ]);
  const one = await grown(users, () => createUsers(child, users, 1, 'one'));
  const many = await grown(users, () => createUsers(child, users, SESSIONS_OF_MANY, 'many'));
  const tickets = await grown(users, () =>
    child.ask('issueTickets', { sessions: one.answer.map(({ id }) => id) }),
  );
  const connected = await grown(sockets, () =>
    load.ask('open', { group: 'live', port, bearers: { secret: SECRET, name: 'live', count: sockets } }),
  );
  await load.ask('disconnect', { group: 'live' });
  return {
    userOf1Session: one.bytes,
    userOf3Sessions: many.bytes,
    session: (many.bytes - one.bytes) / (SESSIONS_OF_MANY - 1),
    connection: connected.bytes,
    ticket: tickets.bytes,
  };
}

async function createUsers(child, users, perUser, name) {
  const created = [];
  for (let first = 0; first < users; first += CREATED_AT_ONCE) {
    const slice = Math.min(CREATED_AT_ONCE, users - first);
    created.push(...(await child.ask('createSessions', { users: slice, perUser, name: `${name}-${first}` })));
  }
  return created;
}

/** The processor time of all of Redis, and of that the time in the commands themselves. */
async function measureOperations({ redis, child, port, load, operations }) {
  await settle(IDLE_MS);
  const idle = await usageOf(redis);
  await settle(IDLE_MS);
  const idleMicros = (await usageOf(redis)).cpuMicros - idle.cpuMicros;
  const perMs = idleMicros / IDLE_MS;
  const microsPer = {};
  const scriptMicrosPer = {};
  const spend = async (name, work) => {
    const [, , command] = OPERATIONS.find(([key]) => key === name);
    const before = await usageOf(redis, command);
    const answer = await work();
    const after = await usageOf(redis, command);
    const background = (after.at - before.at) * perMs;
    microsPer[name] = Math.max(0, after.cpuMicros - before.cpuMicros - background) / operations;
    scriptMicrosPer[name] = (after.commandMicros - before.commandMicros) / operations;
    return answer;
  };
  const sessions = await createUsers(child, operations, 1, 'busy');
  const ids = sessions.map(({ id }) => id);
  const open = (group, credentials) => load.ask('open', { group, port, ...credentials });
  const leave = async (group) => {
    await load.ask('disconnect', { group });
    await settle();
  };

  const tickets = await spend('ticketIssue', () => child.ask('issueTickets', { sessions: ids }));
  const queries = tickets.map((ticket) => ({ query: `?ticket=${ticket}` }));
  await spend('ticketHandshake', () => open('tickets', { credentials: queries }));
  await leave('tickets');
  const bearers = { secret: SECRET, name: 'busy', count: operations };
  await spend('jwtHandshake', () => open('bearers', { bearers }));
  await spend('goodbye', () => leave('bearers'));
  await spend('touch', () => child.ask('touch', { sessions: ids }));
  await spend('cookieHandshake', () => open('cookies', { credentials: sessions.map(cookieOf) }));
  await spend('revocation', () => child.ask('revokeAll', { sessions: ids }));
  return { microsPer, scriptMicrosPer, idleMicrosPerSecond: (idleMicros * 1_000) / IDLE_MS };
}

async function usageOf(redis, command = 'evalsha') {
  const [cpu, commands] = await Promise.all([redis.info('cpu'), redis.info('commandstats')]);
  const calls = String(commands[`cmdstat_${command}`] ?? '');
  return {
    at: performance.now(),
    cpuMicros: (cpu.used_cpu_user + cpu.used_cpu_sys) * 1e6,
    commandMicros: Number(/usec=(\d+)/.exec(calls)?.[1] ?? 0),
  };
}

function mediansOf(runs) {
  const median = (group) =>
    Object.fromEntries(
      Object.keys(runs[0][group]).map((key) => [key, summarize(runs.map((run) => run[group][key])).median]),
    );
  return {
    bytesPer: median('bytesPer'),
    microsPer: median('microsPer'),
    scriptMicrosPer: median('scriptMicrosPer'),
    idleMicrosPerSecond: summarize(runs.map(({ idleMicrosPerSecond }) => idleMicrosPerSecond)).median,
  };
}

function reportBytes({ runs }) {
  const rows = BYTES.map(([key, what]) => [
    what,
    spread(summarize(runs.map(({ bytesPer }) => bytesPer[key])), 0),
  ]);
  return table(['kept in Redis', 'bytes of used_memory'], rows);
}

function reportOperations({ runs, idleMicrosPerSecond }) {
  const rows = OPERATIONS.map(([key, what]) => [
    what,
    spread(summarize(runs.map(({ microsPer }) => microsPer[key])), 1),
    spread(summarize(runs.map(({ scriptMicrosPer }) => scriptMicrosPer[key])), 1),
  ]);
  const figures = table(['done in Redis', 'Redis CPU, µs', 'of that in the command, µs'], rows);
  return `${figures}\n\nA node that does nothing costs Redis ${idleMicrosPerSecond.toFixed(0)} µs of a second.`;
}

function reportSizing({ bytesPer, microsPer }) {
  const handshakes = (micros) => count(Math.round((1e6 * CORE_SHARE) / micros / 100) * 100);
  // Bytes for one are megabytes for a million.
  const megabytes = (bytes) => `${count(Math.round(bytes / 10) * 10)} MB`;
  const { ticketIssue, ticketHandshake, cookieHandshake, jwtHandshake, goodbye, revocation } = microsPer;
  const rows = [
    ['a million users with 1 session each', megabytes(bytesPer.userOf1Session)],
    ['a million further sessions', megabytes(bytesPer.session)],
    ['a million live connections', megabytes(bytesPer.connection)],
    [
      'connections by ticket, issued, used and ended, a second',
      handshakes(ticketIssue + ticketHandshake + goodbye),
    ],
    ['connections by session cookie, and ended, a second', handshakes(cookieHandshake + goodbye)],
    ['connections by JWT, and ended, a second', handshakes(jwtHandshake + goodbye)],
    ['revocations of sessions a second', handshakes(revocation)],
  ];
  return `Computed from these, not measured, for one Redis whose core is busy for ${CORE_SHARE * 100} %:\n\n${table(
    ['computed', 'one Redis'],
    rows,
  )}`;
}
