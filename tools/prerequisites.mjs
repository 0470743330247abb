// Looks for what the tests need beyond npm: finds it on the PATH, installs it through apt where it may, or says how.
import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, resolve } from 'node:path';

/** The sample with two nodes starts a redis-server, whatever server the tests are to run on. */
const servers = new Set(['redis-server', process.env.REDIS_SERVER ?? 'redis-server']);

const isOnPath = (program) =>
  (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(resolve(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });

/** Debian's module is for Debian's Python, whatever `python3` is on the PATH. */
const hasPythonModule = (name) => {
  try {
    execFileSync('/usr/bin/python3', ['-c', `import ${name}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

const program = (name) => ({ name, debianPackage: name, isThere: () => isOnPath(name) });

/** What the tests need, each with the Debian package that brings it. */
const PREREQUISITES = [
  program('chromium'),
  program('firefox-esr'),
  program('openssl'),
  ...[...servers].map(program),
  {
    name: 'websockets for /usr/bin/python3',
    debianPackage: 'python3-websockets',
    isThere: () => hasPythonModule('websockets'),
  },
];

const missing = PREREQUISITES.filter(({ isThere }) => !isThere());
if (missing.length > 0) {
  const packages = missing.map(({ debianPackage }) => debianPackage);
  const mayInstall = process.getuid?.() === 0 && isOnPath('apt-get');
  if (!mayInstall) {
    console.error(
      `The tests need ${missing.map(({ name }) => name).join(', ')}. Install: sudo apt-get install -y ${packages.join(' ')}`,
    );
    process.exit(1);
  }
  console.log(`Installing ${packages.join(', ')} through apt for the tests …`);
  const options = {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  };
  execFileSync('apt-get', ['update', '-qq'], options);
  execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], options);
}
