import type { Narrowing, Principal } from '../core/principal.js';
import type { PresentedTicket, TicketRecord } from '../core/ticket/ticket-store.js';
import { asText } from './redis-client.js';

/** The fields of a ticket as they are stored: what is not there is an empty text, what is begins with `=` where it may be empty. */
export function writeTicket(userHash: string, record: TicketRecord, run: string): string[] {
  const fields: Record<string, string> = {
    us: record.use,
    og: mark(record.origin),
    pa: mark(record.path),
    rc: record.requiresCookie ? '1' : '',
    si: record.sessionId ?? '',
    pr: record.principal ? JSON.stringify(record.principal) : '',
    na: record.narrowing ? JSON.stringify(record.narrowing) : '',
    au: String(Math.trunc(record.authenticatedAt)),
    at: String(Math.trunc(record.authTime)),
    th: record.token?.hash ?? '',
    tx: record.token ? String(record.token.expiresAt) : '',
    se: record.sealedToken ?? '',
    ru: run,
    uh: userHash,
    lx: String(record.expiresAt),
  };
  return Object.entries(fields).flat();
}

/** Reads what `spendTicket` of the scripts answers: us og pa rc si pr na au th tx se x sp ru uh lx at. */
export function readTicket(reply: readonly unknown[]): TicketRecord {
  const [use, origin, path, requiresCookie, session, principal, narrowing, at, tokenHash, tokenEnd, sealed] =
    reply.map(asText) as [
      string,
      string,
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
  return {
    sessionId: session === '' ? undefined : session,
    principal: principal === '' ? undefined : (JSON.parse(principal) as Principal),
    narrowing: narrowing === '' ? undefined : (JSON.parse(narrowing) as Narrowing),
    origin: unmark(origin),
    path: unmark(path),
    use: use === 'cookie' ? 'cookie' : 'connect',
    requiresCookie: requiresCookie === '1',
    authenticatedAt: Number(at),
    authTime: Number(asText(reply[16])),
    token:
      tokenEnd === ''
        ? undefined
        : { hash: tokenHash === '' ? undefined : tokenHash, expiresAt: Number(tokenEnd) },
    sealedToken: sealed === '' ? undefined : sealed,
    expiresAt: Number(asText(reply[15])),
  };
}

/** What the scripts compare a ticket with. */
export function presentedFields({ origin, path, sessionId }: PresentedTicket): [string, string, string] {
  return [mark(origin), mark(path), mark(sessionId)];
}

function mark(text: string | undefined): string {
  return text === undefined ? '' : `=${text}`;
}

function unmark(text: string): string | undefined {
  return text === '' ? undefined : text.slice(1);
}
