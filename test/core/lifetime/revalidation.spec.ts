import { beforeEach, describe, expect, it } from 'vitest';
import type { Connection } from '../../../lib/core/connection.js';
import { DeadlineWheel } from '../../../lib/core/lifetime/deadline-wheel.js';
import { credentialToCheck, Revalidation } from '../../../lib/core/lifetime/revalidation.js';
import type { RevocableCredential } from '../../../lib/core/revocation/revocation-log.js';
import { grantOf, latch, looseConnection, sessionOf, settle } from '../../support/core-harness.js';
import { fakeClock, type FakeClock } from '../../support/fake-clock.js';

describe('credentialToCheck', () => {
  it('is the user and the time of issue of a credential without a session', () => {
    const connection = looseConnection({ userHash: 'u', authenticatedAt: 7 });
    expect(credentialToCheck(connection)).toEqual({ userHash: 'u', issuedAt: 7, tokenHash: undefined });
  });

  it('is the token alone beside a session, which knows the rest', () => {
    const connection = looseConnection({ userHash: 'u', session: sessionOf('u'), tokenHash: 't' });
    expect(credentialToCheck(connection)).toEqual({ userHash: 'u', issuedAt: undefined, tokenHash: 't' });
  });

  it('is nothing where a session says it all', () => {
    expect(credentialToCheck(looseConnection({ session: sessionOf('u') }))).toBeUndefined();
  });
});

describe('Revalidation', () => {
  let clock: FakeClock;
  let wheel: DeadlineWheel;
  let asked: RevocableCredential[];
  let revoked: Set<string>;
  let ended: Connection[];
  let errors: unknown[];
  let failure: Error | undefined;
  let gate: Promise<void> | undefined;
  let revalidation: Revalidation;

  beforeEach(() => {
    clock = fakeClock();
    wheel = new DeadlineWheel({ now: clock });
    [asked, ended, errors] = [[], [], []];
    revoked = new Set();
    [failure, gate] = [undefined, undefined];
    revalidation = new Revalidation({
      revocations: {
        isRevoked: async (credential) => {
          asked.push(credential);
          await gate;
          if (failure) throw failure;
          return revoked.has(credential.userHash);
        },
      },
      wheel,
      onRevoked: (connection) => ended.push(connection),
      onError: (error) => errors.push(error),
    });
  });

  const of = (userHash: string): Connection => looseConnection({ userHash });

  it('ends who was revoked, and nobody else (LT-05)', async () => {
    revoked.add('bad');
    const connections = [of('good'), of('bad'), of('fine')];
    for (const connection of connections) revalidation.add(connection);
    await settle();
    expect(ended).toEqual([connections[1]]);
    expect(asked).toHaveLength(3);
  });

  it('asks about 64 at a time, and about the others when those are answered (LT-05)', async () => {
    const { opened, open } = latch();
    gate = opened;
    for (let index = 0; index < 200; index += 1) revalidation.add(of(`u${index}`));
    await settle();
    await settle();
    expect(asked).toHaveLength(64);
    open();
    for (let turn = 0; turn < 8; turn += 1) await settle();
    expect(asked.map(({ userHash }) => userHash)).toEqual(
      Array.from({ length: 200 }, (_, index) => `u${index}`),
    );
  });

  it('asks about a connection once, however often it is due meanwhile', async () => {
    const connection = of('u');
    for (let times = 0; times < 5; times += 1) revalidation.add(connection);
    await settle();
    expect(asked).toHaveLength(1);
    revalidation.add(connection);
    await settle();
    expect(asked).toHaveLength(2);
  });

  it('does not ask about who has ended meanwhile', async () => {
    const connection = of('u');
    revalidation.add(connection);
    connection.markClosed();
    await settle();
    expect(asked).toEqual([]);
  });

  it('ends nobody when the store fails, reports it once, and asks again in a second (LT-05)', async () => {
    failure = new Error('store is away');
    revoked.add('bad');
    const bad = of('bad');
    for (const connection of [of('a'), bad, of('c')]) revalidation.add(connection);
    await settle();
    expect([ended, errors]).toEqual([[], [failure]]);
    revalidation.add(of('d'));
    await settle();
    expect(asked).toHaveLength(3);
    failure = undefined;
    clock.advance(1_050);
    wheel.sweep();
    await settle();
    await settle();
    expect([asked.length, ended, errors.length]).toEqual([7, [bad], 1]);
  });

  it('checks all that it is given, 64 at a time, and says when it is done', async () => {
    const { opened, open } = latch();
    gate = opened;
    revoked.add('u150');
    const connections = Array.from({ length: 200 }, (_, index) => of(`u${index}`));
    let isDone = false;
    const done = revalidation.checkAll(connections).then(() => (isDone = true));
    await settle();
    expect([asked.length, isDone]).toEqual([64, false]);
    open();
    await done;
    expect([asked.length, ended]).toEqual([200, [connections[150]]]);
  });

  it('says that the store failed to whom it was to check all', async () => {
    failure = new Error('store is away');
    await expect(revalidation.checkAll([of('a'), of('b')])).rejects.toBe(failure);
    expect([ended, errors]).toEqual([[], []]);
  });

  it('asks anew about a connection that was refreshed while the answer was on its way', async () => {
    const { opened, open } = latch();
    gate = opened;
    revoked.add('old');
    const connection = of('old');
    revalidation.add(connection);
    await settle();
    connection.renew(grantOf({ userHash: 'new' }));
    open();
    for (let turn = 0; turn < 3; turn += 1) await settle();
    expect([ended, asked.map(({ userHash }) => userHash)]).toEqual([[], ['old', 'new']]);
  });
});
