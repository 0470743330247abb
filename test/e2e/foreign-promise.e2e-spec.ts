import { runInNewContext } from 'node:vm';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { afterEach, describe, expect, it } from 'vitest';
import { WsAuth, WsAuthEvents } from '../../lib/index.js';
import { baseOptions, startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { makeChatGateway } from '../support/gateways.js';
import { RawClient } from '../support/raw-client.js';
import { expectRefusal } from '../support/refusal.js';

/** Promises of another realm, which are no `instanceof Promise`: under Jest, all that Node itself makes are such. */
const elsewhere = runInNewContext(`({
  resolve: (value) => Promise.resolve(value),
  reject: () => Promise.reject(new Error('failed elsewhere')),
})`) as { resolve<T>(value: T): Promise<T>; reject(): Promise<never> };

const INVALID = { 'www-authenticate': 'Bearer realm="ws", error="invalid_token"' };

describe('a promise of another realm', () => {
  let test: TestApp;
  const clients: RawClient[] = [];
  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    await test.discard();
  });

  async function knock(): Promise<RawClient> {
    const headers = { Authorization: `Bearer ${test.token()}` };
    const client = await RawClient.open(test.port, { headers });
    clients.push(client);
    return client;
  }

  it('that handleConnection returns and that fails closes its client with 1011', async () => {
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class FailingGateway {
      handleConnection() {
        return elsewhere.reject();
      }
    }
    test = await startApp({ gateways: [FailingGateway] });
    const client = await knock();
    await client.upgraded();
    expect((await client.closed()).code).toBe(1011);
  });

  it('that a handler returns is waited for, and its failure answered', async () => {
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class AnsweringGateway {
      @SubscribeMessage('good')
      good() {
        return elsewhere.resolve({ event: 'good', data: 1 });
      }

      @SubscribeMessage('bad')
      bad() {
        return elsewhere.reject();
      }
    }
    test = await startApp({ gateways: [AnsweringGateway] });
    const client = await knock();
    await client.upgraded();
    client.send('good');
    expect((await client.messageOf('good')).data).toBe(1);
    client.send('bad');
    expect((await client.messageOf('exception')).data).toMatchObject({ code: 'internal' });
  });

  it('that "basic.verify" returns is waited for', async () => {
    const verify = (user: string, password: string) =>
      elsewhere.resolve(password === 'right' ? { id: user } : null);
    const options = { credentials: ['basic'], basic: { verify } } as const;
    test = await startApp({ gateways: [makeChatGateway()], options });
    const statusOf = async (password: string): Promise<number> => {
      const Authorization = `Basic ${Buffer.from(`ada:${password}`).toString('base64')}`;
      const client = await RawClient.open(test.port, { headers: { Authorization, Origin: undefined } });
      clients.push(client);
      return (await client.response()).status;
    };
    expect(await statusOf('right')).toBe(101);
    expect(await statusOf('wrong')).toBe(401);
  });

  it('that "jwt.principal" returns is no principal', async () => {
    const { jwt } = baseOptions();
    const principal = (() => elsewhere.reject()) as never;
    test = await startApp({
      gateways: [makeChatGateway()],
      options: { jwt: { ...(jwt as object), principal } as never },
    });
    await expectRefusal(await knock(), 'unauthorized', INVALID);
  });

  it('that a listener of the audit log returns and that fails is counted', async () => {
    test = await startApp({ gateways: [makeChatGateway()] });
    const events = test.app.get(WsAuthEvents);
    events.subscribe(() => elsewhere.reject() as never);
    await (await knock()).upgraded();
    await eventually(() => events.dropped > 0);
  });
});
