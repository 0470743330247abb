import {
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
  UseInterceptors,
} from '@nestjs/common';
import { ConnectedSocket, MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { afterEach, describe, expect, it } from 'vitest';
import type { Server, WebSocket } from 'ws';
import { WsAuth, type WsAuthOptions, WsPublic } from '../../lib/index.js';
import { startApp, type TestApp, UNTHROTTLED } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { closeBytes, frameBytes, messageBytes, OPCODE, RawClient } from '../support/raw-client.js';

const open: TestApp[] = [];
const clients: RawClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const test of open.splice(0)) await test.discard();
});

async function start(gateway: new () => object, options: Partial<WsAuthOptions> = {}): Promise<TestApp> {
  const test = await startApp({ gateways: [gateway], options: { throttle: UNTHROTTLED, ...options } });
  open.push(test);
  return test;
}

async function knock(
  test: TestApp,
  ...more: Parameters<typeof RawClient.open> extends [number, ...infer R] ? R : never
) {
  const client = await RawClient.open(test.port, ...more);
  clients.push(client);
  await client.upgraded();
  return client;
}

async function admitted(test: TestApp): Promise<RawClient> {
  const client = await knock(test, { headers: { Authorization: `Bearer ${test.token()}` } });
  await client.messageOf('auth.ok');
  return client;
}

/** Handlers that end when the test says so. */
function makeWaitingGateway() {
  const seen = { begun: [] as unknown[], ends: [] as (() => void)[] };
  @WsAuth()
  @WebSocketGateway({ path: '/ws' })
  class WaitingGateway {
    static readonly seen = seen;
    @SubscribeMessage('slow')
    async slow(@MessageBody() data: unknown) {
      seen.begun.push(data);
      await new Promise<void>((resolve) => seen.ends.push(resolve));
    }
  }
  return WaitingGateway;
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** How many messages wait in the inboxes of all sockets. */
function queuedOf(test: TestApp): number {
  let queued = 0;
  for (const socket of test.sockets()) queued += socket.inbox?.queued ?? 0;
  return queued;
}

describe('a client that leaves', () => {
  it('holds up nobody: what is sent to it afterwards waits for nothing (TH-05)', async () => {
    let handled = 0;
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class ReplyingGateway {
      @SubscribeMessage('get')
      async get(@ConnectedSocket() client: WebSocket) {
        handled += 1;
        await pause(1);
        client.send(JSON.stringify({ event: 'got', data: 'x'.repeat(8_192) }));
      }
    }
    const test = await start(ReplyingGateway);
    const client = await admitted(test);
    client.write(...upTo(100).map((index) => messageBytes('get', index)));
    await eventually(() => handled > 0);
    client.destroy();
    // The server is in this process: its timers go on, and every message is handled.
    await eventually(() => handled === 100);
    await eventually(() => test.connections.local().length === 0);
  });

  it('from a public gateway holds up nobody either, whatever is broadcast meanwhile', async () => {
    let server: Server | undefined;
    const ends: (() => void)[] = [];
    let handled = 0;
    @WsPublic()
    @WebSocketGateway({ path: '/public' })
    class BroadcastGateway {
      afterInit(own: Server) {
        server = own;
      }
      @SubscribeMessage('slow')
      async slow() {
        handled += 1;
        await new Promise<void>((resolve) => ends.push(resolve));
      }
    }
    const test = await start(BroadcastGateway);
    const client = await knock(test, { target: '/public' });
    client.write(...upTo(4).map(() => messageBytes('slow')));
    await eventually(() => handled === 1);
    client.destroy();
    await eventually(() => [...server!.clients].every(({ readyState }) => readyState === 3));
    for (let count = 0; count < 40; count += 1)
      for (const other of server!.clients) other.send('x'.repeat(10_000));
    for (const count of [1, 2, 3, 4]) {
      await eventually(() => handled === count);
      ends.shift()!();
    }
    await eventually(() => server!.clients.size === 0);
  });

  it('has all its messages handled behind an interceptor too', async () => {
    const begun: unknown[] = [];
    class Passing implements NestInterceptor {
      intercept(_: ExecutionContext, next: CallHandler) {
        return next.handle();
      }
    }
    @WsAuth()
    @UseInterceptors(Passing)
    @WebSocketGateway({ path: '/ws' })
    class InterceptedGateway {
      @SubscribeMessage('slow')
      async slow(@MessageBody() data: unknown) {
        begun.push(data);
        await pause(2);
      }
    }
    const test = await start(InterceptedGateway);
    const client = await admitted(test);
    client.write(...upTo(20).map((index) => messageBytes('slow', index)), closeBytes());
    await client.closed();
    client.destroy();
    await eventually(() => begun.length === 20);
    expect(begun).toEqual(upTo(20));
    await eventually(() => test.connections.local().length === 0);
  });

  it('does not keep the application from closing, though a handler never ends', async () => {
    const Gateway = makeWaitingGateway();
    const test = await start(Gateway, { lifetime: { closeGraceMs: 200, drainMs: 100 } });
    const client = await admitted(test);
    client.write(messageBytes('slow', 1), messageBytes('slow', 2), closeBytes());
    await client.closed();
    client.destroy();
    await eventually(() => Gateway.seen.begun.length === 1);
    open.pop();
    const began = performance.now();
    await test.close();
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(Gateway.seen.begun).toEqual([1]);
  });
});

describe('a socket that the application ends', () => {
  it.each(['close', 'terminate'] as const)('by %s() has nothing handled that waits', async (how) => {
    const handled: unknown[] = [];
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class EndingGateway {
      @SubscribeMessage('m')
      async m(@ConnectedSocket() client: WebSocket, @MessageBody() data: number) {
        handled.push(data);
        await new Promise((resolve) => setImmediate(resolve));
        if (data !== 2) return;
        if (how === 'close') client.close(4_003, 'enough');
        else client.terminate();
      }
    }
    const test = await start(EndingGateway);
    const client = await admitted(test);
    client.write(...upTo(20).map((index) => messageBytes('m', index)));
    await eventually(() => handled.length >= 3);
    await pause(50);
    expect(handled).toEqual([0, 1, 2]);
  });

  it('in handleConnection has nothing handled that was held', async () => {
    const handled: unknown[] = [];
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class RefusingGateway {
      handleConnection(client: WebSocket) {
        client.close(4_003, 'not you');
      }
      @SubscribeMessage('m')
      m(@MessageBody() data: unknown) {
        handled.push(data);
      }
    }
    const test = await start(RefusingGateway);
    const auth = messageBytes('auth', { token: test.token() });
    const client = await knock(test, {}, auth, messageBytes('m', 1));
    expect(await client.closed()).toMatchObject({ code: 4_003 });
    client.destroy();
    await eventually(() => test.connections.local().length === 0);
    expect(handled).toEqual([]);
  });
});

describe('the first message', () => {
  it('fills the line with what was held for it, which stops the reading (TH-10)', async () => {
    const Gateway = makeWaitingGateway();
    const test = await start(Gateway);
    const held = upTo(60).map((index) => messageBytes('slow', index));
    const client = await knock(test, {}, messageBytes('auth', { token: test.token() }), ...held);
    await client.messageOf('auth.ok');
    await eventually(() => queuedOf(test) === 59);
    expect(test.sockets()[0]!.isPaused).toBe(true);
    client.write(...upTo(500).map((index) => messageBytes('slow', `${index}${'x'.repeat(4_000)}`)));
    await pause(100);
    expect(queuedOf(test)).toBe(59);
  });

  it('opens nothing on a socket that has broken the rules of frames (TH-03)', async () => {
    const Gateway = makeWaitingGateway();
    const test = await start(Gateway);
    const client = await knock(
      test,
      {},
      ...upTo(15).map(() => frameBytes('', OPCODE.ping)),
      messageBytes('auth', { token: test.token() }),
      messageBytes('slow', 1),
    );
    expect((await client.closed()).code).toBe(1008);
    client.destroy();
    await pause(50);
    expect(Gateway.seen.begun).toEqual([]);
    expect(test.connections.local()).toEqual([]);
    expect(test.events.filter(({ event }) => event === 'authn_login_success')).toEqual([]);
    expect(test.events.at(-1)).toMatchObject({ outcome: 'refused', closeCode: 1008 });
  });
});
