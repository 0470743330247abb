import type { RevocationEntry, RevocationOrder } from '../core/revocation/revocation-log.js';

/** An entry with what the feed needs beside it. */
export interface LogEntry {
  /** The entry before it in the log, as `id|nonce`: a gap means that something was missed. */
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
  if (!order || !/^\d{1,16}-\d{1,16}$/.test(id) || !/^\d{0,16}$/.test(cut)) return null;
  const entry: RevocationEntry = Object.freeze({
    partition,
    id,
    order,
    cut: cut === '' ? undefined : Number(cut),
    cutInclusive: inclusive === '1',
    reason,
  });
  return { previous, nonce, issuer, entry };
}

type FieldCheck = (value: unknown) => boolean;
const isText: FieldCheck = (value) => typeof value === 'string' && value.length <= 256;
const isTime: FieldCheck = (value) => Number.isFinite(value);
const isNames: FieldCheck = (value) =>
  Array.isArray(value) && value.every((name) => typeof name === 'string');
const isLeftOutOr =
  (check: FieldCheck): FieldCheck =>
  (value) =>
    value === undefined || check(value);

/** What each order must say, and may say; everything else in a message is left behind. */
const FIELDS: Readonly<Record<RevocationOrder['kind'], Readonly<Record<string, FieldCheck>>>> = {
  session: { sessionId: isText, userHash: isText },
  user: { userHash: isText, issuedBefore: isLeftOutOr(isTime), exceptSessionId: isLeftOutOr(isText) },
  everyone: { issuedBefore: isLeftOutOr(isTime) },
  token: { tokenHash: isText, userHash: isText, rememberMs: isTime },
  rights: {
    userHash: isText,
    sessionId: isLeftOutOr(isText),
    roles: isLeftOutOr(isNames),
    scopes: isLeftOutOr(isNames),
  },
  rotate: {
    userHash: isText,
    sessionId: isText,
    newSessionId: isText,
    reauthenticated: isLeftOutOr((value) => typeof value === 'boolean'),
  },
  replace: { userHash: isText, node: isText, connectionId: isText },
};

function readOrder(text: string): RevocationOrder | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof parsed !== 'object' || parsed === null) return null;
  const given = new Map(Object.entries(parsed));
  const kind: unknown = given.get('kind');
  if (typeof kind !== 'string' || !Object.hasOwn(FIELDS, kind)) return null;
  const fields = Object.entries(FIELDS[kind as RevocationOrder['kind']]);
  if (!fields.every(([name, check]) => check(given.get(name)))) return null;
  return { kind, ...Object.fromEntries(fields.map(([name]) => [name, given.get(name)])) } as RevocationOrder;
}
