// Runs the end-to-end suites against the packed package in projects of consumers: each Nest and each Node that
// package.json admits. `--nest 11 --node 20,24 --suites fence,boot --keep` choose, and keep the projects.
import { spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const PARTS = join(ROOT, 'tools', 'matrix');
const OWN_NODE = process.versions.node.split('.')[0];

const SUITES =
  `first-steps credentials first-message fence tickets sessions public-gateway boot controller origin handshake
  message-order throttle lifetime frames back-pressure drain more-credentials parity`.split(/\s+/);

/** The packages of Nest that a consumer installs, in the newest release of a major. */
const NEST = [
  'common',
  'core',
  'jwt',
  'platform-express',
  'platform-fastify',
  'platform-ws',
  'testing',
  'websockets',
];

/** What the suites need beside them, in the releases that this repository has. */
const OTHERS = ['ioredis', 'jose', 'reflect-metadata', 'rxjs', 'typescript', 'vitest', 'ws'];

/** Nest 11 is CommonJS, and so are its applications. */
const FORMATS = { 11: 'cjs' };

const PROVED = 'bearer, ticket, first-message, a ticket only once';

const { values: chosen } = parseArgs({
  options: {
    nest: { type: 'string', default: '11,12' },
    node: { type: 'string', default: [...new Set([OWN_NODE, '22', '24'])].join(',') },
    suites: { type: 'string', default: SUITES.join(',') },
    keep: { type: 'boolean', default: false },
  },
});
const suites = chosen.suites.split(',');

const folder = mkdtempSync(join(tmpdir(), 'nestjs-ws-auth-matrix-'));
const running = new Set();
const tableRows = new Map();
const platforms = [];
let hasFailed = false;

process.on('exit', () => {
  for (const child of running) stop(child);
  if (!chosen.keep) rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

const nodes = new Map();
for (const major of chosen.node.split(',')) nodes.set(major, await nodeOf(major));
const tarball = await pack();
for (const nest of chosen.nest.split(',')) {
  const project = await makeProject(nest);
  for (const [major, node] of nodes) await runOn(`Nest ${nest}, Node ${major}`, { project, node });
}
if (chosen.nest.split(',').includes('11')) await runJest();
report();

/** A failed run is a result; an installation that fails is the end. */
async function install(project, manifest, ...packages) {
  mkdirSync(project, { recursive: true });
  writeFileSync(
    join(project, 'package.json'),
    JSON.stringify({ name: 'consumer', private: true, ...manifest }),
  );
  const options = ['--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'];
  const { code, output } = await run('npm', ['install', ...options, ...packages], {
    cwd: project,
    minutes: 5,
  });
  if (code !== 0) throw new Error(`npm install ${packages.join(' ')}:\n${output}`);
}

/** @returns the path of its binary */
async function nodeOf(major) {
  if (major === OWN_NODE) return process.execPath;
  const name = `node-${process.platform}-${process.arch}`;
  const project = join(folder, `node-${major}`);
  await install(project, {}, `${name}@${major}`);
  return join(project, 'node_modules', name, 'bin', 'node');
}

/** Builds and packs in a copy: nobody's `dist` changes while it is in use. */
async function pack() {
  const copy = join(folder, 'source');
  const left = new Set(['node_modules', 'dist', '.git', 'coverage'].map((name) => join(ROOT, name)));
  cpSync(ROOT, copy, { recursive: true, filter: (from) => !left.has(from) });
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  for (const args of [
    ['run', 'build'],
    ['pack', '--ignore-scripts', '--pack-destination', folder],
  ]) {
    const { code, output } = await run('npm', args, { cwd: copy, minutes: 5 });
    if (code !== 0) throw new Error(`npm ${args.join(' ')}:\n${output}`);
  }
  return join(
    folder,
    readdirSync(folder).find((name) => name.endsWith('.tgz')),
  );
}

async function makeProject(nest) {
  const project = join(folder, `nest-${nest}`);
  const others = OTHERS.map((name) => `${name}@${installedVersion(name)}`);
  await install(
    project,
    { type: 'module' },
    ...NEST.map((name) => `@nestjs/${name}@${nest}`),
    ...others,
    tarball,
  );
  for (const name of ['test', 'tsconfig.json'])
    cpSync(join(folder, 'source', name), join(project, name), { recursive: true });
  cpSync(PARTS, project, { recursive: true });
  standInForSources(project, FORMATS[nest.split('.')[0]] ?? 'esm');
  return project;
}

/** The suites import `lib`: there, each module hands on the packed one. */
function standInForSources(project, format) {
  const packed = join(project, 'node_modules', 'nestjs-ws-auth', 'dist', format);
  for (const file of readdirSync(packed, { recursive: true })) {
    if (!file.endsWith('.js')) continue;
    const module = join(project, 'lib', file.replace(/\.js$/, '.ts'));
    mkdirSync(dirname(module), { recursive: true });
    writeFileSync(module, `export * from '${pathToFileURL(join(packed, file))}';\n`);
  }
}

async function runOn(platform, { project, node }) {
  const startedAt = Date.now();
  const seconds = () => Math.round((Date.now() - startedAt) / 1_000);
  platforms.push(platform);
  for (const format of ['cjs', 'mjs']) {
    const { code, output } = await run(node, [`connect.${format}`], { cwd: project, minutes: 1 });
    const isProved = code === 0 && output.includes(PROVED);
    note(`packed, as ${format}`, platform, {
      passed: Number(isProved),
      failed: Number(!isProved),
      reasons: [output],
    });
  }
  const results = join(project, 'results.json');
  rmSync(results, { force: true });
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--config', 'consumer.vitest.config.mjs'];
  const reports = ['--reporter=default', '--reporter=json', `--outputFile=${results}`];
  const files = suites.map((suite) => `test/e2e/${suite}.e2e-spec.ts`);
  const { code, output } = await run(node, [...vitest, ...reports, ...files], { cwd: project, minutes: 15 });
  const { testResults } = existsSync(results)
    ? JSON.parse(readFileSync(results, 'utf8'))
    : { testResults: [] };
  for (const [index, suite] of suites.entries()) {
    const result = testResults.find(({ name }) => relative(project, name) === files[index]);
    note(suite, platform, countsOf(result, output));
  }
  // What belongs to no test, such as a rejection that nobody handles.
  const isClean = code === 0 || suites.some((suite) => tableRows.get(suite)[platform].includes('FAILED'));
  if (!isClean) note('beside the tests', platform, { passed: 0, failed: 1, reasons: [output.slice(-3_000)] });
  console.log(`${platform}: ${isClean && code === 0 ? 'passed' : 'FAILED'} in ${seconds()} s`);
}

/** A suite that did not run, or could not be read, has failed. */
function countsOf(result, output) {
  if (!result) return { passed: 0, failed: 1, reasons: [`it did not run: ${output.slice(-2_000)}`] };
  const tests = result.assertionResults;
  const failed = tests.filter(({ status }) => status === 'failed');
  const reasons = failed.map(({ fullName, failureMessages: [reason] }) => `${fullName}: ${reason}`);
  if (result.status === 'failed' && failed.length === 0) reasons.push(result.message);
  const skipped = tests.filter(({ status }) => status !== 'passed' && status !== 'failed').length;
  const passed = tests.length - failed.length - skipped;
  return { passed, failed: Math.max(failed.length, reasons.length), skipped, reasons };
}

/** Nothing beside what an application asks for: npm chooses the dependencies of the package. */
async function runJest() {
  const project = join(folder, 'jest');
  const packages = ['common', 'core', 'platform-express', 'platform-ws', 'websockets'].map(
    (name) => `@nestjs/${name}@11`,
  );
  await install(project, {}, ...packages, 'reflect-metadata', 'rxjs', 'ws@8', 'jest@30', tarball);
  for (const name of ['authenticated-connection.cjs', 'connect.jest.cjs'])
    cpSync(join(PARTS, name), join(project, name));
  for (const [major, node] of nodes) {
    const args = ['node_modules/jest/bin/jest.js', '--testMatch', '**/*.jest.cjs'];
    const { code, output } = await run(node, args, { cwd: project, minutes: 2 });
    const failed = Number(code !== 0);
    note('packed, under Jest 30', `Nest 11, Node ${major}`, {
      passed: 1 - failed,
      failed,
      reasons: [output],
    });
  }
}

function note(row, platform, { passed, failed, skipped = 0, reasons }) {
  const total = passed + failed;
  const text = failed > 0 ? `${failed} of ${total} FAILED` : `${passed} passed`;
  if (!tableRows.has(row)) tableRows.set(row, {});
  tableRows.get(row)[platform] = skipped > 0 ? `${text}, ${skipped} skipped` : text;
  if (failed === 0) return;
  hasFailed = true;
  for (const reason of reasons) console.log(`${platform}, ${row}: ${reason.slice(0, 1_500)}\n`);
}

function report() {
  const lines = [
    ['', ...platforms],
    ...[...tableRows].map(([row, cells]) => [row, ...platforms.map((each) => cells[each] ?? '-')]),
  ];
  const widths = lines[0].map((_, column) => Math.max(...lines.map((cells) => cells[column].length)));
  for (const cells of lines)
    console.log(
      cells
        .map((cell, column) => cell.padEnd(widths[column]))
        .join(' | ')
        .trimEnd(),
    );
  process.exitCode = hasFailed ? 1 : 0;
}

/** In a process group of its own, which ends with it: what a suite has started does not outlive it. */
function run(command, args, { cwd, minutes }) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    const timer = setTimeout(() => {
      output += `\nstopped after ${minutes} minutes`;
      stop(child);
    }, minutes * 60_000);
    child.once('error', (error) => (output += error));
    child.once('close', (code) => {
      clearTimeout(timer);
      stop(child);
      running.delete(child);
      resolve({ code, output });
    });
  });
}

function stop({ pid }) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

function installedVersion(name) {
  return JSON.parse(readFileSync(join(ROOT, 'node_modules', name, 'package.json'), 'utf8')).version;
}
