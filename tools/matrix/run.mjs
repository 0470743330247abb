import { spawn } from 'node:child_process';

const running = new Set();

/** In a process group of its own, which ends with it: what a suite has started does not outlive it. */
export function run(command, args, { cwd, minutes, env = {} }) {
  return new Promise((resolve) => {
    const options = {
      cwd,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    };
    const child = spawn(command, args, options);
    running.add(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    const timer = setTimeout(() => {
      output += `\nstopped after ${minutes} minutes`;
      stop(child);
    }, minutes * 60_000);
    child.once('error', (error) => (output += error));
    child.once('close', (code) => {
      clearTimeout(timer);
      stop(child);
      running.delete(child);
      resolve({ code, output });
    });
  });
}

/** Runs what nothing can go on without. @throws {Error} with all that it has printed */
export async function runOrThrow(command, args, options) {
  const { code, output } = await run(command, args, options);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}:\n${output}`);
}

/** Ends what is still running. */
export function stopAll() {
  for (const child of running) stop(child);
}

function stop({ pid }) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
