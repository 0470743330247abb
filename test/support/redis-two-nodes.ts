import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { freePort } from './free-port.js';

/** The sample with two nodes as a process of its own, as `npm run sample:redis` runs it. */
export interface TwoNodes {
  readonly ports: { readonly A: number; readonly B: number };
  readonly originOf: (name: 'A' | 'B') => string;
  /** Everything it has printed. */
  readonly output: () => string;
  /** Asks it to end. @returns its exit code */
  stop(): Promise<number | null>;
}

const MAIN = fileURLToPath(new URL('../../sample/02-redis-two-nodes/dist/main.js', import.meta.url));

/** Starts the built sample on free ports, and waits until both nodes listen. */
export async function startTwoNodes(env: Record<string, string | undefined> = {}): Promise<TwoNodes> {
  const ports = { A: await freePort(), B: await freePort() };
  const settings = { NODE_ENV: 'development', PORT_A: String(ports.A), PORT_B: String(ports.B) };
  const child = spawn(process.execPath, [MAIN], {
    env: { ...process.env, REDIS_URL: undefined, ...settings, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  await new Promise<void>((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      output += chunk.toString();
      if (output.includes('Two nodes: ')) resolve();
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('close', (code) => reject(new Error(`the sample ended with ${code}:\n${output}`)));
  });
  return {
    ports,
    originOf: (name) => `http://localhost:${ports[name]}`,
    output: () => output,
    stop: async () => {
      if (child.exitCode !== null) return child.exitCode;
      child.kill('SIGTERM');
      const [code] = (await once(child, 'close')) as [number | null];
      return code;
    },
  };
}
