import { execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const own = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Record<
  string,
  Record<string, string>
>;

/** The packages of an empty Nest 12 project, in the versions that this repository is tested with. */
const PROJECT_PACKAGES = [
  '@nestjs/common',
  '@nestjs/core',
  '@nestjs/platform-express',
  '@nestjs/platform-ws',
  '@nestjs/websockets',
  'reflect-metadata',
  'rxjs',
  'typescript',
  '@types/node',
];

function installedVersion(name: string): string {
  return (
    JSON.parse(readFileSync(join(ROOT, 'node_modules', name, 'package.json'), 'utf8')) as { version: string }
  ).version;
}

/** The code blocks of the README that are marked `<!-- example: <file> -->`. */
function readmeExamples(): Map<string, string> {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const examples = new Map<string, string>();
  for (const match of readme.matchAll(/<!-- example: (\S+) -->\s*```[a-z]*\n([^]*?)```/g)) {
    examples.set(match[1]!, match[2]!);
  }
  return examples;
}

describe('the packed package in an empty Nest project', () => {
  let project: string;
  let tarball: string;

  beforeAll(async () => {
    project = mkdtempSync(join(tmpdir(), 'nestjs-ws-auth-'));
    const { stdout } = await run(
      'npm',
      ['pack', '--json', '--silent', '--ignore-scripts', '--pack-destination', project],
      {
        cwd: ROOT,
      },
    );
    const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
    tarball = join(project, filename);
    const dependencies = Object.fromEntries(PROJECT_PACKAGES.map((name) => [name, installedVersion(name)]));
    const manifest = {
      name: 'empty',
      private: true,
      type: 'module',
      dependencies: { ...dependencies, 'nestjs-ws-auth': `file:${filename}` },
    };
    writeFileSync(join(project, 'package.json'), JSON.stringify(manifest));
    await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'], {
      cwd: project,
    });
  }, 180_000);
  afterAll(() => rmSync(project, { recursive: true, force: true }));

  it('brings its own ws of 8.23.0 or newer, even where platform-ws brings an older one (CF-02)', async () => {
    const script = `
      import { createRequire } from 'node:module';
      const require = createRequire(import.meta.url);
      const version = (from) => createRequire(require.resolve(from))('ws/package.json').version;
      console.log(JSON.stringify({ ours: version('nestjs-ws-auth'), theirs: version('@nestjs/platform-ws') }));
    `;
    writeFileSync(join(project, 'versions.mjs'), script);
    const { stdout } = await run(process.execPath, ['versions.mjs'], { cwd: project });
    const { ours, theirs } = JSON.parse(stdout) as { ours: string; theirs: string };
    expect(ours.localeCompare('8.23.0', 'en', { numeric: true })).toBeGreaterThanOrEqual(0);
    expect(theirs.localeCompare('8.23.0', 'en', { numeric: true })).toBeLessThan(0);
  });

  it('builds its servers from that copy', async () => {
    const script = `
      import 'reflect-metadata';
      import { createRequire } from 'node:module';
      import { NestFactory } from '@nestjs/core';
      import { Module } from '@nestjs/common';
      import { WebSocketGateway, WebSocketServer } from '@nestjs/websockets';
      import { WsAuth, WsAuthAdapter, WsAuthModule } from 'nestjs-ws-auth';
      const require = createRequire(import.meta.url);
      const ws = createRequire(require.resolve('nestjs-ws-auth'))('ws');
      class Gateway {}
      WebSocketServer()(Gateway.prototype, 'server');
      WebSocketGateway({ path: '/ws' })(Gateway);
      WsAuth()(Gateway);
      class AppModule {}
      Module({
        imports: [WsAuthModule.forRoot({ origins: ['https://app.example'], credentials: ['ticket'] })],
        providers: [Gateway],
      })(AppModule);
      const app = await NestFactory.create(AppModule, { logger: false });
      app.useWebSocketAdapter(new WsAuthAdapter(app));
      await app.init();
      console.log(app.get(Gateway).server instanceof ws.WebSocketServer);
      await app.close();
    `;
    writeFileSync(join(project, 'server.mjs'), script);
    const { stdout } = await run(process.execPath, ['server.mjs'], { cwd: project });
    expect(stdout.trim()).toBe('true');
  });

  it('loads as CommonJS too', async () => {
    const script = `
      require('reflect-metadata');
      const { WsAuthModule, WsTicketService } = require('nestjs-ws-auth');
      console.log(typeof WsAuthModule.forRoot, typeof WsTicketService, require.resolve('nestjs-ws-auth').includes('cjs'));
    `;
    writeFileSync(join(project, 'load.cjs'), script);
    const { stdout } = await run(process.execPath, ['load.cjs'], { cwd: project });
    expect(stdout.trim()).toBe('function function true');
  });

  it("runs the README's example as written", async () => {
    const examples = readmeExamples();
    expect([...examples.keys()]).toEqual(expect.arrayContaining(['src/main.ts', 'tsconfig.json']));
    for (const [file, text] of examples) {
      mkdirSync(dirname(join(project, file)), { recursive: true });
      writeFileSync(join(project, file), text);
    }
    await run('npx', ['tsc', '-p', '.'], { cwd: project });
    const server = spawn(process.execPath, ['dist/main.js'], {
      cwd: project,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      let output = '';
      await new Promise<void>((resolve, reject) => {
        server.once('exit', (code) => reject(new Error(`the example ended with ${code}:\n${output}`)));
        server.stdout.on('data', (chunk: Buffer) => {
          output += chunk.toString();
          if (output.includes('successfully started')) resolve();
        });
      });
      const { stdout } = await run(process.execPath, ['client.mjs'], { cwd: project });
      expect(stdout.trim()).toBe(examples.get('output')?.trim());
    } finally {
      server.kill();
    }
  }, 60_000);

  it('has exports and types that publint and arethetypeswrong have nothing to say against', async () => {
    const bin = (name: string) => join(ROOT, 'node_modules', '.bin', name);
    // The tarball: to pack once more would build once more, under everybody who runs what is built.
    await run(bin('publint'), ['run', tarball, '--strict'], { cwd: project });
    await run(bin('attw'), [tarball, '--profile', 'node16'], { cwd: project });
    expect(own.exports).toHaveProperty(['.', 'require']);
  }, 60_000);
});
