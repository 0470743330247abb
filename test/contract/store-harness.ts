import { randomBytes } from 'node:crypto';
import { newId, newSessionToken, newTicket, parseTicket, sessionIdOf } from '../../lib/core/identifiers.js';
import type { Principal } from '../../lib/core/principal.js';
import type {
  RevocationEntry,
  RevocationOrder,
  RevocationReceipt,
} from '../../lib/core/revocation/revocation-log.js';
import type { AdmissionBasis, AdmissionRequest } from '../../lib/core/session/connection-registry.js';
import type { Session } from '../../lib/core/session/session.js';
import type { Stores } from '../../lib/core/stores.js';
import type { PresentedTicket, TicketIssue, TicketRecord } from '../../lib/core/ticket/ticket-store.js';

/** One implementation of the stores, started, for one test. */
export interface StoresUnderTest {
  readonly stores: Stores;
  /** The clock of the store, in Unix ms, as far as this process knows it. */
  now(): number;
  /** Moves the clock of the store. Left out, time passes by itself and the tests wait for it. */
  advance?(ms: number): Promise<void> | void;
  stop(): Promise<void>;
}

/** Makes the stores of one test. Tests use ids of their own, so what is kept may be shared between them. */
export type MakeStores = () => Promise<StoresUnderTest>;

const POLL_MS = 10;
const PATIENCE_MS = 3_000;

/** Lets so much time pass for the store. */
export async function pass(under: StoresUnderTest, ms: number): Promise<void> {
  if (under.advance) await under.advance(ms);
  else await new Promise((resolve) => setTimeout(resolve, ms));
}

/** Lets so much time pass, and a little more where time is not ours, until `holds`. @returns whether it came to hold */
export async function becomes(
  under: StoresUnderTest,
  ms: number,
  holds: () => Promise<boolean>,
): Promise<boolean> {
  await pass(under, ms);
  if (under.advance) return holds();
  for (let waited = 0; waited < PATIENCE_MS; waited += POLL_MS) {
    if (await holds()) return true;
    await pass(under, POLL_MS);
  }
  return holds();
}

/** A user that no other test has. */
export function newUserHash(): string {
  return randomBytes(12).toString('base64url');
}

export function newSessionId(userHash: string): string {
  return sessionIdOf(newSessionToken(userHash))!;
}

/** A session to be created; the store sets its times. */
export function draftOf(userHash: string, change: Partial<Session> = {}): Session {
  return {
    id: newSessionId(userHash),
    userId: `user-${userHash}`,
    roles: ['member'],
    scopes: ['read', 'write'],
    tenant: undefined,
    createdAt: 0,
    authenticatedAt: 0,
    authTime: 0,
    absoluteEndsAt: 0,
    idleMs: 60_000,
    version: 1,
    data: undefined,
    ...change,
  };
}

/** Creates a session that must come to life, for ten minutes unless said otherwise. */
export async function createSession(
  { stores }: StoresUnderTest,
  userHash: string,
  change: Partial<Session> = {},
  absoluteMs = 600_000,
): Promise<Session> {
  const result = await stores.sessions.create(draftOf(userHash, change), absoluteMs, 1_000);
  if (result.outcome !== 'created') throw new Error(`the session was not created: ${result.outcome}`);
  return result.session;
}

export interface TicketInit extends Partial<Pick<TicketIssue, 'ttlMs' | 'maxOutstanding' | 'maxPerMinute'>> {
  record?: Partial<TicketRecord>;
}

/** A ticket to be issued, and how it is presented when everything is right. */
export interface TicketDraft {
  readonly issue: TicketIssue;
  readonly presented: PresentedTicket;
}

export function draftTicket(under: StoresUnderTest, userHash: string, init: TicketInit = {}): TicketDraft {
  const { ttlMs = 30_000, maxOutstanding = 20, maxPerMinute = 10_000 } = init;
  const { ticket } = newTicket(userHash);
  const { hash } = parseTicket(ticket)!;
  const now = under.now();
  const record: TicketRecord = {
    sessionId: undefined,
    principal: undefined,
    origin: undefined,
    path: undefined,
    narrowing: undefined,
    use: 'connect',
    requiresCookie: false,
    authenticatedAt: now,
    authTime: 0,
    token: undefined,
    sealedToken: undefined,
    expiresAt: now + ttlMs,
    ...init.record,
  };
  const { use, origin, path } = record;
  return {
    issue: { userHash, hash, record, ttlMs, maxOutstanding, maxPerMinute },
    presented: { userHash, hash, use, origin, path, sessionId: undefined },
  };
}

/** Issues a ticket that must be issued. @returns how it is presented */
export async function issueTicket(
  under: StoresUnderTest,
  userHash: string,
  init: TicketInit = {},
): Promise<PresentedTicket> {
  const { issue, presented } = draftTicket(under, userHash, init);
  const result = await under.stores.tickets.issue(issue);
  if (result.outcome !== 'issued') throw new Error(`the ticket was not issued: ${result.outcome}`);
  return presented;
}

export function principalFor(userHash: string, roles: readonly string[] = []): Principal {
  return { id: `user-${userHash}`, roles, scopes: [] };
}

/** A request for admission that nothing but its basis can refuse. */
export function admission(
  under: StoresUnderTest,
  basis: AdmissionBasis,
  change: Partial<AdmissionRequest> = {},
): AdmissionRequest {
  return {
    connectionId: newId(),
    basis,
    maxPerUser: 1_000,
    maxPerSession: 1_000,
    onLimit: 'reject',
    touch: true,
    rate: undefined,
    deadline: under.now() + 30_000,
    ...change,
  };
}

export function bySession(userHash: string, sessionId: string, tokenHash?: string): AdmissionBasis {
  return { mode: 'session', sessionId, userHash, ...(tokenHash === undefined ? {} : { tokenHash }) };
}

export function byPrincipal(
  under: StoresUnderTest,
  userHash: string,
  change: { issuedAt?: number; tokenHash?: string } = {},
): AdmissionBasis {
  return { mode: 'principal', principal: principalFor(userHash), userHash, issuedAt: under.now(), ...change };
}

export function byTicket(ticket: PresentedTicket): AdmissionBasis {
  return { mode: 'ticket', ticket };
}

export function revokeUser(
  { stores }: StoresUnderTest,
  userHash: string,
  change: { issuedBefore?: number; exceptSessionId?: string } = {},
): Promise<RevocationReceipt> {
  const { issuedBefore, exceptSessionId } = change;
  return stores.revocations.append({ kind: 'user', userHash, issuedBefore, exceptSessionId }, 'test');
}

export function revokeSession({ stores }: StoresUnderTest, session: Session): Promise<RevocationReceipt> {
  return stores.revocations.append(sessionOrder(session.id), 'test');
}

export function sessionOrder(sessionId: string): RevocationOrder {
  return { kind: 'session', sessionId, userHash: sessionId.slice(0, sessionId.indexOf('.')) };
}

/** True when the session lives. */
export async function lives({ stores }: StoresUnderTest, sessionId: string): Promise<boolean> {
  const [session] = await stores.sessions.get([sessionId]);
  return session !== null && session !== undefined;
}

/** Follows the log, and keeps what concerns one user. */
export function hear({ stores }: StoresUnderTest, userHash: string): RevocationEntry[] {
  const heard: RevocationEntry[] = [];
  stores.revocations.follow((entry) => {
    if ('userHash' in entry.order && entry.order.userHash === userHash) heard.push(entry);
    return 0;
  });
  return heard;
}
