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

/** A Redis server of the tests' own, on loopback. */
export interface RedisServer {
  readonly port: number;
  readonly process: ChildProcess;
  stop(): Promise<void>;
}

/** Starts `redis-server` without persistence. Fails, and says what to install, where there is none. */
export async function startRedis(...args: string[]): Promise<RedisServer> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'redis-'));
  const options = [
    '--port',
    `${port}`,
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--appendonly',
    'no',
    '--dir',
    folder,
  ];
  const child = spawn('redis-server', [...options, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise<void>((resolve, reject) => {
    child.once('error', () =>
      reject(new Error('no redis-server found; install it: sudo apt-get install -y redis-server')),
    );
    child.once('exit', (code) => reject(new Error(`redis-server ended with ${code}`)));
    child.stdout.on('data', (chunk: Buffer) => chunk.toString().includes('Ready to accept') && resolve());
  });
  return {
    port,
    process: child,
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The three connections of a node, ready. */
export async function connectClients(port: number): Promise<RedisClients> {
  const connect = async (options: object): Promise<RedisClient> => {
    const client = new Redis({ port, host: '127.0.0.1', ...options }) as unknown as RedisClient;
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
