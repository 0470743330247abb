import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TicketConsumeResult } from '../../lib/core/ticket/ticket-store.js';
import {
  admission,
  becomes,
  byTicket,
  createSession,
  draftTicket,
  issueTicket,
  newSessionId,
  newUserHash,
  pass,
  principalFor,
  revokeSession,
  revokeUser,
  type MakeStores,
  type StoresUnderTest,
} from './store-harness.js';

/** What every ticket store does. */
export function describeTicketStore(name: string, makeStores: MakeStores): void {
  describe(`TicketStore (${name})`, () => {
    let under: StoresUnderTest;
    let userHash: string;

    beforeEach(async () => {
      under = await makeStores();
      userHash = newUserHash();
    });

    afterEach(() => under.stop());

    const unknown = (replayed = false): TicketConsumeResult => ({ outcome: 'unknown', replayed });

    describe('consume', () => {
      it('answers what the ticket was issued with', async () => {
        const session = await createSession(under, userHash);
        const record = {
          sessionId: session.id,
          origin: 'https://app.example.com',
          path: '/ws',
          narrowing: { roles: ['member'], scopes: ['read'] },
          use: 'cookie' as const,
          authenticatedAt: under.now() - 5,
          authTime: under.now() - 7,
          token: { hash: 'some-token-hash-000000', expiresAt: under.now() + 60_000 },
          sealedToken: 'sealed',
        };
        const { issue, presented } = draftTicket(under, userHash, { record });
        expect(await under.stores.tickets.issue(issue)).toEqual({ outcome: 'issued' });
        expect(await under.stores.tickets.consume(presented)).toEqual({
          outcome: 'consumed',
          record: issue.record,
        });
      });

      it('answers the principal of a ticket without session', async () => {
        const principal = { ...principalFor(userHash, ['member']), scopes: ['read'], tenant: 'acme' };
        const ticket = await issueTicket(under, userHash, { record: { principal } });
        const result = await under.stores.tickets.consume(ticket);
        expect(result).toMatchObject({ outcome: 'consumed', record: { principal } });
      });

      it('keeps a narrowing to nothing apart from no narrowing', async () => {
        const record = { principal: principalFor(userHash), narrowing: { roles: undefined, scopes: [] } };
        const ticket = await issueTicket(under, userHash, { record });
        const result = await under.stores.tickets.consume(ticket);
        expect(result).toMatchObject({ outcome: 'consumed', record: { narrowing: { scopes: [] } } });
        expect(result.outcome === 'consumed' && result.record.narrowing?.roles).toBeUndefined();
      });

      it('refuses a ticket used twice, and says that it was used (TK-02)', async () => {
        const ticket = await issueTicket(under, userHash, { record: { principal: principalFor(userHash) } });
        expect((await under.stores.tickets.consume(ticket)).outcome).toBe('consumed');
        expect(await under.stores.tickets.consume(ticket)).toEqual(unknown(true));
        expect(await under.stores.tickets.consume(ticket)).toEqual(unknown(true));
      });

      it('has one winner for each of 300 tickets that are presented 8 times at once (TK-02)', async () => {
        const session = await createSession(under, userHash);
        const init = { record: { sessionId: session.id }, maxOutstanding: 1_000 };
        const winners: number[] = [];
        let replays = 0;
        // In waves: a store that is asked thousands of times in one turn of the event loop may take too long for itself.
        for (let wave = 0; wave < 10; wave += 1) {
          const tickets = await Promise.all(
            Array.from({ length: 30 }, () => issueTicket(under, userHash, init)),
          );
          const results = await Promise.all(
            tickets.flatMap((ticket) =>
              Array.from({ length: 8 }, () => under.stores.tickets.consume(ticket)),
            ),
          );
          for (let start = 0; start < results.length; start += 8) {
            const of = results.slice(start, start + 8);
            winners.push(of.filter(({ outcome }) => outcome === 'consumed').length);
          }
          replays += results.filter((result) => result.outcome === 'unknown' && result.replayed).length;
        }
        expect(winners).toEqual(Array(300).fill(1));
        expect(replays).toBe(300 * 7);
      });

      it('has one winner when handshakes and consumers present a ticket at once (TK-02)', async () => {
        const session = await createSession(under, userHash);
        const init = { record: { sessionId: session.id }, maxOutstanding: 1_000 };
        const tickets = await Promise.all(
          Array.from({ length: 50 }, () => issueTicket(under, userHash, init)),
        );
        const wins = await Promise.all(
          tickets.map(async (ticket) => {
            const results = await Promise.all([
              under.stores.tickets.consume(ticket),
              under.stores.connections.admit(admission(under, byTicket(ticket))),
              under.stores.tickets.consume(ticket),
              under.stores.connections.admit(admission(under, byTicket(ticket))),
            ]);
            return results.filter(({ outcome }) => outcome === 'consumed' || outcome === 'admitted').length;
          }),
        );
        expect(wins).toEqual(Array(50).fill(1));
      });

      it('knows nothing of a ticket that was never issued, and touches no other by it (TK-04)', async () => {
        const record = { principal: principalFor(userHash) };
        const ticket = await issueTicket(under, userHash, { record });
        const { presented: never } = draftTicket(under, userHash);
        expect(await under.stores.tickets.consume(never)).toEqual(unknown());
        expect(await under.stores.tickets.consume(never)).toEqual(unknown());
        expect((await under.stores.tickets.consume(ticket)).outcome).toBe('consumed');
      });

      it('knows nothing of a ticket under the hash of another user, and does not burn it', async () => {
        const ticket = await issueTicket(under, userHash, { record: { principal: principalFor(userHash) } });
        expect(await under.stores.tickets.consume({ ...ticket, userHash: newUserHash() })).toEqual(unknown());
        expect((await under.stores.tickets.consume(ticket)).outcome).toBe('consumed');
      });

      describe('burns a ticket that is presented for something else (TK-04, TK-05)', () => {
        const bound = { origin: 'https://app.example.com', path: '/ws' };

        it.each([
          ['another origin', { origin: 'https://evil.example' }, 'origin'],
          ['no origin', { origin: undefined }, 'origin'],
          ['another path', { path: '/other' }, 'path'],
          ['no path', { path: undefined }, 'path'],
          ['another use', { use: 'cookie' as const }, 'use'],
        ])('%s', async (_, change, binding) => {
          const session = await createSession(under, userHash);
          const ticket = await issueTicket(under, userHash, { record: { ...bound, sessionId: session.id } });
          const mismatch = await under.stores.tickets.consume({ ...ticket, ...change });
          expect(mismatch).toEqual({ outcome: 'mismatch', binding });
          expect(await under.stores.tickets.consume(ticket)).toEqual(unknown(true));
        });

        it('the cookie of another session', async () => {
          const session = await createSession(under, userHash);
          const other = await createSession(under, userHash);
          const ticket = await issueTicket(under, userHash, { record: { sessionId: session.id } });
          const mismatch = await under.stores.tickets.consume({ ...ticket, sessionId: other.id });
          expect(mismatch).toEqual({ outcome: 'mismatch', binding: 'session' });
          expect(await under.stores.tickets.consume({ ...ticket, sessionId: session.id })).toEqual(
            unknown(true),
          );
        });

        it('the cookie of another user, for a ticket without session', async () => {
          const ticket = await issueTicket(under, userHash, {
            record: { principal: principalFor(userHash) },
          });
          const sessionId = newSessionId(newUserHash());
          const mismatch = await under.stores.tickets.consume({ ...ticket, sessionId });
          expect(mismatch).toEqual({ outcome: 'mismatch', binding: 'session' });
          expect(await under.stores.tickets.consume(ticket)).toEqual(unknown(true));
        });

        it('no cookie, where the ticket demands one', async () => {
          const session = await createSession(under, userHash);
          const record = { sessionId: session.id, requiresCookie: true };
          const ticket = await issueTicket(under, userHash, { record });
          expect(await under.stores.tickets.consume(ticket)).toEqual({
            outcome: 'mismatch',
            binding: 'cookie',
          });
          expect(await under.stores.tickets.consume({ ...ticket, sessionId: session.id })).toEqual(
            unknown(true),
          );
        });
      });

      it('takes a ticket without bindings with any origin and path', async () => {
        const ticket = await issueTicket(under, userHash, { record: { principal: principalFor(userHash) } });
        const presented = { ...ticket, origin: 'https://any.example', path: '/any' };
        expect((await under.stores.tickets.consume(presented)).outcome).toBe('consumed');
      });

      it('takes a ticket with the cookie of its own session', async () => {
        const session = await createSession(under, userHash);
        const record = { sessionId: session.id, requiresCookie: true };
        const ticket = await issueTicket(under, userHash, { record });
        const presented = { ...ticket, sessionId: session.id };
        expect((await under.stores.tickets.consume(presented)).outcome).toBe('consumed');
      });

      it('forgets a ticket after its time (TK-03)', async () => {
        const ticket = await issueTicket(under, userHash, {
          record: { principal: principalFor(userHash) },
          ttlMs: 150,
        });
        await pass(under, 151);
        expect(await under.stores.tickets.consume(ticket)).toEqual(unknown());
      });

      it('goes by the expiry that was stored with a ticket, however long the store would keep it (TK-03)', async () => {
        const record = { principal: principalFor(userHash), expiresAt: under.now() + 150 };
        const ticket = await issueTicket(under, userHash, { record, ttlMs: 60_000 });
        await pass(under, 151);
        expect(await under.stores.tickets.consume(ticket)).toEqual(unknown());
      });

      it('tells a replay from an unknown ticket after its time, too', async () => {
        const record = { principal: principalFor(userHash) };
        const ticket = await issueTicket(under, userHash, { record, ttlMs: 150 });
        expect((await under.stores.tickets.consume(ticket)).outcome).toBe('consumed');
        await pass(under, 200);
        expect(await under.stores.tickets.consume(ticket)).toEqual(unknown(true));
      });

      it('refuses, and burns, a ticket whose session was revoked (TK-06)', async () => {
        const session = await createSession(under, userHash);
        const ticket = await issueTicket(under, userHash, { record: { sessionId: session.id } });
        await revokeSession(under, session);
        expect(await under.stores.tickets.consume(ticket)).toEqual(unknown());
        expect(await under.stores.tickets.consume(ticket)).toEqual(unknown(true));
      });

      it('refuses a ticket whose session ran out (TK-06)', async () => {
        const session = await createSession(under, userHash, { idleMs: 150 });
        const ticket = await issueTicket(under, userHash, { record: { sessionId: session.id } });
        await pass(under, 200);
        expect(await under.stores.tickets.consume(ticket)).toEqual(unknown());
      });

      it('refuses a ticket of a principal that was revoked, in the very millisecond too (TK-06)', async () => {
        const ticket = await issueTicket(under, userHash, { record: { principal: principalFor(userHash) } });
        await revokeUser(under, userHash);
        expect(await under.stores.tickets.consume(ticket)).toEqual(unknown());
      });

      it.each(['session', 'principal'])(
        'refuses a ticket of a %s whose token was revoked (TK-06)',
        async (of) => {
          const tokenHash = `token-${userHash}`;
          const token = { hash: tokenHash, expiresAt: under.now() + 60_000 };
          const session = await createSession(under, userHash);
          const owner = of === 'session' ? { sessionId: session.id } : { principal: principalFor(userHash) };
          const ticket = await issueTicket(under, userHash, { record: { ...owner, token } });
          await under.stores.revocations.append(
            { kind: 'token', tokenHash, userHash, rememberMs: 60_000 },
            'test',
          );
          expect(await under.stores.tickets.consume(ticket)).toEqual(unknown());
        },
      );

      it('does not extend the session', async () => {
        const session = await createSession(under, userHash, { idleMs: 1_000 });
        const ticket = await issueTicket(under, userHash, { record: { sessionId: session.id } });
        await pass(under, 400);
        expect((await under.stores.tickets.consume(ticket)).outcome).toBe('consumed');
        const [live] = await under.stores.sessions.get([session.id]);
        expect(live!.remainingMs).toBeLessThanOrEqual(600);
      });
    });

    describe('issue', () => {
      it('refuses a session that never was', async () => {
        const { issue } = draftTicket(under, userHash, { record: { sessionId: newSessionId(userHash) } });
        expect(await under.stores.tickets.issue(issue)).toEqual({ outcome: 'session_unknown' });
      });

      it('refuses a session that was revoked', async () => {
        const session = await createSession(under, userHash);
        await revokeSession(under, session);
        const { issue } = draftTicket(under, userHash, { record: { sessionId: session.id } });
        expect(await under.stores.tickets.issue(issue)).toEqual({ outcome: 'session_unknown' });
      });

      it('drops the oldest ticket beyond the outstanding ones (TK-07)', async () => {
        const session = await createSession(under, userHash);
        const init = { record: { sessionId: session.id }, maxOutstanding: 5 };
        const tickets = [];
        for (let index = 0; index < 6; index += 1) {
          tickets.push(await issueTicket(under, userHash, init));
          await pass(under, 2);
        }
        const results = [];
        for (const ticket of tickets) results.push((await under.stores.tickets.consume(ticket)).outcome);
        expect(results).toEqual(['unknown', ...Array(5).fill('consumed')]);
      });

      it('does not count spent tickets among the outstanding ones', async () => {
        const session = await createSession(under, userHash);
        const init = { record: { sessionId: session.id }, maxOutstanding: 2 };
        const first = await issueTicket(under, userHash, init);
        await pass(under, 2);
        for (let index = 0; index < 3; index += 1) {
          const spent = await issueTicket(under, userHash, init);
          expect((await under.stores.tickets.consume(spent)).outcome).toBe('consumed');
        }
        expect((await under.stores.tickets.consume(first)).outcome).toBe('consumed');
      });

      it('counts outstanding tickets of each session by itself', async () => {
        const [one, two] = [await createSession(under, userHash), await createSession(under, userHash)];
        const first = await issueTicket(under, userHash, {
          record: { sessionId: one.id },
          maxOutstanding: 1,
        });
        await issueTicket(under, userHash, { record: { sessionId: two.id }, maxOutstanding: 1 });
        expect((await under.stores.tickets.consume(first)).outcome).toBe('consumed');
      });

      it('refuses more tickets than the rate allows, and leaves those that were issued alone (TK-07)', async () => {
        const session = await createSession(under, userHash);
        const init = { record: { sessionId: session.id }, maxPerMinute: 3, maxOutstanding: 3 };
        const tickets = [];
        for (let index = 0; index < 3; index += 1) tickets.push(await issueTicket(under, userHash, init));
        const result = await under.stores.tickets.issue(draftTicket(under, userHash, init).issue);
        expect(result.outcome).toBe('rate');
        const { retryAfterMs } = result as { retryAfterMs: number };
        expect(retryAfterMs).toBeGreaterThan(0);
        expect(retryAfterMs).toBeLessThanOrEqual(20_000);
        expect((await under.stores.tickets.consume(tickets[0]!)).outcome).toBe('consumed');
      });

      it('lets no more tickets through at once than the rate allows (TK-07)', async () => {
        const session = await createSession(under, userHash);
        const init = { record: { sessionId: session.id }, maxPerMinute: 5 };
        const results = await Promise.all(
          Array.from({ length: 40 }, () =>
            under.stores.tickets.issue(draftTicket(under, userHash, init).issue),
          ),
        );
        expect(results.filter(({ outcome }) => outcome === 'issued')).toHaveLength(5);
      });

      it('counts the rate of each session by itself', async () => {
        const [one, two] = [await createSession(under, userHash), await createSession(under, userHash)];
        await issueTicket(under, userHash, { record: { sessionId: one.id }, maxPerMinute: 1 });
        const other = draftTicket(under, userHash, { record: { sessionId: two.id }, maxPerMinute: 1 });
        expect(await under.stores.tickets.issue(other.issue)).toEqual({ outcome: 'issued' });
      });

      it('can be used until a moment before its time is over (TK-03)', async () => {
        const record = { principal: principalFor(userHash) };
        const ticket = await issueTicket(under, userHash, { record, ttlMs: 2_000 });
        await pass(under, 200);
        expect((await under.stores.tickets.consume(ticket)).outcome).toBe('consumed');
        const dead = await issueTicket(under, userHash, { record, ttlMs: 100 });
        const isGone = async () => (await under.stores.tickets.consume(dead)).outcome === 'unknown';
        expect(await becomes(under, 101, isGone)).toBe(true);
      });
    });
  });
}
