// Measures what users cost in Redis: `npm run build && node tools/redis-memory.mjs [users [options of redis-server]]`.
// Starts a redis-server of its own, empty and without persistence, and reads used_memory between the steps.
import { spawn } from 'node:child_process';
import { createSecretKey, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import {
  newId,
  newNodeId,
  newSessionToken,
  newTicket,
  sessionIdOf,
  userHashOf,
} from '../dist/esm/core/identifiers.js';
import { connectRedis } from '../dist/esm/redis/connect-redis.js';
import { RedisStores } from '../dist/esm/redis/redis-stores.js';

const [, , count = '10000', ...serverOptions] = process.argv;
const USERS = Number(count);
const AT_ONCE = 100;

const probe = createServer().listen(0, '127.0.0.1');
await once(probe, 'listening');
const { port } = probe.address();
probe.close();
await once(probe, 'close');
const server = spawn(
  'redis-server',
  ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', ...serverOptions],
  { stdio: ['ignore', 'pipe', 'inherit'] },
);
await new Promise((resolve, reject) => {
  server.once('error', () =>
    reject(new Error('no redis-server found; install it: sudo apt-get install -y redis-server')),
  );
  server.stdout.on('data', (chunk) => chunk.toString().includes('Ready to accept') && resolve());
});

const clients = await connectRedis(`redis://127.0.0.1:${port}`);
const stores = new RedisStores({
  clients,
  node: newNodeId(),
  clock: Date.now,
  rememberRevocationsMs: 12 * 3_600_000,
  onError: (error) => console.error(error),
});
await stores.start();
const key = createSecretKey(randomBytes(32));

const info = async (section) => {
  const text = await clients.commands.call('INFO', section);
  return new Map(text.split('\r\n').map((line) => line.split(':')));
};
const usedMemory = async () => Number((await info('memory')).get('used_memory'));

function makeUser(number) {
  const userId = `user-${String(number).padStart(5, '0')}`;
  const userHash = userHashOf(key, userId);
  return { userId, userHash, sessionId: sessionIdOf(newSessionToken(userHash)) };
}

async function logIn({ userId, sessionId }) {
  const now = Date.now();
  const draft = { id: sessionId, userId, roles: ['member'], scopes: [], idleMs: 1_800_000, version: 1 };
  const times = { createdAt: now, authenticatedAt: 0, absoluteEndsAt: 0 };
  const result = await stores.sessions.create({ ...draft, ...times }, 43_200_000, 100);
  if (result.outcome !== 'created') throw new Error(result.outcome);
}

async function connect({ userHash, sessionId }) {
  const result = await stores.connections.admit({
    connectionId: newId(),
    basis: { mode: 'session', sessionId, userHash },
    maxPerUser: 50,
    maxPerSession: 20,
    onLimit: 'reject',
    touch: true,
    rate: undefined,
    deadline: Date.now() + 5_000,
  });
  if (result.outcome !== 'admitted') throw new Error(result.outcome);
}

async function issueTicket({ userHash, sessionId }) {
  const ttlMs = 30_000;
  const record = {
    sessionId,
    origin: 'https://app.example.com',
    path: '/chat',
    use: 'connect',
    requiresCookie: false,
    authenticatedAt: Date.now(),
    expiresAt: Date.now() + ttlMs,
  };
  const limits = { ttlMs, maxOutstanding: 20, maxPerMinute: 60 };
  const result = await stores.tickets.issue({ userHash, hash: newTicket(userHash).hash, record, ...limits });
  if (result.outcome !== 'issued') throw new Error(result.outcome);
}

/** Does a step for all users. @returns the bytes that each has cost */
async function measure(users, step) {
  const before = await usedMemory();
  for (let start = 0; start < users.length; start += AT_ONCE) {
    await Promise.all(users.slice(start, start + AT_ONCE).map(step));
  }
  return Math.round((await usedMemory()) - before) / users.length;
}

// What the server keeps once, such as the scripts, is there before anything is counted.
const first = makeUser(0);
for (const step of [logIn, connect, issueTicket]) await step(first);

const users = Array.from({ length: USERS }, (_, index) => makeUser(index + 1));
const described = await info('server');
console.log(`Redis ${described.get('redis_version')}, ${USERS} users, bytes of used_memory for each:`);
console.log(`  a session                     ${(await measure(users, logIn)).toFixed(0)}`);
console.log(`  a connection of that session  ${(await measure(users, connect)).toFixed(0)}`);
console.log(`  an unused ticket              ${(await measure(users, issueTicket)).toFixed(0)}`);

await stores.stop();
server.kill('SIGTERM');
await once(server, 'exit');
