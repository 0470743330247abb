import { describe, expect, it } from 'vitest';
import { entryConcerns } from '../../../lib/core/revocation/entry-match.js';
import type { RevocationEntry, RevocationOrder } from '../../../lib/core/revocation/revocation-log.js';
import { looseConnection, sessionOf } from '../../support/core-harness.js';

const [USER, OTHER] = ['user-hash-000001', 'user-hash-000002'];
const LOGIN = 1_800_000_000_000;

function entryOf(order: RevocationOrder, cut?: number, cutInclusive = false): RevocationEntry {
  return { partition: '0', id: '1-0', order, cut, cutInclusive, reason: 'test' };
}

describe('entryConcerns', () => {
  const session = sessionOf(USER);
  const other = sessionOf(USER);
  const inSession = looseConnection({ userHash: USER, session });
  const alone = looseConnection({ userHash: USER, tokenHash: 'token-1' });
  const stranger = looseConnection({ userHash: OTHER });

  const concerned = (entry: RevocationEntry) =>
    [inSession, alone, stranger].map((one) => entryConcerns(entry, one));

  it.each(['session', 'rotate'] as const)('"%s" concerns the connections of that session', (kind) => {
    const order = { kind, userHash: USER, sessionId: session.id, newSessionId: other.id };
    expect(concerned(entryOf(order))).toEqual([true, false, false]);
    expect(concerned(entryOf({ ...order, sessionId: other.id }))).toEqual([false, false, false]);
  });

  it('"token" concerns the connections of that token, whoever named it', () => {
    const order = { kind: 'token', userHash: USER, tokenHash: 'token-1', rememberMs: 1 } as const;
    expect(concerned(entryOf(order))).toEqual([false, true, false]);
    expect(concerned(entryOf({ ...order, userHash: OTHER }))).toEqual([false, true, false]);
    expect(concerned(entryOf({ ...order, tokenHash: 'token-2' }))).toEqual([false, false, false]);
  });

  it('"replace" concerns one connection', () => {
    const order = { kind: 'replace', userHash: USER, node: 'n', connectionId: alone.id } as const;
    expect(concerned(entryOf(order))).toEqual([false, true, false]);
  });

  it('"rights" concerns connections with a session: of the user, or of the one session', () => {
    const order = { kind: 'rights', userHash: USER, roles: [], scopes: [] } as const;
    expect(concerned(entryOf({ ...order, sessionId: undefined }))).toEqual([true, false, false]);
    expect(concerned(entryOf({ ...order, sessionId: session.id }))).toEqual([true, false, false]);
    expect(concerned(entryOf({ ...order, sessionId: other.id }))).toEqual([false, false, false]);
    expect(concerned(entryOf({ ...order, userHash: OTHER, sessionId: undefined }))).toEqual([
      false,
      false,
      false,
    ]);
  });

  it('"user" concerns what the user was granted before the cut', () => {
    const order = {
      kind: 'user',
      userHash: USER,
      issuedBefore: undefined,
      exceptSessionId: undefined,
    } as const;
    expect(concerned(entryOf(order, LOGIN + 1))).toEqual([true, true, false]);
    expect(concerned(entryOf(order, LOGIN, true))).toEqual([true, true, false]);
    expect(concerned(entryOf(order, LOGIN, false))).toEqual([false, false, false]);
    expect(concerned(entryOf(order, LOGIN - 1, true))).toEqual([false, false, false]);
  });

  it('"user" does not concern the session that is kept, but everything else of the user (SE-06)', () => {
    const order = { kind: 'user', userHash: USER, issuedBefore: undefined } as const;
    expect(concerned(entryOf({ ...order, exceptSessionId: session.id }, LOGIN, true))).toEqual([
      false,
      true,
      false,
    ]);
    expect(concerned(entryOf({ ...order, exceptSessionId: other.id }, LOGIN, true))).toEqual([
      true,
      true,
      false,
    ]);
  });

  it('"rights" that are asserted again do not concern sessions that are newer (SE-09)', () => {
    const order = { kind: 'rights', userHash: USER, sessionId: undefined, roles: [], scopes: [] } as const;
    const { createdAt } = session;
    expect(concerned(entryOf(order, createdAt))[0]).toBe(true);
    expect(concerned(entryOf(order, createdAt - 1))[0]).toBe(false);
    expect(concerned(entryOf(order))[0]).toBe(true);
  });

  it('"everyone" concerns what anybody was granted before the cut', () => {
    const order = { kind: 'everyone', issuedBefore: undefined } as const;
    expect(concerned(entryOf(order, LOGIN + 1))).toEqual([true, true, true]);
    expect(concerned(entryOf(order, LOGIN))).toEqual([false, false, false]);
  });

  it('concerns nobody where the cut is missing', () => {
    const user = {
      kind: 'user',
      userHash: USER,
      issuedBefore: undefined,
      exceptSessionId: undefined,
    } as const;
    expect(concerned(entryOf(user))).toEqual([false, false, false]);
    expect(concerned(entryOf({ kind: 'everyone', issuedBefore: undefined }))).toEqual([false, false, false]);
  });
});
