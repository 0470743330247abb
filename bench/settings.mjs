import { parseArgs } from 'node:util';
import { VARIANTS } from './variants.mjs';

const MODES = {
  quick: { processes: 1, slices: 5, sliceMs: 700, warmUpMs: 1_500, memoryRuns: 3 },
  full: { processes: 4, slices: 6, sliceMs: 1_500, warmUpMs: 3_000, memoryRuns: 5 },
};

export const MEASURES = ['echo', 'memory'];

export const USAGE = `npm run bench -- [quick|full] [options]
  --measure echo|memory     one of the measures alone
  --variants a,b            of ${VARIANTS.map(({ name }) => `"${name}"`).join(', ')}
  --windows 1,8             messages in flight on a connection
  --handlers 1,100          events that the gateway knows
  --connections 50
  --cpu-prof                profiles each server, and says where its time went
  --heap-prof               says of which objects the memory of a connection is made`;

/** Reads the command line. */
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
      help: { type: 'boolean', default: false },
    },
  });
  const mode = positionals[0] ?? 'quick';
  if (values.help || !(mode in MODES)) return undefined;
  const named = values.variants?.split(',');
  return {
    mode,
    ...MODES[mode],
    measures: values.measure ? [values.measure] : MEASURES,
    variants: VARIANTS.filter(({ name, isExtra }) => (named ? named.includes(name) : !isExtra)),
    windows: values.windows.split(',').map(Number),
    handlers: values.handlers.split(',').map(Number),
    connections: Number(values.connections),
    isProfiled: values['cpu-prof'],
    isHeapProfiled: values['heap-prof'],
  };
}
