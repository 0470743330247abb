// Writes the figures of a run into the documents: `node bench/harness/write-docs.mjs bench/results/FILE.json [more.json]`.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { fillMarkers } from './markers.mjs';
import { plot } from './plot.mjs';
import { mergeRuns, sectionsOf } from './sections.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PLOT = 'docs/images/bench.svg';
/** Whose table the readme has; the rest is in the guide. */
const README_SECTION = 'summary';

/**
 * Writes tables between their markers, and the plot. What else the documents say stays. Nothing is written when a marker
 * would keep the figures of another run.
 *
 * @param results one run, or several of the same commit that have the measures between them
 * @param measures those whose reports are written @default all
 * @returns the files that were written, and sentences about markers that are missing or could not be filled
 */
export async function writeDocs(results, { root = ROOT, measures } = {}) {
  const result = mergeRuns(results);
  const taken = measures ?? (await import('../measures.mjs')).MEASURES;
  const { [README_SECTION]: short, ...sections } = sectionsOf(result, taken);
  const documents = [
    ['docs/performance.md', sections],
    ['README.md', { [README_SECTION]: short }],
  ].map(([file, texts]) => ({ file, ...fillMarkers(readFileSync(join(root, file), 'utf8'), texts) }));
  const stale = documents.flatMap(({ file, left }) => left.map((name) => staleMarker(file, name)));
  if (stale.length > 0) return { written: [], problems: [...stale, 'nothing was written'] };
  for (const { file, text } of documents) {
    const path = join(root, file);
    writeFileSync(path, await format(text, { ...(await resolveConfig(path)), filepath: path }));
  }
  mkdirSync(dirname(join(root, PLOT)), { recursive: true });
  writeFileSync(join(root, PLOT), plot(result));
  return {
    written: [...documents.map(({ file }) => file), PLOT],
    problems: documents.flatMap(({ file, missing }) => missing.map((name) => missingMarker(file, name))),
  };
}

function missingMarker(file, name) {
  return `${file} has no marker for "${name}": put <!-- bench:${name} --> and <!-- /bench:${name} --> where it belongs`;
}

function staleMarker(file, name) {
  return `${file} wants "${name}", which is not in this run: give the file of another run of this commit, too`;
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const files = argv.slice(2);
  if (files.length === 0) {
    console.error('node bench/harness/write-docs.mjs bench/results/FILE.json [more.json]');
    process.exit(1);
  }
  const results = files.map((file) => JSON.parse(readFileSync(file, 'utf8')));
  const { written, problems } = await writeDocs(results).catch(({ message }) => ({
    written: [],
    problems: [message],
  }));
  for (const file of written) console.error(`wrote ${file}`);
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exitCode = 1;
}
