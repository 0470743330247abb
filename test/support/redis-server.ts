import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { RedisClient } from '../../lib/redis/redis-client.js';
import type { RedisClients } from '../../lib/redis/redis-connection.js';
import {
  COMMAND_OPTIONS,
  REVOCATION_OPTIONS,
  SUBSCRIBER_OPTIONS,
  whenReady,
} from '../../lib/redis/redis-options.js';
import { freePort } from './free-port.js';

/** The server under test: another one that speaks the same, such as valkey-server, may stand in. */
export const SERVER_PROGRAM = process.env.REDIS_SERVER ?? 'redis-server';
const HOST = '127.0.0.1';
const PORT_TRIES = 10;

/** A Redis server of the tests' own, on loopback. */
export interface RedisServer {
  readonly port: number;
  readonly process: ChildProcess;
  stop(): Promise<void>;
}

/** Somebody else has taken the port since it was found to be free. */
class PortTaken extends Error {
  override readonly name = 'PortTaken';
}

/** Starts a server without persistence, on a free port unless `--port` is given. Fails, and says what to install, where there is none. */
export async function startRedis(...args: string[]): Promise<RedisServer> {
  const given = args.indexOf('--port');
  if (given >= 0) return onFreePorts(0, () => startOn(Number(args[given + 1]), args));
  return onFreePorts(1, ([port]) => startOn(port!, args));
}

/** Starts what needs free ports, with others when one of them was taken meanwhile. */
export async function onFreePorts<T>(count: number, start: (ports: number[]) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    const ports = await Promise.all(Array.from({ length: count }, freePort));
    try {
      return await start(ports);
    } catch (error) {
      if (!(error instanceof PortTaken) || tries === PORT_TRIES) throw error;
    }
  }
}

async function startOn(port: number, args: readonly string[]): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'redis-'));
  const without = ['--save', '', '--appendonly', 'no'];
  const options = ['--port', `${port}`, '--bind', HOST, ...without, '--dir', folder];
  try {
    const child = await startServer([...options, ...args], 'Ready to accept');
    return { port, process: child, stop: () => stopServer(child, folder) };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** Resolves when the server has printed that it is ready. */
export async function startServer(args: readonly string[], ready: string): Promise<ChildProcess> {
  const child = spawn(SERVER_PROGRAM, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  endWithThisProcess(child);
  let printed = '';
  await new Promise<void>((resolve, reject) => {
    child.once('error', () =>
      reject(new Error(`no ${SERVER_PROGRAM} found; install it: sudo apt-get install -y ${SERVER_PROGRAM}`)),
    );
    child.once('close', (code) => {
      const isTaken = printed.includes('Address already in use');
      const reason = `${SERVER_PROGRAM} ended with ${code}:\n${printed}`;
      reject(isTaken ? new PortTaken(reason) : new Error(reason));
    });
    child.stdout.on('data', (chunk: Buffer) => {
      printed += chunk.toString();
      if (printed.includes(ready)) resolve();
    });
  });
  return child;
}

const living = new Set<ChildProcess>();

/** A test whose set-up fails never comes to stop what it has started. A worker is ended by a signal. */
function endWithThisProcess(child: ChildProcess): void {
  if (living.size === 0) process.on('exit', killLiving).on('SIGTERM', exit);
  living.add(child);
  child.once('exit', () => {
    living.delete(child);
    if (living.size === 0) process.off('exit', killLiving).off('SIGTERM', exit);
  });
}

function killLiving(): void {
  for (const child of living) child.kill('SIGKILL');
}

function exit(): void {
  process.exit();
}

/** Kills a server, and removes what it has left. */
export async function stopServer(child: ChildProcess, folder: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  rmSync(folder, { recursive: true, force: true });
}

/** What a server answers, asked again for as long as there is no answer: one that a failover has cut off comes back. */
export async function answered<T>(ask: () => Promise<T>, withinMs = 30_000): Promise<T> {
  const end = performance.now() + withinMs;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (performance.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** The three connections of a node, ready. */
export async function connectClients(port: number): Promise<RedisClients> {
  const connect = async (options: object): Promise<RedisClient> => {
    const client = new Redis({ port, host: HOST, ...options }) as unknown as RedisClient;
    client.on('error', () => {});
    await whenReady(client, 5_000);
    return client;
  };
  const [commands, revocations, subscriber] = await Promise.all([
    connect(COMMAND_OPTIONS),
    connect(REVOCATION_OPTIONS),
    connect(SUBSCRIBER_OPTIONS),
  ]);
  return { commands, revocations, subscriber };
}
