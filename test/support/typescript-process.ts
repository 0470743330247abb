import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A module of this repository as a process of its own. */
export interface TypeScriptProcess {
  readonly process: ChildProcess;
  /** The next message that it sends. */
  message(): Promise<unknown>;
  /** Kills it as a machine does that loses its power. */
  kill(): Promise<void>;
  /** Resolves when it has ended by itself. */
  ended(): Promise<void>;
}

/** Translates a module and everything it imports by a relative path into a folder of its own, and forks it. */
export function forkTypeScript(module: URL, ...args: string[]): TypeScriptProcess {
  const folder = mkdtempSync(join(tmpdir(), 'process-'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const main = translate(fileURLToPath(module), folder, new Set());
  const child = fork(main, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const removed = once(child, 'exit').then(() => rmSync(folder, { recursive: true, force: true }));
  return {
    process: child,
    message: async () => {
      const ended = removed.then(() => {
        throw new Error(`the process ended with ${child.exitCode}`);
      });
      const [message] = (await Promise.race([once(child, 'message'), ended])) as [unknown];
      return message;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await removed;
    },
    ended: () => removed,
  };
}

/** @returns where the translation lies */
function translate(file: string, folder: string, seen: Set<string>): string {
  const target = join(folder, relative(ROOT, file)).replace(/\.ts$/, '.js');
  if (seen.has(file)) return target;
  seen.add(file);
  const { outputText } = ts.transpileModule(readFileSync(file, 'utf8'), {
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      useDefineForClassFields: false,
    },
  });
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, outputText);
  for (const [, path] of outputText.matchAll(/^(?:import|export) .*from ['"](\.[^'"]+)\.js['"]/gm)) {
    translate(join(dirname(file), `${path}.ts`), folder, seen);
  }
  return target;
}
