import { describe, expect, it } from 'vitest';
import { MemoryState } from '../../lib/memory/memory-state.js';
import { MemoryStores } from '../../lib/memory/memory-stores.js';
import { MemoryTicketStore } from '../../lib/memory/memory-ticket-store.js';
import { describeAnomalyStore } from '../contract/anomaly-store.contract.js';
import { describeConnectionRegistry } from '../contract/connection-registry.contract.js';
import { describeRevocationLog } from '../contract/revocation-log.contract.js';
import { describeSessionStore } from '../contract/session-store.contract.js';
import {
  admission,
  byPrincipal,
  createSession,
  draftTicket,
  issueTicket,
  lives,
  newUserHash,
  principalFor,
  revokeUser,
  type StoresUnderTest,
} from '../contract/store-harness.js';
import { describeThrottleStore } from '../contract/throttle-store.contract.js';
import { describeTicketStore } from '../contract/ticket-store.contract.js';
import { fakeClock } from '../support/fake-clock.js';

const HOUR_MS = 3_600_000;

function memoryUnderTest(): StoresUnderTest {
  const clock = fakeClock();
  const stores = new MemoryStores({ node: 'node-1', rememberRevocationsMs: HOUR_MS, clock });
  return { stores, now: clock, advance: (ms) => clock.advance(ms), stop: () => stores.stop() };
}

const makeStores = async (): Promise<StoresUnderTest> => memoryUnderTest();

describeTicketStore('memory', makeStores);
describeSessionStore('memory', makeStores);
describeConnectionRegistry('memory', makeStores);
describeRevocationLog('memory', makeStores);
describeThrottleStore('memory', makeStores);
describeAnomalyStore('memory', makeStores);

describe('MemoryStores', () => {
  it('says what it is', () => {
    expect(memoryUnderTest().stores.kind).toBe('memory');
  });

  it('starts and stops as often as one likes', async () => {
    const { stores } = memoryUnderTest();
    await stores.start();
    await stores.start();
    await stores.stop();
    await stores.stop();
    expect((await stores.sessions.list(newUserHash())).length).toBe(0);
  });

  it('names its own node as that of an evicted connection', async () => {
    const under = memoryUnderTest();
    const userHash = newUserHash();
    const first = await under.stores.connections.admit(admission(under, byPrincipal(under, userHash)));
    const change = { maxPerUser: 1, onLimit: 'replace-oldest' as const };
    const second = await under.stores.connections.admit(
      admission(under, byPrincipal(under, userHash), change),
    );
    const { connectionId } = first as { connectionId: string };
    expect(second).toMatchObject({ evicted: { node: 'node-1', connectionId } });
  });

  it('admits at the very moment of the deadline, and not after it', async () => {
    const under = memoryUnderTest();
    const basis = byPrincipal(under, newUserHash());
    const onTime = await under.stores.connections.admit(admission(under, basis, { deadline: under.now() }));
    const late = await under.stores.connections.admit(admission(under, basis, { deadline: under.now() - 1 }));
    expect([onTime.outcome, late.outcome]).toEqual(['admitted', 'late']);
  });

  it('allows a ticket again as soon as it said it would (TK-07)', async () => {
    const under = memoryUnderTest();
    const userHash = newUserHash();
    const session = await createSession(under, userHash);
    const init = { record: { sessionId: session.id }, maxPerMinute: 3 };
    for (let index = 0; index < 3; index += 1) await issueTicket(under, userHash, init);
    const issue = () => under.stores.tickets.issue(draftTicket(under, userHash, init).issue);
    const refused = await issue();
    expect(refused).toEqual({ outcome: 'rate', retryAfterMs: 20_000 });
    await under.advance!(19_000);
    expect((await issue()).outcome).toBe('rate');
    await under.advance!(1_000);
    expect((await issue()).outcome).toBe('issued');
  });

  it('ends a ticket in the millisecond of its expiry (TK-03)', async () => {
    const under = memoryUnderTest();
    const userHash = newUserHash();
    const init = { record: { principal: principalFor(userHash) }, ttlMs: 30_000 };
    const [early, late] = [
      await issueTicket(under, userHash, init),
      await issueTicket(under, userHash, init),
    ];
    await under.advance!(29_999);
    expect((await under.stores.tickets.consume(early)).outcome).toBe('consumed');
    await under.advance!(1);
    expect((await under.stores.tickets.consume(late)).outcome).toBe('unknown');
  });

  it('forgets a spent ticket a minute after its expiry', async () => {
    const under = memoryUnderTest();
    const userHash = newUserHash();
    const init = { record: { principal: principalFor(userHash) }, ttlMs: 30_000 };
    const ticket = await issueTicket(under, userHash, init);
    await under.stores.tickets.consume(ticket);
    await under.advance!(89_999);
    expect(await under.stores.tickets.consume(ticket)).toEqual({ outcome: 'unknown', replayed: true });
    await under.advance!(1);
    expect(await under.stores.tickets.consume(ticket)).toEqual({ outcome: 'unknown', replayed: false });
  });

  it('ends a session in the millisecond in which it was idle for too long (SE-08)', async () => {
    const under = memoryUnderTest();
    const session = await createSession(under, newUserHash(), { idleMs: 60_000 });
    await under.advance!(59_999);
    expect(await lives(under, session.id)).toBe(true);
    await under.advance!(1);
    expect(await lives(under, session.id)).toBe(false);
  });

  it('refuses a credential from before a revocation for as long as revocations are remembered (SE-06)', async () => {
    const under = memoryUnderTest();
    const userHash = newUserHash();
    const basis = byPrincipal(under, userHash);
    await revokeUser(under, userHash);
    await under.advance!(HOUR_MS - 1);
    expect(await under.stores.connections.admit(admission(under, basis))).toEqual({ outcome: 'revoked' });
  });

  it('keeps the ids of the log rising when the clock is set back', async () => {
    const clock = fakeClock();
    const state = new MemoryState(clock, 'node-1');
    const first = state.nextLogId();
    clock.advance(-60_000);
    const second = state.nextLogId();
    clock.advance(120_000);
    const third = state.nextLogId();
    expect([first, second, third]).toEqual(['1800000000000-0', '1800000000000-1', '1800000060000-0']);
  });
});

describe('MemoryState', () => {
  /** A state with a few things of many users in it, all of which end within two minutes. */
  async function crowded(users: number) {
    const clock = fakeClock();
    const state = new MemoryState(clock, 'node-1');
    const tickets = new MemoryTicketStore(state);
    const under = { now: clock, stores: { tickets } } as unknown as StoresUnderTest;
    for (let index = 0; index < users; index += 1) {
      const userHash = newUserHash();
      await issueTicket(under, userHash, { record: { principal: principalFor(userHash) } });
      state.raiseUserCut(userHash, clock(), true, 60_000);
      state.revokedTokens.set(userHash, true, clock() + 60_000);
    }
    return { clock, state };
  }

  it('gives everything back that is over, in a few sweeps', async () => {
    const { clock, state } = await crowded(3_000);
    expect([state.tickets.size, state.outstanding.size, state.revokedTokens.size]).toEqual([
      3_000, 3_000, 3_000,
    ]);
    clock.advance(120_000);
    for (let turn = 0; turn < 6; turn += 1) state.sweep();
    expect([state.tickets.size, state.outstanding.size, state.revokedTokens.size]).toEqual([0, 0, 0]);
  });

  it('keeps what is not over', async () => {
    const { clock, state } = await crowded(20);
    clock.advance(29_000);
    for (let turn = 0; turn < 6; turn += 1) state.sweep();
    expect([state.tickets.size, state.outstanding.size, state.revokedTokens.size]).toEqual([20, 20, 20]);
  });

  it('looks at each session of a lone user once in a sweep', () => {
    let reads = 0;
    const clock = fakeClock();
    const state = new MemoryState(() => {
      reads += 1;
      return clock();
    }, 'node-1');
    const userHash = newUserHash();
    for (let index = 0; index < 50; index += 1) {
      const id = `${userHash}.${String(index).padStart(22, '0')}`;
      const session = { id, idleMs: 60_000, authenticatedAt: clock(), absoluteEndsAt: clock() + HOUR_MS };
      state.putSession(session as Parameters<MemoryState['putSession']>[0], clock(), clock() + 60_000);
    }
    reads = 0;
    state.sweep();
    expect(reads).toBeLessThan(200);
    expect(state.sessionsOf(userHash)).toHaveLength(50);
  });

  it('sweeps a bounded number of owners of tickets at a time', async () => {
    const { clock, state } = await crowded(5_000);
    clock.advance(120_000);
    state.sweep();
    expect(state.outstanding.size).toBeGreaterThan(0);
    for (let turn = 0; turn < 5; turn += 1) state.sweep();
    expect(state.outstanding.size).toBe(0);
  });

  it('leaves the index of a user when the last session has ended', async () => {
    const clock = fakeClock();
    const state = new MemoryState(clock, 'node-1');
    const userHash = newUserHash();
    const id = `${userHash}.${'0'.repeat(22)}`;
    const session = { id, idleMs: 60_000, authenticatedAt: clock(), absoluteEndsAt: clock() + HOUR_MS };
    state.putSession(session as Parameters<MemoryState['putSession']>[0], clock(), clock() + 60_000);
    clock.advance(60_000);
    state.sweep();
    expect(state.sessionsOf(userHash)).toEqual([]);
    expect(state.deleteSession(id)).toBe(false);
  });
});
