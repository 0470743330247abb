import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** The playground as a process of its own, as `npm run playground` runs it. */
export interface Playground {
  readonly url: string;
  /** Everything it has printed. */
  readonly output: () => string;
  /** Asks it to end. @returns its exit code */
  stop(): Promise<number | null>;
}

const MAIN = fileURLToPath(new URL('../../sample/03-playground/dist/main.js', import.meta.url));
const FREE_PORTS = Object.fromEntries(
  ['PORT', 'PORT_GATEWAY', 'PORT_COOKIE', 'PORT_BASIC', 'PORT_TLS', 'PORT_FOREIGN'].map((name) => [
    name,
    '0',
  ]),
);

/** Starts the built playground on free ports, and waits until it listens. */
export async function startPlayground(env: Record<string, string> = {}): Promise<Playground> {
  const child = spawn(process.execPath, [MAIN], {
    env: { ...process.env, NODE_ENV: 'development', ...FREE_PORTS, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const url = await new Promise<string>((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      output += chunk.toString();
      const [, found] = /Playground: (http:\S+)\n/.exec(output) ?? [];
      if (found) resolve(found);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('close', (code) => reject(new Error(`the playground ended with ${code}:\n${output}`)));
  });
  return {
    url,
    output: () => output,
    stop: async () => {
      if (child.exitCode !== null) return child.exitCode;
      child.kill('SIGTERM');
      const [code] = (await once(child, 'close')) as [number | null];
      return code;
    },
  };
}
