import { CommandFailed, EXIT, UsageError, type CommandIo } from './command-line.js';
import { runBans } from './bans-command.js';
import { runDoctor } from './doctor-command.js';
import { runRevoke } from './revoke-command.js';
import { runSessions } from './sessions-command.js';

const USAGE = `usage: nestjs-ws-auth <command>

  doctor <module>[#<export>]     what is unsafe or odd about an application
      --production               as with NODE_ENV=production
      --strict                   what strict: true refuses fails too
      --json

  sessions --user <id>           the live sessions of a user
      --json

  revoke --user <id>             ends all sessions, tokens and sockets of a user
  revoke --user <id> --before <time>
  revoke --session <reference>   ends one session; references are those of "sessions"
  revoke --session <reference> --user <id>
                                 a reference out of the audit log
  revoke --before <time>         ends everything that was issued before, of everyone
  revoke --everyone              ends everything
      --reason <word>            for the audit log
      --yes                      does not ask before it ends what is everyone's
      --json

  bans                           the addresses that nobody may connect from
  bans --add <address> --minutes <count>
  bans --lift <address>
      --reason <word>            with --add, for the audit log
      --json

  sessions, revoke and bans take the store from
      --module <module>          the application that the nodes run, as for "doctor"
  or, for one server, from
      WS_AUTH_REDIS_URL          or --redis <url>, which must hold no password
      WS_AUTH_SECRET             the "secret" option of the nodes
      --prefix <text>            the "redisPrefix" option of the nodes, "ws:" when it is left out

  <time> is an ISO 8601 time with zone, such as 2026-11-22T10:00:00Z, or Unix milliseconds.

exit code: 0 done; 1 something was found, or not all nodes have answered; 2 it could not be done
`;

const COMMANDS = new Map([
  ['doctor', runDoctor],
  ['sessions', runSessions],
  ['revoke', runRevoke],
  ['bans', runBans],
]);

const HELP = ['--help', '-h'];

/** Never by what stands behind a flag: a user whose id is "-h" must not turn a revocation into a success. */
function asksForHelp(name: string, rest: readonly string[]): boolean {
  return name === 'help' || HELP.includes(name) || (rest.length === 1 && HELP.includes(rest[0]!));
}

/** Runs a command line without the name of the program. @returns the exit code */
export async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || asksForHelp(name, rest)) {
    io.out(USAGE);
    return name === undefined ? EXIT.failed : EXIT.ok;
  }
  try {
    const command = COMMANDS.get(name);
    if (!command)
      throw new UsageError(`there is no command of this name; known are ${[...COMMANDS.keys()].join(', ')}`);
    return await command(rest, io);
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    io.err(`nestjs-ws-auth: ${error.message}\n`);
    if (error instanceof UsageError) io.err(`\n${USAGE}`);
    return EXIT.failed;
  }
}
