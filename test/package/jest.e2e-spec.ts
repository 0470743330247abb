import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { installPacked, ROOT, run } from './packed-package.js';

/** An application of Nest 11 and Jest as they come: no transform, no flag of Node, no setting. */
const DEPENDENCIES = {
  '@nestjs/common': '^11.2.0',
  '@nestjs/core': '^11.2.0',
  '@nestjs/platform-express': '^11.2.0',
  '@nestjs/platform-ws': '^11.2.0',
  '@nestjs/testing': '^11.2.0',
  '@nestjs/websockets': '^11.2.0',
  jest: '^30.5.0',
  'reflect-metadata': '^0.2.2',
  rxjs: '^7.8.2',
  ws: '^8.23.0',
};

interface Result {
  readonly way: string;
  readonly isRight: boolean;
  /** What the client saw: the good handshake, the wrong one, and the close after a revocation. */
  readonly numbers: readonly number[];
}

describe('the packed package under Jest, in a CommonJS application of Nest 11', () => {
  let project: string;

  beforeAll(async () => {
    project = mkdtempSync(join(tmpdir(), 'nestjs-ws-auth-jest-'));
    await installPacked(project, { type: 'commonjs', dependencies: DEPENDENCIES });
    cpSync(join(ROOT, 'tools', 'matrix', 'consumer'), project, { recursive: true });
  }, 180_000);
  afterAll(() => rmSync(project, { recursive: true, force: true }));

  it('admits by each credential, refuses what is wrong, and closes with 4410 on a revocation', async () => {
    const file = join(project, 'ways-in.json');
    await run(process.execPath, ['node_modules/jest/bin/jest.js'], {
      cwd: project,
      env: { ...process.env, NODE_OPTIONS: '', WAYS_IN_RESULTS: file },
    });
    const results = JSON.parse(readFileSync(file, 'utf8')) as Result[];
    const numbersOf = new Map(results.map(({ way, numbers }) => [way, numbers]));
    for (const way of ['bearer, header', 'ticket, query', 'cookie', 'basic'])
      expect(numbersOf.get(way), way).toEqual([101, 401, 4410]);
    expect(numbersOf.get('first message, token')).toEqual([101, 4401, 4410]);
    expect(results.filter(({ isRight }) => !isRight)).toEqual([]);
  }, 60_000);
});
