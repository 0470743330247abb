import { createServer } from 'node:http';
import type { INestApplication } from '@nestjs/common';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { WsAdapter } from '@nestjs/platform-ws';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { EMPTY } from 'rxjs';
import { afterEach, describe, expect, it } from 'vitest';
import type { WebSocket } from 'ws';
import {
  WsAuth,
  WsAuthAdapter,
  WsAuthModule,
  WsConnections,
  WsPrincipal,
  WsPublic,
  WsRecentAuth,
  WsRoles,
  WsThrottle,
  withWsAuth,
} from '../../lib/index.js';
import { baseOptions, startApp, type TestApp, type TestAppParts } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { ByteAdapter, ListAdapter } from '../support/own-adapters.js';
import { frameBytes, messageBytes, OPCODE, RawClient } from '../support/raw-client.js';
import { CHALLENGE, expectRefusal } from '../support/refusal.js';

/** What the gateway was called with, and what holds its handlers up. */
interface Seen {
  readonly connected: object[];
  readonly messages: unknown[];
  readonly held: (() => void)[];
}

function makeGateway(path = '/ws') {
  const seen: Seen = { connected: [], messages: [], held: [] };

  @WsAuth()
  @WebSocketGateway({ path })
  class OwnGateway {
    static readonly seen = seen;

    handleConnection(client: object) {
      seen.connected.push(client);
    }

    @SubscribeMessage('echo')
    echo(@WsPrincipal('id') id: string, @MessageBody() data: unknown) {
      seen.messages.push(data);
      return { event: 'echo', data: { id, data } };
    }

    @SubscribeMessage('hold')
    async hold(@MessageBody() data: unknown) {
      seen.messages.push(data);
      await new Promise<void>((resolve) => seen.held.push(resolve));
      return { event: 'held', data };
    }

    @WsThrottle({ limit: 2, windowMs: 60_000 })
    @SubscribeMessage('rare')
    rare(@MessageBody() data: unknown) {
      seen.messages.push(data);
      return { event: 'rare', data };
    }

    @WsRoles('admin')
    @SubscribeMessage('admin')
    admin() {
      seen.messages.push('admin');
      return { event: 'admin', data: true };
    }

    @SubscribeMessage('broken')
    broken() {
      throw new Error('a bug of the application');
    }
  }

  return OwnGateway;
}

const open: { close(): Promise<void> }[] = [];
const clients: RawClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const test of open.splice(0)) await test.close();
});

async function start<Adapter extends WsAdapter>(
  make: (app: INestApplication) => Adapter,
  parts: Partial<TestAppParts> = {},
): Promise<{ test: TestApp; adapter: Adapter }> {
  let adapter: Adapter | undefined;
  const test = await startApp({
    gateways: [makeGateway()],
    ...parts,
    options: { lifetime: { closeGraceMs: 200 }, ...parts.options },
    ownAdapter: (app) => (adapter = make(app)),
  });
  open.push(test);
  return { test, adapter: adapter! };
}

async function admitted(test: TestApp, claims: object = {}): Promise<RawClient> {
  const client = await RawClient.open(test.port, {
    headers: { Authorization: `Bearer ${test.token({ ...claims })}` },
  });
  clients.push(client);
  await client.upgraded();
  await client.messageOf('auth.ok');
  return client;
}

function list(event: string, data?: unknown): Buffer {
  return frameBytes(JSON.stringify([event, data]));
}

/** The next frame as the adapter under test writes it. */
async function reply(client: RawClient): Promise<unknown> {
  return JSON.parse((await client.frame()).payload.toString());
}

describe('an adapter that binds messages by itself', () => {
  it('reads frames and writes replies in its own format, for an admitted client', async () => {
    const { test } = await start((app) => new ListAdapter(app));
    const client = await admitted(test);
    client.write(list('echo', 'a'), list('echo', { b: 1 }));
    expect(await reply(client)).toEqual(['echo', { id: 'ada', data: 'a' }]);
    expect(await reply(client)).toEqual(['echo', { id: 'ada', data: { b: 1 } }]);
  });

  it('is shown no client and no frame of whom nobody knows', async () => {
    const Gateway = makeGateway();
    const { test, adapter } = await start((app) => new ListAdapter(app), { gateways: [Gateway] });
    for (const headers of [{}, { Authorization: 'Bearer nonsense' }]) {
      const client = await RawClient.open(test.port, { headers }, messageBytes('echo', 'too early'));
      clients.push(client);
      if (Object.keys(headers).length > 0)
        await expectRefusal(client, 'unauthorized', { 'www-authenticate': CHALLENGE.invalid });
      else {
        await client.upgraded();
        expect((await client.closed()).code).toBe(4401);
      }
    }
    expect(adapter.bound).toEqual([]);
    expect(adapter.frames).toEqual([]);
    expect(Gateway.seen).toEqual({ connected: [], messages: [], held: [] });
  });

  it('gets what was sent behind a first message when that was good, in order, and never the credential', async () => {
    const { test, adapter } = await start((app) => new ListAdapter(app));
    const early = Array.from({ length: 50 }, (_, index) => list('echo', index));
    const client = await RawClient.open(
      test.port,
      {},
      messageBytes('auth', { token: test.token() }),
      ...early,
    );
    clients.push(client);
    await client.upgraded();
    await client.messageOf('auth.ok');
    for (let index = 0; index < 50; index += 1)
      expect(await reply(client)).toEqual(['echo', { id: 'ada', data: index }]);
    const token = test.token();
    client.send('auth.refresh', { token });
    await client.messageOf('auth.ok');
    client.write(list('echo', 'after'));
    expect(await reply(client)).toEqual(['echo', { id: 'ada', data: 'after' }]);
    expect(adapter.frames).toHaveLength(51);
    expect(adapter.frames.join()).not.toContain('token');
  });

  it.each([
    ['an auth frame with a slip', frameBytes('{"event":"auth.refresh","data":{"token":"SECRET"}')],
    [
      'an auth frame in binary',
      frameBytes('{"event":"auth.nonsense","data":{"token":"SECRET"}}', OPCODE.binary),
    ],
  ])('is not shown %s', async (_, frame) => {
    const { test, adapter } = await start((app) => new ListAdapter(app));
    const client = await admitted(test);
    client.write(frame, list('echo', 1));
    expect(await client.message()).toMatchObject({ event: 'exception' });
    expect(await reply(client)).toEqual(['echo', { id: 'ada', data: 1 }]);
    expect(adapter.frames).toEqual(['["echo",1]']);
  });

  it('is shown what only looks like JSON, or speaks of authors', async () => {
    const { test, adapter } = await start((app) => new ListAdapter(app));
    const client = await admitted(test);
    const texts = ['author|x', '{"type":"auth"}', '[not json', '{"event":"author","data":1}', ''];
    client.write(...texts.map((text) => frameBytes(text)), list('echo', 1));
    await reply(client);
    expect(adapter.frames).toEqual([...texts, '["echo",1]']);
  });

  it.each([
    ['too deep', `["echo",${'['.repeat(40)}${']'.repeat(40)}]`],
    ['with __proto__', '["echo",{"__proto__":{"x":1}}]'],
  ])('is not shown JSON %s (MS-04, MS-05)', async (_, text) => {
    const { test, adapter } = await start((app) => new ListAdapter(app));
    const client = await admitted(test);
    client.write(frameBytes(text));
    expect((await client.closed()).code).toBe(4400);
    expect(adapter.frames).toEqual([]);
  });

  it('hears nothing more of a client behind the fence, though that answers no Close', async () => {
    const Gateway = makeGateway();
    const { test, adapter } = await start((app) => new ListAdapter(app), { gateways: [Gateway] });
    const client = await admitted(test);
    client.write(list('echo', 1));
    await reply(client);
    await test.sessions.revoke({ user: 'ada' });
    expect((await client.closed()).code).toBe(4410);
    client.write(list('echo', 2), list('echo', 3));
    await client.end();
    expect(adapter.frames).toEqual(['["echo",1]']);
    expect(Gateway.seen.messages).toEqual([1]);
  });

  it('cannot send behind the fence, nor call a handler that it holds', async () => {
    const Gateway = makeGateway();
    const { test, adapter } = await start((app) => new ListAdapter(app), { gateways: [Gateway] });
    const client = await admitted(test);
    client.write(list('hold', 1), list('echo', 2));
    await eventually(() => Gateway.seen.held.length === 1);
    await test.sessions.revoke({ user: 'ada' });
    Gateway.seen.held[0]!();
    (adapter.bound[0] as WebSocket).send('leak');
    expect((await client.closed()).before).toEqual([]);
    await client.end();
    expect(Gateway.seen.messages).toEqual([1]);
  });

  it('has one message of a client handled at a time, in order', async () => {
    const Gateway = makeGateway();
    const { test } = await start((app) => new ListAdapter(app), { gateways: [Gateway] });
    const client = await admitted(test);
    client.write(list('hold', 1), list('hold', 2), list('echo', 3));
    await eventually(() => Gateway.seen.held.length === 1);
    client.write(list('echo', 4));
    expect(Gateway.seen.messages).toEqual([1]);
    Gateway.seen.held[0]!();
    expect(await reply(client)).toEqual(['held', 1]);
    await eventually(() => Gateway.seen.held.length === 2);
    expect(Gateway.seen.messages).toEqual([1, 2]);
    Gateway.seen.held[1]!();
    expect(await reply(client)).toEqual(['held', 2]);
    expect(await reply(client)).toEqual(['echo', { id: 'ada', data: 3 }]);
    expect(await reply(client)).toEqual(['echo', { id: 'ada', data: 4 }]);
  });

  it('has the limits of a handler held for it, and goes on after a refusal', async () => {
    const Gateway = makeGateway();
    const { test } = await start((app) => new ListAdapter(app), { gateways: [Gateway] });
    const client = await admitted(test);
    client.write(list('rare', 1), list('rare', 2), list('rare', 3), list('echo', 4));
    expect(await reply(client)).toEqual(['rare', 1]);
    expect(await reply(client)).toEqual(['rare', 2]);
    expect(await client.message()).toMatchObject({ event: 'rate', data: { event: 'rare', limit: 2 } });
    expect(await reply(client)).toEqual(['echo', { id: 'ada', data: 4 }]);
    expect(Gateway.seen.messages).toEqual([1, 2, 4]);
  });

  it('has the rate of a connection held before it sees a frame, and its flooders closed', async () => {
    const { test, adapter } = await start((app) => new ListAdapter(app), {
      options: { throttle: { perConnection: { limit: 60, burst: 5 } } },
    });
    const client = await admitted(test);
    client.write(...Array.from({ length: 60 }, (_, index) => list('unknown', index)));
    expect((await client.closed()).code).toBe(4429);
    expect(adapter.frames).toHaveLength(5);
  });

  it('has guards, filters and roles stand before its handlers', async () => {
    const Gateway = makeGateway();
    const { test } = await start((app) => new ListAdapter(app), { gateways: [Gateway] });
    const client = await admitted(test);
    client.write(list('admin'), list('broken'));
    expect(await client.message()).toMatchObject({ event: 'exception', data: { code: 'forbidden' } });
    expect(await client.message()).toMatchObject({ event: 'exception', data: { code: 'internal' } });
    const admin = await admitted(test, { roles: ['admin'] });
    admin.write(list('admin'));
    expect(await reply(admin)).toEqual(['admin', true]);
    expect(Gateway.seen.messages).toEqual(['admin']);
  });

  it('has each gateway of a shared path called once', async () => {
    const [A, B] = [makeGateway(), makeGateway()];
    const { test } = await start((app) => new ListAdapter(app), { gateways: [A, B] });
    const client = await admitted(test);
    client.write(list('echo', 1));
    await reply(client);
    await reply(client);
    expect([A.seen.messages, B.seen.messages]).toEqual([[1], [1]]);
  });

  it('serves public gateways too', async () => {
    @WsPublic()
    @WebSocketGateway({ path: '/news' })
    class NewsGateway {
      @SubscribeMessage('echo')
      echo(@MessageBody() data: unknown) {
        return { event: 'echo', data };
      }
    }
    const { test } = await start((app) => new ListAdapter(app), { gateways: [NewsGateway] });
    const client = await RawClient.open(test.port, { target: '/news' });
    clients.push(client);
    await client.upgraded();
    client.write(list('echo', 1));
    expect(await reply(client)).toEqual(['echo', 1]);
  });

  it('that overrides only the reading of one message takes binary frames', async () => {
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class ByteGateway {
      @SubscribeMessage('e')
      echo(@WsPrincipal('id') id: string, @MessageBody() text: string) {
        return `${id}: ${text}`;
      }
    }
    const { test } = await start((app) => new ByteAdapter(app), { gateways: [ByteGateway] });
    const client = await admitted(test);
    client.write(
      frameBytes(Buffer.from('ehello'), OPCODE.binary),
      frameBytes('xnobody'),
      frameBytes('etext'),
    );
    expect(await reply(client)).toBe('ada: hello');
    expect(await reply(client)).toBe('ada: text');
  });

  it('that throws while it reads harms its client only, and its error is told without the frame', async () => {
    class Careless extends WsAdapter {
      override bindMessageHandlers(client: WebSocket) {
        client.on('message', (data) => JSON.parse(String(data)) as unknown);
      }
    }
    const { test } = await start((app) => new Careless(app));
    const client = await admitted(test);
    client.write(frameBytes('SECRET'));
    expect(await client.message()).toMatchObject({ event: 'exception', data: { code: 'bad_message' } });
    const log = test.logger.lines.join('\n');
    expect(log).toContain('error Careless failed to read a frame: SyntaxError');
    expect(log).not.toContain('SECRET');
    await admitted(test);
  });
});

describe('an adapter that binds messages by itself, where a handler asks for a recent authentication', () => {
  /** What came of each call of a handler. */
  class RecordingAdapter extends ListAdapter {
    readonly calls: { event: unknown; result: 'waits' | 'nothing' | unknown }[] = [];

    override bindMessageHandlers(
      ...[client, handlers, transform]: Parameters<ListAdapter['bindMessageHandlers']>
    ) {
      const recorded = handlers.map((handler) => ({
        ...handler,
        callback: (...args: unknown[]) => {
          const call = { event: handler.message as unknown, result: 'waits' as unknown };
          this.calls.push(call);
          const answer = (handler.callback as (...all: unknown[]) => Promise<unknown>)(...args);
          void answer.then((value) => (call.result = value === EMPTY ? 'nothing' : value));
          return answer;
        },
      }));
      super.bindMessageHandlers(client, recorded as never, transform);
    }
  }

  @WsAuth()
  @WebSocketGateway({ path: '/ws' })
  class VaultGateway {
    @WsRecentAuth('5m')
    @SubscribeMessage('transfer')
    transfer(@MessageBody() data: unknown) {
      return { event: 'transferred', data };
    }

    @SubscribeMessage('echo')
    echo(@MessageBody() data: unknown) {
      return { event: 'echo', data };
    }
  }

  const seconds = (): number => Math.floor(Date.now() / 1_000);
  const refused = { event: 'exception', data: { code: 'step_up_required', event: 'transfer' } };

  async function startVault(stepUp: object = {}) {
    const skew = { ms: 0 };
    const { test, adapter } = await start((app) => new RecordingAdapter(app), {
      gateways: [VaultGateway],
      options: { message: { stepUp } },
      engine: { monotonic: () => performance.now() + skew.ms },
    });
    const client = await admitted(test, { auth_time: seconds() - 600 });
    return { test, adapter, client, skew };
  }

  it('gets the reply when the user has authenticated again, and others meanwhile', async () => {
    const { test, adapter, client } = await startVault();
    client.write(list('transfer', 1));
    expect(await client.message()).toMatchObject({ event: 'auth.required', data: { event: 'transfer' } });
    client.write(list('echo', 2));
    expect(await reply(client)).toEqual(['echo', 2]);
    expect(adapter.calls).toMatchObject([{ event: 'transfer', result: 'waits' }, { event: 'echo' }]);
    client.send('auth.refresh', { token: test.token({ auth_time: seconds() }) });
    await client.messageOf('auth.ok');
    expect(await reply(client)).toEqual(['transferred', 1]);
    expect(adapter.calls[0]!.result).toEqual({ event: 'transferred', data: 1 });
  });

  it('is not left waiting when the time is up', async () => {
    const { adapter, client, skew } = await startVault();
    client.write(list('transfer', 1), list('transfer', 2));
    await client.messageOf('auth.required');
    await client.messageOf('auth.required');
    expect(adapter.calls.map(({ result }) => result)).toEqual(['waits', 'waits']);
    skew.ms = 120_000;
    expect(await client.message()).toMatchObject(refused);
    expect(await client.message()).toMatchObject(refused);
    client.write(list('echo', 3));
    expect(await reply(client)).toEqual(['echo', 3]);
    expect(adapter.calls.map(({ result }) => result)).toEqual([
      'nothing',
      'nothing',
      { event: 'echo', data: 3 },
    ]);
  });

  it('is not left waiting when there is no room to wait', async () => {
    const { adapter, client } = await startVault({ maxParked: 1 });
    client.write(list('transfer', 1), list('transfer', 2));
    await client.messageOf('auth.required');
    expect(await client.message()).toMatchObject(refused);
    client.write(list('echo', 3));
    expect(await reply(client)).toEqual(['echo', 3]);
    expect(adapter.calls.map(({ result }) => result)).toEqual([
      'waits',
      'nothing',
      { event: 'echo', data: 3 },
    ]);
  });
});

describe('an adapter that leaves messages to Nest', () => {
  it('is served by the dispatcher, with its limits', async () => {
    class PlainAdapter extends WsAdapter {}
    const { test } = await start((app) => new PlainAdapter(app));
    const client = await admitted(test);
    client.send('echo', 1);
    expect(await client.message()).toEqual({ event: 'echo', data: { id: 'ada', data: 1 } });
    client.send('nobody');
    expect(await client.message()).toMatchObject({ event: 'exception', data: { code: 'unknown_event' } });
    client.write(frameBytes('{}', OPCODE.binary));
    expect((await client.closed()).code).toBe(1003);
  });

  const parser = (data: unknown) => {
    const [event, payload] = String(data).split('|') as [string, string];
    return { event, data: payload };
  };

  it.each<[string, (app: INestApplication) => WsAdapter, ((adapter: WsAdapter) => void)?]>([
    ['given to it', (app) => new WsAdapter(app, { messageParser: parser })],
    [
      'set on it',
      (app) => {
        const adapter = new WsAdapter(app);
        adapter.setMessageParser(parser);
        return adapter;
      },
    ],
    [
      'set on it when it was guarded',
      (app) => new WsAdapter(app),
      (adapter) => adapter.setMessageParser(parser),
    ],
  ])('has its parser used that was %s', async (_, make, later) => {
    const { test, adapter } = await start(make);
    later?.(adapter);
    const client = await admitted(test);
    client.write(frameBytes('echo|a'), frameBytes(Buffer.from('echo|b'), OPCODE.binary));
    expect(await client.message()).toEqual({ event: 'echo', data: { id: 'ada', data: 'a' } });
    expect(await client.message()).toEqual({ event: 'echo', data: { id: 'ada', data: 'b' } });
  });

  it('takes a parser through its guard', async () => {
    let guard: WsAuthAdapter | undefined;
    const inner: WsAdapter[] = [];
    const test = await startApp({
      gateways: [makeGateway()],
      before: (app) => {
        inner.push(new WsAdapter(app));
        guard = withWsAuth(inner[0]!, app);
        guard.setMessageParser(parser as never);
        app.useWebSocketAdapter(guard);
      },
    });
    open.push(test);
    const client = await admitted(test);
    client.write(frameBytes('echo|a'));
    expect(await client.message()).toEqual({ event: 'echo', data: { id: 'ada', data: 'a' } });
  });
});

describe('what an adapter does with clients', () => {
  it('is done with those that were admitted, when they come and when they leave', async () => {
    const events: string[] = [];
    class Hooked extends WsAdapter {
      override bindClientConnect(server: never, callback: (...args: unknown[]) => void) {
        super.bindClientConnect(server, (...args: unknown[]) => {
          events.push('came');
          (args[0] as { tag: string }).tag = 'tagged';
          callback(...args);
        });
      }
      override bindClientDisconnect(client: never, callback: (...args: unknown[]) => void) {
        super.bindClientDisconnect(client, (...args: unknown[]) => {
          events.push('left');
          callback(...args);
        });
      }
      override async dispose() {
        events.push('disposed');
        await super.dispose();
      }
    }
    const Gateway = makeGateway();
    const { test } = await start((app) => new Hooked(app), { gateways: [Gateway] });
    await expectRefusal(
      await RawClient.open(test.port, { headers: { Authorization: 'Bearer x' } }),
      'unauthorized',
      { 'www-authenticate': CHALLENGE.invalid },
    );
    expect(events).toEqual([]);
    const client = await admitted(test);
    expect(events).toEqual(['came']);
    expect(Gateway.seen.connected).toMatchObject([{ tag: 'tagged' }]);
    client.destroy();
    await eventually(() => events.length === 2);
    open.splice(0);
    await test.close();
    expect(events).toEqual(['came', 'left', 'disposed']);
  });

  it('ends a client that was put into something else, and tells why', async () => {
    class Boxing extends WsAdapter {
      override bindClientConnect(server: never, callback: (...args: unknown[]) => void) {
        super.bindClientConnect(server, (client: unknown) => callback({ client }));
      }
      override bindMessageHandlers() {}
    }
    const { test } = await start((app) => new Boxing(app));
    const client = await RawClient.open(test.port, { headers: { Authorization: `Bearer ${test.token()}` } });
    clients.push(client);
    await client.end();
    expect(test.logger.lines.join('\n')).toContain(
      'Boxing.bindClientConnect() gave Nest something else than the socket',
    );
    await eventually(() => test.app.get(WsConnections).local().length === 0);
  });

  it('to servers and ports is not done, and is named at the boot', async () => {
    const called: string[] = [];
    class Hungry extends WsAdapter {
      override create(port: number, options: object = {}) {
        called.push('create');
        return super.create(port, options);
      }
      override async close(server: never) {
        called.push('close');
        await super.close(server);
      }
    }
    const { test } = await start((app) => new Hungry(app));
    await admitted(test);
    expect(test.logger.lines.join('\n')).toContain(
      'warn withWsAuth(): create(), close() of Hungry are not called',
    );
    open.splice(0);
    await test.close();
    expect(called).toEqual([]);
  });

  it('of Nest alone makes no warning', async () => {
    const { test } = await start((app) => new ListAdapter(app));
    expect(test.logger.lines.join('\n')).not.toContain('withWsAuth');
  });
});

describe('withWsAuth()', () => {
  async function application(): Promise<INestApplication> {
    class AppModule {}
    Module({ imports: [WsAuthModule.forRoot(baseOptions())], providers: [makeGateway()] })(AppModule);
    const app = await NestFactory.create(AppModule, { logger: false, abortOnError: false });
    open.push(app);
    return app;
  }

  it.each<[string, (app: INestApplication) => unknown, string]>([
    ["Socket.IO's adapter", (app) => new IoAdapter(app), 'received IoAdapter: another one'],
    ['a class', () => ListAdapter, 'received the class ListAdapter, not an instance of it'],
    ['nothing', () => undefined, 'received null'],
    [
      'an adapter of another server',
      () => new ListAdapter(createServer()),
      "ListAdapter was made for another HTTP server than the application's: make it with new ListAdapter(app)",
    ],
  ])('refuses %s', async (_, make, text) => {
    const app = await application();
    expect(() => withWsAuth(make(app) as WsAdapter, app)).toThrow(text);
  });

  it('refuses an application without the module', async () => {
    class AppModule {}
    Module({})(AppModule);
    const app = await NestFactory.create(AppModule, { logger: false, abortOnError: false });
    open.push(app);
    expect(() => withWsAuth(new ListAdapter(app), app)).toThrow(/add WsAuthModule\.forRoot/);
  });

  it('refuses what is guarded already', async () => {
    const app = await application();
    expect(() => withWsAuth(new WsAuthAdapter(app), app)).toThrow('is guarded already');
  });

  it('does not help when the adapter itself is set: the boot is refused', async () => {
    const app = await application();
    const adapter = new ListAdapter(app);
    withWsAuth(adapter, app);
    app.useWebSocketAdapter(adapter);
    await expect(app.init()).rejects.toThrow(
      /OwnGateway is marked @WsAuth\(\) but not served by WsAuthAdapter/,
    );
  });
});
