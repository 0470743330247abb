import {
  type ArgumentMetadata,
  BadRequestException,
  type CallHandler,
  type CanActivate,
  ConflictException,
  type ExecutionContext,
  ForbiddenException,
  HttpException,
  Injectable,
  InternalServerErrorException,
  type NestInterceptor,
  NotFoundException,
  type PipeTransform,
  ServiceUnavailableException,
  UnauthorizedException,
  UseGuards,
  UseInterceptors,
  UsePipes,
} from '@nestjs/common';
import {
  ConnectedSocket,
  MessageBody,
  SubscribeMessage,
  WebSocketGateway,
  WsException,
} from '@nestjs/websockets';
import { concat, finalize, interval, map, NEVER, type Observable, of, throwError } from 'rxjs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Server, WebSocket } from 'ws';
import { WsAuth, type WsAuthOptions, wsConnection } from '../../lib/index.js';
import { startApp, type TestApp } from '../support/app.js';
import { latch, type Latch } from '../support/core-harness.js';
import { eventually } from '../support/eventually.js';
import { closeBytes, frameBytes, messageBytes, OPCODE, RawClient } from '../support/raw-client.js';

/** What no frame and no log may repeat. */
const CANARY = 'canary-7f3a';

const open: TestApp[] = [];
const clients: RawClient[] = [];

async function start(gateway: new () => object, options: Partial<WsAuthOptions> = {}): Promise<TestApp> {
  const test = await startApp({ gateways: [gateway], options });
  open.push(test);
  return test;
}

/** Connects with a bearer token and reads `auth.ok`. */
async function admitted(test: TestApp, claims: Record<string, unknown> = {}): Promise<RawClient> {
  const client = await RawClient.open(test.port, {
    headers: { Authorization: `Bearer ${test.token(claims)}` },
  });
  clients.push(client);
  await client.upgraded();
  await client.messageOf('auth.ok');
  return client;
}

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const test of open.splice(0)) await test.discard();
});

describe('SE-02: the fence', () => {
  /** A gateway that counts, and hands its sockets out. */
  function makeFenceGateway() {
    const seen = { messages: [] as unknown[], sockets: [] as WebSocket[], disconnects: 0 };
    const guard: { arrived: Latch; let: Latch } = { arrived: latch(), let: latch() };

    class WaitingGuard implements CanActivate {
      async canActivate(): Promise<boolean> {
        guard.arrived.open();
        await guard.let.opened;
        return true;
      }
    }

    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class FenceGateway {
      static readonly seen = seen;
      static readonly guard = guard;
      static server: Server;
      afterInit(server: Server) {
        FenceGateway.server = server;
      }
      handleConnection(client: WebSocket) {
        seen.sockets.push(client);
      }
      handleDisconnect(client: WebSocket) {
        seen.disconnects += 1;
        client.send('from the disconnect');
      }
      @SubscribeMessage('echo')
      echo(@MessageBody() data: unknown) {
        seen.messages.push(data);
        return { event: 'echo', data };
      }
      @UseGuards(WaitingGuard)
      @SubscribeMessage('guarded')
      guarded(@MessageBody() data: unknown) {
        seen.messages.push(data);
        return { event: 'guarded', data };
      }
      @SubscribeMessage('ticks')
      ticks(): Observable<object> {
        return interval(5).pipe(map((data) => ({ event: 'tick', data })));
      }
    }
    return FenceGateway;
  }

  it('dispatches and sends nothing to a client that ignores Close, and cuts it after the grace', async () => {
    const Gateway = makeFenceGateway();
    const test = await start(Gateway, { lifetime: { closeGraceMs: 500 } });
    const client = await admitted(test);
    client.send('echo', 'before');
    await client.messageOf('echo');
    client.send('ticks');
    await client.messageOf('tick');
    const revoked = performance.now();
    await test.sessions.revoke({ user: 'ada' });
    const timer = setInterval(() => {
      if (client.ended) return;
      client.write(messageBytes('echo', 'after'), frameBytes('', OPCODE.ping), messageBytes('ticks'));
      client.write(messageBytes('auth', { token: test.token() }));
    }, 10);
    const close = await client.closed();
    expect(close).toMatchObject({ code: 4410, reason: expect.stringMatching(/^revoked;id=[\w-]{12}$/) });
    await client.end();
    const cutAfter = performance.now() - revoked;
    clearInterval(timer);
    expect(cutAfter).toBeGreaterThan(400);
    expect(cutAfter).toBeLessThan(500 + 400);
    expect(client.unread).toBe('');
    expect(Gateway.seen.messages).toEqual(['before']);
    await eventually(() => Gateway.seen.disconnects === 1);
  });

  it('drops the reply to the very message that ends the connection', async () => {
    const seen: unknown[] = [];
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class EndingGateway {
      @SubscribeMessage('end')
      end(@ConnectedSocket() client: WebSocket) {
        test.connections.close({ connection: wsConnection(client).id });
        return { event: 'late', data: 1 };
      }
      @SubscribeMessage('echo')
      echo(@MessageBody() data: unknown) {
        seen.push(data);
      }
    }
    const test = await start(EndingGateway);
    const client = await admitted(test);
    client.write(messageBytes('echo', 1), messageBytes('end'));
    expect(await client.closed()).toMatchObject({ code: 4403, before: [] });
    client.write(messageBytes('echo', 2), closeBytes());
    client.finish();
    await client.end();
    expect(client.unread).toBe('');
    expect(seen).toEqual([1]);
  });

  it('cuts a client that does not read', async () => {
    const Gateway = makeFenceGateway();
    const test = await start(Gateway, { lifetime: { closeGraceMs: 300 } });
    const client = await admitted(test);
    client.socket.pause();
    const socket = Gateway.seen.sockets[0]!;
    for (let sent = 0; sent < 16; sent += 1) socket.send('x'.repeat(2 ** 20));
    await eventually(() => socket.bufferedAmount > 2 ** 20);
    const revoked = performance.now();
    await test.sessions.revoke({ user: 'ada' });
    await eventually(() => Gateway.seen.disconnects === 1, 2_000);
    expect(performance.now() - revoked).toBeLessThan(300 + 400);
    expect(socket.readyState).toBe(socket.CLOSED);
    const open = await new Promise((resolve) =>
      test.app.getHttpServer().getConnections((_: unknown, count: number) => resolve(count)),
    );
    expect(open).toBe(0);
  });

  it('answers send, ping and pong of user code with an error, and sends nothing but Close', async () => {
    const Gateway = makeFenceGateway();
    const test = await start(Gateway);
    const client = await admitted(test);
    const socket = Gateway.seen.sockets[0]!;
    await test.sessions.revoke({ user: 'ada' });
    const errors = await Promise.all(
      [
        (done: (error?: Error) => void) => socket.send('text', done),
        (done: (error?: Error) => void) => socket.send(Buffer.from('bytes'), { binary: true }, done),
        (done: (error?: Error) => void) => socket.ping('x', true, done),
        (done: (error?: Error) => void) => socket.ping(done),
        (done: (error?: Error) => void) => socket.pong('x', false, done),
      ].map((call) => new Promise<Error | undefined>((resolve) => call(resolve))),
    );
    for (const error of errors) expect(error).toBeInstanceOf(Error);
    expect(() => socket.send('without callback')).not.toThrow();
    for (const member of Gateway.server.clients) member.send('broadcast');
    wsConnection(socket).send('through the connection');
    expect(await client.closed()).toMatchObject({ code: 4410, before: [] });
    client.write(closeBytes());
    client.finish();
    await client.end();
    expect(client.unread).toBe('');
    await eventually(() => Gateway.seen.disconnects === 1);
  });

  it('stands for all at once, though the Close frames are paced', async () => {
    const Gateway = makeFenceGateway();
    const test = await start(Gateway, {
      connections: { maxPerUser: 150 },
      handshake: { connectRate: { burst: 500, limit: 5_000 } },
    });
    const many: RawClient[] = [];
    while (many.length < 120) many.push(await admitted(test));
    expect(Gateway.server.clients.size).toBe(120);
    const { sockets } = await test.sessions.revoke({ user: 'ada' });
    expect(sockets).toBe(120);
    // The last Close frames are still to be written.
    expect([...Gateway.server.clients].some((socket) => socket.readyState === socket.OPEN)).toBe(true);
    for (const socket of Gateway.server.clients) socket.send('broadcast');
    for (const client of many) client.send('echo', 'late');
    for (const client of many) expect(await client.closed()).toMatchObject({ code: 4410, before: [] });
    expect(Gateway.seen.messages).toEqual([]);
  });

  it('keeps a message from its handler that waits in a guard while the user is revoked', async () => {
    const Gateway = makeFenceGateway();
    const test = await start(Gateway);
    const client = await admitted(test);
    client.send('guarded', 'secret');
    await Gateway.guard.arrived.opened;
    await test.sessions.revoke({ user: 'ada' });
    Gateway.guard.let.open();
    expect(await client.closed()).toMatchObject({ code: 4410, before: [] });
    client.write(closeBytes());
    client.finish();
    await client.end();
    expect(client.unread).toBe('');
    expect(Gateway.seen.messages).toEqual([]);
  });

  it('lets the same message through when nothing was revoked', async () => {
    const Gateway = makeFenceGateway();
    const test = await start(Gateway);
    const client = await admitted(test);
    client.send('guarded', 'secret');
    await Gateway.guard.arrived.opened;
    Gateway.guard.let.open();
    expect(await client.message()).toEqual({ event: 'guarded', data: 'secret' });
  });

  it('stands for the raw listeners of user code too', async () => {
    const heard: string[] = [];
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class RawGateway {
      handleConnection(client: WebSocket) {
        client.on('message', (data) => heard.push(String(data)));
      }
    }
    const test = await start(RawGateway);
    const client = await admitted(test);
    client.send('first');
    await client.messageOf('exception');
    await test.sessions.revoke({ user: 'ada' });
    client.send('second');
    await client.closed();
    client.write(closeBytes());
    client.finish();
    await client.end();
    expect(heard).toEqual(['{"event":"first"}']);
  });
});

describe('MS-06: handleConnection', () => {
  it.each(['throws', 'rejects'])('that %s closes 1011, and the process lives', async (how) => {
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class BrokenGateway {
      static isBroken = true;
      handleConnection(): void | Promise<void> {
        if (!BrokenGateway.isBroken) return;
        if (how === 'throws') throw new Error(`broken ${CANARY}`);
        return Promise.reject(new Error(`broken ${CANARY}`));
      }
      @SubscribeMessage('echo')
      echo(@MessageBody() data: unknown) {
        return { event: 'echo', data };
      }
    }
    const test = await start(BrokenGateway);
    const client = await RawClient.open(test.port, { headers: { Authorization: `Bearer ${test.token()}` } });
    clients.push(client);
    await client.upgraded();
    const close = await client.closed();
    expect(close.code).toBe(1011);
    expect(close.reason).toMatch(/^error;id=[\w-]{12}$/);
    expect(client.received.toString('latin1')).not.toContain(CANARY);
    expect(test.logger.lines.some((line) => line.startsWith('error') && line.includes(CANARY))).toBe(true);
    expect(test.connections.local()).toEqual([]);
    BrokenGateway.isBroken = false;
    const next = await admitted(test);
    next.send('echo', 1);
    expect(await next.message()).toEqual({ event: 'echo', data: 1 });
  });

  it('does the same for handleDisconnect, which has nobody left to tell', async () => {
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class BrokenGateway {
      handleDisconnect() {
        throw new Error(`broken ${CANARY}`);
      }
    }
    const test = await start(BrokenGateway);
    const client = await admitted(test);
    client.write(closeBytes());
    await client.closed();
    client.finish();
    await eventually(() => test.logger.lines.some((line) => line.includes(CANARY)));
    await admitted(test);
  });
});

describe('MS-06: whatever fails', () => {
  class SayNo implements CanActivate {
    canActivate(): boolean {
      return false;
    }
  }
  class ThrowInGuard implements CanActivate {
    canActivate(): boolean {
      throw new Error('secret path /srv/guard');
    }
  }
  class RejectInGuard implements CanActivate {
    canActivate(): Promise<boolean> {
      return Promise.reject(new WsException('come back later'));
    }
  }
  /** Refuses as a ValidationPipe does. */
  @Injectable()
  class NumberPipe implements PipeTransform {
    transform(value: unknown, { type }: ArgumentMetadata): unknown {
      if (type !== 'body' || typeof value === 'number') return value;
      throw new BadRequestException({ message: ['data must be a number'], error: 'Bad Request' });
    }
  }
  class ThrowInInterceptor implements NestInterceptor {
    intercept(): Observable<unknown> {
      throw new Error('secret path /srv/interceptor');
    }
  }
  class ThrowAfterHandler implements NestInterceptor {
    intercept(_: ExecutionContext, next: CallHandler): Observable<unknown> {
      return next.handle().pipe(
        map(() => {
          throw new ConflictException('taken');
        }),
      );
    }
  }
  const hostile = {
    toString() {
      throw new Error('not even a text');
    },
  };

  @WsAuth()
  @WebSocketGateway({ path: '/ws' })
  class FailingGateway {
    static readonly thrown = new Map<string, unknown>([
      ['text', new WsException('no such room')],
      ['object', new WsException({ code: 'room_full', message: 'the room is full', secret: CANARY })],
      ['bare-object', new WsException({ status: CANARY })],
      ['empty-exception', new WsException(null as unknown as object)],
      ['bad-request', new BadRequestException('too short')],
      ['bad-request-bare', new BadRequestException()],
      ['unauthorized', new UnauthorizedException('log in first')],
      ['forbidden', new ForbiddenException('not yours')],
      ['not-found', new NotFoundException('no such message')],
      ['conflict', new ConflictException({ message: 'taken', secret: CANARY })],
      ['rate', new HttpException('slow down', 429)],
      ['busy', new ServiceUnavailableException('the printer is on fire')],
      ['teapot', new HttpException('short and stout', 418)],
      ['internal', new InternalServerErrorException(`secret path /srv/${CANARY}`)],
      ['error', new Error(`secret path /srv/${CANARY}`)],
      ['type-error', new TypeError(`secret path /srv/${CANARY}`)],
      ['thrown-text', `secret path /srv/${CANARY}`],
      ['thrown-undefined', undefined],
      ['thrown-null', null],
      ['thrown-object', { message: CANARY }],
      ['thrown-null-prototype', Object.create(null)],
      ['thrown-hostile', hostile],
      ['thrown-hostile-error', Object.assign(new Error('x'), { toString: hostile.toString, stack: hostile })],
    ]);

    @SubscribeMessage('throw')
    throwIt(@MessageBody('what') what: string) {
      throw FailingGateway.thrown.get(what);
    }
    @SubscribeMessage('reject')
    async rejectIt(@MessageBody('what') what: string) {
      await Promise.resolve();
      throw FailingGateway.thrown.get(what);
    }
    @SubscribeMessage('stream')
    streamIt(@MessageBody('what') what: string) {
      return throwError(() => FailingGateway.thrown.get(what));
    }
    @SubscribeMessage('stream-late')
    streamLate() {
      return concat(
        of({ event: 'value', data: 1 }, { event: 'value', data: 2 }),
        throwError(() => new Error(CANARY)),
      );
    }
    @UseGuards(SayNo)
    @SubscribeMessage('guard-false')
    guardFalse() {
      return { event: 'reached' };
    }
    @UseGuards(ThrowInGuard)
    @SubscribeMessage('guard-throws')
    guardThrows() {
      return { event: 'reached' };
    }
    @UseGuards(RejectInGuard)
    @SubscribeMessage('guard-rejects')
    guardRejects() {
      return { event: 'reached' };
    }
    @UsePipes(NumberPipe)
    @SubscribeMessage('pipe')
    pipe(@MessageBody() data: number) {
      return { event: 'pipe', data };
    }
    @UseInterceptors(ThrowInInterceptor)
    @SubscribeMessage('interceptor-throws')
    interceptorThrows() {
      return { event: 'reached' };
    }
    @UseInterceptors(ThrowAfterHandler)
    @SubscribeMessage('interceptor-throws-after')
    interceptorThrowsAfter() {
      return { event: 'reached' };
    }
    @SubscribeMessage('cycle')
    cycle() {
      const data: Record<string, unknown> = {};
      data.self = data;
      return { event: 'cycle', data };
    }
    @SubscribeMessage('bigint')
    bigint() {
      return of({ event: 'bigint', data: 1n });
    }
    @SubscribeMessage('hostile-json')
    hostileJson() {
      return { event: 'x', data: { toJSON: hostile.toString } };
    }
    @SubscribeMessage('function')
    function() {
      return () => CANARY;
    }
    @SubscribeMessage('alive')
    alive() {
      return { event: 'alive' };
    }
  }

  let test: TestApp;
  beforeAll(async () => {
    test = await startApp({ gateways: [FailingGateway] });
  });
  afterAll(() => test.discard());

  /** Sends a message that fails, and then one that does not. */
  async function failure(event: string, data: unknown): Promise<unknown> {
    const client = await admitted(test);
    client.send(event, data);
    const frame = await client.frame();
    client.send('alive');
    expect((await client.frame()).payload.toString()).toBe('{"event":"alive"}');
    expect(client.received.toString('latin1')).not.toContain(CANARY);
    return JSON.parse(frame.payload.toString());
  }

  const internal = { code: 'internal', message: 'internal error' };
  const answers: [what: string, data: object][] = [
    ['text', { code: 'bad_request', message: 'no such room' }],
    ['object', { code: 'room_full', message: 'the room is full' }],
    ['bare-object', { code: 'bad_request', message: 'refused' }],
    ['empty-exception', { code: 'bad_request', message: 'refused' }],
    ['bad-request', { code: 'bad_request', message: 'too short' }],
    ['bad-request-bare', { code: 'bad_request', message: 'Bad Request' }],
    ['unauthorized', { code: 'unauthorized', message: 'log in first' }],
    ['forbidden', { code: 'forbidden', message: 'not yours' }],
    ['not-found', { code: 'not_found', message: 'no such message' }],
    ['conflict', { code: 'conflict', message: 'taken' }],
    ['rate', { code: 'rate_limited', message: 'slow down' }],
    ['busy', { code: 'try_later', message: 'the printer is on fire' }],
    ['teapot', { code: 'bad_request', message: 'short and stout' }],
    ['internal', internal],
    ['error', internal],
    ['type-error', internal],
    ['thrown-text', internal],
    ['thrown-undefined', internal],
    ['thrown-null', internal],
    ['thrown-object', internal],
    ['thrown-null-prototype', internal],
    ['thrown-hostile', internal],
    ['thrown-hostile-error', internal],
  ];

  describe.each(['throw', 'reject', 'stream'])('in a handler (%s)', (event) => {
    it.each(answers)('%s is one exception frame, and the next message works', async (what, data) => {
      expect(await failure(event, { what, password: CANARY })).toEqual({
        event: 'exception',
        data: { status: 'error', ...data, event },
      });
    });
  });

  it.each([
    ['guard-false', { code: 'forbidden', message: 'Forbidden resource' }],
    ['guard-throws', internal],
    ['guard-rejects', { code: 'bad_request', message: 'come back later' }],
    ['pipe', { code: 'bad_request', message: 'validation failed', errors: ['data must be a number'] }],
    ['interceptor-throws', internal],
    ['interceptor-throws-after', { code: 'conflict', message: 'taken' }],
  ])('%s is answered in the same form', async (event, { code, message, ...rest }) => {
    expect(await failure(event, { password: CANARY })).toEqual({
      event: 'exception',
      data: { status: 'error', code, message, event, ...rest },
    });
  });

  it('writes the exception frame byte for byte as PROTOCOL.md says', async () => {
    const client = await admitted(test);
    client.send('throw', { what: 'text' });
    expect((await client.frame()).payload.toString()).toBe(
      '{"event":"exception","data":{"status":"error","code":"bad_request","message":"no such room","event":"throw"}}',
    );
  });

  it('sends what an Observable emitted before it failed', async () => {
    const client = await admitted(test);
    client.send('stream-late');
    expect(await client.message()).toEqual({ event: 'value', data: 1 });
    expect(await client.message()).toEqual({ event: 'value', data: 2 });
    expect(await client.message()).toEqual({
      event: 'exception',
      data: { status: 'error', ...internal, event: 'stream-late' },
    });
  });

  it.each(['cycle', 'bigint', 'hostile-json'])(
    'a reply that is no JSON (%s) is an internal error',
    async (event) => {
      expect(await failure(event, CANARY)).toMatchObject({ event: 'exception', data: internal });
    },
  );

  it('a reply that JSON has no word for is no reply', async () => {
    const client = await admitted(test);
    client.write(messageBytes('function'), messageBytes('alive'));
    expect(await client.message()).toEqual({ event: 'alive' });
  });

  it('tells the operator of what is nobody’s refusal, and of nothing else', async () => {
    const linesOf = async (what: string): Promise<string[]> => {
      const before = test.logger.lines.length;
      await failure('throw', { what });
      return test.logger.lines.slice(before).filter((line) => line.startsWith('error'));
    };
    expect(await linesOf('error')).toEqual([expect.stringContaining(`secret path /srv/${CANARY}`)]);
    expect(await linesOf('text')).toEqual([]);
    expect(await linesOf('not-found')).toEqual([]);
  });
});

describe('messages after admission', () => {
  const streams = { live: 0 };

  @WsAuth()
  @WebSocketGateway({ path: '/ws' })
  class ReplyGateway {
    static sockets: WebSocket[] = [];
    handleConnection(client: WebSocket) {
      ReplyGateway.sockets.push(client);
    }
    @SubscribeMessage('value')
    value(@MessageBody() data: unknown) {
      return { event: 'value', data };
    }
    @SubscribeMessage('promise')
    async promise(@MessageBody() data: unknown) {
      await Promise.resolve();
      return { event: 'promise', data };
    }
    @SubscribeMessage('observable')
    observable() {
      return of({ event: 'observable', data: 1 }, { event: 'observable', data: 2 });
    }
    @SubscribeMessage('promised-observable')
    async promisedObservable() {
      return of({ event: 'observable', data: 3 });
    }
    @SubscribeMessage('bare')
    bare() {
      return { any: 'shape' };
    }
    @SubscribeMessage('void')
    void() {}
    @SubscribeMessage('null')
    null() {
      return null;
    }
    @SubscribeMessage('endless')
    endless() {
      streams.live += 1;
      return concat(of({ event: 'endless', data: 0 }), NEVER).pipe(finalize(() => (streams.live -= 1)));
    }
    @SubscribeMessage('constructor')
    constructorLike() {
      return { event: 'constructor' };
    }
  }

  let test: TestApp;
  beforeAll(async () => {
    test = await startApp({ gateways: [ReplyGateway] });
  });
  afterAll(() => test.discard());

  it('answers by return value, Promise and Observable, and not at all', async () => {
    const client = await admitted(test);
    for (const event of ['value', 'promise']) {
      client.send(event, { a: 1 });
      expect(await client.message()).toEqual({ event, data: { a: 1 } });
    }
    client.send('observable');
    expect(await client.message()).toEqual({ event: 'observable', data: 1 });
    expect(await client.message()).toEqual({ event: 'observable', data: 2 });
    client.send('promised-observable');
    expect(await client.message()).toEqual({ event: 'observable', data: 3 });
    client.send('bare');
    expect(await client.message()).toEqual({ any: 'shape' });
    client.write(messageBytes('void'), messageBytes('null'), messageBytes('value', 'last'));
    expect(await client.message()).toEqual({ event: 'value', data: 'last' });
  });

  it('keeps nothing of an Observable that has ended', async () => {
    const client = await admitted(test);
    const socket = ReplyGateway.sockets.at(-1)!;
    const warnings: Error[] = [];
    const onWarning = (warning: Error): number => warnings.push(warning);
    process.on('warning', onWarning);
    client.send('observable');
    await client.message();
    await client.message();
    const before = socket.listenerCount('close');
    for (let sent = 0; sent < 50; sent += 1) {
      client.send('observable');
      await client.message();
      await client.message();
    }
    expect(socket.listenerCount('close')).toBe(before);
    for (let sent = 0; sent < 30; sent += 1) client.send('endless');
    for (let sent = 0; sent < 30; sent += 1) await client.message();
    expect(socket.listenerCount('close')).toBe(before);
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
  });

  it('ends an endless Observable with the socket', async () => {
    await eventually(() => streams.live === 0);
    const client = await admitted(test);
    client.send('endless');
    await client.messageOf('endless');
    expect(streams.live).toBe(1);
    client.reset();
    await eventually(() => streams.live === 0);
  });

  it('closes 1003 on binary, and looks no further', async () => {
    const client = await admitted(test);
    client.write(
      frameBytes(JSON.stringify({ event: 'value', data: 1 }), OPCODE.binary),
      messageBytes('value', 2),
    );
    const close = await client.closed();
    expect(close).toMatchObject({ code: 1003, before: [] });
    expect(close.reason).toMatch(/^text_only;id=[\w-]{12}$/);
  });

  it.each([
    '',
    'nonsense',
    '{"event":"value"',
    'null',
    '1',
    '"value"',
    '[]',
    '[{"event":"value"}]',
    '{}',
    '{"data":1}',
    '{"event":{}}',
    '{"event":["value"]}',
    '{"event":null}',
    '{"event":""}',
    '{"proto":{"event":"value"}}',
    `{"event":"${'v'.repeat(129)}"}`,
  ])('MS-03: answers %j with bad_message', async (text) => {
    const client = await admitted(test);
    client.write(frameBytes(text), messageBytes('value', 'next'));
    expect((await client.frame()).payload.toString()).toBe(
      '{"event":"exception","data":{"status":"error","code":"bad_message","message":"not a message of the form {\\"event\\",\\"data\\"}"}}',
    );
    expect(await client.message()).toEqual({ event: 'value', data: 'next' });
  });

  it.each(['unknown', '__proto__', 'toString', 'hasOwnProperty', 'Value', 'value '])(
    'MS-03: answers the event %j with unknown_event, and does not repeat it',
    async (event) => {
      const client = await admitted(test);
      client.write(messageBytes(event, CANARY), messageBytes('value', 'next'));
      expect((await client.frame()).payload.toString()).toBe(
        '{"event":"exception","data":{"status":"error","code":"unknown_event","message":"no handler for this event"}}',
      );
      expect(await client.message()).toEqual({ event: 'value', data: 'next' });
    },
  );

  it('MS-04: takes an event by the name of what every object has for a name like any other', async () => {
    const client = await admitted(test);
    client.write(frameBytes('{"event":"constructor","data":{"constructor":"ACME"}}'));
    expect(await client.message()).toEqual({ event: 'constructor' });
  });

  it.each([
    '{"__proto__":{"event":"value"}}',
    '{"event":"value","data":{"__proto__":{"isAdmin":true}}}',
    '{"event":"value","data":[{"\\u005f_proto__":{"isAdmin":true}}]}',
    '{"event":"value","data":{"constructor":{"prototype":{"isAdmin":true}}}}',
  ])('MS-04: closes 4400 for %s, and no handler sees it', async (text) => {
    const client = await admitted(test);
    client.write(frameBytes(text), messageBytes('value', 'next'));
    expect(await client.closed()).toMatchObject({ code: 4400, before: [] });
    expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined();
    expect(test.events.at(-1)).toMatchObject({ closeCode: 4400, reasonCode: 'message_structure' });
  });

  it.each([
    ['64 KB of open brackets', `{"event":"value","data":${'['.repeat(65_000)}`],
    ['33 levels', `{"event":"value","data":${'['.repeat(32)}${']'.repeat(32)}}`],
    ['10,001 items', `{"event":"value","data":[${'0,'.repeat(10_000)}0]}`],
  ])('MS-05: closes 4400 for %s', async (_, text) => {
    const client = await admitted(test);
    client.write(frameBytes(text), messageBytes('value', 'next'));
    expect(await client.closed()).toMatchObject({ code: 4400, before: [] });
  });

  it('MS-02: survives what breaks the protocol, and closes with its code', async () => {
    const cases: [bytes: Buffer, code: number][] = [
      [Buffer.from([0x81, 0x01, 0x61]), 1002],
      [frameBytes('x', 3), 1002],
      [frameBytes('x', OPCODE.continuation), 1002],
      [frameBytes('x'.repeat(126), OPCODE.ping), 1002],
      [frameBytes('x', OPCODE.ping, false), 1002],
      [frameBytes('x', OPCODE.close), 1002],
      [frameBytes(Buffer.from([0x03, 0xed]), OPCODE.close), 1002],
      [frameBytes(Buffer.from([0xc3, 0x28])), 1007],
      [frameBytes('x'.repeat(65_537)), 1009],
    ];
    for (const [bytes, code] of cases) {
      const client = await admitted(test);
      client.write(bytes);
      expect(await client.closed()).toMatchObject({ code });
      client.destroy();
    }
    const split = await admitted(test);
    const text = Buffer.from('{"event":"value","data":"é"}');
    const cut = text.indexOf(0xc3) + 1;
    split.write(
      frameBytes(text.subarray(0, cut), OPCODE.text, false),
      frameBytes(text.subarray(cut), OPCODE.continuation),
    );
    expect(await split.message()).toEqual({ event: 'value', data: 'é' });
  });
});
