import { describe, expect, it } from 'vitest';
import { UNLOGGED, type RevocationOrder } from '../../lib/core/revocation/revocation-log.js';
import { assumedEntry, fenceEntry } from '../../lib/redis/assumed-entry.js';
import type { RedisConnection } from '../../lib/redis/redis-connection.js';

const NOW = 1_000_000;
const user = { kind: 'user', userHash: 'u', issuedBefore: undefined, exceptSessionId: undefined } as const;
const everyone = { kind: 'everyone', issuedBefore: undefined } as const;

/** A server whose clock is ten seconds ahead, or a little more. */
const redis = {
  serverTime: (local: number) => local + 10_000,
  latestServerTime: (local: number) => local + 10_300,
} as unknown as RedisConnection;

const fence = (order: RevocationOrder) => fenceEntry(redis, order, 'test', '7', NOW);

describe('assumedEntry', () => {
  const assume = (order: RevocationOrder) => assumedEntry(order, 'test', { partition: '7', id: '5-0' }, NOW);

  it('has the cut that a store would have made of it at that time', () => {
    expect(assume(user)).toMatchObject({
      partition: '7',
      id: '5-0',
      cut: NOW,
      cutInclusive: true,
      reason: 'test',
    });
    expect(assume(everyone)).toMatchObject({ cut: NOW + 1, cutInclusive: false });
    expect(assume({ kind: 'session', userHash: 'u', sessionId: 's' })).toMatchObject({ cut: undefined });
  });

  it('has the cut that was asked for, and none in the future', () => {
    expect(assume({ ...user, issuedBefore: 7 })).toMatchObject({ cut: 7, cutInclusive: false });
    expect(assume({ ...everyone, issuedBefore: 7 })).toMatchObject({ cut: 7 });
    expect(assume({ ...user, issuedBefore: NOW + 60_000 })).toMatchObject({ cut: NOW });
    expect(assume({ ...everyone, issuedBefore: NOW + 60_000 })).toMatchObject({ cut: NOW + 1 });
  });
});

describe('fenceEntry', () => {
  it.each<RevocationOrder>([
    user,
    { kind: 'session', userHash: 'u', sessionId: 's' },
    { kind: 'token', userHash: 'u', tokenHash: 't', rememberMs: 1 },
    { kind: 'replace', userHash: 'u', node: 'n', connectionId: 'c' },
  ])('of $kind stands in no log, so that it concerns nobody who comes (SE-02)', (order) => {
    expect(fence(order)).toMatchObject({ order, partition: UNLOGGED });
  });

  it('of a user is late enough for everybody who is there', () => {
    expect(fence(user)).toMatchObject({ cut: NOW + 10_300, cutInclusive: true });
  });

  it('that keeps a session is not later than the store, which makes that session as new as the cut (SE-06)', () => {
    expect(fence({ ...user, exceptSessionId: 's' })).toMatchObject({ cut: NOW + 10_000 });
  });

  it('of everyone is later than all that a connection has seen, and not later than the store (SE-06)', () => {
    expect(fence(everyone)).toMatchObject({ partition: '7', id: `${NOW + 10_300}-0`, cut: NOW + 10_001 });
  });
});
