import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type OwnRedis, startRedisServer } from './redis-server.js';
import { type NodeSettings, readSettings, writeEnvironment } from './settings.js';

const NODE = fileURLToPath(new URL('./node.js', import.meta.url));

/** Redis, if none is given, and two processes that know of each other through it and through nothing else. */
let redis: OwnRedis | undefined;
const nodes: ChildProcess[] = [];
let isStopping = false;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop(0));
try {
  await start();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  await stop(1);
}

async function start(): Promise<void> {
  const { redisUrl, ports, secret } = readSettings(process.env);
  if (redisUrl === undefined) redis = await startRedisServer();
  const shared = { ports, secret, redisUrl: redisUrl ?? redis!.url };
  await Promise.all([startNode({ ...shared, name: 'A' }), startNode({ ...shared, name: 'B' })]);
  const ownRedis = redis ? `a Redis of their own on ${redis.url}` : 'the Redis of REDIS_URL';
  console.log(`Two nodes: http://localhost:${ports.A} and http://localhost:${ports.B}, with ${ownRedis}`);
}

/** Resolves when the node listens. A node that ends takes the others with it. */
async function startNode(settings: NodeSettings): Promise<void> {
  const node = fork(NODE, { env: { ...process.env, ...writeEnvironment(settings) } });
  nodes.push(node);
  const ended = once(node, 'exit').then(async ([code]) => {
    if (!isStopping) console.error(`node ${settings.name} ended with ${code}`);
    await stop(1);
  });
  await Promise.race([once(node, 'message'), ended]);
}

async function stop(code: number): Promise<void> {
  if (isStopping) return;
  isStopping = true;
  const running = nodes.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
  const ended = running.map((node) => once(node, 'exit'));
  for (const node of running) node.kill('SIGTERM');
  await Promise.all(ended);
  await redis?.stop();
  process.exit(code);
}
