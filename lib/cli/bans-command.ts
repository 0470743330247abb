import type { Ban } from '../core/anomaly/bans.js';
import { toLogLine } from '../core/audit/redaction.js';
import type { WsAuthEngine } from '../nest/ws-auth.engine.js';
import { withAdminNode } from './admin-node.js';
import { CommandFailed, EXIT, readArguments, UsageError, type CommandIo } from './command-line.js';
import { STORE_FLAGS } from './store-options.js';

const FLAGS = {
  ...STORE_FLAGS,
  add: { type: 'string' },
  lift: { type: 'string' },
  minutes: { type: 'string' },
  reason: { type: 'string' },
  json: { type: 'boolean' },
} as const;

/** What to do before the bans are listed. */
interface Change {
  readonly add?: string | undefined;
  readonly lift?: string | undefined;
  readonly durationMs: number;
  readonly reason: string | undefined;
}

/** `bans`: the addresses that nobody may connect from, of all nodes; adds one, or takes one back. */
export async function runBans(args: readonly string[], io: CommandIo): Promise<number> {
  const { values } = readArguments(args, FLAGS);
  const { add, lift, reason } = values;
  if (add !== undefined && lift !== undefined) throw new UsageError('--add and --lift: choose one');
  if (add === undefined && (values.minutes !== undefined || reason !== undefined))
    throw new UsageError('--minutes and --reason go with --add');
  const change = { add, lift, durationMs: add === undefined ? 0 : readMinutes(values.minutes), reason };
  const flags = { ...values, ipv6Prefix: prefixBitsOf(add ?? lift) };
  const bans = await withAdminNode(flags, io, async (engine) => {
    await carryOut(change, engine);
    return engine.bans.list();
  });
  io.out(values.json ? `${toLogLine({ bans })}\n` : describe(bans));
  return EXIT.ok;
}

async function carryOut({ add, lift, durationMs, reason }: Change, { bans }: WsAuthEngine): Promise<void> {
  if (add !== undefined) await bans.ban(add, durationMs, reason);
  if (lift !== undefined && !(await bans.lift(lift))) throw new CommandFailed('this address is not banned');
}

function readMinutes(text: string | undefined): number {
  if (text === undefined || !/^\d{1,5}$/.test(text) || Number(text) === 0)
    throw new UsageError('--minutes says for how long: a whole number from 1, at most 43200');
  return Number(text) * 60_000;
}

/** IPv6 is banned by the prefix that the nodes count by; who names one says how long theirs is. */
function prefixBitsOf(address: string | undefined): number | undefined {
  const bits = /^[0-9a-f:.]*:[0-9a-f:.]*\/(\d{1,3})$/i.exec(address ?? '')?.[1];
  return bits === undefined ? undefined : Number(bits);
}

function describe(bans: readonly Ban[]): string {
  if (bans.length === 0) return 'nobody is banned\n';
  return bans
    .map(({ prefix, remainingMs, reason, isAutomatic }) => {
      const minutes = Math.max(1, Math.ceil(remainingMs / 60_000));
      return `${prefix}  ${minutes} min  ${isAutomatic ? 'by rule' : 'by operator'}  ${toLogLine({ reason })}\n`;
    })
    .join('');
}
