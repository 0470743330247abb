import type { AuditEvent } from '../core/audit/audit-event.js';
import type { RefusalExplanation } from '../core/audit/explanation-book.js';
import { MAX_BAN_MS } from '../core/anomaly/anomaly-store.js';
import { escapeHidden } from '../core/audit/redaction.js';
import { addressPrefix, canonicalIp } from '../core/handshake/client-address.js';
import type { BanNotice, Notice } from '../core/notice-board.js';

const MAX_MESSAGE_LENGTH = 16_384;
const MAX_SUSPICION_MS = 366 * 86_400_000;
const MAX_REASON_LENGTH = 64;

type Fields = Readonly<Record<string, unknown>>;

/** A notice as it is published: `[node, notice]`, so that a node knows its own. */
export function writeNotice(node: string, notice: Notice): string {
  return JSON.stringify([node, notice]);
}

/** Reads a message of the notices channel; `null` for our own and for anything that no node would send (SE-05). */
export function readNotice(message: string, ownNode: string): Notice | null {
  if (message.length > MAX_MESSAGE_LENGTH) return null;
  let parsed: unknown;
  try {
    parsed = JSON.parse(message);
  } catch {
    return null;
  }
  if (!Array.isArray(parsed) || parsed.length !== 2 || parsed[0] === ownNode) return null;
  const notice = fieldsOf(parsed[1]);
  switch (notice?.kind) {
    case 'ban': {
      const ban = readBan(fieldsOf(notice.ban));
      return ban && { kind: 'ban', ban };
    }
    case 'lift':
      return isPrefix(notice.prefix) ? { kind: 'lift', prefix: notice.prefix } : null;
    case 'suspect': {
      const { key, forMs } = notice;
      return isText(key, 64) && isDuration(forMs, MAX_SUSPICION_MS) ? { kind: 'suspect', key, forMs } : null;
    }
    case 'explain': {
      const { id, node } = notice;
      return isText(id, 32) && isText(node, 32) ? { kind: 'explain', id, node } : null;
    }
    case 'explained': {
      const { id, node } = notice;
      const explanation = readExplanation(fieldsOf(notice.explanation));
      return explanation && isText(id, 32) && isText(node, 32)
        ? { kind: 'explained', id, node, explanation }
        : null;
    }
    default:
      return null;
  }
}

function readBan(given: Fields | null): BanNotice | null {
  const { prefix, remainingMs, reason, isAutomatic } = given ?? {};
  if (!isPrefix(prefix) || !isDuration(remainingMs, MAX_BAN_MS) || !isText(reason, MAX_REASON_LENGTH))
    return null;
  return { prefix, remainingMs, reason: escapeHidden(reason), isAutomatic: isAutomatic === true };
}

const TEXTS = ['rule', 'why', 'fix'] as const;
const OPTIONAL_TEXTS = ['option', 'received', 'expected'] as const;

function readExplanation(given: Fields | null): RefusalExplanation | null {
  const event = readEvent(fieldsOf(given?.event));
  if (!given || !event) return null;
  if (!TEXTS.every((name) => isText(given[name], 512))) return null;
  const found = OPTIONAL_TEXTS.filter((name) => isText(given[name], 4_096));
  return { ...textsOf(given, [...TEXTS, ...found]), event } as unknown as RefusalExplanation;
}

const EVENT_TEXTS = [
  'ts',
  'event',
  'outcome',
  'reasonCode',
  'node',
  'connectionId',
  'correlationId',
  'ip',
  'ipSource',
  'origin',
  'path',
  'method',
  'principal',
  'sessionRef',
  'ticketRef',
  'claimRef',
] as const;
const EVENT_NUMBERS = ['status', 'closeCode', 'sockets', 'count'] as const;

function readEvent(given: Fields | null): AuditEvent | null {
  if (!given) return null;
  const texts = EVENT_TEXTS.filter((name) => isText(given[name], 2_048));
  const numbers = EVENT_NUMBERS.filter((name) => Number.isSafeInteger(given[name]));
  const event: Fields = {
    ...textsOf(given, texts),
    ...Object.fromEntries(numbers.map((name) => [name, given[name]])),
  };
  return typeof event.event === 'string' && typeof event.reasonCode === 'string'
    ? (event as unknown as AuditEvent)
    : null;
}

/** As they may be shown to an operator, whoever has written them. */
function textsOf(given: Fields, names: readonly string[]): Fields {
  return Object.fromEntries(names.map((name) => [name, escapeHidden(given[name] as string)]));
}

function fieldsOf(value: unknown): Fields | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null;
}

function isText(value: unknown, maxLength: number): value is string {
  return typeof value === 'string' && value.length <= maxLength;
}

/** An IPv4 address or an IPv6 prefix in the one spelling in which it is looked up; another would take up room for nothing. */
function isPrefix(value: unknown): value is string {
  const [, address, bits] =
    typeof value === 'string' ? (/^([0-9a-f.:]{2,45})(?:\/(\d{1,3}))?$/.exec(value) ?? []) : [];
  const canonical = canonicalIp(address);
  if (canonical === null || Number(bits ?? 128) > 128) return false;
  return addressPrefix(canonical, Number(bits)) === value;
}

function isDuration(value: unknown, maximum: number): value is number {
  return typeof value === 'number' && value > 0 && value <= maximum;
}
