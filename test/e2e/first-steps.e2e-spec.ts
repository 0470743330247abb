import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.js';
import { makeChatGateway } from '../support/gateways.js';
import { closeBytes, messageBytes, RawClient, SAMPLE_ACCEPT } from '../support/raw-client.js';

describe('a guarded gateway', () => {
  const Gateway = makeChatGateway();
  let test: TestApp;
  beforeAll(async () => {
    test = await startApp({ gateways: [Gateway] });
  });
  afterAll(() => test.discard());

  it('admits a bearer token, and shows the principal', async () => {
    const client = await RawClient.open(test.port, {
      headers: { Authorization: `Bearer ${test.token({ roles: ['admin'] })}` },
    });
    const response = await client.upgraded();
    expect(response.headers['sec-websocket-accept']).toBe(SAMPLE_ACCEPT);
    expect(await client.message()).toMatchObject({ event: 'auth.ok' });
    client.send('whoami');
    expect(await client.message()).toEqual({
      event: 'whoami',
      data: { id: 'ada', roles: ['admin'], scopes: [] },
    });
    client.write(closeBytes());
    expect((await client.closed()).code).toBe(1000);
  });

  it('admits a ticket once', async () => {
    const { session } = await test.sessions.create({ userId: 'bob' });
    const { ticket } = await test.tickets.issue({ session: session.id });
    const first = await RawClient.open(test.port, { target: `/ws?ticket=${ticket}` });
    await first.upgraded();
    const second = await RawClient.open(test.port, { target: `/ws?ticket=${ticket}` });
    expect((await second.response()).status).toBe(401);
    await test.sessions.revoke({ session: session.id });
    expect(await first.closed()).toMatchObject({ code: 4410 });
  });

  it('admits by first message', async () => {
    const client = await RawClient.open(
      test.port,
      {},
      messageBytes('auth', { token: test.token() }),
      messageBytes('echo', 1),
    );
    await client.upgraded();
    expect(await client.message()).toMatchObject({ event: 'auth.required' });
    expect(await client.message()).toMatchObject({ event: 'auth.ok' });
    expect(await client.message()).toEqual({ event: 'echo', data: 1 });
  });

  it('refuses with a whole response', async () => {
    const client = await RawClient.open(test.port, { headers: { Origin: 'https://evil.example' } });
    const response = await client.response();
    expect(response).toMatchObject({ status: 403 });
    await client.end();
  });
});
