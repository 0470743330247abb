import { readFileSync } from 'node:fs';

/** Whose share is told, by a part of the path of the file: the first that fits. */
const OWNERS = [
  ['ws', /node_modules\/ws\//],
  ['rxjs', /node_modules\/rxjs\//],
  ['Nest', /node_modules\/@nestjs\//],
  ['other packages', /node_modules\//],
  ['this library', /\/dist\/(?:esm|cjs)\//],
  ['bench', /\/bench\//],
  ['node:', /^node:/],
];

/** Sums a `.cpuprofile` up: which functions the time was spent in, and whose they are. */
export function summarizeProfile(file, count = 25) {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, 'utf8'));
  const selfOf = new Map();
  for (const [index, id] of samples.entries()) selfOf.set(id, (selfOf.get(id) ?? 0) + timeDeltas[index]);
  const byFunction = new Map();
  const byOwner = new Map();
  let busy = 0;
  for (const { id, callFrame } of nodes) {
    const self = selfOf.get(id) ?? 0;
    if (self === 0 || callFrame.functionName === '(idle)' || isProfiler(callFrame)) continue;
    busy += self;
    const name = nameOf(callFrame);
    byFunction.set(name, (byFunction.get(name) ?? 0) + self);
    const owner = ownerOf(callFrame);
    byOwner.set(owner, (byOwner.get(owner) ?? 0) + self);
  }
  const shares = (times) =>
    [...times].sort((a, b) => b[1] - a[1]).map(([name, self]) => ({ name, share: self / busy }));
  return { busyMs: busy / 1_000, owners: shares(byOwner), functions: shares(byFunction).slice(0, count) };
}

/** What it costs to begin and end a profile. */
function isProfiler({ functionName, url }) {
  return url === '' && functionName === 'dispatch';
}

function nameOf({ functionName, url, lineNumber }) {
  const name = functionName || '(anonymous)';
  if (url === '') return name;
  const file = url.replace(/^.*\/node_modules\//, '').replace(/^file:\/\/.*?\/(dist|bench)\//, '$1/');
  return `${name} ${file}:${lineNumber + 1}`;
}

function ownerOf({ functionName, url }) {
  if (functionName === '(garbage collector)') return 'garbage collector';
  return OWNERS.find(([, pattern]) => pattern.test(url))?.[0] ?? 'V8 and native code';
}
