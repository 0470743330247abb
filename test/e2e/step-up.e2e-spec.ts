import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { afterEach, describe, expect, it } from 'vitest';
import { WsAuth, type WsAuthOptions, WsRecentAuth, WsRoles } from '../../lib/index.js';
import { startApp, type TestApp } from '../support/app.js';
import { RawClient } from '../support/raw-client.js';

const open: TestApp[] = [];
const clients: RawClient[] = [];

function makeVaultGateway() {
  const handled: unknown[] = [];
  @WsAuth()
  @WebSocketGateway({ path: '/ws' })
  class VaultGateway {
    static readonly handled = handled;
    @WsRecentAuth('5m')
    @SubscribeMessage('transfer')
    transfer(_: unknown, data: unknown) {
      handled.push(data);
      return { event: 'transferred', data };
    }
    @WsRoles('admin')
    @WsRecentAuth('1m')
    @SubscribeMessage('purge')
    purge() {
      return { event: 'purged' };
    }
    @SubscribeMessage('echo')
    echo(_: unknown, data: unknown) {
      return { event: 'echo', data };
    }
  }
  return VaultGateway;
}

async function start(options: Partial<WsAuthOptions> = {}, skew = { ms: 0 }) {
  const Gateway = makeVaultGateway();
  const monotonic = () => performance.now() + skew.ms;
  const test = await startApp({ gateways: [Gateway], options, engine: { monotonic } });
  open.push(test);
  return { test, handled: Gateway.handled };
}

async function connect(
  test: TestApp,
  target: string,
  headers: Record<string, string> = {},
): Promise<RawClient> {
  const client = await RawClient.open(test.port, { target, headers });
  clients.push(client);
  await client.upgraded();
  return client;
}

const seconds = () => Math.floor(Date.now() / 1_000);
/** The claims of a token whose user has authenticated ten minutes ago. */
const old = (more: object = {}) => ({ auth_time: seconds() - 600, ...more });

async function admitted(test: TestApp, claims: Record<string, unknown>): Promise<RawClient> {
  const client = await connect(test, '/ws', { Authorization: `Bearer ${test.token(claims)}` });
  await client.messageOf('auth.ok');
  return client;
}

const stepUp = (event: string, maxAgeMs: number) => ({
  event: 'auth.required',
  data: { reason: 'step_up', event, maxAgeMs, timeoutMs: 120_000, methods: ['bearer', 'ticket'] },
});

const required = (event: string) => ({
  event: 'exception',
  data: {
    status: 'error',
    code: 'step_up_required',
    message: 'authenticate again, then repeat the message',
    event,
  },
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const test of open.splice(0)) await test.discard();
});

describe('step-up', () => {
  it('parks the message, lets others pass, and handles it when the user has authenticated again', async () => {
    const { test, handled } = await start();
    const client = await admitted(test, old());
    client.send('transfer', 1);
    expect(await client.message()).toEqual(stepUp('transfer', 300_000));
    client.send('echo', 2);
    expect(await client.message()).toEqual({ event: 'echo', data: 2 });
    client.send('transfer', 3);
    expect(await client.message()).toEqual(stepUp('transfer', 300_000));
    expect(handled).toEqual([]);
    client.send('auth.refresh', { token: test.token({ auth_time: seconds() }) });
    expect((await client.message()).event).toBe('auth.ok');
    expect(await client.message()).toEqual({ event: 'transferred', data: 1 });
    expect(await client.message()).toEqual({ event: 'transferred', data: 3 });
    client.send('transfer', 4);
    expect(await client.message()).toEqual({ event: 'transferred', data: 4 });
  });

  it('takes no refresh for a proof: an old authentication stays old in a new token', async () => {
    const { test, handled } = await start();
    const client = await admitted(test, old());
    client.send('transfer', 1);
    await client.messageOf('auth.required');
    client.send('auth.refresh', { token: test.token(old({ exp: seconds() + 900 })) });
    await client.messageOf('auth.ok');
    client.send('echo', 'still waiting');
    expect((await client.messageOf('echo')).data).toBe('still waiting');
    expect(handled).toEqual([]);
  });

  it('takes a token that ends sooner for a proof, and nothing else of it', async () => {
    const { test } = await start();
    const exp = seconds() + 500;
    const token = test.token(old({ exp, roles: ['member'] }));
    const client = await connect(test, '/ws', { Authorization: `Bearer ${token}` });
    const { expiresAt } = (await client.messageOf('auth.ok')).data;
    client.send('transfer', 1);
    await client.messageOf('auth.required');
    const short = { auth_time: seconds(), exp: exp - 400, roles: ['admin'] };
    client.send('auth.refresh', { token: test.token(short) });
    const ok = await client.messageOf('auth.ok');
    expect(ok.data.expiresAt).toBe(expiresAt);
    expect(await client.message()).toEqual({ event: 'transferred', data: 1 });
    client.send('purge');
    expect(await client.message()).toMatchObject({ event: 'exception', data: { code: 'forbidden' } });
  });

  it('ends for who steps up as somebody else (4403), or with a bad credential (4401)', async () => {
    const { test, handled } = await start();
    for (const [token, code] of [
      [test.token({ sub: 'bob', auth_time: seconds() }), 4403],
      [`${test.token({ auth_time: seconds() })}x`, 4401],
    ] as const) {
      const client = await admitted(test, old());
      client.send('transfer', 1);
      await client.messageOf('auth.required');
      client.send('auth.refresh', { token });
      expect(await client.closed()).toMatchObject({ code });
    }
    expect(handled).toEqual([]);
  });

  it('answers an exception when the time is up, and stays', async () => {
    const skew = { ms: 0 };
    const { test, handled } = await start({}, skew);
    const client = await admitted(test, old());
    client.send('transfer', 1);
    await client.messageOf('auth.required');
    skew.ms = 120_000;
    expect(await client.messageOf('exception')).toEqual(required('transfer'));
    const resting = test.engine.wheel.size;
    client.send('auth.refresh', { token: test.token({ auth_time: seconds() }) });
    await client.messageOf('auth.ok');
    client.send('echo', 1);
    expect(await client.message()).toEqual({ event: 'echo', data: 1 });
    expect(handled).toEqual([]);
    expect(test.engine.wheel.size).toBeLessThanOrEqual(resting);
    expect(test.events.at(-2)).toMatchObject({ event: 'authz_fail', reasonCode: 'message_auth_age' });
  });

  it('parks no more than so many messages, and so many bytes', async () => {
    const { test, handled } = await start({ message: { stepUp: { maxParked: 2, maxParkedBytes: 1_000 } } });
    const client = await admitted(test, old());
    client.send('transfer', 'x'.repeat(1_000));
    expect(await client.message()).toEqual(required('transfer'));
    for (const data of [1, 2]) {
      client.send('transfer', data);
      expect((await client.message()).event).toBe('auth.required');
    }
    client.send('transfer', 3);
    expect(await client.message()).toEqual(required('transfer'));
    client.send('auth.refresh', { token: test.token({ auth_time: seconds() }) });
    await client.messageOf('auth.ok');
    expect(await client.message()).toEqual({ event: 'transferred', data: 1 });
    expect(await client.message()).toEqual({ event: 'transferred', data: 2 });
    expect(handled).toEqual([1, 2]);
  });

  it('asks nobody who lacks the right anyhow', async () => {
    const { test } = await start();
    const client = await admitted(test, old({ roles: ['member'] }));
    client.send('purge');
    expect(await client.message()).toMatchObject({ event: 'exception', data: { code: 'forbidden' } });
  });

  it('does not ask a client that does not know the frame: it is answered at once', async () => {
    const { test } = await start({ credentials: ['bearer'] });
    const client = await connect(test, '/ws', { Authorization: `Bearer ${test.token(old())}` });
    client.send('transfer', 1);
    expect(await client.message()).toEqual(required('transfer'));
  });

  it('lets go of what is parked when the client leaves or is revoked', async () => {
    const { test, handled } = await start();
    const [leaver, revoked] = [await admitted(test, old()), await admitted(test, old({ sub: 'bob' }))];
    for (const client of [leaver, revoked]) {
      client.send('transfer', 1);
      await client.messageOf('auth.required');
    }
    await test.sessions.revoke({ user: 'bob' });
    expect(await revoked.closed()).toMatchObject({ code: 4410, before: [] });
    leaver.reset();
    await test.eventOf(({ reasonCode }) => reasonCode === 'client_left');
    revoked.destroy();
    expect(handled).toEqual([]);
    expect(test.connections.local()).toEqual([]);
  });

  describe('in a session', () => {
    async function inSession(test: TestApp, authenticatedAt: number) {
      const { session } = await test.sessions.create({ userId: 'ada', authenticatedAt });
      const { ticket } = await test.tickets.issue({ session: session.id });
      const client = await connect(test, `/ws?ticket=${ticket}`);
      await client.messageOf('auth.ok');
      return { session, client };
    }

    it('counts from the login, and a revocation of the others is none', async () => {
      const { test } = await start();
      const { session, client } = await inSession(test, Date.now() - 600_000);
      await test.sessions.revoke({ user: 'ada', except: session.id });
      client.send('transfer', 1);
      expect(await client.message()).toEqual(stepUp('transfer', 300_000));
      const { client: fresh } = await inSession(test, Date.now());
      fresh.send('transfer', 2);
      expect(await fresh.message()).toEqual({ event: 'transferred', data: 2 });
    });

    it('goes on when the application says that the user has logged in anew', async () => {
      const { test } = await start();
      const { session, client } = await inSession(test, Date.now() - 600_000);
      client.send('transfer', 1);
      await client.messageOf('auth.required');
      const plain = await test.sessions.rotate(session.id);
      expect(plain.session.authTime).toBe(session.authTime);
      client.send('echo', 1);
      expect(await client.message()).toEqual({ event: 'echo', data: 1 });
      const { session: renewed } = await test.sessions.rotate(plain.token, { reauthenticated: true });
      expect(renewed.authTime).toBeGreaterThan(session.authTime + 500_000);
      expect(await client.message()).toEqual({ event: 'transferred', data: 1 });
    });

    it('takes the auth_time of a token of the session, and not its issue', async () => {
      const { test } = await start();
      const { session, client } = await inSession(test, Date.now() - 600_000);
      client.send('transfer', 1);
      await client.messageOf('auth.required');
      client.send('auth.refresh', { token: test.token({ sid: session.id }) });
      await client.messageOf('auth.ok');
      client.send('echo', 1);
      expect(await client.message()).toEqual({ event: 'echo', data: 1 });
      client.send('auth.refresh', { token: test.token({ sid: session.id, auth_time: seconds() }) });
      await client.messageOf('auth.ok');
      expect(await client.message()).toEqual({ event: 'transferred', data: 1 });
    });

    it('knows the time of a ticket for a principal only where it was said', async () => {
      const { test } = await start();
      const first = async (authTime?: number) => {
        const { ticket } = await test.tickets.issue({ principal: { id: 'ada' }, authTime });
        const client = await connect(test, `/ws?ticket=${ticket}`);
        await client.messageOf('auth.ok');
        client.send('transfer', 1);
        return (await client.message()).event;
      };
      expect(await first()).toBe('auth.required');
      expect(await first(Date.now() - 1_000)).toBe('transferred');
    });
  });
});
