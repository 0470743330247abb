import { goalsOf, goalsTable } from './goals.mjs';
import { sizing } from './sizing.mjs';
import { summary } from './summary.mjs';

/** The texts of the documents, by the name of their marker: one for each measure that was taken, and what is made of several. */
export function sectionsOf(result, measures) {
  const taken = measures.filter(({ name }) => result[name] !== undefined);
  return {
    environment: describeRun(result),
    ...Object.fromEntries(taken.map((measure) => [measure.name, reportOf(measure, result)])),
    goals: goalsTable(goalsOf(measures, result)),
    sizing: sizing(result),
    summary: `${summary(result)}\n\n${describeRun(result)}`,
  };
}

function reportOf({ name, title, report }, { settings, ...result }) {
  try {
    return `**${title(settings)}**\n\n${report(result[name], settings)}`;
  } catch (cause) {
    throw new Error(`"${name}" of this run is not as this bench tells it: was it taken by another version?`, {
      cause,
    });
  }
}

/** Where and with what the figures were taken. */
function describeRun({ environment, settings }) {
  const { node, cpu, cores, isPinned, versions, commit, date } = environment;
  const pinned = isPinned
    ? 'servers on one core, load and Redis on another'
    : 'processes not pinned to cores';
  const peers = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return (
    `\`npm run bench -- ${settings.mode}\` of ${date.slice(0, 10)}, commit ${commit}: Node ${node.slice(1)}, ` +
    `${cores} cores of ${cpu}, ${pinned}. ${peers.join(', ')}. Median (min–max); a ratio is taken within a round.`
  );
}

/** What a run must have in common with another, to be put together with it. */
const ALIKE = [
  ['commit', ({ environment }) => environment.commit],
  ['Node', ({ environment }) => environment.node],
  ['processor', ({ environment }) => environment.cpu],
  ['mode', ({ settings }) => settings.mode],
];

/**
 * Puts runs of different measures together; of a measure that was taken twice the last counts.
 *
 * @throws when they were not taken alike, or only to see that the bench works
 */
export function mergeRuns(results) {
  const [first] = results;
  if (first.settings.mode === 'smoke') throw new Error('the figures of a smoke run say nothing');
  for (const other of results) {
    const unlike = ALIKE.find(([, of]) => of(other) !== of(first));
    if (unlike)
      throw new Error(`these runs differ in their ${unlike[0]}: ${unlike[1](first)} and ${unlike[1](other)}`);
  }
  return Object.assign({}, ...results);
}
