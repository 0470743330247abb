// Measures nestjs-ws-auth/client as a page would load it, bundled, minified and gzipped, and fails over the limit.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const LIMIT_BYTES = 5_000;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { outputFiles, metafile } = await build({
  entryPoints: [join(root, 'lib/client/index.ts')],
  absWorkingDir: root,
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  platform: 'browser',
  write: false,
  metafile: true,
  logLevel: 'error',
});

const strangers = Object.keys(metafile.inputs).filter((path) => !path.startsWith('lib/client/'));
if (strangers.length > 0) throw new Error(`the client brings along ${strangers.join(', ')}`);

const [{ contents }] = outputFiles;
const bytes = gzipSync(contents, { level: 9 }).length;
console.log(
  `nestjs-ws-auth/client: ${contents.length} bytes minified, ${bytes} gzipped (limit ${LIMIT_BYTES})`,
);
if (bytes >= LIMIT_BYTES) process.exit(1);
