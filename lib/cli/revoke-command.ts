import { userHashOf } from '../core/identifiers.js';
import type { RevocationSelector } from '../core/revocation/revocation-service.js';
import type { WsAuthEngine } from '../nest/ws-auth.engine.js';
import { withAdminNode } from './admin-node.js';
import { CommandFailed, EXIT, readArguments, UsageError, type CommandIo } from './command-line.js';
import { parseReference, type SessionReference } from './session-reference.js';
import { STORE_FLAGS } from './store-options.js';

const FLAGS = {
  ...STORE_FLAGS,
  user: { type: 'string' },
  session: { type: 'string' },
  before: { type: 'string' },
  everyone: { type: 'boolean' },
  reason: { type: 'string' },
  yes: { type: 'boolean' },
  json: { type: 'boolean' },
} as const;

const REASON = /^[a-z0-9][a-z0-9_-]{0,63}$/i;

/** Whom it concerns, before the store was asked. */
type Target =
  | { readonly kind: 'session'; readonly session: SessionReference; readonly user: string | undefined }
  | { readonly kind: 'user'; readonly user: string; readonly issuedBefore: number | undefined }
  | { readonly kind: 'everyone'; readonly issuedBefore: number | undefined };

/** `revoke`: ends sessions and credentials on every node, and tells how many sockets it closed. */
export async function runRevoke(args: readonly string[], io: CommandIo): Promise<number> {
  const { values } = readArguments(args, FLAGS);
  const target = readTarget(values);
  const reason = values.reason ?? 'revoked_by_operator';
  if (!REASON.test(reason)) throw new UsageError('--reason is a word of letters, digits, "_" and "-"');
  if (target.kind === 'everyone' && !values.yes) await confirmEveryone(target.issuedBefore, io);
  const result = await withAdminNode(values, io, async (engine) => {
    const selector = await selectorOf(target, engine);
    const { sockets, nodes, pending } = await engine.sessions.revoke({ ...selector, reason });
    // This command was a node too, for a moment.
    return { sockets, nodes: nodes - 1, pending };
  });
  io.out(values.json ? `${JSON.stringify(result)}\n` : describe(result));
  return result.pending > 0 ? EXIT.found : EXIT.ok;
}

function readTarget(values: {
  readonly user?: string | undefined;
  readonly session?: string | undefined;
  readonly before?: string | undefined;
  readonly everyone?: boolean | undefined;
}): Target {
  const { user, session, before, everyone } = values;
  if (user === '') throw new UsageError('--user is empty');
  if (session !== undefined) {
    if (before !== undefined || everyone)
      throw new UsageError('--session goes with --user, and with nothing else');
    const reference = parseReference(session);
    if (!reference) throw new UsageError('--session is none of the references that "sessions" prints');
    if (reference.userHash === undefined && user === undefined)
      throw new UsageError(
        'a reference out of the audit log does not tell whose session it is: give --user too',
      );
    return { kind: 'session', session: reference, user };
  }
  const issuedBefore = before === undefined ? undefined : readTime(before);
  if (user !== undefined) {
    if (everyone) throw new UsageError('--user and --everyone: choose one');
    return { kind: 'user', user, issuedBefore };
  }
  if (everyone || issuedBefore !== undefined) return { kind: 'everyone', issuedBefore };
  throw new UsageError('say what to revoke: --user, --session, --before or --everyone');
}

/** @throws {UsageError} for a time without zone, which would be another one on another machine, or one to come */
function readTime(text: string): number {
  const isIso = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/.test(text);
  const time = /^\d{12,14}$/.test(text) ? Number(text) : isIso ? Date.parse(text) : Number.NaN;
  if (!Number.isFinite(time))
    throw new UsageError('--before is a time with zone, such as 2026-11-22T10:00:00Z, or Unix milliseconds');
  if (time > Date.now())
    throw new UsageError('--before is to come: sessions would end that nobody has begun yet');
  return time;
}

async function confirmEveryone(issuedBefore: number | undefined, { confirm }: CommandIo): Promise<void> {
  if (!confirm) throw new CommandFailed('this concerns everyone, and nobody is there to ask: give --yes');
  const what =
    issuedBefore === undefined
      ? 'everything'
      : `everything issued before ${new Date(issuedBefore).toISOString()}`;
  const isMeant = await confirm(`This ends ${what}, of every user, and closes their sockets.`);
  if (!isMeant) throw new CommandFailed('nothing was revoked');
}

async function selectorOf(target: Target, engine: WsAuthEngine): Promise<RevocationSelector> {
  if (target.kind === 'everyone') return { everyone: true, issuedBefore: target.issuedBefore };
  if (target.kind === 'user') return { user: target.user, issuedBefore: target.issuedBefore };
  const { session, user } = target;
  const userHash = user === undefined ? session.userHash! : userHashOf(engine.keys.userHash, user);
  const sessions = await engine.stores.sessions.list(userHash);
  const found = sessions.find(({ id }) => engine.audit.referenceOf(id) === session.reference);
  if (!found) throw new CommandFailed('there is no such session: it has ended, or is of another user');
  return { session: found.id };
}

function describe({ sockets, nodes, pending }: { sockets: number; nodes: number; pending: number }): string {
  const told = `revoked: ${sockets} socket${sockets === 1 ? '' : 's'} closed by ${nodes} node${nodes === 1 ? '' : 's'}`;
  return pending === 0
    ? `${told}\n`
    : `${told}; ${pending} more have not answered yet, and comply when they hear of it\n`;
}
