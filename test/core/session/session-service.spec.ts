import { beforeEach, describe, expect, it } from 'vitest';
import { SessionUnknown, StoreUnavailable, TooManySessions } from '../../../lib/core/errors.js';
import { sessionIdOf } from '../../../lib/core/identifiers.js';
import { coreHarness, type CoreHarness } from '../../support/core-harness.js';

describe('SessionService', () => {
  let core: CoreHarness;

  beforeEach(() => {
    core = coreHarness({ options: { session: { maxPerUser: 3 } } });
  });

  describe('create', () => {
    it('creates a session, and a token that opens it', async () => {
      const { session, token } = await core.sessions.create({
        userId: 'u1',
        roles: ['member'],
        scopes: ['read'],
        tenant: 'acme',
        data: 'phone',
      });
      expect(session).toMatchObject({
        userId: 'u1',
        roles: ['member'],
        scopes: ['read'],
        tenant: 'acme',
        data: 'phone',
        version: 1,
        createdAt: core.clock(),
        authenticatedAt: core.clock(),
        idleMs: 1_800_000,
        absoluteEndsAt: core.clock() + 43_200_000,
      });
      expect(sessionIdOf(token)).toBe(session.id);
      expect(await core.sessions.get(token)).toMatchObject({ id: session.id, remainingMs: 1_800_000 });
    });

    it('never gives out a token twice, nor takes one from outside (CK-04)', async () => {
      const chosen = { userId: 'u1', id: 'chosen', token: 'chosen' };
      const [one, two] = [await core.sessions.create(chosen), await core.sessions.create(chosen)];
      expect(one.token).toMatch(/^[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]{43}$/);
      expect(one.token).not.toBe(two.token);
      expect(one.session.id).not.toBe('chosen');
    });

    it.each([
      ['an empty id', { userId: '' }],
      ['an id with a blank', { userId: 'u 1' }],
      ['an id that is no text', { userId: ['u1'] }],
      ['a role that is no name', { userId: 'u1', roles: ['a b'] }],
      ['scopes that are no list', { userId: 'u1', scopes: 'read' }],
      ['a tenant that is no name', { userId: 'u1', tenant: 'a\nb' }],
      ['data that is no text', { userId: 'u1', data: {} }],
      ['data that is too long', { userId: 'u1', data: 'x'.repeat(1_025) }],
      ['a life of nothing', { userId: 'u1', absoluteMs: 0 }],
      ['a life that is no number', { userId: 'u1', absoluteMs: Number.NaN }],
      ['a login time that is no number', { userId: 'u1', authenticatedAt: Number.NaN }],
      ['a login time without end', { userId: 'u1', authenticatedAt: Infinity }],
      ['a login time that is a text', { userId: 'u1', authenticatedAt: '2024-01-01' }],
    ])('refuses %s', async (_, init) => {
      const work = core.sessions.create(init as Parameters<CoreHarness['sessions']['create']>[0]);
      await expect(work).rejects.toMatchObject({ code: 'invalid_principal' });
    });

    it('lets a session have a shorter life, and never a longer one (SE-08)', async () => {
      const short = await core.sessions.create({ userId: 'u1', absoluteMs: 5_000 });
      const long = await core.sessions.create({ userId: 'u1', absoluteMs: 1e12 });
      expect(short.session.absoluteEndsAt).toBe(core.clock() + 5_000);
      expect(long.session.absoluteEndsAt).toBe(core.clock() + 43_200_000);
    });

    it('throws TooManySessions beyond the limit of a user', async () => {
      for (let index = 0; index < 3; index += 1) await core.sessions.create({ userId: 'u1' });
      await expect(core.sessions.create({ userId: 'u1' })).rejects.toBeInstanceOf(TooManySessions);
      await expect(core.sessions.create({ userId: 'u2' })).resolves.toBeDefined();
    });

    it('throws SessionUnknown for a login from before a revocation (SE-06)', async () => {
      const authenticatedAt = core.clock() - 1;
      await core.revocations.revoke({ user: 'u1' });
      await expect(core.sessions.create({ userId: 'u1', authenticatedAt })).rejects.toBeInstanceOf(
        SessionUnknown,
      );
      await expect(
        core.sessions.create({ userId: 'u1', authenticatedAt: core.clock() }),
      ).resolves.toBeDefined();
      await expect(core.sessions.create({ userId: 'u1' })).resolves.toBeDefined();
    });

    it('tells the audit log, without the token or the id', async () => {
      const { session, token } = await core.sessions.create({ userId: 'u1' });
      expect(core.events).toMatchObject([
        {
          event: 'session_created',
          outcome: 'success',
          principal: 'u1',
          sessionRef: core.audit.referenceOf(session.id),
        },
      ]);
      const logged = JSON.stringify(core.events);
      expect(logged).not.toContain(session.id);
      expect(logged).not.toContain(token);
    });
  });

  describe('get, touch and list', () => {
    it('know a session by its id and by its token', async () => {
      const { session, token } = await core.sessions.create({ userId: 'u1' });
      for (const name of [session.id, token]) {
        expect(await core.sessions.get(name)).toMatchObject({ id: session.id });
        expect(await core.sessions.touch(name)).toBe(true);
      }
    });

    it('answer null and false for a session that has ended', async () => {
      const { session, token } = await core.sessions.create({ userId: 'u1' });
      await core.advance(1_800_000);
      expect(await core.sessions.get(token)).toBeNull();
      expect(await core.sessions.touch(session.id)).toBe(false);
    });

    it('refuse what is neither id nor token', async () => {
      await expect(core.sessions.get('nonsense')).rejects.toMatchObject({ code: 'invalid_selector' });
      await expect(core.sessions.touch('')).rejects.toMatchObject({ code: 'invalid_selector' });
    });

    it('restart the idle time by touch, and not by get (SE-08)', async () => {
      const { session } = await core.sessions.create({ userId: 'u1' });
      await core.advance(1_000_000);
      expect(await core.sessions.get(session.id)).toMatchObject({ remainingMs: 800_000 });
      await core.sessions.touch(session.id);
      expect(await core.sessions.get(session.id)).toMatchObject({ remainingMs: 1_800_000 });
    });

    it('list the sessions of a user, oldest first', async () => {
      const first = await core.sessions.create({ userId: 'u1' });
      await core.advance(1_000);
      const second = await core.sessions.create({ userId: 'u1' });
      await core.sessions.create({ userId: 'u2' });
      expect((await core.sessions.list('u1')).map(({ id }) => id)).toEqual([
        first.session.id,
        second.session.id,
      ]);
      expect(await core.sessions.list('nobody')).toEqual([]);
    });
  });

  describe('rotate', () => {
    it('gives the session a new token; the old one is dead at once (CK-04)', async () => {
      const before = await core.sessions.create({ userId: 'u1', roles: ['a'], data: 'phone' });
      const after = await core.sessions.rotate(before.token);
      expect(after.token).not.toBe(before.token);
      expect(sessionIdOf(after.token)).toBe(after.session.id);
      expect(await core.sessions.get(before.token)).toBeNull();
      expect(await core.sessions.get(after.token)).toMatchObject({
        userId: 'u1',
        roles: ['a'],
        data: 'phone',
      });
      expect(await core.sessions.list('u1')).toHaveLength(1);
    });

    it('throws SessionUnknown for a session that has ended, and makes none', async () => {
      const { token } = await core.sessions.create({ userId: 'u1' });
      await core.revocations.revoke({ session: token });
      await expect(core.sessions.rotate(token)).rejects.toBeInstanceOf(SessionUnknown);
      expect(await core.sessions.list('u1')).toEqual([]);
    });

    it('needs nothing of the store any more once the session has its new token (CK-04)', async () => {
      const { token, session } = await core.sessions.create({
        userId: 'u1',
        roles: ['member'],
        data: 'phone',
      });
      const { append } = core.stores.revocations;
      const { get } = core.stores.sessions;
      core.stores.revocations.append = (order, reason) => {
        core.stores.sessions.get = () => Promise.reject(new StoreUnavailable('away'));
        return append.call(core.stores.revocations, order, reason);
      };
      const rotated = await core.sessions.rotate(token);
      core.stores.sessions.get = get.bind(core.stores.sessions);
      expect(rotated.session).toMatchObject({ ...session, id: rotated.session.id });
      expect(await core.sessions.get(rotated.token)).toMatchObject({ id: rotated.session.id, data: 'phone' });
      expect(await core.sessions.get(token)).toBeNull();
    });

    it('has one winner when a session is rotated twice at once', async () => {
      const { token } = await core.sessions.create({ userId: 'u1' });
      const results = await Promise.allSettled([core.sessions.rotate(token), core.sessions.rotate(token)]);
      expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
      expect(await core.sessions.list('u1')).toHaveLength(1);
    });

    it('tells the audit log', async () => {
      const { token } = await core.sessions.create({ userId: 'u1' });
      const { session } = await core.sessions.rotate(token);
      expect(core.events.at(-1)).toMatchObject({
        event: 'session_renewed',
        sessionRef: core.audit.referenceOf(session.id),
      });
    });
  });

  describe('setRoles', () => {
    it.each([
      [{}],
      [{ user: 5 }],
      [{ user: undefined }],
      [{ session: 'nonsense' }],
      [{ user: 'u1', session: 'u1' }],
    ])('refuses the selector %j', async (selector) => {
      await expect(core.sessions.setRoles(selector as never, { roles: [] })).rejects.toMatchObject({
        code: 'invalid_selector',
      });
    });

    it('changes one session, or all of a user, and answers how many (SE-09)', async () => {
      const [one, two] = [
        await core.sessions.create({ userId: 'u1' }),
        await core.sessions.create({ userId: 'u1' }),
      ];
      expect(await core.sessions.setRoles({ session: one.token }, { roles: ['admin'] })).toBe(1);
      expect(await core.sessions.get(one.token)).toMatchObject({ roles: ['admin'], version: 2 });
      expect(await core.sessions.get(two.token)).toMatchObject({ roles: [], version: 1 });
      expect(await core.sessions.setRoles({ user: 'u1' }, { scopes: ['read'] })).toBe(2);
      expect(await core.sessions.get(one.token)).toMatchObject({ roles: ['admin'], scopes: ['read'] });
      expect(await core.sessions.setRoles({ user: 'nobody' }, { roles: [] })).toBe(0);
    });

    it('refuses rights that are no lists of names', async () => {
      const { token } = await core.sessions.create({ userId: 'u1' });
      for (const rights of [{ roles: 'admin' }, { scopes: ['a b'] }, { roles: [1] }]) {
        const work = core.sessions.setRoles({ session: token }, rights as unknown as { roles: string[] });
        await expect(work).rejects.toMatchObject({ code: 'invalid_principal' });
      }
    });

    it('is not changed by what the caller does with its list afterwards (SE-09)', async () => {
      const { token, session } = await core.sessions.create({ userId: 'u1' });
      const roles = ['member'];
      await core.sessions.setRoles({ session: session.id }, { roles });
      const orders: (readonly string[] | undefined)[] = [];
      core.stores.revocations.follow(({ order }) => {
        if (order.kind === 'rights') orders.push(order.roles);
        return 0;
      });
      await core.sessions.setRoles({ session: session.id }, { roles });
      roles.push('admin');
      expect(orders).toEqual([['member']]);
      expect((await core.sessions.get(token))!.roles).toEqual(['member']);
    });

    it('tells the audit log', async () => {
      await core.sessions.create({ userId: 'u1' });
      await core.sessions.setRoles({ user: 'u1' }, { roles: ['admin'] });
      expect(core.events.at(-1)).toMatchObject({
        event: 'authz_change',
        reasonCode: 'rights_changed',
        principal: 'u1',
      });
    });
  });

  it('revokes', async () => {
    const { token } = await core.sessions.create({ userId: 'u1' });
    expect(await core.sessions.revoke({ session: token })).toEqual({ sockets: 0, nodes: 1, pending: 0 });
    expect(await core.sessions.get(token)).toBeNull();
  });
});
