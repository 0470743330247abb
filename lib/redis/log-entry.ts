import type { RevocationEntry, RevocationOrder } from '../core/revocation/revocation-log.js';

/** An entry with what the feed needs beside it. */
export interface LogEntry {
  readonly partition: string;
  /** The entry before it in the log: a gap means that something was missed. */
  readonly previous: string | undefined;
  /** Tells this entry from another one with the same id, which a server may write after a failover. */
  readonly nonce: string;
  /** The node that gave the order and waits for answers. */
  readonly issuer: string;
  readonly entry: RevocationEntry;
}

const MAX_MESSAGE_LENGTH = 65_536;

/** Reads a message of the entries channel; `null` for anything that no node of ours would send (requirement SE-05). */
export function readLogMessage(message: string): LogEntry | null {
  if (message.length > MAX_MESSAGE_LENGTH) return null;
  let parts: unknown;
  try {
    parts = JSON.parse(message);
  } catch {
    return null;
  }
  if (!Array.isArray(parts) || parts.length !== 9 || !parts.every((part) => typeof part === 'string'))
    return null;
  const [partition, id, previous, nonce, order, cut, inclusive, reason, issuer] = parts as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  return makeEntry({ partition, previous, id, nonce, order, cut, inclusive, reason, issuer });
}

/** Reads a row of the stream: `[id, [field, value, …]]`. */
export function readLogRow(
  partition: string,
  id: string,
  fields: ReadonlyMap<string, string>,
): LogEntry | null {
  const field = (name: string): string => fields.get(name) ?? '';
  return makeEntry({
    partition,
    previous: undefined,
    id,
    nonce: field('k'),
    order: field('o'),
    cut: field('c'),
    inclusive: field('i'),
    reason: field('y'),
    issuer: field('n'),
  });
}

/** An entry from its parts, or `null` when they make none. */
function makeEntry(parts: {
  partition: string;
  previous: string | undefined;
  id: string;
  nonce: string;
  order: string;
  cut: string;
  inclusive: string;
  reason: string;
  issuer: string;
}): LogEntry | null {
  const { partition, previous, id, nonce, cut, inclusive, reason, issuer } = parts;
  const order = readOrder(parts.order);
  if (!order || !/^\d{1,16}-\d{1,16}$/.test(id)) return null;
  const entry: RevocationEntry = Object.freeze({
    id,
    order,
    cut: cut === '' ? undefined : Number(cut),
    cutInclusive: inclusive === '1',
    reason,
  });
  return { partition, previous, nonce, issuer, entry };
}

const TEXT_FIELDS: Readonly<Record<RevocationOrder['kind'], readonly string[]>> = {
  session: ['sessionId', 'userHash'],
  user: ['userHash'],
  everyone: [],
  token: ['tokenHash', 'userHash'],
  rights: ['userHash'],
  rotate: ['userHash', 'sessionId', 'newSessionId'],
  replace: ['userHash', 'node', 'connectionId'],
};

function readOrder(text: string): RevocationOrder | null {
  let order: unknown;
  try {
    order = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof order !== 'object' || order === null) return null;
  const fields = order as Record<string, unknown>;
  const needed =
    Object.hasOwn(TEXT_FIELDS, String(fields.kind)) && TEXT_FIELDS[fields.kind as RevocationOrder['kind']];
  if (!needed || !needed.every((name) => typeof fields[name] === 'string')) return null;
  return order as RevocationOrder;
}
