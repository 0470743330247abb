// Opens many idle connections and looks what they cost: `node bench/idle-connections.mjs [count] [seconds]`.
import { randomBytes } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { startGenerator, startServer } from './harness/child.mjs';
import { environment, keep } from './harness/results.mjs';
import { table } from './harness/table.mjs';

const SECRET = randomBytes(48).toString('base64url');
/** What is made once and not for a connection is made for these. */
const FIRST = 100;
const SETTLING_MS = 3_000;
/** Descriptors that a process has besides its connections. */
const SPARE_DESCRIPTORS = 200;

const [count = 10_000, seconds = 10] = process.argv.slice(2).map(Number);
const descriptors = Number(execFileSync('bash', ['-c', 'ulimit -n']).toString());
if (descriptors < count + SPARE_DESCRIPTORS) {
  console.log(
    `${count} connections need ${count + SPARE_DESCRIPTORS} descriptors: ulimit -n is ${descriptors}`,
  );
  process.exit(1);
}

const SERVERS = [
  // Pings as by default: every connection gets one in each interval of 30 s.
  { name: 'guarded', file: 'guarded-nest.mjs', env: { BENCH_PINGS: 'default' } },
  { name: 'guarded, no pings', file: 'guarded-nest.mjs' },
  { name: 'bare ws', file: 'bare-ws.mjs' },
];

const servers = [];
for (const server of SERVERS) {
  console.error(`${server.name}: ${count} connections`);
  const timers = await countTimers(server);
  servers.push({ name: server.name, timers, ...(await measure(server)) });
}
console.log(`\n## ${count.toLocaleString('en-US')} idle connections, watched for ${seconds} s\n`);
console.log(
  table(
    [
      'server',
      'timers at 100',
      `timers at ${count}`,
      'heap, bytes/connection',
      'RSS, bytes/connection',
      'idle CPU at 100, ms/s',
      `idle CPU at ${count}, ms/s`,
      `loop busy at ${count}`,
    ],
    servers.map(({ name, timers, before, after }) => [
      name,
      timers.before.all,
      timers.after.all,
      Math.round((after.memory.heapUsed - before.memory.heapUsed) / (count - FIRST)),
      Math.round((after.memory.rss - before.memory.rss) / (count - FIRST)),
      before.idle.cpuMsPerSecond.toFixed(2),
      after.idle.cpuMsPerSecond.toFixed(2),
      `${(after.idle.utilization * 100).toFixed(2)} %`,
    ]),
  ),
);
console.error(`kept in ${keep('idle', { environment: environment(), count, seconds, servers })}`);
const growing = servers.filter(({ timers }) => timers.after.all > timers.before.all);
if (growing.length > 0) {
  console.log(`\ntimers grow with the connections: ${growing.map(({ name }) => name).join(', ')}`);
  process.exitCode = 1;
}

/** In a process of its own, because counting has a price. */
async function countTimers(server) {
  return filled({ ...server, preload: 'count-timers.mjs' }, async (child) => {
    // The deadlines of the handshakes are over.
    await child.ask('memory');
    return child.ask('timers');
  });
}

async function measure(server) {
  return filled(server, look);
}

/** Asks a server with few connections and with many. */
async function filled(server, ask) {
  const { child, port } = await startServer(server, { BENCH_JWT_SECRET: SECRET });
  const generator = startGenerator();
  const target = { server: server.name, port, secret: SECRET };
  try {
    await generator.ask('connect', { ...target, count: FIRST });
    const before = await ask(child);
    await generator.ask('connect', { ...target, count: count - FIRST });
    return { before, after: await ask(child) };
  } finally {
    await generator.stop();
    await child.stop();
  }
}

/** The garbage is gone, and what the start has left to do is done, before the idle time is watched. */
async function look(child) {
  const memory = await child.ask('memory');
  await new Promise((resolve) => setTimeout(resolve, SETTLING_MS));
  const before = { usage: await child.ask('usage'), loop: await child.ask('loop') };
  await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
  const after = { usage: await child.ask('usage'), loop: await child.ask('loop') };
  const cpuMs =
    (after.usage.cpu.user + after.usage.cpu.system - before.usage.cpu.user - before.usage.cpu.system) / 1_000;
  const active = after.loop.active - before.loop.active;
  const idle = after.loop.idle - before.loop.idle;
  return {
    memory,
    idle: { cpuMsPerSecond: cpuMs / seconds, utilization: active / (active + idle) },
  };
}
