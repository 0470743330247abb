import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../lib/core/clock.js';
import { userHashOf } from '../../lib/core/identifiers.js';
import type { WsAuthOptions } from '../../lib/index.js';
import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { makeChatGateway } from '../support/gateways.js';
import { HeldVerifier } from '../support/held-verifier.js';
import { RawClient } from '../support/raw-client.js';

const open: TestApp[] = [];
const clients: RawClient[] = [];

/** An application whose clocks a test sets forward, both as one. */
async function start(options: Partial<WsAuthOptions> = {}, verifier?: HeldVerifier) {
  const skew = { ms: 0 };
  const clock = () => systemClock() + skew.ms;
  const monotonic = () => performance.now() + skew.ms;
  const test = await startApp({
    gateways: [makeChatGateway()],
    options,
    engine: { clock, monotonic, verifier },
  });
  open.push(test);
  return { test, skew };
}

async function admitted(
  test: TestApp,
  claims: Record<string, unknown> = {},
  protocol?: string,
): Promise<RawClient> {
  const client = await RawClient.open(test.port, {
    headers: { Authorization: `Bearer ${test.token(claims)}`, 'Sec-WebSocket-Protocol': protocol },
  });
  clients.push(client);
  await client.upgraded();
  return client;
}

const seconds = () => Math.floor(Date.now() / 1_000);

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const test of open.splice(0)) await test.discard();
});

describe('auth.expiring', () => {
  it('comes a fifth of the lifetime ahead, says when, and again for each refresh; then 4419', async () => {
    const { test, skew } = await start();
    const client = await admitted(test, { exp: seconds() + 600 });
    const ok = await client.messageOf('auth.ok');
    // With the tolerance of 30 s the connection has 630 s, of which 126 s are the fifth.
    skew.ms = 500_000;
    client.send('echo', 'not yet');
    expect(await client.message()).toEqual({ event: 'echo', data: 'not yet' });
    skew.ms = 506_000;
    expect(await client.message()).toEqual({
      event: 'auth.expiring',
      data: { expiresAt: ok.data.expiresAt },
    });
    client.send('auth.refresh', { token: test.token({ iat: seconds() + 500, exp: seconds() + 1_200 }) });
    const renewed = await client.message();
    expect(renewed.event).toBe('auth.ok');
    expect(renewed.data.expiresAt).toBeGreaterThan(ok.data.expiresAt);
    skew.ms = 1_110_000;
    expect(await client.message()).toEqual({
      event: 'auth.expiring',
      data: { expiresAt: renewed.data.expiresAt },
    });
    skew.ms = 1_231_000;
    expect(await client.closed()).toMatchObject({ code: 4419, before: [] });
  });

  it('goes to who speaks ws-auth.v1 on any gateway, and to nobody who may not know it', async () => {
    const { test, skew } = await start({ credentials: ['bearer'] });
    const [speaker, other] = [await admitted(test, {}, 'ws-auth.v1'), await admitted(test)];
    await speaker.messageOf('auth.ok');
    skew.ms = 520_000;
    expect((await speaker.message()).event).toBe('auth.expiring');
    skew.ms = 640_000;
    expect(await speaker.closed()).toMatchObject({ code: 4419 });
    expect(await other.closed()).toMatchObject({ code: 4419, before: [] });
  });
});

describe('a refresh that races the expiry', () => {
  it('comes too late when it is verified behind it: 4419, no auth.ok, and no place stays taken', async () => {
    const verifier = new HeldVerifier();
    const { test, skew } = await start({}, verifier);
    const connecting = admitted(test);
    (await verifier.call(0)).accept();
    const client = await connecting;
    await client.messageOf('auth.ok');
    client.send('auth.refresh', { token: 'fresh' });
    const held = await verifier.call(1);
    skew.ms = 600_000;
    expect((await client.closed()).code).toBe(4419);
    held.accept();
    await test.eventOf(({ method, outcome }) => method === 'refresh bearer' && outcome === 'refused');
    expect(test.connections.local()).toEqual([]);
    const userHash = userHashOf(test.engine.keys.userHash, 'ada');
    await eventually(async () => (await test.engine.stores.connections.countOf(userHash)) === 0);
  });

  it('is in time when it was verified before: the old end passes, and messages go on', async () => {
    const { test, skew } = await start();
    const client = await admitted(test, { exp: seconds() + 60 });
    const { expiresAt } = (await client.messageOf('auth.ok')).data;
    skew.ms = expiresAt - Date.now() - 2_000;
    await client.messageOf('auth.expiring');
    client.send('auth.refresh', { token: test.token({ exp: seconds() + 600 }) });
    await client.messageOf('auth.ok');
    skew.ms = expiresAt - Date.now() + 60_000;
    client.send('echo', 1);
    expect(await client.message()).toEqual({ event: 'echo', data: 1 });
  });

  it('changes nothing with a credential that ends sooner: the answer says the end that stays', async () => {
    const { test } = await start();
    const client = await admitted(test, { exp: seconds() + 600, roles: ['member'] });
    const ok = await client.messageOf('auth.ok');
    client.send('auth.refresh', { token: test.token({ exp: seconds() + 60, roles: ['admin'] }) });
    expect((await client.messageOf('auth.ok')).data.expiresAt).toBe(ok.data.expiresAt);
    client.send('whoami');
    expect((await client.messageOf('whoami')).data.roles).toEqual(['member']);
  });

  it('closes 4403 on another user, whose token is good', async () => {
    const { test } = await start();
    const client = await admitted(test);
    await client.messageOf('auth.ok');
    client.send('auth.refresh', { token: test.token({ sub: 'bob', exp: seconds() + 900 }) });
    expect(await client.closed()).toMatchObject({ code: 4403, before: [] });
  });
});
