import type { AddressInfo } from 'node:net';
import {
  type CanActivate,
  Injectable,
  Module,
  ParseIntPipe,
  Scope,
  SetMetadata,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
  createParamDecorator,
  type Type,
  type INestApplication,
} from '@nestjs/common';
import {
  APP_GUARD,
  APP_INTERCEPTOR,
  APP_PIPE,
  ApplicationConfig,
  ModulesContainer,
  NestFactory,
} from '@nestjs/core';
import { Test } from '@nestjs/testing';
import {
  Ack,
  ConnectedSocket,
  MessageBody,
  SubscribeMessage,
  WebSocketGateway,
  WsException,
} from '@nestjs/websockets';
import { concatMap, from, of, throwError } from 'rxjs';
import { afterEach, describe, expect, it } from 'vitest';
import {
  WsAuth,
  WsAuthAdapter,
  WsAuthExceptionFilter,
  WsAuthModule,
  WsConnection,
  WsHandshake,
  WsPolicy,
  WsPrincipal,
  WsPublic,
  WsRecentAuth,
  WsRoles,
  WsSession,
} from '../../lib/index.js';
import { CLOSE } from '../../lib/core/close-code.js';
import type { Connection } from '../../lib/core/connection.js';
import { coversGateways } from '../../lib/nest/nest-eleven.js';
import { WsAuthGuard } from '../../lib/nest/ws-auth.guard.js';
import { findDirectHandlers } from '../../lib/nest/direct-handlers.js';
import { WS_AUTH_ENGINE } from '../../lib/nest/ws-auth.constants.js';
import { baseOptions, startApp, type TestApp, type TestAppParts } from '../support/app.js';
import { messageBytes, RawClient } from '../support/raw-client.js';

const open: TestApp[] = [];
const clients: RawClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const test of open.splice(0)) await test.discard();
});

const pass = { intercept: (_: unknown, next: { handle(): unknown }) => next.handle() as never };
const yes: CanActivate = { canActivate: () => true };
class OwnFilter extends WsAuthExceptionFilter {}
const Own = createParamDecorator(() => 'own');

async function start(parts: TestAppParts): Promise<TestApp> {
  const test = await startApp(parts);
  open.push(test);
  return test;
}

async function connected(test: TestApp, claims = {}): Promise<RawClient> {
  const client = await RawClient.open(test.port, {
    headers: { Authorization: `Bearer ${test.token(claims)}` },
  });
  clients.push(client);
  await client.upgraded();
  return client;
}

/** The events of the one socket that is open, by the way in which they are handled. */
function waysOf(test: TestApp): Record<string, 'direct' | 'pipeline'> {
  const [table] = test.sockets()[0]!.tables as unknown as [
    { get(event: string): { direct?: unknown } | undefined },
  ];
  const events = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].filter((event) => table.get(event));
  return Object.fromEntries(
    events.map((event) => [event, table.get(event)!.direct ? ('direct' as const) : ('pipeline' as const)]),
  );
}

async function waysIn(gateway: Type, parts: Partial<TestAppParts> = {}) {
  const test = await start({ ...parts, gateways: [gateway] });
  const client = await connected(test);
  await client.messageOf('auth.ok');
  return waysOf(test);
}

/** Serves an application, and counts the handlers that need no pipeline in it. */
async function countDirect(app: INestApplication): Promise<number> {
  app.useWebSocketAdapter(new WsAuthAdapter(app));
  await app.listen(0, '127.0.0.1');
  try {
    const engine = app.get(WS_AUTH_ENGINE);
    return findDirectHandlers(app.get(ModulesContainer), app.get(ApplicationConfig), engine).size;
  } finally {
    await app.close();
  }
}

/** A gateway with one handler `a`, and a decorator on the class. */
function gatewayWith(...decorators: ClassDecorator[]): Type {
  class OneGateway {
    @SubscribeMessage('a')
    a() {
      return 1;
    }
  }
  for (const decorate of [...decorators, WsAuth(), WebSocketGateway({ path: '/ws' })]) decorate(OneGateway);
  return OneGateway;
}

describe('a handler needs no pipeline', () => {
  it('when its parameters are of Nest and of this library', async () => {
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class PlainGateway {
      @SubscribeMessage('a')
      a() {}
      @SubscribeMessage('b')
      b(_client: unknown, _data: unknown) {}
      @SubscribeMessage('c')
      c(@MessageBody() _body: unknown, @MessageBody('id') _id: unknown) {}
      @SubscribeMessage('d')
      d(@ConnectedSocket() _client: unknown, @WsPrincipal('id') _id: string) {}
      @SubscribeMessage('e')
      e(@WsSession() _session: unknown, @WsHandshake() _handshake: unknown) {}
      @SubscribeMessage('f')
      @WsRoles('admin')
      f(@WsConnection() _connection: unknown) {}
      @SubscribeMessage('g')
      @WsRecentAuth('5m')
      async g() {}
      @SubscribeMessage('h')
      @SetMetadata('anything', 1)
      h() {}
    }
    const ways = await waysIn(PlainGateway);
    expect(ways).toEqual(
      Object.fromEntries(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((event) => [event, 'direct'])),
    );
  });

  it('on a public gateway either', async () => {
    @WsPublic()
    @WebSocketGateway({ path: '/ws' })
    class PublicGateway {
      @SubscribeMessage('a')
      a() {
        return { event: 'a', data: 1 };
      }
    }
    const test = await start({ gateways: [PublicGateway] });
    const client = await connected(test);
    client.send('a');
    expect(await client.message()).toEqual({ event: 'a', data: 1 });
    expect(waysOf(test)).toEqual({ a: 'direct' });
  });
});

describe('a handler has its pipeline', () => {
  it('when a decorator puts something into it', async () => {
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class MixedGateway {
      @SubscribeMessage('a')
      @UseGuards(yes)
      a() {}
      @SubscribeMessage('b')
      @UseInterceptors(pass)
      b() {}
      @SubscribeMessage('c')
      @UsePipes(ParseIntPipe)
      c(@MessageBody() _body: unknown) {}
      @SubscribeMessage('d')
      @UseFilters(OwnFilter)
      d() {}
      @SubscribeMessage('e')
      e(@MessageBody('id', ParseIntPipe) _id: unknown) {}
      @SubscribeMessage('f')
      f(@Own() _own: unknown) {}
      @SubscribeMessage('g')
      @WsPolicy(() => true)
      g() {}
      @SubscribeMessage('h')
      h(@Ack() _ack: unknown) {}
    }
    const ways = await waysIn(MixedGateway);
    expect(Object.values(ways)).toEqual(Array.from({ length: 8 }, () => 'pipeline'));
  });

  it.each([
    ['a guard', UseGuards(yes)],
    ['an interceptor', UseInterceptors(pass)],
    ['a pipe', UsePipes(ParseIntPipe)],
    ['a filter', UseFilters(OwnFilter)],
    ['a policy', WsPolicy(() => true)],
  ] as [string, ClassDecorator][])('when its gateway has %s', async (_, decorate) => {
    expect(await waysIn(gatewayWith(decorate))).toEqual({ a: 'pipeline' });
  });

  it.each([
    ['APP_GUARD', { provide: APP_GUARD, useValue: yes }],
    ['APP_INTERCEPTOR', { provide: APP_INTERCEPTOR, useValue: pass }],
    ['APP_PIPE', { provide: APP_PIPE, useValue: { transform: (value: unknown) => value } }],
  ])('when the application has %s', async (_, provider) => {
    expect(await waysIn(gatewayWith(), { module: { providers: [provider] } })).toEqual({ a: 'pipeline' });
  });

  it.each([
    ['useGlobalGuards()', (app: INestApplication) => void app.useGlobalGuards(yes)],
    ['useGlobalInterceptors()', (app: INestApplication) => void app.useGlobalInterceptors(pass)],
    ['useGlobalPipes()', (app: INestApplication) => void app.useGlobalPipes(new ParseIntPipe())],
  ])('when the application calls %s', async (_, before) => {
    expect(await waysIn(gatewayWith(), { before })).toEqual({ a: 'pipeline' });
  });

  it('where services ask whose message it is', async () => {
    expect(await waysIn(gatewayWith(), { options: { message: { asyncContext: true } } })).toEqual({
      a: 'pipeline',
    });
  });

  it('on a gateway that is made for each client', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class OfRequest {}
    class ScopedGateway {
      constructor(readonly provider: OfRequest) {}
      @SubscribeMessage('a')
      a() {}
    }
    Reflect.defineMetadata('design:paramtypes', [OfRequest], ScopedGateway);
    WsAuth()(ScopedGateway);
    WebSocketGateway({ path: '/ws' })(ScopedGateway);
    const ways = waysIn(ScopedGateway, { module: { providers: [OfRequest] } });
    // Nest 11 makes none, and is not booted with one.
    if (coversGateways()) expect(await ways).toEqual({ a: 'pipeline' });
    else await expect(ways).rejects.toThrow('is request-scoped');
  });

  it('when a test has put something in the place of our guard', async () => {
    const Gateway = gatewayWith();
    @Module({ imports: [WsAuthModule.forRoot(baseOptions())], providers: [Gateway] })
    class RootModule {}
    const module = await Test.createTestingModule({ imports: [RootModule] })
      .overrideGuard(WsAuthGuard)
      .useValue(yes)
      .compile();
    const app = module.createNestApplication();
    expect(await countDirect(app)).toBe(0);
  });

  it.each([
    [
      'a proxy around',
      (guard: CanActivate) =>
        new Proxy(guard, {
          get: (target, key) => (key === 'canActivate' ? () => false : (Reflect.get(target, key) as unknown)),
        }),
    ],
    ['a method of its own on', (guard: CanActivate) => Object.assign(guard, { canActivate: () => false })],
  ])('when the application puts %s our guard', async (_, change) => {
    const Gateway = gatewayWith();
    @Module({ imports: [WsAuthModule.forRoot(baseOptions())], providers: [Gateway] })
    class RootModule {}
    const instanceDecorator = (instance: unknown): unknown =>
      instance instanceof WsAuthGuard ? change(instance) : instance;
    const app = await NestFactory.create(RootModule, { logger: false, instrument: { instanceDecorator } });
    expect(await countDirect(app)).toBe(0);
  });

  it('when the application reads frames by a parser of its own: all that came together are read before the first is handled', async () => {
    const log: string[] = [];
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class LogGateway {
      @SubscribeMessage('a')
      a(@MessageBody() data: string) {
        log.push(`handled ${data}`);
        return { event: 'a', data };
      }
    }
    const messageParser = (text: unknown) => {
      const message = JSON.parse(String(text)) as { event: string; data: string };
      log.push(`read ${message.data}`);
      return message;
    };
    const test = await start({ gateways: [LogGateway], adapter: { messageParser } });
    const client = await connected(test);
    await client.messageOf('auth.ok');
    client.write(...['1', '2'].map((data) => messageBytes('a', data)));
    await client.messageOf('a');
    await client.messageOf('a');
    expect(log).toEqual(['read 1', 'read 2', 'handled 1', 'handled 2']);
  });
});

describe('a handler without a pipeline', () => {
  it('is held against fence and rights as they are now, and answered by the filter', async () => {
    const handled: unknown[] = [];
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class RulesGateway {
      @SubscribeMessage('admin')
      @WsRoles('admin')
      admin(@MessageBody() data: unknown) {
        handled.push(data);
        return { event: 'admin', data };
      }
      @SubscribeMessage('end')
      end(@WsConnection() connection: Connection) {
        test.engine.connections.end(connection, { close: CLOSE.revoked, reason: 'revoked' });
        return { event: 'ended' };
      }
    }
    const test = await start({ gateways: [RulesGateway] });
    const user = await connected(test, { roles: [] });
    user.send('admin', 1);
    expect((await user.messageOf('exception')).data).toMatchObject({ code: 'forbidden', event: 'admin' });
    const admin = await connected(test, { roles: ['admin'] });
    admin.send('admin', 2);
    expect((await admin.messageOf('admin')).data).toBe(2);
    admin.write(messageBytes('end'), messageBytes('admin', 3));
    expect(await admin.closed()).toMatchObject({ code: 4410 });
    expect(handled).toEqual([2]);
  });

  it('does not get what the handler of another gateway has fenced in the same turn (SE-02)', async () => {
    const handled: string[] = [];
    const endingGateway = (name: string) => {
      class EndingGateway {
        @SubscribeMessage('a')
        a(@WsConnection() connection: Connection) {
          handled.push(name);
          test.engine.connections.end(connection, { close: CLOSE.revoked, reason: 'revoked' });
        }
      }
      WsAuth()(EndingGateway);
      WebSocketGateway({ path: '/ws' })(EndingGateway);
      return EndingGateway;
    };
    const test = await start({ gateways: [endingGateway('one'), endingGateway('other')] });
    const client = await connected(test);
    client.send('a');
    expect(await client.closed()).toMatchObject({ code: 4410 });
    expect(handled).toHaveLength(1);
  });

  it('answers what it throws, rejects, or emits as an error, as the pipeline does', async () => {
    // oxlint-disable-next-line unicorn/no-thenable -- that is the case
    const thenable = { then: (resolve: (value: unknown) => void) => resolve({ event: 'thenable' }) };
    const failing = (data: unknown): unknown => {
      switch (data) {
        case 'throws':
          throw new WsException('no');
        case 'rejects':
          return Promise.reject(new WsException('no'));
        case 'emits':
          return from([1, 2]).pipe(
            concatMap((value) =>
              value === 1 ? of({ event: 'one' }) : throwError(() => new WsException('no')),
            ),
          );
        case 'promised':
          return Promise.resolve(throwError(() => new WsException('no')));
        case 'thenable':
          return thenable;
        default:
          return undefined;
      }
    };
    class FailingGateway {
      @SubscribeMessage('a')
      a(@MessageBody() data: unknown) {
        return failing(data);
      }
      @SubscribeMessage('b')
      @UseInterceptors()
      @UseGuards(yes)
      b(@MessageBody() data: unknown) {
        return failing(data);
      }
    }
    WsAuth()(FailingGateway);
    WebSocketGateway({ path: '/ws' })(FailingGateway);
    const test = await start({ gateways: [FailingGateway] });
    const client = await connected(test);
    await client.messageOf('auth.ok');
    const answersTo = async (event: string, data: string, count: number) => {
      client.send(event, data);
      const answers: unknown[] = [];
      while (answers.length < count) {
        const { event: name, data: answer } = await client.message();
        answers.push({ name, ...(answer as object), event: undefined });
      }
      return answers;
    };
    for (const [data, count] of [
      ['throws', 1],
      ['rejects', 1],
      ['emits', 2],
      ['promised', 1],
      ['thenable', 1],
    ] as const)
      expect(await answersTo('a', data, count), data).toEqual(await answersTo('b', data, count));
    expect(waysOf(test)).toEqual({ a: 'direct', b: 'pipeline' });
  });
});

describe('the handlers of a gateway', () => {
  it('are kept once for all of its sockets', async () => {
    const test = await start({ gateways: [gatewayWith()] });
    for (let index = 0; index < 2; index += 1) await (await connected(test)).messageOf('auth.ok');
    const [first, second] = test.sockets();
    expect(first!.tables).toBe(second!.tables);
  });

  it('are bound by Nest for an adapter that wants to see it', async () => {
    const seen: unknown[] = [];
    class WatchingAdapter extends WsAuthAdapter {
      override bindMessageHandlers(...args: Parameters<WsAuthAdapter['bindMessageHandlers']>): void {
        seen.push(...args[1].map(({ message }) => message as string));
        super.bindMessageHandlers(...args);
      }
    }
    @WsPublic()
    @WebSocketGateway({ path: '/ws' })
    class PublicGateway {
      @SubscribeMessage('a')
      a() {
        return { event: 'a', data: 1 };
      }
    }
    @Module({ imports: [WsAuthModule.forRoot(baseOptions())], providers: [PublicGateway] })
    class RootModule {}
    const module = await Test.createTestingModule({ imports: [RootModule] }).compile();
    const app = module.createNestApplication();
    app.useWebSocketAdapter(new WatchingAdapter(app));
    await app.listen(0, '127.0.0.1');
    try {
      const client = await RawClient.open((app.getHttpServer().address() as AddressInfo).port);
      clients.push(client);
      await client.upgraded();
      client.send('a');
      expect(await client.message()).toEqual({ event: 'a', data: 1 });
      expect(seen).toEqual(['a']);
      client.destroy();
    } finally {
      await app.close();
    }
  });
});
