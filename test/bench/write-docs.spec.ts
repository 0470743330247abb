import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { check } from 'prettier';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { benchModule } from './bench-module.js';
import { exampleRun, type ExampleRun } from './example-run.js';

interface Measure {
  name: string;
  title: (settings: unknown) => string;
  report: (result: unknown) => string;
}

const { writeDocs } = await benchModule<{
  writeDocs(
    results: ExampleRun[],
    options: { root: string; measures: Measure[] },
  ): Promise<{ written: string[]; problems: string[] }>;
}>('harness/write-docs.mjs');
const { mergeRuns, sectionsOf } = await benchModule<{
  mergeRuns(results: ExampleRun[]): ExampleRun;
  sectionsOf(result: ExampleRun, measures: Measure[]): Record<string, string>;
}>('harness/sections.mjs');

const MEASURES: Measure[] = [
  { name: 'echo', title: () => 'Echo', report: () => '| a | b |\n| - | - |\n| 1 | 22 |' },
  { name: 'handshake', title: () => 'Handshakes', report: () => 'text' },
  { name: 'nodes', title: () => 'Two nodes', report: () => 'never asked' },
];
const NAMES = ['environment', 'echo', 'handshake', 'goals', 'sizing'];

const marked = (...names: string[]): string =>
  names.map((name) => `<!-- bench:${name} -->\n\nold\n\n<!-- /bench:${name} -->\n`).join('\n');

describe('writeDocs', () => {
  let root: string;
  const read = (file: string): string => readFileSync(join(root, file), 'utf8');
  const write = (results = [exampleRun()]) => writeDocs(results, { root, measures: MEASURES });

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'bench-docs-'));
    mkdirSync(join(root, 'docs'));
    writeFileSync(join(root, 'docs/performance.md'), `# Performance\n\n${marked(...NAMES)}`);
    writeFileSync(join(root, 'README.md'), `# Name\n\n${marked('summary')}`);
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it('writes the tables of the guide, the short one of the readme, and the plot', async () => {
    expect(await write()).toEqual({
      written: ['docs/performance.md', 'README.md', 'docs/images/bench.svg'],
      problems: [],
    });
    expect(read('docs/performance.md')).toContain('**Echo**\n\n| a   | b   |');
    expect(read('docs/performance.md')).not.toContain('old');
    expect(read('README.md')).toContain('| on one core');
    expect(read('README.md')).toContain('commit abc1234');
    expect(read('docs/images/bench.svg')).toMatch(/^<svg /);
  });

  it('leaves files that prettier has nothing to say about', async () => {
    await write();
    for (const file of ['docs/performance.md', 'README.md'])
      expect(await check(read(file), { parser: 'markdown' }), file).toBe(true);
  });

  it('says which marker is missing, and writes the rest', async () => {
    writeFileSync(join(root, 'README.md'), '# Name\n');
    const { written, problems } = await write();
    expect(problems).toEqual([
      'README.md has no marker for "summary": put <!-- bench:summary --> and <!-- /bench:summary --> where it belongs',
    ]);
    expect(written).toContain('docs/performance.md');
    expect(read('README.md')).toBe('# Name\n');
  });

  it('writes nothing when a marker would keep the figures of another run', async () => {
    writeFileSync(join(root, 'docs/performance.md'), marked(...NAMES, 'nodes'));
    const { written, problems } = await write();
    expect(written).toEqual([]);
    expect(problems[0]).toBe(
      'docs/performance.md wants "nodes", which is not in this run: give the file of another run of this commit, too',
    );
    expect(read('README.md')).toContain('old');
  });

  it('puts runs of one commit together', async () => {
    const { echo, ...others } = exampleRun();
    const { environment, settings } = others;
    await write([others, { environment, settings, echo }]);
    expect(read('docs/performance.md')).toContain('**Echo**');
    expect(read('docs/performance.md')).toContain('**Handshakes**');
  });
});

describe('mergeRuns', () => {
  it('takes the later of two results of one measure', () => {
    const later = { ...exampleRun(), handshake: { slices: {} } };
    expect(mergeRuns([exampleRun(), later]).handshake).toEqual({ slices: {} });
  });

  it.each([
    ['commit', 'def5678'],
    ['node', 'v22.0.0'],
    ['cpu', 'Other CPU'],
  ])('refuses runs with another %s', (key, value) => {
    const other = exampleRun();
    other.environment[key] = value;
    expect(() => mergeRuns([exampleRun(), other])).toThrow(`these runs differ in their`);
  });

  it('refuses to mix quick and full', () => {
    const quick = { ...exampleRun(), settings: { mode: 'quick' } };
    expect(() => mergeRuns([exampleRun(), quick])).toThrow('these runs differ in their mode: full and quick');
  });

  it('refuses the figures of a smoke run', () => {
    const smoke = { ...exampleRun(), settings: { mode: 'smoke' } };
    expect(() => mergeRuns([smoke])).toThrow('the figures of a smoke run say nothing');
  });
});

describe('sectionsOf', () => {
  const rowOf = (text: string | undefined, what: string): string[] =>
    text!
      .split('\n')
      .find((line) => line.includes(what))!
      .split('|')
      .map((part) => part.trim());

  it('has no section for a measure that was not taken', () => {
    expect(Object.keys(sectionsOf(exampleRun(), MEASURES))).not.toContain('nodes');
  });

  it('names the measure whose result is of another version of the bench', () => {
    const broken: Measure = {
      name: 'echo',
      title: () => 'Echo',
      report: () => {
        throw new TypeError('undefined is not a table');
      },
    };
    expect(() => sectionsOf(exampleRun(), [broken])).toThrow(
      '"echo" of this run is not as this bench tells it',
    );
  });

  it('computes handshakes a second from processor time, and says so', () => {
    const { sizing } = sectionsOf(exampleRun(), MEASURES);
    // 500,000 / 4,000 µs of CPU.
    expect(rowOf(sizing, 'core of Node: ticket, on Redis')).toContain('8,000');
    expect(rowOf(sizing, 'core of Node: ticket, on Redis')).toContain(
      '1 s / 125 µs of server CPU (handshake)',
    );
  });

  it('computes messages a second from processor time with one in flight', () => {
    const { sizing } = sectionsOf(exampleRun(), MEASURES);
    // 500,000 / 40,000 µs of CPU.
    expect(rowOf(sizing, 'core of Node: called directly')).toContain('80,000');
    expect(sizing).not.toContain("through Nest's pipeline");
  });

  it('computes no memory from a run with few connections', () => {
    const run = exampleRun();
    for (const cell of run.memory!) cell.more = 1_000;
    expect(sectionsOf(run, MEASURES).sizing).not.toContain('memory of 10,000');
  });

  it('computes memory, the share of Redis, and a storm of reconnects', () => {
    const { sizing } = sectionsOf(exampleRun(), MEASURES);
    expect(rowOf(sizing, 'memory of 10,000 idle connections in a process, 100 handlers')).toContain('80 MB');
    expect(rowOf(sizing, 'one core of Redis busy with handshakes: ticket')).toContain('5.0');
    expect(rowOf(sizing, '100,000 clients come back: ticket')).toContain('12.5 s of Node, 2.5 s of Redis');
  });

  it('counts the end of a connection for Redis as it does for Node', () => {
    const run = exampleRun();
    run['redis-cost']!.microsPer.goodbye = 29;
    const { sizing } = sectionsOf(run, MEASURES);
    expect(rowOf(sizing, 'one core of Redis busy with handshakes: ticket')).toContain('2.5');
  });

  it('sums up for the readme what a team would choose by', () => {
    const { summary } = sectionsOf(exampleRun(), MEASURES);
    expect(rowOf(summary, 'stock Nest, nobody checked')).toContain('2.00 (1.83–2.33)');
    expect(rowOf(summary, 'JwtService in handleConnection, its secret a text')).toContain('5.00 (4.00–6.00)');
    expect(rowOf(summary, 'JwtService in handleConnection, a KeyObject')).toContain('1.25 (1.00–1.50)');
    expect(rowOf(summary, 'heap of an idle connection')).toContain('0.35 (0.30–0.40)');
    expect(rowOf(summary, 'logout until the socket is closed')).toContain('4.0 ms');
    expect(rowOf(summary, '5,000 sockets revoked at once')).toContain('2.0 ms; 500.0 ms');
    expect(summary!.match(/revoked at once|logout/g)).toHaveLength(2);
  });
});

describe('docs/performance.md', () => {
  it('has a place for every measure, and no place that nothing fills', async () => {
    const { MEASURES: all } = await benchModule<{ MEASURES: Measure[] }>('measures.mjs');
    const guide = readFileSync(new URL('../../docs/performance.md', import.meta.url), 'utf8');
    const places = [...guide.matchAll(/<!-- bench:([\w-]+) -->/g)].map(([, name]) => name);
    expect(places.sort()).toEqual(['environment', 'goals', 'sizing', ...all.map(({ name }) => name)].sort());
  });
});
