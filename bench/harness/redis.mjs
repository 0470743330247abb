import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { besideLoad } from './child.mjs';

const PROGRAM = process.env.REDIS_SERVER ?? 'redis-server';
const HOST = '127.0.0.1';
const PORT_TRIES = 5;

/** Starts a Redis of its own for a measure, on the core of the load, empty and without persistence. */
export async function startRedis() {
  for (let tries = 1; ; tries += 1) {
    const folder = mkdtempSync(join(tmpdir(), 'bench-redis-'));
    try {
      return await startIn(folder, await freePort());
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      // Somebody else may have taken the port since it was found to be free.
      if (tries === PORT_TRIES || !error.message.includes('Address already in use')) throw error;
    }
  }
}

async function startIn(folder, port) {
  const without = ['--save', '', '--appendonly', 'no'];
  const options = ['--port', String(port), '--bind', HOST, ...without, '--dir', folder];
  const command = besideLoad([PROGRAM, ...options]);
  const server = spawn(command[0], command.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
  const end = () => {
    server.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  process.on('exit', end);
  await ready(server);
  const client = new Redis({ host: HOST, port });
  const ask = (...command) => client.call(...command);
  return {
    port,
    url: `redis://${HOST}:${port}`,
    ask,
    info: async (section) => readInfo(await ask('INFO', section)),
    stop: async () => {
      client.disconnect();
      const ended = once(server, 'exit');
      end();
      await ended;
      process.off('exit', end);
    },
  };
}

function ready(server) {
  let printed = '';
  return new Promise((resolve, reject) => {
    server.once('error', () =>
      reject(new Error(`no ${PROGRAM} found: sudo apt-get install -y redis-server`)),
    );
    server.once('exit', (code) => reject(new Error(`${PROGRAM} ended with ${code}:\n${printed}`)));
    server.stdout.on('data', (chunk) => {
      printed += chunk.toString();
      if (printed.includes('Ready to accept')) resolve();
    });
  });
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, HOST, () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/** The fields of INFO; what is a number becomes one. */
function readInfo(text) {
  const pairs = text.split(/\r?\n/).filter((line) => line.includes(':'));
  return Object.fromEntries(
    pairs.map((line) => {
      const [name, value] = [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)];
      return [name, value !== '' && Number.isFinite(Number(value)) ? Number(value) : value];
    }),
  );
}
