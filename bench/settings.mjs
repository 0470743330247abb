import { parseArgs } from 'node:util';
import { MEASURES } from './measures.mjs';
import { VARIANTS } from './variants.mjs';

/** How much is measured. The sizes of a single measure are with that measure. */
const MODES = ['quick', 'full', 'smoke'];

export const USAGE = `npm run bench -- [quick|full|smoke] [options]
  quick                     every measure, one process each: about five minutes
  full                      several fresh processes, longer slices, more peers: about half an hour
  smoke                     everything once and tiny, to see that it works: its figures say nothing
  --measure a,b             of ${MEASURES.map(({ name }) => name).join(', ')}
  --variants a,b            instead of those that a measure chooses, of
                            ${VARIANTS.map(({ name }) => `"${name}"`).join(',\n                            ')}
  --windows 1,8             messages in flight on a connection
  --handlers 1,100          events that the gateway knows
  --connections 50
  --cpu-prof                profiles each server, and says where its time went
  --heap-prof               says of which objects the memory of a connection is made
  --write                   writes the figures into docs/performance.md and README.md, and draws the plot`;

/**
 * Reads the command line.
 *
 * @returns undefined for --help
 * @throws with a sentence about what it does not know
 */
export function readSettings(args) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      measure: { type: 'string' },
      variants: { type: 'string' },
      windows: { type: 'string', default: '1,8' },
      handlers: { type: 'string', default: '1,100' },
      connections: { type: 'string', default: '50' },
      'cpu-prof': { type: 'boolean', default: false },
      'heap-prof': { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const [mode = 'quick', ...others] = positionals;
  if (others.length > 0) throw new Error(`"${others[0]}" is not known: see --help`);
  known(mode, 'mode', MODES);
  if (values.write && mode === 'smoke')
    throw new Error('the figures of smoke say nothing: --write is for quick and full');
  if (values.write && values.variants)
    throw new Error('--write is for the variants that each measure chooses, so that no table lacks a peer');
  const measures = values.measure?.split(',') ?? MEASURES.map(({ name }) => name);
  for (const name of measures) known(name, 'measure', namesOf(MEASURES));
  const variants = values.variants?.split(',');
  for (const name of variants ?? []) known(name, 'variant', namesOf(VARIANTS));
  return {
    mode,
    measures,
    variants,
    windows: counts('windows', values.windows),
    handlers: counts('handlers', values.handlers),
    connections: counts('connections', values.connections)[0],
    isProfiled: values['cpu-prof'],
    isHeapProfiled: values['heap-prof'],
    isWritten: values.write,
  };
}

function namesOf(entries) {
  return entries.map(({ name }) => name);
}

function known(name, kind, names) {
  if (!names.includes(name)) throw new Error(`there is no ${kind} "${name}", only ${names.join(', ')}`);
}

function counts(option, text) {
  const numbers = text.split(',').map(Number);
  if (numbers.every((count) => Number.isSafeInteger(count) && count > 0)) return numbers;
  throw new Error(`--${option} takes whole numbers above 0, received "${text}"`);
}
