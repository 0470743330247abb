import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isPinned, PYTHON } from './child.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const RESULTS = join(ROOT, 'bench', 'results');

/** The packages whose versions matter. */
const COMPARED = [
  'ws',
  '@nestjs/core',
  '@nestjs/platform-ws',
  '@nestjs/jwt',
  'jsonwebtoken',
  '@nestjs/throttler',
  'socket.io',
  'graphql-ws',
  'graphql',
  'rate-limiter-flexible',
  'ioredis',
];

/** What is no package, and how it says which version it is. */
const PROGRAMS = {
  Redis: ['redis-server', ['--version'], /v=([\d.]+)/],
  'Python websockets': [PYTHON, ['-c', 'import websockets.version as v; print(v.version)'], /([\d.]+)/],
};

/** Where and with what the figures were taken. */
export function environment() {
  const versionOf = (name) =>
    JSON.parse(readFileSync(join(ROOT, 'node_modules', name, 'package.json'), 'utf8')).version;
  return {
    date: new Date().toISOString(),
    commit: ask('git', ['describe', '--always', '--dirty'], /(\S+)/),
    node: process.version,
    cpu: cpus()[0]?.model,
    cores: availableParallelism(),
    isPinned,
    loadBefore: loadavg()[0],
    versions: {
      ...Object.fromEntries(COMPARED.map((name) => [name, versionOf(name)])),
      ...Object.fromEntries(Object.entries(PROGRAMS).map(([name, asking]) => [name, ask(...asking)])),
    },
  };
}

/** Keeps the figures for comparison, and the report beside them. @returns the file of the figures */
export function keep(name, result, markdown) {
  mkdirSync(RESULTS, { recursive: true });
  const path = join(RESULTS, `${name}-${result.environment.date.replaceAll(/[:.]/g, '-')}`);
  writeFileSync(`${path}.json`, `${JSON.stringify(result, null, 2)}\n`);
  if (markdown !== undefined) writeFileSync(`${path}.md`, `${markdown.trim()}\n`);
  return `${path}.json`;
}

/** What a program prints of itself, or "unknown". */
function ask(program, args, pattern) {
  const { stdout } = spawnSync(program, args, { cwd: ROOT, encoding: 'utf8' });
  return pattern.exec(stdout ?? '')?.[1] ?? 'unknown';
}
