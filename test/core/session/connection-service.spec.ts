import { beforeEach, describe, expect, it } from 'vitest';
import { CLOSE } from '../../../lib/core/close-code.js';
import type { Connection, Grant } from '../../../lib/core/connection.js';
import { StoreUnavailable } from '../../../lib/core/errors.js';
import { newId } from '../../../lib/core/identifiers.js';
import type {
  RevocationEntry,
  RevocationListener,
  RevocationOrder,
} from '../../../lib/core/revocation/revocation-log.js';
import type { SessionInit } from '../../../lib/core/session/session-service.js';
import type { LiveSession } from '../../../lib/core/session/session.js';
import type { Stores } from '../../../lib/core/stores.js';
import {
  coreHarness,
  grantOf,
  HANDSHAKE,
  principalOf,
  record,
  settle,
  withAdmissions,
  type CoreHarness,
  type CoreHarnessInit,
  type RecordedTransport,
} from '../../support/core-harness.js';
import { eventually } from '../../support/eventually.js';
import { interpose } from '../../support/interpose.js';

const MINUTE_MS = 60_000;

interface Opened extends RecordedTransport {
  readonly connection: Connection;
}

describe('ConnectionService', () => {
  let core: CoreHarness;

  function build(init: CoreHarnessInit = {}): void {
    core = coreHarness({
      ...init,
      options: {
        session: { idleMs: 10 * MINUTE_MS, absoluteMs: 60 * MINUTE_MS },
        lifetime: { idleMs: false },
        ...init.options,
      },
    });
  }

  beforeEach(() => build());

  /** A connection by a session, as a handshake would make it. */
  async function open(session: LiveSession, change: Partial<Grant> = {}): Promise<Opened> {
    const userHash = core.hashOf(session.userId);
    const admitted = await core.stores.connections.admit({
      connectionId: newId(),
      basis: { mode: 'session', sessionId: session.id, userHash },
      maxPerUser: 1_000,
      maxPerSession: 1_000,
      onLimit: 'reject',
      touch: true,
      rate: undefined,
      deadline: core.clock() + 1_000,
    });
    if (admitted.outcome !== 'admitted') throw new Error(admitted.outcome);
    const grant = grantOf({
      principal: admitted.principal,
      userHash,
      session: admitted.session,
      expiresAt: session.absoluteEndsAt,
      ...change,
    });
    const idleLeftMs = admitted.session!.remainingMs;
    const connection = core.connections.open(
      admitted.connectionId,
      HANDSHAKE,
      grant,
      admitted.logTail,
      idleLeftMs,
    );
    return Object.assign(record(connection), { connection });
  }

  async function login(init: Partial<SessionInit> = {}): Promise<LiveSession> {
    const { session } = await core.sessions.create({ userId: 'u1', ...init });
    core.events.length = 0;
    return (await core.sessions.get(session.id))!;
  }

  /** A connection without a session. */
  function openAlone(change: Partial<Grant> = {}): Opened {
    const grant = grantOf({ userHash: core.hashOf('u1'), ...change });
    const connection = core.connections.open(newId(), HANDSHAKE, grant, '0-0', undefined);
    return Object.assign(record(connection), { connection });
  }

  const append = (order: RevocationOrder, reason = 'test') => core.stores.revocations.append(order, reason);
  const count = (user = 'u1') => core.stores.connections.countOf(core.hashOf(user));

  describe('open', () => {
    it('lists the connection until it ends', async () => {
      const session = await login();
      const { connection } = await open(session);
      expect(core.connections.local()).toEqual([connection]);
      expect(core.connections.get(connection.id)).toBe(connection);
      expect(core.connections.ofUser(core.hashOf('u1'))).toEqual([connection]);
      expect(core.connections.ofSession(session.id)).toEqual([connection]);
      core.connections.end(connection, { close: CLOSE.forbidden, reason: 'test' });
      expect([core.connections.local(), core.connections.get(connection.id)]).toEqual([[], undefined]);
    });

    it('says for how long nothing was heard of the revocations of its user (RD-01)', () => {
      const { connection } = openAlone();
      const other = openAlone({ userHash: core.hashOf('u2') }).connection;
      expect(connection.staleMs).toBe(0);
      const lastHeardAt = core.clock();
      const lost = core.hashOf('u1');
      interpose(
        core.stores,
        'freshAtOf',
        (freshAtOf) => (userHash) => (userHash === lost ? lastHeardAt : freshAtOf(userHash)),
      );
      core.clock.advance(7_000);
      expect([connection.staleMs, other.staleMs]).toEqual([7_000, 0]);
    });

    it.each([
      ['its session', (session: LiveSession) => ({ session: session.id })],
      ['its user', () => ({ user: 'u1' })],
      ['everyone', () => ({ everyone: true as const })],
      ['its token', () => ({ token: { issuer: 'i', jti: 'j', subject: 'u1', expiresAt: 1 } })],
    ])(
      'fences what a revocation of %s has overtaken since the store decided (SE-03)',
      async (_, selector) => {
        const session = await login();
        const entries: string[] = [];
        core.stores.revocations.follow((entry) => {
          if (entry.order.kind === 'token') entries.push(entry.order.tokenHash);
          return 0;
        });
        const { logTail, ...grant } = await decided(session);
        await core.revocations.revoke(selector(session));
        const connection = core.connections.open(
          newId(),
          HANDSHAKE,
          { ...grant, tokenHash: entries[0] },
          logTail,
          1_000,
        );
        expect(connection.isOpen).toBe(false);
        expect(core.connections.local()).toEqual([]);
        expect(core.wheel.size).toBe(0);
      },
    );

    it('does not hold older revocations against it', async () => {
      await core.revocations.revoke({ user: 'u1' });
      const session = await login();
      const { logTail, ...grant } = await decided(session);
      expect(core.connections.open(newId(), HANDSHAKE, grant, logTail, 1_000).isOpen).toBe(true);
    });

    it('has the rights and the session of what came in since the store decided (SE-09, CK-04)', async () => {
      const session = await login({ roles: ['member'] });
      const { logTail, ...grant } = await decided(session);
      await core.sessions.setRoles({ session: session.id }, { roles: ['admin'] });
      const rotated = await core.sessions.rotate(session.id);
      const connection = core.connections.open(newId(), HANDSHAKE, grant, logTail, 1_000);
      expect(connection.principal.roles).toEqual(['admin']);
      expect(connection.session!.id).toBe(rotated.session.id);
      await core.revocations.revoke({ session: rotated.token });
      expect(connection.isOpen).toBe(false);
    });

    /** What a store decided about a session, on its way to this node. */
    async function decided(session: LiveSession) {
      const { connection } = await open(session);
      const { grant } = connection;
      core.connections.withdraw(connection);
      const tail = await core.stores.connections.admit({
        connectionId: newId(),
        basis: { mode: 'session', sessionId: session.id, userHash: core.hashOf('u1') },
        maxPerUser: 10,
        maxPerSession: 10,
        onLimit: 'reject',
        touch: true,
        rate: undefined,
        deadline: core.clock(),
      });
      if (tail.outcome !== 'admitted') throw new Error(tail.outcome);
      return { ...grant, logTail: tail.logTail };
    }
  });

  describe('end', () => {
    it('fences at once, writes Close, gives the place back and tells the audit log (SE-02)', async () => {
      const { connection, closes, sent } = await open(await login());
      expect(await count()).toBe(1);
      const ending = { close: CLOSE.rateLimited, reason: 'too_many', retryAfterMs: 1_500.2 };
      expect(core.connections.end(connection, ending)).toBe(true);
      connection.send('late');
      expect(sent).toEqual([]);
      expect(closes).toEqual([{ code: 4429, reason: 'rate_limited;retry=1501;id=correlation-1' }]);
      expect(await count()).toBe(0);
      expect(core.wheel.size).toBe(0);
      expect(core.events).toMatchObject([
        {
          event: 'connection_closed',
          outcome: 'closed',
          reasonCode: 'too_many',
          closeCode: 4429,
          principal: 'u1',
        },
      ]);
    });

    it('happens once', async () => {
      const { connection, closes } = await open(await login());
      core.connections.end(connection, { close: CLOSE.forbidden, reason: 'first' });
      expect(core.connections.end(connection, { close: CLOSE.expired, reason: 'second' })).toBe(false);
      core.connections.closed(connection, 1006);
      expect(closes).toHaveLength(1);
      expect(core.events).toHaveLength(1);
    });

    it.each([
      ['iana' as const, 3003],
      ['policy-violation' as const, 1008],
    ])('writes the codes of the scheme %s', (closeCodes, code) => {
      build({ options: { closeCodes } });
      const { connection, closes } = openAlone();
      core.connections.end(connection, { close: CLOSE.forbidden, reason: 'test' });
      expect(closes).toEqual([{ code, reason: 'forbidden;id=correlation-1' }]);
    });

    /** The first close that is told takes longer than a turn may close. */
    function takeLongOnce(): void {
      let hasTaken = false;
      core.audit.subscribe(({ outcome }) => {
        if (outcome !== 'closed' || hasTaken) return;
        hasTaken = true;
        core.monotonic.advance(5);
      });
    }

    it('fences all at once, and writes no more Close frames in a turn than others can bear', async () => {
      const opened = Array.from({ length: 120 }, () => openAlone());
      takeLongOnce();
      await core.revocations.revoke({ user: 'u1' });
      expect(opened.some(({ connection }) => connection.isOpen)).toBe(false);
      expect(opened.filter(({ closes }) => closes.length === 1)).toHaveLength(1);
      core.connections.flushCloses();
      expect(opened.filter(({ closes }) => closes.length === 1)).toHaveLength(120);
    });

    it('fences 2,000 of a revocation within a second, and stalls nobody while it closes them (LT-07)', async () => {
      const opened = Array.from({ length: 2_000 }, () => openAlone());
      core.audit.subscribe(() => core.monotonic.advance(0.1));
      const stalls: number[] = [];
      let last = performance.now();
      const watch = setInterval(() => {
        stalls.push(performance.now() - last);
        last = performance.now();
      }, 1);
      const begun = performance.now();
      await core.revocations.revoke({ user: 'u1' });
      expect(opened.some(({ connection }) => connection.isOpen)).toBe(false);
      expect(performance.now() - begun).toBeLessThan(1_000);
      await eventually(() => opened.every(({ closes }) => closes.length === 1));
      clearInterval(watch);
      stalls.sort((a, b) => a - b);
      expect(stalls[Math.floor(stalls.length * 0.99)]).toBeLessThan(100);
    });

    it('fences all sockets of a session that has ended before it tells of the first (SE-02)', async () => {
      const session = await login();
      const opened = [await open(session), await open(session)];
      const openWhenTold: number[] = [];
      core.audit.subscribe(({ outcome }) => {
        if (outcome === 'closed')
          openWhenTold.push(opened.filter(({ connection }) => connection.isOpen).length);
      });
      core.stores.sessions.touch = (ids: readonly unknown[]) => Promise.resolve(ids.map(() => null));
      core.connections.mayReceive(opened[0]!.connection);
      for (let minute = 0; minute < 30 && openWhenTold.length < 2; minute += 1) await core.advance(MINUTE_MS);
      expect(openWhenTold).toEqual([0, 0]);
    });

    it('tells each of many a time of its own to come back', () => {
      const opened = Array.from({ length: 50 }, () => openAlone());
      const ending = { close: CLOSE.tryLater, reason: 'store_outage', retryWithinMs: 10_000 };
      const connections = opened.map(({ connection }) => connection);
      expect(core.connections.endAll(connections, ending, ({ id }) => id !== connections[0]!.id)).toBe(49);
      core.connections.flushCloses();
      const reasons = opened.flatMap(({ closes }) => closes.map(({ reason }) => reason));
      const times = reasons.map((reason) => Number(/^try_later;retry=(\d+);/.exec(reason)![1]));
      expect(new Set(times).size).toBeGreaterThan(40);
      expect(Math.max(...times)).toBeLessThanOrEqual(10_000);
    });

    it('fences all of a revocation before it does anything else about any, and tells of each in its turn (SE-02)', async () => {
      const opened = Array.from({ length: 200 }, () => openAlone());
      const openWhenTold: number[] = [];
      takeLongOnce();
      core.audit.subscribe(({ outcome }) => {
        if (outcome === 'closed')
          openWhenTold.push(opened.filter(({ connection }) => connection.isOpen).length);
      });
      const { sockets } = await core.revocations.revoke({ everyone: true });
      expect(sockets).toBe(200);
      expect(openWhenTold).toEqual([0]);
      expect(core.connections.local()).toEqual([]);
      expect(core.connections.get(opened.at(-1)!.connection.id)).toBeUndefined();
      expect((await core.revocations.revoke({ everyone: true })).sockets).toBe(0);
      await eventually(() => core.connections.size === 0);
      expect(openWhenTold).toEqual(Array.from({ length: 200 }, () => 0));
    });

    it('does not let a transport that throws keep others alive', async () => {
      const [broken, sound] = [openAlone(), openAlone()];
      const failure = new Error('the socket is in no state to close');
      broken.connection.attach({
        ping: () => {},
        terminate: () => {},
        isReadingPaused: false,
        send: () => {},
        close: () => {
          throw failure;
        },
      });
      expect(await core.revocations.revoke({ user: 'u1' })).toMatchObject({ sockets: 2 });
      expect([broken.connection.isOpen, sound.connection.isOpen]).toEqual([false, false]);
      expect(sound.closes).toHaveLength(1);
      expect(core.errors).toEqual([failure]);
    });

    it('reports a store that does not take the place back, and throws nothing', async () => {
      const failure = new StoreUnavailable('away');
      build({
        wrapStores: (stores) => {
          const wrapped = withAdmissions(stores, (_, admit) => admit());
          return {
            ...wrapped,
            connections: {
              ...wrapped.connections,
              release: () => Promise.reject(failure),
              releaseAll: () => Promise.reject(failure),
            },
          };
        },
      });
      const [ended, left] = [openAlone(), openAlone()];
      expect(core.connections.end(ended.connection, { close: CLOSE.forbidden, reason: 'test' })).toBe(true);
      core.connections.closed(left.connection, 1001);
      await settle();
      expect(core.errors).toEqual([failure, failure]);
    });

    it('gives back together the places of those that end together, and of each once (SE-07)', async () => {
      const asked: string[][] = [];
      interpose(core.stores.connections, 'releaseAll', (releaseAll) => (places) => {
        asked.push(places.map(({ id }) => id));
        return releaseAll(places);
      });
      const opened = await Promise.all([login(), login()].map(async (session) => open(await session)));
      const ids = opened.map(({ connection }) => connection.id);
      await core.revocations.revoke({ everyone: true });
      expect(asked).toEqual([ids]);
      expect(await count()).toBe(0);
      for (const { connection } of opened) core.connections.closed(connection, 1005);
      await settle();
      expect(asked).toEqual([ids]);
    });
  });

  describe('closed and withdraw', () => {
    it('gives the place back when the client leaves, and tells the audit log once', async () => {
      const { connection, closes } = await open(await login());
      core.connections.closed(connection, 1001);
      core.connections.closed(connection, 1006);
      expect(await count()).toBe(0);
      expect([core.connections.local(), core.wheel.size, closes]).toEqual([[], 0, []]);
      expect(core.events).toMatchObject([
        { event: 'connection_closed', reasonCode: 'client_left', closeCode: 1001 },
      ]);
    });

    it('takes back a connection that nobody has seen, without a word', async () => {
      const { connection, closes } = await open(await login());
      core.connections.withdraw(connection);
      expect(await count()).toBe(0);
      expect([connection.isOpen, core.wheel.size, closes, core.events]).toEqual([false, 0, [], []]);
    });
  });

  describe('the end by time', () => {
    it('comes when the credential ends, within one tick (LT-01)', async () => {
      const { connection, closes } = openAlone({ expiresAt: core.clock() + 5_000 });
      await core.advance(4_999);
      expect(connection.isOpen).toBe(true);
      await core.advance(51);
      expect(closes).toEqual([{ code: 4419, reason: 'expired;id=correlation-1' }]);
      expect(core.events).toMatchObject([
        { event: 'session_expired', reasonCode: 'expired', closeCode: 4419 },
      ]);
    });

    it('lets no message through in the millisecond of the end, swept or not (LT-01)', () => {
      const { connection, closes } = openAlone({ expiresAt: core.clock() + 5_000 });
      core.clock.advance(4_999);
      expect(core.connections.mayReceive(connection)).toBe(true);
      expect(connection.lastMessageAt).toBe(core.clock());
      core.clock.advance(1);
      expect(core.connections.mayReceive(connection)).toBe(false);
      expect(closes).toHaveLength(1);
      expect(core.connections.mayReceive(connection)).toBe(false);
    });

    it('is not reached early by a far one (LT-02)', async () => {
      const { connection } = openAlone({ expiresAt: core.clock() + 30 * 24 * 60 * MINUTE_MS });
      await core.advance(MINUTE_MS);
      expect(connection.isOpen).toBe(true);
      await core.advance(31 * 24 * 60 * MINUTE_MS);
      expect(connection.isOpen).toBe(false);
    });

    it('is found within a minute when the wall clock was set forward (LT-01)', async () => {
      const { connection } = openAlone({ expiresAt: core.clock() + 60 * MINUTE_MS });
      core.clock.advance(2 * 60 * MINUTE_MS);
      core.monotonic.advance(MINUTE_MS + 50);
      core.wheel.sweep();
      expect(connection.isOpen).toBe(false);
    });

    it('comes no later when the wall clock was set back, and no earlier (LT-01)', async () => {
      const { connection, closes } = openAlone({ expiresAt: core.clock() + 2 * MINUTE_MS });
      core.clock.advance(-60 * MINUTE_MS);
      await core.advance(2 * MINUTE_MS - 1);
      expect(connection.isOpen).toBe(true);
      await core.advance(51);
      expect(closes).toMatchObject([{ code: 4419 }]);
    });

    it.each([-60, 60])(
      'comes with the longest life, though the wall clock was set by %d minutes (LT-01)',
      async (minutes) => {
        build({ options: { lifetime: { maxMs: 10 * MINUTE_MS, idleMs: false } } });
        const { connection, closes } = openAlone({ expiresAt: core.clock() + 600 * MINUTE_MS });
        core.clock.advance(minutes * MINUTE_MS);
        for (let second = 0; second < 599; second += 1) await core.advance(1_000);
        expect(core.connections.mayReceive(connection)).toBe(true);
        await core.advance(1_050);
        expect(closes).toEqual([{ code: 4419, reason: 'expired;id=correlation-1' }]);
      },
    );

    it('is told to the client as the earliest of all ends (LT-01)', () => {
      build({ options: { lifetime: { maxMs: 10 * MINUTE_MS } } });
      expect(openAlone().connection.expiresAt).toBe(core.clock() + 10 * MINUTE_MS);
      expect(openAlone({ expiresAt: core.clock() + 5 }).connection.expiresAt).toBe(core.clock() + 5);
    });

    it('lets no message through after the longest life, swept or not (LT-01)', () => {
      build({ options: { lifetime: { maxMs: MINUTE_MS } } });
      const { connection } = openAlone();
      core.clock.advance(MINUTE_MS);
      core.monotonic.advance(MINUTE_MS);
      expect(core.connections.mayReceive(connection)).toBe(false);
    });

    it('comes when the session was idle for too long (SE-08)', async () => {
      const { connection, closes } = await open(await login());
      for (let minute = 0; minute < 9; minute += 1) await core.advance(MINUTE_MS);
      expect(connection.isOpen).toBe(true);
      await core.advance(MINUTE_MS + 50);
      expect(closes).toEqual([{ code: 4419, reason: 'expired;id=correlation-1' }]);
    });

    it('is put off by messages, until the absolute end (SE-08)', async () => {
      const session = await login();
      const { connection } = await open(session);
      for (let minute = 1; minute < 60; minute += 1) {
        await core.advance(MINUTE_MS);
        expect(core.connections.mayReceive(connection)).toBe(true);
      }
      await core.advance(MINUTE_MS);
      expect([core.connections.mayReceive(connection), connection.isOpen]).toEqual([false, false]);
      expect(core.clock()).toBe(session.absoluteEndsAt);
    });

    it.each([10, 600, 5_000, 9_900, 12_000])(
      'is put off by a message %d ms before it (SE-08)',
      async (beforeMs) => {
        const session = await login();
        const { connection } = await open(session);
        await core.advance(10 * MINUTE_MS - beforeMs);
        expect(core.connections.mayReceive(connection)).toBe(true);
        await settle();
        await core.advance(MINUTE_MS);
        expect(connection.isOpen).toBe(true);
        for (let minute = 0; minute < 10; minute += 1) await core.advance(MINUTE_MS);
        expect(connection.isOpen).toBe(false);
      },
    );

    it('is not put off by messages where only HTTP requests count (SE-08)', async () => {
      build({
        options: { session: { idleMs: 10 * MINUTE_MS, absoluteMs: 60 * MINUTE_MS, extendedBy: 'http' } },
      });
      const { connection } = await open(await login());
      for (let minute = 0; minute < 10; minute += 1) {
        core.connections.mayReceive(connection);
        await core.advance(MINUTE_MS);
      }
      await core.advance(50);
      expect(connection.isOpen).toBe(false);
    });

    it('is put off by use of the session elsewhere (SE-08)', async () => {
      const session = await login();
      const { connection } = await open(session);
      await core.advance(9 * MINUTE_MS);
      await core.sessions.touch(session.id);
      for (let minute = 0; minute < 9; minute += 1) await core.advance(MINUTE_MS);
      expect(connection.isOpen).toBe(true);
      await core.advance(MINUTE_MS + 50);
      expect(connection.isOpen).toBe(false);
    });

    it('comes for all connections of the session (SE-08)', async () => {
      const session = await login();
      const [one, two] = [await open(session), await open(session)];
      const other = await open(await login());
      core.connections.mayReceive(other.connection);
      for (let minute = 0; minute < 10; minute += 1) {
        await core.advance(MINUTE_MS);
        core.connections.mayReceive(other.connection);
      }
      await core.advance(50);
      expect([one, two, other].map(({ connection }) => connection.isOpen)).toEqual([false, false, true]);
    });

    it('is found within a minute when nobody told of it (LT-05)', async () => {
      const deaf = deafStores();
      build({ wrapStores: deaf.wrap });
      const session = await login();
      const { connection } = await open(session);
      await core.revocations.revoke({ session: session.id });
      expect(connection.isOpen).toBe(true);
      await core.advance(MINUTE_MS + 50);
      expect(connection.isOpen).toBe(false);
    });

    it('is found within a minute for a token and a user without session, when nobody told of it (LT-05)', async () => {
      build({ wrapStores: deafStores().wrap });
      const byToken = openAlone({ tokenHash: 'token-1' });
      const byUser = openAlone({ userHash: core.hashOf('u2') });
      const other = openAlone({ userHash: core.hashOf('u3'), tokenHash: 'token-3' });
      await append({
        kind: 'token',
        tokenHash: 'token-1',
        userHash: core.hashOf('u1'),
        rememberMs: 3_600_000,
      });
      await core.revocations.revoke({ user: 'u2' });
      expect(byToken.connection.isOpen && byUser.connection.isOpen).toBe(true);
      await core.advance(MINUTE_MS + 50);
      expect(byToken.closes).toMatchObject([{ code: 4410 }]);
      expect(byUser.closes).toMatchObject([{ code: 4410 }]);
      expect(other.connection.isOpen).toBe(true);
    });

    it('is found within a minute for the token of a connection whose session goes on (LT-05)', async () => {
      build({ wrapStores: deafStores().wrap });
      const { connection, closes } = await open(await login(), { tokenHash: 'token-1' });
      await append({
        kind: 'token',
        tokenHash: 'token-1',
        userHash: core.hashOf('u1'),
        rememberMs: 3_600_000,
      });
      core.connections.mayReceive(connection);
      await core.advance(MINUTE_MS + 50);
      expect(closes).toMatchObject([{ code: 4410 }]);
    });

    it('asks about a session once for all that the store answered within the minute (LT-05)', async () => {
      let asked = 0;
      build({
        wrapStores: (stores) => ({
          ...withAdmissions(stores, (_, admit) => admit()),
          sessions: {
            ...deafStores().wrap(stores).sessions,
            get: (ids) => {
              asked += ids.length;
              return stores.sessions.get(ids);
            },
          },
        }),
      });
      const session = await login();
      const before = asked;
      await open(session);
      await open(session);
      await core.advance(MINUTE_MS / 2);
      const { connection } = await open(session);
      await core.advance(MINUTE_MS / 2 + 50);
      expect(asked - before).toBe(1);
      await core.advance(MINUTE_MS / 2);
      expect([asked - before, connection.isOpen]).toEqual([1, true]);
    });

    it('does not come because the store is away; it is asked again (LT-05)', async () => {
      const away = deafStores();
      build({ wrapStores: away.wrap });
      const { connection } = await open(await login());
      away.failure = new StoreUnavailable('away');
      for (let minute = 0; minute < 3; minute += 1) await core.advance(MINUTE_MS + 50);
      expect(connection.isOpen).toBe(true);
      expect(core.errors).toEqual([away.failure, away.failure, away.failure]);
      away.failure = undefined;
      await core.advance(10 * MINUTE_MS);
      expect(connection.isOpen).toBe(false);
    });
  });

  describe('a silent client', () => {
    it('is closed 4408 when no application message came for the idle time (LT-03)', async () => {
      build({ options: { lifetime: { idleMs: 5 * MINUTE_MS } } });
      const { connection, closes, pings } = openAlone();
      await core.advance(4 * MINUTE_MS);
      expect(core.connections.mayReceive(connection)).toBe(true);
      for (let minute = 0; minute < 4; minute += 1) await core.advance(MINUTE_MS);
      expect(connection.isOpen).toBe(true);
      await core.advance(MINUTE_MS + 50);
      expect(closes).toEqual([{ code: 4408, reason: 'idle_timeout;id=correlation-1' }]);
      expect(pings.length).toBeGreaterThan(3);
      expect(core.events).toMatchObject([
        { event: 'connection_closed', outcome: 'closed', reasonCode: 'idle_timeout', closeCode: 4408 },
      ]);
      expect(core.wheel.size).toBe(0);
    });

    it('is not kept by frames that were looked at and not dispatched (LT-03)', async () => {
      build({ options: { lifetime: { idleMs: 5 * MINUTE_MS } } });
      const { connection } = openAlone();
      for (let minute = 0; minute < 5; minute += 1) {
        expect(core.connections.isLive(connection)).toBe(true);
        await core.advance(MINUTE_MS + 10);
      }
      expect(connection.isOpen).toBe(false);
    });

    it('stays for ever where it may (LT-03)', async () => {
      const { connection } = openAlone();
      for (let minute = 0; minute < 59; minute += 1) await core.advance(MINUTE_MS);
      expect(connection.isOpen).toBe(true);
    });

    it('is cut when it does not answer a ping, and told of once (LT-04)', async () => {
      const opened = openAlone();
      opened.answersPings = false;
      await core.advance(30_000);
      expect(opened.pings).toHaveLength(1);
      await core.advance(9_900);
      expect(opened.connection.isOpen).toBe(true);
      await core.advance(150);
      expect([opened.cuts, opened.closes, core.connections.local()]).toEqual([1, [], []]);
      core.connections.closed(opened.connection, 1006);
      expect(core.events).toMatchObject([
        { event: 'connection_closed', outcome: 'closed', reasonCode: 'heartbeat_timeout', closeCode: 1006 },
      ]);
      expect([await count(), core.wheel.size]).toEqual([0, 0]);
    });

    it('is not pinged before it has a socket', async () => {
      const connection = core.connections.open(
        newId(),
        HANDSHAKE,
        grantOf({ userHash: core.hashOf('u1') }),
        '0-0',
        undefined,
      );
      for (let second = 0; second < 50; second += 1) await core.advance(1_000);
      expect(connection.isOpen).toBe(true);
      const { pings } = record(connection);
      await core.advance(50);
      expect(pings).toHaveLength(1);
    });
  });

  describe('cut', () => {
    it('fences at once and happens once', async () => {
      const opened = openAlone();
      expect(core.connections.cut(opened.connection, 'not_reading')).toBe(true);
      expect(core.connections.cut(opened.connection, 'again')).toBe(false);
      expect(core.connections.end(opened.connection, { close: CLOSE.error, reason: 'late' })).toBe(false);
      expect([opened.cuts, opened.closes, opened.connection.isOpen]).toEqual([1, [], false]);
      expect(core.events).toMatchObject([{ reasonCode: 'not_reading', closeCode: 1006 }]);
    });
  });

  describe('mayReceive', () => {
    it('tells a session of its use once until the store has answered (SE-08)', async () => {
      const told: (readonly string[])[] = [];
      build({
        wrapStores: (stores) => ({
          ...withAdmissions(stores, (_, admit) => admit()),
          sessions: {
            ...deafStores().wrap(stores).sessions,
            touch: (ids) => {
              told.push(ids);
              return stores.sessions.touch(ids);
            },
          },
        }),
      });
      const session = await login();
      const { connection } = await open(session);
      for (let second = 0; second < 10; second += 1) {
        for (let message = 0; message < 100; message += 1) core.connections.mayReceive(connection);
        await core.advance(1_000);
      }
      await core.advance(50);
      expect(told).toEqual([[session.id]]);
      core.connections.mayReceive(connection);
      await core.advance(10_050);
      expect(told).toEqual([[session.id], [session.id]]);
    });

    it('asks about a session that is about to end no more often than it is used (SE-08)', async () => {
      let touches = 0;
      build({
        wrapStores: (stores) => ({
          ...withAdmissions(stores, (_, admit) => admit()),
          sessions: {
            ...deafStores().wrap(stores).sessions,
            touch: (ids) => {
              touches += 1;
              return stores.sessions.touch(ids);
            },
          },
        }),
      });
      const { connection } = await open(await login());
      for (let minute = 1; minute < 60; minute += 1) {
        await core.advance(MINUTE_MS);
        core.connections.mayReceive(connection);
      }
      await core.advance(50_000);
      touches = 0;
      core.connections.mayReceive(connection);
      await core.advance(1);
      expect(touches).toBe(1);
    });
  });

  describe('apply', () => {
    it('ends the connections of a session that is revoked, and no others (SE-01)', async () => {
      const [session, other] = [await login(), await login()];
      const mine = [await open(session), await open(session)];
      const theirs = await open(other);
      const { entry } = await append(
        { kind: 'session', sessionId: session.id, userHash: core.hashOf('u1') },
        'logout',
      );
      expect(await core.stores.revocations.acknowledgements(entry, 0)).toMatchObject({ sockets: 2 });
      for (const { closes } of mine)
        expect(closes).toEqual([{ code: 4410, reason: 'revoked;id=correlation-1' }]);
      expect(theirs.connection.isOpen).toBe(true);
      expect(core.events).toMatchObject([{ reasonCode: 'logout' }, { reasonCode: 'logout' }]);
    });

    it('ends the connections of a user that is revoked (SE-01)', async () => {
      const [mine, alone] = [await open(await login()), openAlone()];
      const theirs = await open(await login({ userId: 'u2' }));
      expect(await core.revocations.revoke({ user: 'u1' })).toMatchObject({ sockets: 2 });
      expect([mine, alone, theirs].map(({ connection }) => connection.isOpen)).toEqual([false, false, true]);
    });

    it('keeps a connection whose login is not before the cut (SE-06)', async () => {
      const { connection } = await open(await login());
      await core.revocations.revoke({ user: 'u1', issuedBefore: core.clock() });
      expect(connection.isOpen).toBe(true);
    });

    it('keeps the session that is kept, and counts it as a fresh login (SE-06)', async () => {
      const [kept, ended] = [await login(), await login()];
      const [mine, other] = [await open(kept, { narrowing: { roles: [] } }), await open(ended)];
      await core.advance(1_000);
      await core.revocations.revoke({ user: 'u1', except: kept.id });
      expect([mine, other].map(({ connection }) => connection.isOpen)).toEqual([true, false]);
      await core.revocations.revoke({ user: 'u1', issuedBefore: core.clock() - 500 });
      expect(mine.connection.isOpen).toBe(true);
      expect(mine.connection.grant.narrowing).toEqual({ roles: [] });
      await core.revocations.revoke({ user: 'u1' });
      expect(mine.connection.isOpen).toBe(false);
    });

    it('ends the connections of a token (JW-05)', async () => {
      const [one, two] = [openAlone({ tokenHash: 'token-1' }), openAlone({ tokenHash: 'token-2' })];
      await append({ kind: 'token', tokenHash: 'token-1', userHash: core.hashOf('u1'), rememberMs: 1_000 });
      expect([one, two].map(({ connection }) => connection.isOpen)).toEqual([false, true]);
    });

    it('ends everybody from before the cut', async () => {
      const [one, two] = [await open(await login()), await open(await login({ userId: 'u2' }))];
      expect(await core.revocations.revoke({ everyone: true })).toMatchObject({ sockets: 2 });
      expect([one, two].map(({ connection }) => connection.isOpen)).toEqual([false, false]);
    });

    it('ends a connection that was replaced, and says so', async () => {
      const [{ connection, closes }, other] = [openAlone(), openAlone()];
      const order = {
        kind: 'replace',
        userHash: core.hashOf('u1'),
        node: 'node-1',
        connectionId: connection.id,
      } as const;
      await append(order, 'replaced');
      expect(closes).toEqual([{ code: 4409, reason: 'replaced;id=correlation-1' }]);
      expect(other.connection.isOpen).toBe(true);
      expect(core.events).toMatchObject([{ event: 'excess_sessions_exceeded', reasonCode: 'replaced' }]);
    });

    it('gives live connections new rights, within what their credential allows (SE-09)', async () => {
      const session = await login({ roles: ['member'], scopes: ['read'] });
      const whole = await open(session);
      const narrowed = await open(session, {
        narrowing: { roles: ['member'] },
        principal: principalOf('u1', ['member']),
      });
      const alone = openAlone({ principal: principalOf('u1', ['member']) });
      await core.sessions.setRoles({ user: 'u1' }, { roles: ['admin', 'member'] });
      expect(whole.connection.principal).toMatchObject({ roles: ['admin', 'member'], scopes: ['read'] });
      expect(narrowed.connection.principal.roles).toEqual(['member']);
      expect(alone.connection.principal.roles).toEqual(['member']);
      await core.sessions.setRoles({ session: session.id }, { roles: [], scopes: [] });
      expect(whole.connection.principal).toMatchObject({ roles: [], scopes: [] });
      expect(core.connections.local()).toHaveLength(3);
    });

    it('moves the connections of a session that is rotated (CK-04)', async () => {
      const session = await login({ roles: ['member'] });
      const { connection, closes } = await open(session);
      const rotated = await core.sessions.rotate(session.id);
      expect(connection.session!.id).toBe(rotated.session.id);
      expect(core.connections.ofSession(session.id)).toEqual([]);
      expect(core.connections.ofSession(rotated.session.id)).toEqual([connection]);
      expect(connection.principal.roles).toEqual(['member']);
      await core.revocations.revoke({ session: rotated.session.id });
      expect(closes).toHaveLength(1);
    });

    it('keeps a moved connection alive by its messages, and ends it with its session (CK-04, SE-08)', async () => {
      const session = await login();
      const { connection } = await open(session);
      core.connections.mayReceive(connection);
      await core.sessions.rotate(session.id);
      for (let minute = 0; minute < 15; minute += 1) {
        await core.advance(MINUTE_MS);
        expect(core.connections.mayReceive(connection)).toBe(true);
      }
      for (let minute = 0; minute < 11; minute += 1) await core.advance(MINUTE_MS);
      expect(connection.isOpen).toBe(false);
    });
  });

  describe('renew', () => {
    it('gives the connection the end and the rights of the fresh credential', async () => {
      const { connection } = openAlone({ expiresAt: core.clock() + 5_000 });
      const later = grantOf({
        userHash: core.hashOf('u1'),
        principal: principalOf('u1', ['admin']),
        expiresAt: core.clock() + 50_000,
        tokenHash: 'token-2',
      });
      core.connections.renew(connection, later, '0-0', undefined);
      expect(core.wheel.size).toBe(1);
      await core.advance(10_000);
      expect([connection.isOpen, connection.principal.roles]).toEqual([true, ['admin']]);
      await append({ kind: 'token', tokenHash: 'token-2', userHash: core.hashOf('u1'), rememberMs: 1_000 });
      expect(connection.isOpen).toBe(false);
    });

    it('tells nobody twice of a change that the refresh was decided without', async () => {
      const session = await login({ roles: ['member'] });
      const { connection } = await open(session);
      const { grant, seenUpTo } = connection;
      const added: (readonly string[])[] = [];
      core.connections.observe({
        rightsChanged: (_, change) => added.push(change.added.roles),
        authenticated: () => {},
        expiring: () => {},
      });
      await core.sessions.setRoles({ session: session.id }, { roles: ['member', 'admin'] });
      core.connections.renew(connection, grant, seenUpTo, undefined);
      expect(connection.principal.roles).toEqual(['member', 'admin']);
      expect(added).toEqual([['admin']]);
    });

    it('comes too late behind the end, also before the sweep has seen that', async () => {
      const { connection } = openAlone({ expiresAt: core.clock() + 5_000 });
      core.clock.advance(5_001);
      core.monotonic.advance(5_001);
      const later = grantOf({ userHash: core.hashOf('u1'), expiresAt: core.clock() + 50_000 });
      core.connections.renew(connection, later, '0-0', undefined);
      expect([connection.isOpen, connection.ending?.reason]).toEqual([false, 'expired']);
    });

    it('takes of a credential that ends sooner the proof alone: end and rights stay', async () => {
      const { connection } = openAlone({ expiresAt: core.clock() + 50_000, authTime: core.clock() - 60_000 });
      const sooner = grantOf({
        userHash: core.hashOf('u1'),
        principal: principalOf('u1', ['admin']),
        expiresAt: core.clock() + 5_000,
        authTime: core.clock(),
      });
      core.connections.renew(connection, sooner, '0-0', undefined);
      expect([connection.authTime, connection.principal.roles]).toEqual([core.clock(), []]);
      await core.advance(49_000);
      expect(connection.isOpen).toBe(true);
      await core.advance(1_050);
      expect(connection.isOpen).toBe(false);
    });

    it('takes no proof that was revoked since the store decided: it ends who presents it (SE-03)', async () => {
      const { connection } = openAlone({ expiresAt: core.clock() + 50_000, authTime: 0 });
      await append({ kind: 'token', tokenHash: 'token-2', userHash: core.hashOf('u1'), rememberMs: 1_000 });
      const sooner = grantOf({
        userHash: core.hashOf('u1'),
        expiresAt: core.clock() + 5_000,
        tokenHash: 'token-2',
      });
      core.connections.renew(connection, sooner, '0-0', undefined);
      expect([connection.isOpen, connection.authTime]).toEqual([false, 0]);
    });

    it('does not set back when the user has authenticated', () => {
      const { connection } = openAlone({ authTime: core.clock() });
      const older = { userHash: core.hashOf('u1'), expiresAt: core.clock() + 7_200_000, authTime: 5 };
      core.connections.renew(connection, grantOf(older), '0-0', undefined);
      expect(connection.authTime).toBe(core.clock());
    });

    it('ends what was revoked since the store decided (SE-03)', async () => {
      const { connection, closes } = openAlone({ authenticatedAt: core.clock() + 5 });
      await core.revocations.revoke({ user: 'u1', issuedBefore: core.clock() });
      expect(connection.isOpen).toBe(true);
      const stale = grantOf({ userHash: core.hashOf('u1'), authenticatedAt: core.clock() - 5 });
      core.connections.renew(connection, stale, '0-0', undefined);
      expect([connection.isOpen, closes.length]).toEqual([false, 1]);
    });

    it('leaves nothing behind for a connection that has ended meanwhile (HS-04)', () => {
      const { connection } = openAlone();
      core.connections.closed(connection, 1006);
      core.connections.renew(connection, grantOf({ userHash: core.hashOf('u1') }), '0-0', undefined);
      expect([core.wheel.size, core.connections.local()]).toEqual([0, []]);
    });
  });

  describe('a store with several partitions (RD-04)', () => {
    const everyone = { kind: 'everyone', issuedBefore: undefined } as const;
    let log: ReturnType<typeof partitionedStores>;
    beforeEach(() => {
      log = partitionedStores();
      build({ wrapStores: (stores) => log.wrap(stores) });
    });

    const entryOf = (user: string, id: string, order: RevocationOrder): RevocationEntry => {
      const cut = core.clock() + 1_000;
      return { partition: core.hashOf(user), id, order, cut, cutInclusive: false, reason: 'test' };
    };

    const openWith = (logTail: string, change: Partial<Grant> = {}): Connection =>
      core.connections.open(
        newId(),
        HANDSHAKE,
        grantOf({ userHash: core.hashOf('u1'), ...change }),
        logTail,
        undefined,
      );

    it('ends everyone of a partition by the entry in that partition, wherever the ids of the others are', () => {
      const [admittedBefore, admittedAfter] = [openWith('500-0'), openWith('502-0')];
      expect(log.tell(entryOf('u2', '900-0', everyone))).toBe(0);
      expect([admittedBefore.isOpen, admittedAfter.isOpen]).toEqual([true, true]);
      expect(log.tell(entryOf('u1', '501-0', everyone))).toBe(1);
      expect([admittedBefore.isOpen, admittedAfter.isOpen]).toEqual([false, true]);
    });

    it('holds an admission against the missed entries of its own partition only', () => {
      log.tell(entryOf('u2', '900-0', everyone));
      expect(openWith('500-0').isOpen).toBe(true);
      log.tell(entryOf('u1', '501-0', everyone));
      expect(openWith('500-0').isOpen).toBe(false);
      expect(openWith('501-0').isOpen).toBe(true);
    });

    it('sends those away whom missed entries may concern, to come back at different times (LT-07)', () => {
      const retries = Array.from({ length: 20 }, () => {
        const connection = openWith('500-0');
        return { connection, ...record(connection) };
      });
      const userHash = core.hashOf('u1');
      for (let id = 501; id < 6_000; id += 1)
        log.tell(entryOf('u1', `${id}-0`, { kind: 'token', tokenHash: 'x', userHash, rememberMs: 1 }));
      for (const { connection } of retries)
        core.connections.renew(connection, connection.grant, '500-0', undefined);
      const waits = retries.map(({ closes }) => /^try_later;retry=(\d+);/.exec(closes[0]!.reason)![1]);
      expect(new Set(waits).size).toBeGreaterThan(15);
      expect(retries[0]!.closes[0]!.code).toBe(1013);
    });

    it('ends the connections of a token that was named with another user, in whose partition the order stands', () => {
      const connection = openWith('500-0', { tokenHash: 'token-1' });
      const userHash = core.hashOf('u2');
      const order = { kind: 'token', tokenHash: 'token-1', userHash, rememberMs: 1_000 } as const;
      expect(log.tell(entryOf('u2', '100-0', order))).toBe(1);
      expect(connection.isOpen).toBe(false);
    });
  });
});

/** Stores with a log for each user, whose entries the test makes itself. */
function partitionedStores(): { tell(entry: RevocationEntry): number; wrap(stores: Stores): Stores } {
  let tell: RevocationListener = () => 0;
  return {
    tell: (entry) => tell(entry),
    wrap: (stores) => ({
      ...withAdmissions(stores, (_, admit) => admit()),
      revocations: {
        append: (order, reason) => stores.revocations.append(order, reason),
        follow: (listener) => {
          tell = listener;
        },
        partitionOf: (userHash) => userHash,
        isRevoked: (credential) => stores.revocations.isRevoked(credential),
        acknowledgements: (entry, waitMs) => stores.revocations.acknowledgements(entry, waitMs),
      },
    }),
  };
}

/** Stores whose log tells nobody, and whose sessions cannot be asked while `failure` is set. */
function deafStores(): { failure: Error | undefined; wrap(stores: Stores): Stores } {
  const control = {
    failure: undefined as Error | undefined,
    wrap(stores: Stores): Stores {
      const ask = async <T>(work: () => Promise<T>): Promise<T> => {
        if (control.failure) throw control.failure;
        return work();
      };
      return {
        ...withAdmissions(stores, (_, admit) => admit()),
        sessions: {
          create: (session, absoluteMs, maxPerUser) =>
            stores.sessions.create(session, absoluteMs, maxPerUser),
          get: (ids) => ask(() => stores.sessions.get(ids)),
          touch: (ids) => ask(() => stores.sessions.touch(ids)),
          list: (userHash) => stores.sessions.list(userHash),
        },
        revocations: {
          append: (order, reason) => stores.revocations.append(order, reason),
          follow: () => {},
          partitionOf: (userHash) => stores.revocations.partitionOf(userHash),
          isRevoked: (credential) => stores.revocations.isRevoked(credential),
          acknowledgements: (entry, waitMs) => stores.revocations.acknowledgements(entry, waitMs),
        },
      };
    },
  };
  return control;
}
