import { cpSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { makeCertificates } from './certificates.mjs';
import { runOrThrow } from './run.mjs';

const OWN_NODE = process.versions.node.split('.')[0];

/** What every application of Nest with gateways installs. */
const NEST = ['common', 'core', 'platform-express', 'platform-ws', 'websockets'].map(
  (name) => `@nestjs/${name}`,
);

/** What the ways in and the suites need besides, whatever they import. */
const BESIDE = ['@nestjs/platform-fastify', 'jose', 'reflect-metadata', 'rxjs', 'typescript', 'vitest', 'ws'];

/** What makes an application of Nest 11 under Jest, and no more: npm chooses the dependencies of the package. */
const UNDER_JEST = [
  ...[...NEST, '@nestjs/testing'].map((name) => `${name}@11`),
  'reflect-metadata',
  'rxjs',
  'ws@8',
];

/** Nest 11 is CommonJS, and so are its applications. */
const FORMATS = { 11: 'cjs' };

/** The projects of a run, in a folder that is its own. */
export class Projects {
  /** @param root the repository  @param folder an empty one */
  constructor(root, folder) {
    this.root = root;
    this.folder = folder;
    this.source = join(folder, 'source');
  }

  /** Builds and packs in a copy: nobody's `dist` changes while it is in use. */
  async pack() {
    const left = new Set(['node_modules', 'dist', '.git', 'coverage'].map((name) => join(this.root, name)));
    cpSync(this.root, this.source, { recursive: true, filter: (from) => !left.has(from) });
    symlinkSync(join(this.root, 'node_modules'), join(this.source, 'node_modules'));
    const options = { cwd: this.source, minutes: 5 };
    await runOrThrow('npm', ['run', 'build'], options);
    await runOrThrow('npm', ['pack', '--ignore-scripts', '--pack-destination', this.folder], options);
    this.tarball = join(
      this.folder,
      readdirSync(this.folder).find((name) => name.endsWith('.tgz')),
    );
    makeCertificates(join(this.folder, 'certificates'));
  }

  /** @returns the path of the binary of a major */
  async nodeOf(major) {
    if (major === OWN_NODE) return process.execPath;
    const name = `node-${process.platform}-${process.arch}`;
    const project = join(this.folder, `node-${major}`);
    await this.#install(project, {}, [`${name}@${major}`]);
    return join(project, 'node_modules', name, 'bin', 'node');
  }

  /** A consumer's project with the newest Nest of a major, the packed package, and the tests. @param packages what they import */
  async makeForNest(nest, packages) {
    const project = join(this.folder, `nest-${nest}`);
    const wanted = new Set([...NEST, ...BESIDE, ...packages]);
    wanted.delete('nestjs-ws-auth');
    const named = [...wanted].map((name) => `${name}@${this.#releaseOf(name, nest)}`);
    await this.#install(project, { type: 'module' }, [...named, this.tarball]);
    for (const name of ['test', 'tsconfig.json'])
      cpSync(join(this.source, name), join(project, name), { recursive: true });
    cpSync(join(this.source, 'tools', 'count-reporter.mjs'), join(project, 'count-reporter.mjs'));
    this.#addParts(project);
    this.#standInForSources(project, FORMATS[nest.split('.')[0]] ?? 'esm');
    return project;
  }

  /** A CommonJS project with Nest 11 and Jest as they come. */
  async makeForJest() {
    const project = join(this.folder, 'jest');
    await this.#install(project, {}, [...UNDER_JEST, 'jest@30', this.tarball]);
    this.#addParts(project);
    return project;
  }

  async #install(project, manifest, packages) {
    mkdirSync(project, { recursive: true });
    const content = { name: 'consumer', private: true, ...manifest };
    writeFileSync(join(project, 'package.json'), JSON.stringify(content));
    const options = ['--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'];
    await runOrThrow('npm', ['install', ...options, ...packages], { cwd: project, minutes: 5 });
  }

  /** Packages of Nest go by its major, unless they are numbered otherwise; all others are those of this repository. */
  #releaseOf(name, nest) {
    const installed = versionIn(this.root, name);
    const isOfNest =
      name.startsWith('@nestjs/') && installed.startsWith(versionIn(this.root, '@nestjs/core').split('.')[0]);
    return isOfNest ? nest : installed;
  }

  #addParts(project) {
    cpSync(join(this.source, 'tools', 'matrix', 'consumer'), project, { recursive: true });
    cpSync(join(this.folder, 'certificates'), join(project, 'certificates'), { recursive: true });
  }

  /** The suites import `lib`: there, each module hands on the packed one. */
  #standInForSources(project, format) {
    const packed = join(project, 'node_modules', 'nestjs-ws-auth', 'dist', format);
    for (const file of readdirSync(packed, { recursive: true })) {
      if (!file.endsWith('.js')) continue;
      const module = join(project, 'lib', file.replace(/\.js$/, '.ts'));
      mkdirSync(dirname(module), { recursive: true });
      writeFileSync(module, `export * from '${pathToFileURL(join(packed, file))}';\n`);
    }
  }
}

/** The version of a package that a project has. */
export function versionIn(project, name) {
  return JSON.parse(readFileSync(join(project, 'node_modules', name, 'package.json'), 'utf8')).version;
}
