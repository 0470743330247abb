import { run } from '../../lib/cli/run.js';

/** What a command has left behind. */
export interface CliResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** What a test changes of the world that a command finds. */
export interface CliWorld {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** What the person at the terminal answers; left out, there is none. */
  readonly answer?: boolean;
}

/** Runs a command line in this process. */
export async function runCli(
  args: readonly string[],
  { env = {}, answer }: CliWorld = {},
): Promise<CliResult & { asked: string[] }> {
  const { console: before } = globalThis;
  const nodeEnv = process.env.NODE_ENV;
  const written = { out: '', err: '' };
  const asked: string[] = [];
  const confirm = (question: string): Promise<boolean> => {
    asked.push(question);
    return Promise.resolve(answer === true);
  };
  try {
    const code = await run(args, {
      env,
      out: (text) => void (written.out += text),
      err: (text) => void (written.err += text),
      confirm: answer === undefined ? undefined : confirm,
    });
    return { code, ...written, asked };
  } finally {
    globalThis.console = before;
    process.env.NODE_ENV = nodeEnv;
  }
}
