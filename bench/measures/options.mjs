import { randomBytes } from 'node:crypto';
import { startLoad, startServer } from '../harness/child.mjs';
import { summarize } from '../harness/statistics.mjs';
import { spread, table } from '../harness/table.mjs';

const SECRET = randomBytes(48).toString('base64url');
const SIZES = {
  smoke: { rounds: 1, sliceMs: 100, visits: 40, warmUp: 1, processes: 1, idle: 100 },
  quick: { rounds: 2, sliceMs: 300, visits: 200, warmUp: 2, processes: 1, idle: 300 },
  full: { rounds: 3, sliceMs: 600, visits: 400, warmUp: 3, processes: 2, idle: 1_000 },
};
const CONNECTIONS = 20;
/** What is made once is made for these. */
const FIRST = 50;

const SMALL = JSON.stringify({ event: 'event000', data: { id: 12_345, text: 'hello, world' } });
/** Larger than what ws leaves uncompressed, and as easy to compress as a list of records is. */
const LARGE = JSON.stringify({
  event: 'event000',
  data: Array.from({ length: 40 }, (_, id) => ({ id, name: `name ${id * 7919}`, isOpen: id % 3 === 0 })),
});

/** What is turned on, and what that is compared with. */
const ROWS = [
  { name: 'defaults', option: 'none', message: SMALL },
  { name: 'message.asyncContext', option: 'asyncContext', message: SMALL, besides: 'defaults' },
  { name: 'metrics of OpenTelemetry', option: 'metrics', message: SMALL, besides: 'defaults' },
  { name: 'traces of OpenTelemetry', option: 'traces', message: SMALL, besides: 'defaults' },
  { name: 'an audit sink', option: 'sink', message: SMALL, besides: 'defaults' },
  {
    name: 'node --max-semi-space-size=64',
    option: 'none',
    env: { NODE_OPTIONS: '--max-semi-space-size=64' },
    message: SMALL,
    besides: 'defaults',
  },
  { name: 'defaults, larger messages', option: 'none', message: LARGE },
  {
    name: 'message.compression, larger messages',
    option: 'compression',
    message: LARGE,
    besides: 'defaults, larger messages',
  },
];
/** Those whose connections are looked at after one message. */
const HEAVY = ['defaults, larger messages', 'message.compression, larger messages'];

/** What one option more costs: processor time of the server for a message and for a handshake, by clients of ws. */
export const options = {
  name: 'options',
  title: () => `What options cost, ${CONNECTIONS} connections, one message in flight`,
  measure: async (settings, log) => {
    const sizes = sizesOf(settings);
    const slices = Object.fromEntries(ROWS.map(({ name }) => [name, []]));
    for (let run = 0; run < sizes.processes; run += 1) {
      log(`options: processes ${run + 1} of ${sizes.processes}`);
      await measureProcesses(sizes, slices);
    }
    const memory = {};
    for (const row of ROWS.filter(({ name }) => HEAVY.includes(name))) {
      log(`options: memory with ${row.name}`);
      memory[row.name] = await measureMemory(row, sizes);
    }
    return { largeBytes: Buffer.byteLength(LARGE), slices, memory };
  },
  report: (result) => `${reportTime(result)}\n\n${reportMemory(result)}`,
};

function sizesOf({ mode, sizes }) {
  return { ...SIZES[mode], ...sizes?.options };
}

async function start({ option, env }) {
  const settings = { BENCH_OPTION: option, BENCH_JWT_SECRET: SECRET };
  const { child, port } = await startServer({ file: 'optional-nest.mjs', env }, settings);
  return { child, load: startLoad('ws-clients.mjs'), port };
}

async function stop({ child, load }) {
  await load.stop();
  await child.stop();
}

/** @throws when compression was not agreed on where it is measured, or was where it is not */
async function connect({ load, port }, { option }, count) {
  const isCompressed = option === 'compression';
  const extensions = await load.ask('connect', { port, secret: SECRET, isCompressed, count });
  if (extensions.includes('permessage-deflate') !== isCompressed)
    throw new Error(`"${option}": the server agreed on "${extensions}"`);
}

async function measureProcesses({ rounds, sliceMs, visits, warmUp }, slices) {
  const servers = [];
  try {
    for (const row of ROWS) {
      const server = { row, ...(await start(row)) };
      servers.push(server);
      await connect(server, row, CONNECTIONS);
      await server.load.ask('sayOnce', { message: row.message });
    }
    for (const server of servers) await slice(server, sliceMs * warmUp, visits * warmUp);
    for (let round = 0; round < rounds; round += 1) {
      const turned = servers.map((_, index) => servers[(index + round) % servers.length]);
      for (const server of turned) slices[server.row.name].push(await slice(server, sliceMs, visits));
    }
  } finally {
    await Promise.all(servers.map(stop));
  }
}

async function slice({ child, load, port, row }, durationMs, visits) {
  const [messages, echoMs] = await cpuOf(child, () => load.ask('echo', { message: row.message, durationMs }));
  const [, visitMs] = await cpuOf(child, () => load.ask('visit', { port, secret: SECRET, count: visits }));
  return { messageMicros: (echoMs * 1_000) / messages, handshakeMicros: (visitMs * 1_000) / visits };
}

/** The processor time that a server took meanwhile. */
async function cpuOf(child, work) {
  const before = await child.ask('usage');
  const answer = await work();
  const { cpu } = await child.ask('usage');
  return [answer, (cpu.user + cpu.system - before.cpu.user - before.cpu.system) / 1_000];
}

async function measureMemory(row, { idle }) {
  const server = await start(row);
  try {
    const fill = async (count, first) => {
      await connect(server, row, count);
      await server.load.ask('sayOnce', { message: row.message, first });
      return server.child.ask('memory');
    };
    const before = await fill(FIRST, 0);
    const after = await fill(idle, FIRST);
    const grown = (key) => (after[key] - before[key]) / idle;
    return { heap: grown('heapUsed'), external: grown('external'), rss: grown('rss') };
  } finally {
    await stop(server);
  }
}

function reportTime({ slices, largeBytes }) {
  const rows = ROWS.map(({ name, message, besides }) => {
    const of = (key, row) => slices[row].map((one) => one[key]);
    const cells = (key) => [
      spread(summarize(of(key, name)), 1),
      besides ? spread(summarize(of(key, name).map((micros, i) => micros / of(key, besides)[i]))) : '–',
    ];
    const bytes = message === LARGE ? largeBytes : Buffer.byteLength(message);
    return [name, bytes, ...cells('messageMicros'), ...cells('handshakeMicros')];
  });
  return table(
    [
      'on',
      'bytes of a message',
      'server CPU, µs/message',
      '/ defaults',
      'server CPU, µs/handshake',
      '/ defaults',
    ],
    rows,
  );
}

function reportMemory({ memory }) {
  const rows = Object.entries(memory).map(([name, { heap, external, rss }]) => [
    name,
    ...[heap, external, rss].map((bytes) => Math.round(bytes).toLocaleString('en-US')),
  ]);
  return table(['a connection after one message', 'heap, bytes', 'external, bytes', 'RSS, bytes'], rows);
}
