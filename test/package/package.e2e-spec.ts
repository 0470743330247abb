import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { installedVersion, installPacked, ROOT, run } from './packed-package.js';

/** What one entry point of `exports` offers, by the way it is loaded. */
type Conditions = Readonly<
  Record<'import' | 'require', { readonly types: string; readonly default: string }>
>;

const own = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  exports: Record<string, Conditions | string>;
};
/** The entry points that are code, as a consumer names them, with the files behind them. */
const ENTRY_POINTS = Object.entries(own.exports).flatMap(([path, conditions]) =>
  typeof conditions === 'string' ? [] : [[`nestjs-ws-auth${path.slice(1)}`, conditions] as const],
);

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
    const dependencies = Object.fromEntries(PROJECT_PACKAGES.map((name) => [name, installedVersion(name)]));
    tarball = join(project, await installPacked(project, { type: 'module', dependencies }));
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

  it.each(ENTRY_POINTS)('loads %s as ESM and as CommonJS, with the same names', async (name, conditions) => {
    const loads = {
      'load.mjs': `import { createRequire } from 'node:module';
        console.log(JSON.stringify([import.meta.resolve('${name}'), Object.keys(await import('${name}'))]));`,
      'load.cjs': `console.log(JSON.stringify([require.resolve('${name}'), Object.keys(require('${name}'))]));`,
    };
    const loaded: [string, string[]][] = [];
    for (const [file, script] of Object.entries(loads)) {
      writeFileSync(join(project, file), script);
      const { stdout } = await run(process.execPath, ['-r', 'reflect-metadata', file], { cwd: project });
      loaded.push(JSON.parse(stdout) as [string, string[]]);
    }
    const [[esmFile, esmNames], [cjsFile, cjsNames]] = loaded as [[string, string[]], [string, string[]]];
    expect(esmFile.endsWith(conditions.import.default.slice(1))).toBe(true);
    expect(cjsFile.endsWith(conditions.require.default.slice(1))).toBe(true);
    expect(cjsNames.toSorted()).toEqual(esmNames.toSorted());
    expect(esmNames.length).toBeGreaterThan(0);
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
    const { stdout } = await run(bin('attw'), [tarball, '--profile', 'node16', '--format', 'json'], {
      cwd: project,
    });
    const { analysis } = JSON.parse(stdout) as { analysis: { entrypoints: Record<string, unknown> } };
    expect(Object.keys(analysis.entrypoints)).toEqual(Object.keys(own.exports));
  }, 60_000);
});
