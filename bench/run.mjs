// Measures this library beside its peers, in one run and slice by slice: `npm run bench -- --help`.
import { goalsOf, goalsTable } from './harness/goals.mjs';
import { environment, keep } from './harness/results.mjs';
import { writeDocs } from './harness/write-docs.mjs';
import { MEASURES } from './measures.mjs';
import { readSettings, USAGE } from './settings.mjs';

const log = (text) => console.error(text);
const report = [];
const tell = (text) => {
  report.push(text);
  console.log(text);
};

const settings = settingsOrExit();
const measures = MEASURES.filter(({ name }) => settings.measures.includes(name));
const result = { environment: environment(), settings };
tell(`${describe(result.environment)} Mode ${settings.mode}. Median (min–max); ratios within a round.`);
const failed = [];
for (const measure of measures) {
  const begin = performance.now();
  try {
    result[measure.name] = await measure.measure(settings, log);
  } catch (error) {
    // Of a measure that fails there are no figures; those of the others stand.
    failed.push(measure.name);
    tell(`\n## ${measure.title(settings)}\n\nFailed: ${error.message}`);
    continue;
  }
  tell(`\n## ${measure.title(settings)}\n`);
  tell(measure.report(result[measure.name], settings));
  log(`${measure.name} took ${((performance.now() - begin) / 1_000).toFixed(0)} s`);
}
result.goals = goalsOf(
  measures.filter(({ name }) => !failed.includes(name)),
  result,
);
if (result.goals.length > 0) {
  tell('\n## Goals\n');
  tell(goalsTable(result.goals));
}
log(`kept in ${keep('bench', result, report.join('\n'))}`);
if (failed.length > 0) {
  log(`failed: ${failed.join(', ')}`);
  process.exitCode = 1;
} else if (settings.isWritten) {
  const { written, problems } = await writeDocs([result]);
  for (const file of written) log(`wrote ${file}`);
  for (const problem of problems) log(problem);
  if (problems.length > 0) process.exitCode = 1;
}

function settingsOrExit() {
  try {
    const read = readSettings(process.argv.slice(2));
    if (read) return read;
    console.log(USAGE);
    process.exit(0);
  } catch (error) {
    console.error(`${error.message}\n\n${USAGE}`);
    process.exit(1);
  }
}

function describe({ node, cpu, cores, isPinned, loadBefore }) {
  const places = isPinned ? 'on a core each' : 'not pinned';
  return `Node ${node}, ${cores} × ${cpu}, servers and load ${places}, load average before ${loadBefore.toFixed(2)}.`;
}
