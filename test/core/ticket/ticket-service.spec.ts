import { beforeEach, describe, expect, it } from 'vitest';
import {
  TicketMismatch,
  TicketMissing,
  TicketRateExceeded,
  TicketUnknown,
} from '../../../lib/core/errors.js';
import { parseTicket } from '../../../lib/core/identifiers.js';
import type { Stores } from '../../../lib/core/stores.js';
import type { TicketIssue } from '../../../lib/core/ticket/ticket-store.js';
import type { IssuedSession } from '../../../lib/core/session/session-service.js';
import { APP_ORIGIN, coreHarness, GATEWAY_PATH, type CoreHarness } from '../../support/core-harness.js';

describe('TicketService', () => {
  let core: CoreHarness;
  let issued: TicketIssue[];
  let login: IssuedSession;

  beforeEach(async () => {
    issued = [];
    core = coreHarness({ wrapStores: (stores) => watchTickets(stores, issued) });
    login = await core.sessions.create({ userId: 'u1', roles: ['member'], scopes: ['read', 'write'] });
    core.events.length = 0;
  });

  const issue: CoreHarness['tickets']['issue'] = (init, issuer) => core.tickets.issue(init, issuer);
  const forSession = () => ({ session: login.session.id });

  describe('issue', () => {
    it('issues a ticket of 43 random characters behind prefix and user hash (TK-01)', async () => {
      const { ticket, expiresInMs } = await issue(forSession());
      expect(ticket).toMatch(/^wst_[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]{43}$/);
      expect(ticket.slice(4, 20)).toBe(core.hashOf('u1'));
      expect(expiresInMs).toBe(30_000);
    });

    it('never issues a ticket twice (TK-01)', async () => {
      const seen = new Set<string>();
      for (let index = 0; index < 50; index += 1)
        seen.add((await issue({ principal: { id: `u${index}` } })).ticket);
      expect(new Set([...seen].map((ticket) => ticket.slice(21))).size).toBe(50);
    });

    it('hands the store a hash, and nothing of the ticket itself (TK-01)', async () => {
      const { ticket } = await issue(forSession());
      const secret = ticket.slice(ticket.indexOf('.') + 1);
      expect(issued).toHaveLength(1);
      expect(JSON.stringify(issued)).not.toContain(secret);
      expect(issued[0]!.hash).toBe(parseTicket(ticket)!.hash);
    });

    it('takes the session by its token as well as by its id', async () => {
      await issue({ session: login.token });
      expect(issued[0]!.record.sessionId).toBe(login.session.id);
    });

    it('remembers the bindings it was asked for (TK-05)', async () => {
      await issue({ ...forSession(), origin: APP_ORIGIN, path: GATEWAY_PATH, ttlMs: 10_000 });
      expect(issued[0]).toMatchObject({
        userHash: core.hashOf('u1'),
        ttlMs: 10_000,
        maxOutstanding: 20,
        maxPerMinute: 60,
        record: {
          principal: undefined,
          origin: APP_ORIGIN,
          path: GATEWAY_PATH,
          use: 'connect',
          requiresCookie: false,
          authenticatedAt: core.clock(),
          expiresAt: core.clock() + 10_000,
        },
      });
    });

    it.each([
      ['neither session nor principal', {}, 'invalid_selector'],
      ['both session and principal', { session: 'x', principal: { id: 'u1' } }, 'invalid_selector'],
      ['what is no session', { session: 'nonsense' }, 'invalid_selector'],
      ['a principal id with a blank in it', { principal: { id: 'u 1' } }, 'invalid_principal'],
      ['a life of nothing', { principal: { id: 'u1' }, ttlMs: 0 }, 'invalid_selector'],
      ['a life that is no number', { principal: { id: 'u1' }, ttlMs: Number.NaN }, 'invalid_selector'],
      [
        'a life of more than a minute (TK-03)',
        { principal: { id: 'u1' }, ttlMs: 60_001 },
        'invalid_selector',
      ],
      ['scopes that are no names', { principal: { id: 'u1' }, scopes: ['a b'] }, 'invalid_selector'],
      [
        'a cookie ticket without a session cookie',
        { principal: { id: 'u1' }, use: 'cookie' },
        'invalid_selector',
      ],
    ] as const)('refuses %s', async (_, init, code) => {
      await expect(issue(init as Parameters<typeof issue>[0])).rejects.toMatchObject({ code });
      expect(issued).toEqual([]);
    });

    it('refuses a session that has ended (TK-06)', async () => {
      await core.revocations.revoke({ session: login.session.id });
      await expect(issue(forSession())).rejects.toMatchObject({ code: 'session_unknown' });
    });

    it('refuses more than the rate allows, and says for how long (TK-07)', async () => {
      for (let index = 0; index < 60; index += 1) await issue(forSession());
      const error = await issue(forSession()).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(TicketRateExceeded);
      expect(error).toMatchObject({ code: 'ticket_rate_exceeded', retryAfterMs: 1_000 });
      await core.advance(1_000);
      await expect(issue(forSession())).resolves.toMatchObject({ expiresInMs: 30_000 });
    });

    it('grants no scope that the credential which asks does not have', async () => {
      await issue(
        { ...forSession(), scopes: ['read', 'admin'] },
        { narrowing: { roles: ['r'], scopes: ['read'] } },
      );
      expect(issued[0]!.record.narrowing).toEqual({ roles: ['r'], scopes: ['read'] });
    });

    it('passes on how the credential which asks is narrowed', async () => {
      await issue(forSession(), { narrowing: { roles: ['r'] } });
      await issue({ ...forSession(), scopes: ['read'] }, { narrowing: { roles: ['r'] } });
      expect(issued.map(({ record }) => record.narrowing)).toEqual([
        { roles: ['r'] },
        { roles: ['r'], scopes: ['read'] },
      ]);
    });

    it('passes on when and by which token its caller logged in (TK-06)', async () => {
      const token = { hash: 'token-hash', expiresAt: core.clock() + 60_000 };
      await issue({ principal: { id: 'u1' } }, { authenticatedAt: core.clock() - 5_000, token });
      expect(issued[0]!.record).toMatchObject({ token, authenticatedAt: core.clock() - 5_000 });
    });

    it('issues no ticket that lives longer than the token which asked for it', async () => {
      const token = { hash: undefined, expiresAt: core.clock() + 4_000 };
      const { expiresInMs } = await issue({ principal: { id: 'u1' } }, { token });
      expect(expiresInMs).toBe(4_000);
      expect(issued[0]).toMatchObject({ ttlMs: 4_000, record: { expiresAt: core.clock() + 4_000 } });
    });

    it('issues nothing for a token that has run out meanwhile', async () => {
      const token = { hash: undefined, expiresAt: core.clock() };
      await expect(issue({ principal: { id: 'u1' } }, { token })).rejects.toMatchObject({
        code: 'token_rejected',
      });
      expect(issued).toEqual([]);
    });

    it('demands the cookie only where the option is on and the request had one (TK-05)', async () => {
      const strict = coreHarness({
        options: { ticket: { requiresCookie: true } },
        wrapStores: (s) => watchTickets(s, issued),
      });
      const { session, token } = await strict.sessions.create({ userId: 'u1' });
      await strict.tickets.issue({ session: session.id }, { sessionToken: token });
      await strict.tickets.issue({ session: session.id });
      await strict.tickets.issue({ session: session.id, use: 'cookie' }, { sessionToken: token });
      await issue(forSession(), { sessionToken: login.token });
      expect(issued.map(({ record }) => record.requiresCookie)).toEqual([true, false, false, false]);
    });

    it('tells the audit log, without the ticket (TK-08)', async () => {
      const { ticket } = await issue({ ...forSession(), origin: APP_ORIGIN, path: GATEWAY_PATH });
      expect(core.events).toMatchObject([
        { event: 'authn_token_created', outcome: 'success', reasonCode: 'ticket_issued', method: 'ticket' },
      ]);
      expect(core.events[0]!.ticketRef).toBe(core.audit.referenceOf(parseTicket(ticket)!.hash));
      expect(JSON.stringify(core.events)).not.toContain(ticket.slice(21));
    });
  });

  describe('consume', () => {
    it('answers what the ticket grants', async () => {
      const { ticket } = await issue({ ...forSession(), scopes: ['read'] });
      expect(await core.tickets.consume(ticket)).toEqual({
        sessionId: login.session.id,
        principal: undefined,
        scopes: ['read'],
        sessionToken: undefined,
      });
    });

    it('answers the principal of a ticket without session', async () => {
      const { ticket } = await issue({ principal: { id: 'machine', roles: ['worker'] } });
      expect(await core.tickets.consume(ticket)).toMatchObject({
        sessionId: undefined,
        principal: { id: 'machine', roles: ['worker'], scopes: [] },
      });
    });

    it('refuses a ticket used twice, and tells the audit log that it was a replay (TK-02)', async () => {
      const { ticket } = await issue(forSession());
      await core.tickets.consume(ticket);
      core.events.length = 0;
      const error = await core.tickets.consume(ticket).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(TicketUnknown);
      expect(error).toMatchObject({ code: 'ticket_unknown', replayed: true, publicMessage: 'unauthorized' });
      expect(core.events).toMatchObject([
        { event: 'authn_token_reuse', reasonCode: 'ticket_replayed', outcome: 'refused' },
      ]);
    });

    it.each([undefined, null, ''])('throws TicketMissing for %j', async (presented) => {
      await expect(core.tickets.consume(presented)).rejects.toBeInstanceOf(TicketMissing);
    });

    it.each([
      ['another form', 'nonsense'],
      ['a list', ['wst_a', 'wst_b']],
      ['an object', {}],
      ['a number', 1],
      ['a huge text', 'wst_'.repeat(1_000_000)],
    ])('refuses %s without asking the store (TK-09)', async (_, presented) => {
      let asked = 0;
      const deaf = coreHarness({
        wrapStores: (stores) => ({
          ...plain(stores),
          tickets: {
            issue: (ticket) => stores.tickets.issue(ticket),
            consume: (ticket) => {
              asked += 1;
              return stores.tickets.consume(ticket);
            },
          },
        }),
      });
      const error = await deaf.tickets.consume(presented as string).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'ticket_unknown', replayed: false });
      expect(asked).toBe(0);
    });

    it.each([
      ['origin', { origin: 'https://evil.example', path: GATEWAY_PATH }],
      ['path', { origin: APP_ORIGIN, path: '/other' }],
      ['use', { origin: APP_ORIGIN, path: GATEWAY_PATH, use: 'cookie' as const }],
    ])(
      'throws TicketMismatch for another %s, and the ticket is spent (TK-04, TK-05)',
      async (binding, expectation) => {
        const { ticket } = await issue({ ...forSession(), origin: APP_ORIGIN, path: GATEWAY_PATH });
        core.events.length = 0;
        const error = await core.tickets.consume(ticket, expectation).catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(TicketMismatch);
        expect(error).toMatchObject({ code: 'ticket_mismatch', binding });
        expect(core.events).toMatchObject([
          { event: 'authn_login_fail', reasonCode: `ticket_mismatch_${binding}` },
        ]);
        const right = { origin: APP_ORIGIN, path: GATEWAY_PATH };
        await expect(core.tickets.consume(ticket, right)).rejects.toMatchObject({ replayed: true });
      },
    );

    it('throws TicketMismatch for another session, by id or by token (TK-05)', async () => {
      const other = await core.sessions.create({ userId: 'u1' });
      for (const session of [other.session.id, other.token]) {
        const { ticket } = await issue(forSession());
        await expect(core.tickets.consume(ticket, { session })).rejects.toMatchObject({ binding: 'session' });
      }
      const { ticket } = await issue(forSession());
      await expect(core.tickets.consume(ticket, { session: login.token })).resolves.toBeDefined();
    });

    it('refuses a ticket whose session was revoked (TK-06)', async () => {
      const { ticket } = await issue(forSession());
      await core.revocations.revoke({ session: login.session.id });
      await expect(core.tickets.consume(ticket)).rejects.toMatchObject({
        code: 'ticket_unknown',
        replayed: false,
      });
    });

    it('refuses a ticket after its time (TK-03)', async () => {
      const { ticket } = await issue(forSession());
      await core.advance(30_000);
      await expect(core.tickets.consume(ticket)).rejects.toMatchObject({
        code: 'ticket_unknown',
        replayed: false,
      });
    });

    it('hands the session token over to whoever holds the ticket, and the store never had it', async () => {
      const { ticket } = await issue({ ...forSession(), use: 'cookie' }, { sessionToken: login.token });
      expect(JSON.stringify(issued)).not.toContain(login.token.slice(17));
      const grant = await core.tickets.consume(ticket, { use: 'cookie' });
      expect(grant).toMatchObject({ sessionId: login.session.id, sessionToken: login.token });
    });

    it('takes no ticket for a connection where one for the cookie is asked for, nor the other way (TK-05)', async () => {
      const forCookie = await issue({ ...forSession(), use: 'cookie' }, { sessionToken: login.token });
      const forSocket = await issue(forSession());
      await expect(core.tickets.consume(forCookie.ticket)).rejects.toMatchObject({ binding: 'use' });
      await expect(core.tickets.consume(forSocket.ticket, { use: 'cookie' })).rejects.toMatchObject({
        binding: 'use',
      });
    });

    it('says nothing of the ticket in an error (TK-08)', async () => {
      const { ticket } = await issue(forSession());
      await core.tickets.consume(ticket);
      const error = (await core.tickets.consume(ticket).catch((thrown: unknown) => thrown)) as Error;
      expect(`${error.message} ${error.stack} ${JSON.stringify(error)}`).not.toContain(ticket.slice(21));
    });
  });
});

/** Stores that keep what they are asked to remember. */
function watchTickets(stores: Stores, issued: TicketIssue[]): Stores {
  return {
    ...plain(stores),
    tickets: {
      issue: (ticket) => {
        issued.push(ticket);
        return stores.tickets.issue(ticket);
      },
      consume: (presented) => stores.tickets.consume(presented),
    },
  };
}

function plain(stores: Stores): Stores {
  const { kind, tickets, sessions, connections, revocations, throttle, notices, anomalies, breaker } = stores;
  return {
    kind,
    tickets,
    sessions,
    connections,
    revocations,
    throttle,
    notices,
    anomalies,
    breaker,
    start: () => stores.start(),
    stop: () => stores.stop(),
    freshAt: stores.freshAt,
    freshAtOf: (userHash) => stores.freshAtOf(userHash),
  };
}
