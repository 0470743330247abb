// Looks for what the tests need beyond npm: finds it on the PATH, installs it through apt where it may, or says how.
import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, resolve } from 'node:path';

/** The sample with two nodes starts a redis-server, whatever server the tests are to run on. */
const servers = new Set(['redis-server', process.env.REDIS_SERVER ?? 'redis-server']);

/** The programs, each with the Debian package that brings it. */
const PROGRAMS = [
  { program: 'chromium', debianPackage: 'chromium' },
  ...[...servers].map((program) => ({ program, debianPackage: program })),
];

const isOnPath = (program) =>
  (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(resolve(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });

const missing = PROGRAMS.filter(({ program }) => !isOnPath(program));
if (missing.length > 0) {
  const packages = missing.map(({ debianPackage }) => debianPackage);
  const mayInstall = process.getuid?.() === 0 && isOnPath('apt-get');
  if (!mayInstall) {
    console.error(
      `The tests need ${missing.map(({ program }) => program).join(', ')}. Install: sudo apt-get install -y ${packages.join(' ')}`,
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
