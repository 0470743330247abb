// Puts the Lua scripts into a TypeScript module, so that both builds find them without a file system. `--check` fails when
// the module is not what the scripts say.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../lib/redis/scripts', import.meta.url));
const target = fileURLToPath(new URL('../lib/redis/redis-scripts.ts', import.meta.url));
const PARTS = ['common', 'rate', 'ticket-spend'];

const read = (name) => readFileSync(join(folder, `${name}.lua`), 'utf8');
const withoutComments = (lua) => lua.replace(/^\s*--.*\n/gm, '').replace(/^\n+/gm, '');

function assemble(name) {
  const source = read(name);
  const shebang = source.startsWith('#!') ? source.slice(0, source.indexOf('\n') + 1) : '';
  const body = source
    .slice(shebang.length)
    .replace(/^-- @include (\S+)$/gm, (_, part) => withoutComments(read(part)));
  return shebang + withoutComments(body);
}

const names = readdirSync(folder)
  .filter((file) => file.endsWith('.lua'))
  .map((file) => file.slice(0, -'.lua'.length))
  .filter((name) => !PARTS.includes(name))
  .toSorted();
const constant = (name) => name.toUpperCase().replaceAll('-', '_');
const module = [
  '// Made from lib/redis/scripts/*.lua by `npm run lua`. Change those.',
  '',
  ...names.map((name) => `export const ${constant(name)} = ${JSON.stringify(assemble(name))};\n`),
].join('\n');

if (process.argv.includes('--check')) {
  if (readFileSync(target, 'utf8') !== module) {
    console.error('lib/redis/redis-scripts.ts is not what lib/redis/scripts says: run `npm run lua`');
    process.exit(1);
  }
} else {
  writeFileSync(target, module);
}
