import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { NEVER, type Observable } from 'rxjs';
import { afterEach, describe, expect, it } from 'vitest';
import { WsAuth, type WsAuthOptions, WsConcurrency, WsPublic } from '../../lib/index.js';
import { startApp, type TestApp, UNTHROTTLED } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { closeBytes, messageBytes, RawClient } from '../support/raw-client.js';

const open: TestApp[] = [];
const clients: RawClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const test of open.splice(0)) await test.discard();
});

/** A gateway whose slow handlers end when the test says so. */
function makeGateway(path = '/ws') {
  const begun: unknown[] = [];
  const ends: (() => void)[] = [];
  const seen = { begun, ends, running: 0, most: 0, connected: 0, log: [] as string[] };

  @WsAuth()
  @WebSocketGateway({ path })
  class OrderGateway {
    static readonly seen = seen;
    handleConnection() {
      seen.connected += 1;
    }
    handleDisconnect() {
      seen.log.push('disconnect');
    }
    @SubscribeMessage('slow')
    async slow(@MessageBody() data: unknown) {
      begun.push(data);
      seen.log.push(`slow ${String(data)}`);
      seen.running += 1;
      seen.most = Math.max(seen.most, seen.running);
      await new Promise<void>((resolve) => ends.push(resolve));
      seen.running -= 1;
      return { event: 'slow', data };
    }
    @SubscribeMessage('fast')
    fast(@MessageBody() data: unknown) {
      begun.push(data);
      return { event: 'fast', data };
    }
    @WsConcurrency(2)
    @SubscribeMessage('upload')
    async upload(@MessageBody() data: unknown) {
      begun.push(data);
      await new Promise<void>((resolve) => ends.push(resolve));
      return { event: 'upload', data };
    }
    @SubscribeMessage('endless')
    endless(@MessageBody() data: unknown): Observable<never> {
      begun.push(data);
      return NEVER;
    }
  }
  return OrderGateway;
}

async function start(gateway: new () => object, options: Partial<WsAuthOptions> = {}): Promise<TestApp> {
  const test = await startApp({ gateways: [gateway], options: { throttle: UNTHROTTLED, ...options } });
  open.push(test);
  return test;
}

async function admitted(test: TestApp): Promise<RawClient> {
  const client = await RawClient.open(test.port, { headers: { Authorization: `Bearer ${test.token()}` } });
  clients.push(client);
  await client.upgraded();
  await client.messageOf('auth.ok');
  return client;
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

describe('messages of one connection', () => {
  it('are handled in order, one at a time, whatever each takes (MS-07, TH-10)', async () => {
    const Gateway = makeGateway();
    const { seen } = Gateway;
    const client = await admitted(await start(Gateway));
    client.write(messageBytes('slow', 1), messageBytes('fast', 2), messageBytes('slow', 3));
    await eventually(() => seen.begun.length === 1);
    seen.ends.shift()!();
    expect(await client.message()).toEqual({ event: 'slow', data: 1 });
    expect(await client.message()).toEqual({ event: 'fast', data: 2 });
    await eventually(() => seen.begun.length === 3);
    seen.ends.shift()!();
    expect(await client.message()).toEqual({ event: 'slow', data: 3 });
  });

  it('stay in the network when 32 wait, and none is lost (TH-10)', async () => {
    const Gateway = makeGateway();
    const { seen } = Gateway;
    const test = await start(Gateway);
    const client = await admitted(test);
    const total = 1_000;
    const data = 'x'.repeat(8_192);
    client.write(messageBytes('slow', -1));
    await eventually(() => seen.begun.length === 1);
    client.write(...upTo(total).map((index) => messageBytes('fast', `${index}:${data}`)));
    const [connection] = test.connections.local();
    expect(connection).toBeDefined();
    await eventually(() => queuedOf(test) >= 32);
    // A chunk of 64 KiB that was read already may bring a few more; the rest waits outside of this process.
    await new Promise((resolve) => setImmediate(resolve));
    expect(queuedOf(test)).toBeLessThan(32 + 64);
    seen.ends.shift()!();
    await eventually(() => seen.begun.length === total + 1);
    expect(seen.begun.slice(1).map((text) => Number.parseInt(String(text), 10))).toEqual(upTo(total));
    expect(seen.most).toBe(1);
  });

  it('run as many at once as message.concurrency says', async () => {
    const Gateway = makeGateway();
    const { seen } = Gateway;
    const client = await admitted(await start(Gateway, { message: { concurrency: 3 } }));
    client.write(...upTo(10).map((index) => messageBytes('slow', index)));
    await eventually(() => seen.begun.length === 3);
    for (let over = 4; over <= 10; over += 1) {
      seen.ends.shift()!();
      await eventually(() => seen.begun.length === over);
    }
    expect(seen.most).toBe(3);
  });

  it('run all at once where message.concurrency is Infinity', async () => {
    const Gateway = makeGateway();
    const client = await admitted(await start(Gateway, { message: { concurrency: Infinity } }));
    client.write(...upTo(100).map((index) => messageBytes('slow', index)));
    await eventually(() => Gateway.seen.running === 100);
  });

  it('of a handler with @WsConcurrency() have a line of their own, which holds up no other', async () => {
    const Gateway = makeGateway();
    const { seen } = Gateway;
    const client = await admitted(await start(Gateway));
    client.write(...['a', 'b', 'c'].map((data) => messageBytes('upload', data)), messageBytes('fast', 'd'));
    expect(await client.message()).toEqual({ event: 'fast', data: 'd' });
    expect(seen.begun).toEqual(['a', 'b', 'd']);
    seen.ends.shift()!();
    expect(await client.message()).toEqual({ event: 'upload', data: 'a' });
    await eventually(() => seen.begun.length === 4);
  });

  it('wait for an Observable until it is subscribed, and not until it is complete', async () => {
    const Gateway = makeGateway();
    const client = await admitted(await start(Gateway));
    client.write(messageBytes('endless'), messageBytes('endless'), messageBytes('fast', 1));
    expect(await client.message()).toEqual({ event: 'fast', data: 1 });
  });

  it('that came before their client left are handled, and then its leaving is told', async () => {
    const Gateway = makeGateway();
    const { seen } = Gateway;
    const test = await start(Gateway);
    const client = await admitted(test);
    client.write(messageBytes('slow', 1), messageBytes('slow', 2), messageBytes('slow', 3), closeBytes());
    expect(await client.closed()).toMatchObject({ code: 1000 });
    client.destroy();
    for (const waited of [1, 2, 3]) {
      await eventually(() => seen.begun.length === waited);
      seen.ends.shift()!();
    }
    await eventually(() => seen.log.includes('disconnect'));
    expect(seen.log).toEqual(['slow 1', 'slow 2', 'slow 3', 'disconnect']);
    await eventually(() => test.connections.local().length === 0);
  });

  it('that wait when it is revoked are not handled, whatever the socket is doing (SE-02)', async () => {
    const Gateway = makeGateway();
    const { seen } = Gateway;
    const test = await start(Gateway);
    const client = await admitted(test);
    client.write(...upTo(50).map((index) => messageBytes('slow', index)));
    await eventually(() => queuedOf(test) >= 32);
    await test.sessions.revoke({ user: 'ada' });
    seen.ends.shift()!();
    expect(await client.closed()).toMatchObject({ code: 4410, before: [] });
    client.destroy();
    await eventually(() => seen.log.includes('disconnect'));
    expect(seen.begun).toEqual([0]);
  });

  it('that wait when it is revoked after its client left are not handled either (SE-02)', async () => {
    const Gateway = makeGateway();
    const { seen } = Gateway;
    const test = await start(Gateway);
    const client = await admitted(test);
    client.write(messageBytes('slow', 1), messageBytes('slow', 2), closeBytes());
    await client.closed();
    client.destroy();
    await eventually(() => seen.begun.length === 1);
    await test.sessions.revoke({ user: 'ada' });
    seen.ends.shift()!();
    await eventually(() => seen.log.includes('disconnect'));
    expect(seen.begun).toEqual([1]);
  });

  it('do not hold up those of another connection', async () => {
    const Gateway = makeGateway();
    const test = await start(Gateway);
    const [busy, free] = [await admitted(test), await admitted(test)];
    busy.send('slow', 1);
    await eventually(() => Gateway.seen.begun.length === 1);
    free.send('fast', 2);
    expect(await free.message()).toEqual({ event: 'fast', data: 2 });
  });

  it('of a public gateway are in order too, and their client can be left to leave', async () => {
    const begun: unknown[] = [];
    const ends: (() => void)[] = [];
    @WsPublic()
    @WebSocketGateway({ path: '/public' })
    class PublicOrderGateway {
      @SubscribeMessage('slow')
      async slow(@MessageBody() data: unknown) {
        begun.push(data);
        await new Promise<void>((resolve) => ends.push(resolve));
        return { event: 'slow', data };
      }
    }
    const test = await start(PublicOrderGateway);
    const client = await RawClient.open(test.port, { target: '/public' });
    clients.push(client);
    await client.upgraded();
    client.write(messageBytes('slow', 1), messageBytes('slow', 2));
    await eventually(() => begun.length === 1);
    ends.shift()!();
    expect(await client.message()).toEqual({ event: 'slow', data: 1 });
    await eventually(() => begun.length === 2);
  });
});

/** How many messages wait in the inboxes of all sockets. */
function queuedOf(test: TestApp): number {
  let queued = 0;
  for (const socket of test.sockets()) queued += socket.inbox?.queued ?? 0;
  return queued;
}
