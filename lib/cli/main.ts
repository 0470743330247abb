#!/usr/bin/env node
import { ConsoleLogger, Logger } from '@nestjs/common';
import { askForYes } from './ask.js';
import { EXIT, type CommandIo } from './command-line.js';
import { run } from './run.js';

/** Nest's own, on the other stream: what is printed on the first one is the answer. */
class ErrorStreamLogger extends ConsoleLogger {
  protected override printMessages(messages: unknown[]): void {
    for (const message of messages) process.stderr.write(`${String(message)}\n`);
  }
}

function confirm(question: string): Promise<boolean> {
  return askForYes(process.stdin, process.stderr, question);
}

const io: CommandIo = {
  env: process.env,
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  confirm: process.stdin.isTTY && process.stderr.isTTY ? confirm : undefined,
};

Logger.overrideLogger(new ErrorStreamLogger());
run(process.argv.slice(2), io)
  .catch((error: unknown) => {
    io.err(`nestjs-ws-auth: ${error instanceof Error ? error.message : 'failed'}\n`);
    return EXIT.failed;
  })
  // An application that was loaded may hold the process; what was printed is written out first.
  .then((code) => process.stdout.write('', () => process.exit(code)))
  .catch(() => process.exit(EXIT.failed));
