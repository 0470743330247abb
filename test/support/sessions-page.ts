import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { freePort } from './free-port.js';

/** The sample with the sessions page as a process of its own, as `npm run sample:sessions` runs it. */
export interface SessionsPage {
  readonly origin: string;
  /** Asks it to end. @returns its exit code */
  stop(): Promise<number | null>;
}

const MAIN = fileURLToPath(new URL('../../sample/04-sessions/dist/main.js', import.meta.url));

/** Starts the built sample on a free port, and waits until it listens. */
export async function startSessionsPage(env: Record<string, string> = {}): Promise<SessionsPage> {
  const port = await freePort();
  const child = spawn(process.execPath, [MAIN], {
    env: { ...process.env, REDIS_URL: undefined, NODE_ENV: 'development', PORT: String(port), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  await new Promise<void>((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      output += chunk.toString();
      if (output.includes('Sessions: ')) resolve();
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('exit', (code) => reject(new Error(`the sessions page ended with ${code}:\n${output}`)));
  });
  return {
    origin: `http://localhost:${port}`,
    stop: async () => {
      if (child.exitCode !== null) return child.exitCode;
      child.kill('SIGTERM');
      const [code] = (await once(child, 'exit')) as [number | null];
      return code;
    },
  };
}
