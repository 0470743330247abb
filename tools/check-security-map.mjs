// Holds docs/security.md against the tests: every requirement has a row, and what a row claims can be looked up.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const MAP = 'docs/security.md';

/** How many requirements each family has, in the order of the document. */
const FAMILIES = {
  HS: 15,
  OR: 6,
  CR: 7,
  JW: 6,
  CK: 4,
  FM: 6,
  TK: 9,
  SE: 10,
  TH: 10,
  MS: 8,
  LT: 7,
  LG: 5,
  RD: 4,
  CF: 3,
};

/** What no release goes without: these rows have a test. */
const ALWAYS = [
  ...range('HS', 1, 14),
  ...range('OR', 1, 6),
  ...range('CR', 1, 3),
  ...range('CR', 6, 7),
  ...range('JW', 1, 6),
  ...range('CK', 1, 4),
  ...range('FM', 1, 6),
  ...range('TK', 1, 9),
  ...range('SE', 1, 3),
  'SE-06',
  'SE-08',
];

const STATUSES = ['tested', 'partly', 'planned'];
const ID = new RegExp(`\\b(?:${Object.keys(FAMILIES).join('|')})-\\d{2,}\\b`, 'g');
const ROW = /^\| *([A-Z]{2}-\d{2}) *\|(.*?)\| *(\w+) *\|(.*)\|$/gm;
const CLAIM = /`(test\/[^`]+)` “([^”]+)”/g;

const known = Object.entries(FAMILIES).flatMap(([family, count]) => range(family, 1, count));
const rows = readRows();
const tests = readTests();
const problems = [
  ...known.filter((id) => !rows.has(id)).map((id) => `${id} has no row in ${MAP}`),
  ...[...rows].flatMap(([id, row]) => problemsOf(id, row)),
  ...ALWAYS.filter((id) => rows.get(id)?.status === 'planned').map((id) => `${id} must have a test`),
  ...[...tests].flatMap(([file, text]) => unknownIds(file, text)),
];

const count = (status) => [...rows.values()].filter((row) => row.status === status).length;
for (const problem of problems) console.error(problem);
console.log(
  `${known.length} requirements: ${STATUSES.map((status) => `${count(status)} ${status}`).join(', ')}; ` +
    `${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}`,
);
process.exitCode = problems.length > 0 ? 1 : 0;

function range(family, from, to) {
  return Array.from(
    { length: to - from + 1 },
    (_, index) => `${family}-${String(from + index).padStart(2, '0')}`,
  );
}

function readRows() {
  const found = new Map();
  for (const [, id, requirement, status, shownBy] of readFileSync(join(ROOT, MAP), 'utf8').matchAll(ROW)) {
    const claims = [...shownBy.matchAll(CLAIM)].map(([, file, name]) => ({ file, name }));
    const words = shownBy.replaceAll(CLAIM, '').replaceAll('<br>', '').trim();
    const isTwice = found.has(id);
    found.set(id, { requirement: requirement.trim(), status, claims, words, isTwice });
  }
  return found;
}

/** Everything under test/, by path. */
function readTests() {
  const files = readdirSync(join(ROOT, 'test'), { recursive: true, withFileTypes: true })
    .filter(
      (entry) =>
        entry.isFile() && /\.(?:spec|e2e-spec|fault-spec|browser-spec|contract)\.ts$/.test(entry.name),
    )
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  return new Map(
    files.map((file) => [file.slice(ROOT.length + 1).replaceAll('\\', '/'), readFileSync(file, 'utf8')]),
  );
}

function problemsOf(id, { requirement, status, claims, words, isTwice }) {
  const found = [];
  if (!known.includes(id)) found.push(`${id} stands in ${MAP} and is no requirement`);
  if (isTwice) found.push(`${id} has two rows`);
  if (requirement === '') found.push(`${id} says nothing of what is required`);
  if (!STATUSES.includes(status)) found.push(`${id} is "${status}": it must be ${STATUSES.join(', ')}`);
  if (status !== 'tested' && words === '') found.push(`${id} is ${status} and does not say why`);
  if (status === 'planned') return found;
  if (claims.length === 0) found.push(`${id} is ${status} and names no test`);
  for (const { file, name } of claims) {
    if (!existsSync(join(ROOT, file))) found.push(`${id} names ${file}, which is not there`);
    else if (!tests.get(file)?.includes(name)) found.push(`${id}: ${file} has no test “${name}”`);
  }
  if (claims.length > 0 && !claims.some(({ file }) => tests.get(file)?.includes(id))) {
    found.push(`${id} is in none of the files that it names`);
  }
  return found;
}

function unknownIds(file, text) {
  const ids = new Set(text.match(ID) ?? []);
  return [...ids]
    .filter((id) => !known.includes(id))
    .map((id) => `${file} has ${id}, which is no requirement`);
}
