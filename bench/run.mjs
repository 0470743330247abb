// Measures this library beside bare ws and stock Nest, in one run and slice by slice: `npm run bench -- --help`.
import { environment, keep } from './harness/results.mjs';
import { measureEcho, reportEcho } from './measures/echo.mjs';
import { measureMemory, reportMemory } from './measures/idle-memory.mjs';
import { readSettings, USAGE } from './settings.mjs';

const settings = readSettings(process.argv.slice(2));
if (!settings) {
  console.log(USAGE);
  process.exit(1);
}
const log = (text) => console.error(text);
const result = { environment: environment(), settings };
const { node, cpu, cores, isPinned, loadBefore } = result.environment;
console.log(
  `Node ${node}, ${cores} × ${cpu}, servers and load ${isPinned ? 'on a core each' : 'not pinned'}, ` +
    `load average before ${loadBefore.toFixed(2)}. Median (min–max); ratios within a round.`,
);
if (settings.measures.includes('echo')) {
  result.echo = await measureEcho(settings, log);
  console.log(`\n## Echo, ${settings.connections} connections\n`);
  console.log(reportEcho(result.echo, settings.variants));
}
if (settings.measures.includes('memory')) {
  result.memory = await measureMemory(settings, log);
  console.log('\n## Memory of an idle connection, at 1,000\n');
  console.log(reportMemory(result.memory));
}
log(`kept in ${keep('bench', result)}`);
