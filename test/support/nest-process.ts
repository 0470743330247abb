import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { RUN_TYPESCRIPT } from './typescript-process.js';

/** What the process tells of itself. */
export interface Measure {
  readonly rss: number;
  readonly events: readonly { readonly reasonCode: string; readonly closeCode?: number }[];
  readonly counts: { readonly dropped: number; readonly coalesced: number; readonly cut: number };
  readonly live: number;
}

/** An application in a process of its own: its memory, and its end, are nobody else's. */
export class NestProcess {
  readonly process: ChildProcess;
  port = 0;
  /** The port of the gateway that has one of its own. */
  ownPort = 0;

  private constructor(process: ChildProcess) {
    this.process = process;
  }

  /**
   * It believes every bearer token, but for "held", about which it never says anything.
   *
   * @param options of the module, where they differ from those of other tests
   */
  static async start(options: object): Promise<NestProcess> {
    const main = fileURLToPath(new URL('./nest-process-main.ts', import.meta.url));
    const child = fork(main, [JSON.stringify(options)], {
      execArgv: ['--expose-gc', ...RUN_TYPESCRIPT],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const started = new NestProcess(child);
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`the process ended with ${code}`);
    });
    ended.catch(() => {});
    const [facts] = (await Promise.race([once(child, 'message'), ended])) as [object];
    return Object.assign(started, facts);
  }

  /** Collects its garbage and measures. */
  async measure(): Promise<Measure> {
    return this.#ask('measure');
  }

  /** Sends so many messages of so many bytes to every client, as fast as the fastest reads. */
  async broadcast(event: string, count: number, bytes: number): Promise<Measure> {
    return this.#ask(['broadcast', event, count, bytes]);
  }

  /** Resolves with its exit code and signal. */
  async ended(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    if (this.process.exitCode === null && this.process.signalCode === null) await once(this.process, 'exit');
    return { code: this.process.exitCode, signal: this.process.signalCode };
  }

  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.ended();
  }

  async #ask(question: unknown): Promise<Measure> {
    const answer = once(this.process, 'message');
    this.process.send(question as string);
    const [measure] = (await answer) as [Measure];
    return measure;
  }
}
