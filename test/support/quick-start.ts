import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

/** The quick start as a process of its own, as `npm start` runs it. */
export interface QuickStart {
  readonly origin: string;
  readonly port: number;
  /** Everything it has printed. */
  readonly output: () => string;
  stop(): Promise<number | null>;
}

const MAIN = fileURLToPath(new URL('../../sample/01-quick-start/dist/main.js', import.meta.url));

/** Starts the built quick start on a free port, and waits until it listens. */
export async function startQuickStart(env: Record<string, string> = {}): Promise<QuickStart> {
  const port = await freePort();
  const child = spawn(process.execPath, [MAIN], {
    env: { ...process.env, NODE_ENV: 'development', PORT: String(port), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  await new Promise<void>((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      output += chunk.toString();
      if (output.includes('Quick start: ')) resolve();
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('exit', (code) => reject(new Error(`the quick start ended with ${code}:\n${output}`)));
  });
  return { origin: `http://localhost:${port}`, port, output: () => output, stop: () => stop(child) };
}

async function stop(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null) return child.exitCode;
  child.kill('SIGTERM');
  const [code] = (await once(child, 'exit')) as [number | null];
  return code;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
