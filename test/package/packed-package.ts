import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const run = promisify(execFile);
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What a consumer installs besides the package. */
export interface ConsumerManifest {
  readonly type?: 'module' | 'commonjs';
  readonly dependencies: Readonly<Record<string, string>>;
}

/** The version of a package that this repository is tested with. */
export function installedVersion(name: string): string {
  const file = join(ROOT, 'node_modules', name, 'package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

/**
 * Packs what is built, and installs it into an empty project. Packs without building: to build would take `dist` away
 * from under everybody who runs it.
 *
 * @returns the name of the tarball, which is left in the project
 */
export async function installPacked(project: string, manifest: ConsumerManifest): Promise<string> {
  const pack = ['pack', '--json', '--silent', '--ignore-scripts', '--pack-destination', project];
  const { stdout } = await run('npm', pack, { cwd: ROOT });
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
  const dependencies = { ...manifest.dependencies, 'nestjs-ws-auth': `file:${filename}` };
  writeFileSync(
    join(project, 'package.json'),
    JSON.stringify({ name: 'consumer', private: true, ...manifest, dependencies }),
  );
  const install = ['install', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'];
  await run('npm', install, { cwd: project });
  return filename;
}
