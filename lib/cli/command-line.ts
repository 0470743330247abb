import { parseArgs, type ParseArgsConfig } from 'node:util';

/** What the process ends with. */
export const EXIT = {
  /** Done, and nothing to complain of. */
  ok: 0,
  /** Something was found, or not everything was done. */
  found: 1,
  /** It could not be done: a wrong command, no store, an application that cannot be loaded. */
  failed: 2,
} as const;

/** What a command reads and writes. */
export interface CommandIo {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What was asked for. */
  out(text: string): void;
  /** Everything else. */
  err(text: string): void;
  /** Asks who sits there; `undefined` when nobody does. */
  readonly confirm: ((question: string) => Promise<boolean>) | undefined;
}

/** A command that cannot be carried out; its message is all that is printed. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
}

/** A command that was not understood; the usage is printed with it. */
export class UsageError extends CommandFailed {}

type Flags = NonNullable<ParseArgsConfig['options']>;
type Arguments<Options extends Flags> = ReturnType<
  typeof parseArgs<{ options: Options; strict: true; allowPositionals: true }>
>;

/** Reads flags and words. @throws {UsageError} for a flag that is not known, is given twice, or has no value */
export function readArguments<const Options extends Flags>(
  args: readonly string[],
  options: Options,
  words: { readonly least: number; readonly most: number } = { least: 0, most: 0 },
): Arguments<Options> {
  const parsed = parse(args, options);
  const { length } = parsed.positionals;
  if (length < words.least) throw new UsageError('an argument is missing');
  if (length > words.most) throw new UsageError('there is an argument too many');
  return parsed;
}

function parse<const Options extends Flags>(args: readonly string[], options: Options): Arguments<Options> {
  try {
    const parsed = parseArgs({
      args: [...args],
      options,
      strict: true,
      allowPositionals: true,
      tokens: true,
    });
    refuseTwice(parsed.tokens);
    return parsed;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    // Node's first sentence names the flag and no value; what follows is advice about "--".
    throw new UsageError((error as Error).message.split(/[.\n]/, 1)[0]);
  }
}

/** Of two users the last alone would be looked for, and nobody would hear of the other. */
function refuseTwice(tokens: readonly { readonly kind: string; readonly name?: string }[]): void {
  const names = tokens.flatMap(({ kind, name }) => (kind === 'option' && name !== undefined ? [name] : []));
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined) throw new UsageError(`--${twice} is given twice`);
}
