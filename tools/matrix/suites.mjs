import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

const FOLDER = 'test/e2e';
const ENDING = '.e2e-spec.ts';

/**
 * The suites that hang on what Nest and Node do; a `*` stands for whatever follows. Samples, clusters and failovers are
 * left to `npm test`: nothing in them differs with the platform.
 */
export const SUITES = `
  audit back-pressure boot browser-refusal controller credentials direct-handlers drain fence first-message first-steps
  foreign-promise frames ground* handshake issuer-only jwks lifetime lifetime-redis message-end message-order
  more-credentials origin parity public-gateway redis-nodes redis-rate sessions throttle tickets`
  .trim()
  .split(/\s+/);

/** The files of suites that are there. @throws {Error} for a name that stands for none, but for one with a `*` */
export function filesOf(root, names) {
  const files = readdirSync(join(root, FOLDER)).filter((file) => file.endsWith(ENDING));
  return names.flatMap((name) => {
    const fits = name.endsWith('*')
      ? (file) => file.startsWith(name.slice(0, -1))
      : (file) => file === `${name}${ENDING}`;
    const found = files.filter(fits);
    if (found.length === 0 && !name.endsWith('*')) throw new Error(`no suite ${FOLDER}/${name}${ENDING}`);
    return found.map((file) => `${FOLDER}/${file}`);
  });
}

/** The packages of this repository that files import, or the files of its tests that they import. */
export function packagesOf(root, files) {
  const packages = new Set();
  const seen = new Set();
  const read = (file) => {
    if (seen.has(file) || !existsSync(join(root, file))) return;
    seen.add(file);
    const text = readFileSync(join(root, file), 'utf8');
    for (const [, name] of text.matchAll(/(?:\bfrom|\bimport\(?)\s*'([^']+)'/g)) {
      if (!name.startsWith('.')) packages.add(name.match(/^(@[^/]+\/)?[^/]+/)[0]);
      else if (file.startsWith('test/')) read(join(dirname(file), name).replace(/\.js$/, '.ts'));
    }
  };
  files.forEach(read);
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return [...packages].filter((name) => name in dependencies || name in devDependencies);
}

/** What came of a suite, by vitest's report. One that did not run, or could not be read, has failed. */
export function countsOf(result, output) {
  if (!result)
    return { passed: 0, failed: 1, skipped: 0, reasons: [`it did not run: ${output.slice(-2_000)}`] };
  const tests = result.assertionResults;
  const failed = tests.filter(({ status }) => status === 'failed');
  const reasons = failed.map(({ fullName, failureMessages: [reason] }) => `${fullName}: ${reason}`);
  if (result.status === 'failed' && failed.length === 0) reasons.push(result.message);
  const skipped = tests.filter(({ status }) => status !== 'passed' && status !== 'failed').length;
  const passed = tests.length - failed.length - skipped;
  return { passed, failed: Math.max(failed.length, reasons.length), skipped, reasons };
}

/** A suite as it is named here. */
export function suiteOf(file) {
  return file.slice(FOLDER.length + 1, -ENDING.length);
}
