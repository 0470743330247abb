import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

const SERVER_CORE = 0;
const LOAD_CORE = 1;
/** The one that Debian's packages are for: python3-websockets is among them. */
export const PYTHON = '/usr/bin/python3';
const CAN_PIN = availableParallelism() > 1 && spawnSync('taskset', ['--version']).status === 0;
/** Load that never sleeps gives way to what shares its core, such as Redis. */
const GIVE_WAY = ['nice', '-n', '19'];

/** True when servers and load have a core each, so that they do not push one another about. */
export const isPinned = CAN_PIN;

/** A process that is asked things over IPC. */
class Child {
  #process;
  #waiting = new Map();
  #lastId = 0;

  constructor(process) {
    this.#process = process;
    process.on('message', ({ id, answer, error }) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(answer);
      else waiting?.reject(new Error(error));
    });
    process.on('exit', (code) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`a process ended with ${code}`));
    });
    // What is written to a process that has just ended: its exit tells more.
    process.on('error', () => {});
  }

  ask(what, details = {}) {
    return new Promise((resolve, reject) => {
      if (!this.#process.connected)
        return reject(new Error(`a process that is to be asked "${what}" has ended`));
      const id = ++this.#lastId;
      this.#waiting.set(id, { resolve, reject });
      this.#process.send({ id, ask: what, ...details });
    });
  }

  async stop() {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.disconnect();
    await ended;
  }
}

/** Starts a server, and waits until it listens. */
export async function startServer({ file, env = {}, preload }, settings = {}) {
  const execArgv = [
    '--expose-gc',
    ...(preload ? ['--import', new URL(`../servers/${preload}`, import.meta.url).href] : []),
  ];
  const process = start(`../servers/${file}`, SERVER_CORE, { ...env, ...settings }, execArgv);
  const failed = once(process, 'exit').then(([code]) => {
    throw new Error(`${file} ended with ${code}`);
  });
  const [{ port }] = await Promise.race([once(process, 'message'), failed]);
  failed.catch(() => {});
  return { child: new Child(process), port };
}

export function startGenerator() {
  return startLoad('generator.mjs', CAN_PIN ? GIVE_WAY : []);
}

/** Starts a process that makes load of another kind. */
export function startLoad(file, before = []) {
  return new Child(start(`../load/${file}`, LOAD_CORE, {}, [], before));
}

/** The command that runs another on the core of the load. */
export function besideLoad(command) {
  return [...pinTo(LOAD_CORE), ...command];
}

function pinTo(core) {
  return CAN_PIN ? ['taskset', '-c', String(core)] : [];
}

/** What a server logs goes nowhere, but it does log: that is a part of its work. */
function start(file, core, env, execArgv, before = []) {
  const program = file.endsWith('.py') ? [PYTHON] : [process.execPath, ...execArgv];
  const command = [...pinTo(core), ...before, ...program, fileURLToPath(new URL(file, import.meta.url))];
  return spawn(command[0], command.slice(1), {
    env: { ...process.env, NO_COLOR: '1', ...env },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
}
