import { toLogLine } from '../core/audit/redaction.js';
import { userHashOf } from '../core/identifiers.js';
import { withAdminNode } from './admin-node.js';
import { EXIT, readArguments, UsageError, type CommandIo } from './command-line.js';
import { referenceOf } from './session-reference.js';
import { STORE_FLAGS } from './store-options.js';

/** A session as an operator sees it. */
interface ListedSession {
  readonly reference: string;
  readonly createdAt: string;
  readonly lastUsedAt: string;
  readonly expiresAt: string;
  /** On all nodes. */
  readonly sockets: number;
  readonly roles: readonly string[];
  readonly data?: string;
}

/** `sessions --user <id>`: the live sessions of a user. */
export async function runSessions(args: readonly string[], io: CommandIo): Promise<number> {
  const { values } = readArguments(args, {
    ...STORE_FLAGS,
    user: { type: 'string' },
    json: { type: 'boolean' },
  });
  const { user } = values;
  if (!user) throw new UsageError('say whose sessions: --user <id>');
  const sessions = await withAdminNode(values, io, async (engine): Promise<readonly ListedSession[]> => {
    const [listed, places] = await Promise.all([
      engine.sessions.list(user),
      engine.stores.connections.list(userHashOf(engine.keys.userHash, user)),
    ]);
    return listed.map((session) => ({
      reference: referenceOf(session, engine.audit),
      createdAt: timeOf(session.createdAt),
      lastUsedAt: timeOf(session.lastUsedAt),
      expiresAt: timeOf(engine.clock() + session.remainingMs),
      sockets: places.filter(({ sessionId }) => sessionId === session.id).length,
      roles: session.roles,
      ...(session.data === undefined ? {} : { data: session.data }),
    }));
  });
  io.out(values.json ? `${toLogLine({ sessions })}\n` : describe(sessions));
  return EXIT.ok;
}

function describe(sessions: readonly ListedSession[]): string {
  if (sessions.length === 0) return 'no live session\n';
  const blocks = sessions.map(({ reference, createdAt, lastUsedAt, expiresAt, sockets, roles, data }) => {
    const more = toLogLine({ roles, data });
    return `${reference}\n  created ${createdAt}  used ${lastUsedAt}  ends ${expiresAt}  sockets ${sockets}\n  ${more}`;
  });
  return `${blocks.join('\n')}\n`;
}

function timeOf(unixMs: number): string {
  return new Date(unixMs).toISOString();
}
