import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire, register } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';

// `node --import` of this file: TypeScript with Nest's decorators runs as it stands, in a process without a test runner.
if (isMainThread) register(import.meta.url);

/** What was translated once is read from here by every process after that: translating takes some ten times as long as the start. */
const TRANSLATED = fileURLToPath(new URL('../../node_modules/.cache/translated-for-tests', import.meta.url));
const { version } = createRequire(import.meta.url)('typescript/package.json');
const self = readFileSync(fileURLToPath(import.meta.url), 'utf8');

let ts;

export async function resolve(specifier, context, next) {
  const isOurs = specifier.startsWith('.') && context.parentURL?.endsWith('.ts');
  return next(isOurs ? specifier.replace(/\.js$/, '.ts') : specifier, context);
}

export async function load(url, context, next) {
  if (!url.startsWith('file:') || !url.endsWith('.ts')) return next(url, context);
  return { format: 'module', source: await translated(fileURLToPath(url)), shortCircuit: true };
}

/** The name of a translation says all that it is made of: a text that has changed has another one. */
async function translated(fileName) {
  const text = readFileSync(fileName, 'utf8');
  const name = createHash('sha256')
    .update(JSON.stringify([version, self, text]))
    .digest('hex');
  const kept = join(TRANSLATED, `${name}.js`);
  try {
    return readFileSync(kept, 'utf8');
  } catch {
    const source = await translate(text, fileName);
    keep(kept, source);
    return source;
  }
}

async function translate(text, fileName) {
  ts ??= (await import('typescript')).default;
  const { outputText } = ts.transpileModule(text, {
    fileName,
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      useDefineForClassFields: false,
      experimentalDecorators: true,
      emitDecoratorMetadata: true,
    },
  });
  return outputText;
}

/** In one step: a process that starts at the same time finds the whole file, or none. */
function keep(path, source) {
  mkdirSync(TRANSLATED, { recursive: true });
  writeFileSync(`${path}.${process.pid}`, source);
  renameSync(`${path}.${process.pid}`, path);
}
