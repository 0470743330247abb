import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** What a process is started with that runs TypeScript as it stands. */
export const RUN_TYPESCRIPT = ['--import', new URL('./typescript-loader.mjs', import.meta.url).href];

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

/** Forks a module. */
export function forkTypeScript(module: URL, ...args: string[]): TypeScriptProcess {
  const child = fork(fileURLToPath(module), args, {
    execArgv: RUN_TYPESCRIPT,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const exited = once(child, 'exit').then(() => {});
  return {
    process: child,
    message: async () => {
      const ended = exited.then(() => {
        throw new Error(`the process ended with ${child.exitCode}`);
      });
      const [message] = (await Promise.race([once(child, 'message'), ended])) as [unknown];
      return message;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
    ended: () => exited,
  };
}
