// Runs the packed package in projects of consumers, on each Nest and each Node that package.json admits: every way in on
// every server, then the end-to-end suites. Prints what came of it as tables, and with `--write` puts them into a file.
// `--nest 11 --node 20,24 --suites fence,boot --keep` choose, and keep the projects; `--suites ''` leaves the suites out.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Projects, versionIn } from './matrix/projects.mjs';
import { run, stopAll } from './matrix/run.mjs';
import { countsOf, filesOf, packagesOf, suiteOf, SUITES } from './matrix/suites.mjs';
import { formatted, Table, writeBetweenMarks } from './matrix/tables.mjs';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

const { values: chosen } = parseArgs({
  options: {
    nest: { type: 'string', default: '11,12' },
    node: { type: 'string', default: '20,22,24' },
    suites: { type: 'string', default: SUITES.join(',') },
    write: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
});
const listOf = (text) => text.split(',').filter(Boolean);

const folder = mkdtempSync(join(tmpdir(), 'nestjs-ws-auth-matrix-'));
const versions = [];
/** The ways in, by server. */
const servers = new Map();
const suites = new Table();
let hasFailed = false;

process.on('exit', () => {
  stopAll();
  if (chosen.keep) console.log(`kept: ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

const projects = new Projects(ROOT, folder);
await projects.pack();
const files = filesOf(projects.source, listOf(chosen.suites));
const packages = packagesOf(projects.source, files);
const nodes = new Map();
for (const major of listOf(chosen.node)) nodes.set(major, await projects.nodeOf(major));

for (const nest of listOf(chosen.nest)) {
  const project = await projects.makeForNest(nest, packages);
  noteVersions(`Nest ${nest}`, project, ['@nestjs/core', '@nestjs/platform-ws', 'ws']);
  for (const [major, node] of nodes) {
    const platform = `Nest ${nest}, Node ${major}`;
    await tryWaysIn(platform, project, [
      ['CommonJS', node, ['connect.cjs']],
      ['ESM', node, ['connect.mjs']],
    ]);
    if (files.length > 0) await runSuites(platform, project, node);
  }
}
if (listOf(chosen.nest).includes('11')) {
  const project = await projects.makeForJest();
  noteVersions('Under Jest', project, ['jest', '@nestjs/core', '@nestjs/platform-ws', 'ws']);
  for (const [major, node] of nodes)
    await tryWaysIn(`Jest, Nest 11, Node ${major}`, project, [
      ['CommonJS', node, ['node_modules/jest/bin/jest.js']],
    ]);
}
for (const [major, node] of nodes) {
  const { output } = await run(node, ['--version'], { cwd: folder, minutes: 1 });
  versions.push(`Node ${major}: ${output.trim().slice(1)}`);
}
await report();

function noteVersions(what, project, names) {
  versions.push(`${what}: ${names.map((name) => `${name} ${versionIn(project, name)}`).join(', ')}`);
}

/** Each module format is a run of its own; a cell has what they agree in. */
async function tryWaysIn(platform, project, runs) {
  const cells = new Map();
  for (const [format, node, args] of runs) {
    const file = join(project, 'ways-in.json');
    rmSync(file, { force: true });
    const { output } = await run(node, args, { cwd: project, minutes: 3, env: { WAYS_IN_RESULTS: file } });
    const results = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : [];
    if (results.length === 0) fail(platform, `the ways in, as ${format}`, output.slice(-3_000));
    for (const { ground, way, isRight, ...seen } of results) {
      const key = JSON.stringify([ground, way]);
      const text = seen.numbers?.join(' · ') ?? 'nothing';
      if (!isRight) fail(platform, `${ground}, ${way}, as ${format}`, JSON.stringify(seen));
      cells.set(key, [...(cells.get(key) ?? []), isRight ? text : `${text} FAILED`]);
    }
  }
  for (const [key, texts] of cells) {
    const [ground, way] = JSON.parse(key);
    if (!servers.has(ground)) servers.set(ground, new Table());
    const missing = runs.length - texts.length;
    if (missing > 0) texts.push('a format FAILED');
    servers.get(ground).set(way, platform, [...new Set(texts)].join(' / '));
  }
}

async function runSuites(platform, project, node) {
  const startedAt = Date.now();
  const report = join(project, 'results.json');
  rmSync(report, { force: true });
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--config', 'vitest.config.mjs'];
  const { code, output } = await run(node, [...vitest, ...files], { cwd: project, minutes: 20 });
  const { testResults } = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : { testResults: [] };
  let failures = 0;
  for (const file of files) {
    const result = testResults.find(({ name }) => relative(project, name) === file);
    const { passed, failed, skipped, reasons } = countsOf(result, output);
    const text = failed > 0 ? `${failed} of ${passed + failed} FAILED` : `${passed}`;
    suites.set(suiteOf(file), platform, skipped > 0 ? `${text}, ${skipped} skipped` : text);
    failures += failed;
    for (const reason of reasons) fail(platform, suiteOf(file), reason);
  }
  // What belongs to no test, such as a rejection that nobody handles.
  if (code !== 0 && failures === 0) fail(platform, 'beside the tests', output.slice(-3_000));
  for (const line of output.split('\n').filter((line) => line.startsWith('needed a second try')))
    console.log(`${platform}: ${line}`);
  const seconds = Math.round((Date.now() - startedAt) / 1_000);
  console.log(`${platform}: ${code === 0 ? 'passed' : 'FAILED'} in ${seconds} s`);
}

function fail(platform, what, reason) {
  hasFailed = true;
  console.log(`${platform}, ${what}: ${reason.slice(0, 1_500)}\n`);
}

async function report() {
  const own = JSON.parse(readFileSync(join(projects.source, 'package.json'), 'utf8'));
  const parts = [
    `Run on ${new Date().toISOString().slice(0, 10)}, nestjs-ws-auth ${own.version}, ${process.platform} ${process.arch}.`,
    versions.map((version) => `- ${version}`).join('\n'),
    ...[...servers].flatMap(([name, table]) => [`### ${name}`, table.toMarkdown('way in')]),
  ];
  if (files.length > 0) parts.push('### Suites', 'Tests that passed.', suites.toMarkdown('`test/e2e`'));
  const text = parts.join('\n\n');
  console.log(await formatted(text));
  if (chosen.write) await writeBetweenMarks(resolve(chosen.write), text);
  console.log(hasFailed ? 'The matrix has FAILED.' : 'The matrix has passed.');
  process.exitCode = hasFailed ? 1 : 0;
}
