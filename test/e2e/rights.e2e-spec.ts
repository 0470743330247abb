import {
  type CallHandler,
  type CanActivate,
  Controller,
  Delete,
  type ExecutionContext,
  Get,
  Inject,
  Injectable,
  Module,
  type NestInterceptor,
  Param,
  type PipeTransform,
  Scope,
  UseGuards,
  UseInterceptors,
  UsePipes,
  type Type,
} from '@nestjs/common';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { concatMap, from, interval, map, type Observable, Subject, take } from 'rxjs';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type OnWsRightsChanged,
  type Policy,
  type PolicyInput,
  type RightsChange,
  WsAuth,
  type WsAuthOptions,
  WsAuthHttpGuard,
  StoreUnavailable,
  WsConnections,
  WsPolicy,
  WsRecentAuth,
  WsRoles,
  WsScopes,
  wsConnection,
} from '../../lib/index.js';
import { startApp, type TestApp, type TestAppParts } from '../support/app.js';
import { latch } from '../support/core-harness.js';
import { eventually } from '../support/eventually.js';
import { interpose } from '../support/interpose.js';
import { RawClient } from '../support/raw-client.js';

const open: TestApp[] = [];
const clients: RawClient[] = [];

async function start(gateway: Type, parts: Partial<TestAppParts> = {}): Promise<TestApp> {
  const test = await startApp({ gateways: [gateway], ...parts });
  open.push(test);
  return test;
}

async function connect(
  test: TestApp,
  target: string,
  headers: Record<string, string> = {},
): Promise<RawClient> {
  const client = await RawClient.open(test.port, { target, headers });
  clients.push(client);
  return client;
}

/** Connects with a bearer token and reads `auth.ok`. */
async function admitted(test: TestApp, claims: Record<string, unknown> = {}): Promise<RawClient> {
  const client = await connect(test, '/ws', { Authorization: `Bearer ${test.token(claims)}` });
  await client.upgraded();
  await client.messageOf('auth.ok');
  return client;
}

/** Connects with a ticket of a new session. */
async function inSession(test: TestApp, rights: { roles?: string[]; scopes?: string[] } = {}) {
  const { session } = await test.sessions.create({ userId: 'ada', ...rights });
  const { ticket } = await test.tickets.issue({ session: session.id });
  const client = await connect(test, `/ws?ticket=${ticket}`);
  await client.upgraded();
  await client.messageOf('auth.ok');
  return { client, session };
}

const refused = (code: string, event: string) => ({
  event: 'exception',
  data: { status: 'error', code, event },
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const test of open.splice(0)) await test.discard();
});

describe('rules of handlers', () => {
  @WsAuth()
  @WsRoles('member')
  @WebSocketGateway({ path: '/ws' })
  class RulesGateway {
    @SubscribeMessage('plain')
    plain() {
      return { event: 'plain' };
    }
    @WsRoles('admin', 'auditor')
    @SubscribeMessage('both')
    both() {
      return { event: 'both' };
    }
    @WsRoles()
    @SubscribeMessage('free')
    free() {
      return { event: 'free' };
    }
    @WsScopes('rooms:write')
    @SubscribeMessage('write')
    write() {
      return { event: 'write' };
    }
    @WsPolicy(({ principal, payload }) => (payload as { owner?: string })?.owner === principal.id)
    @SubscribeMessage('own')
    own() {
      return { event: 'own' };
    }
  }

  const outcomes = async (client: RawClient, events: Record<string, unknown>) => {
    const seen: Record<string, string> = {};
    for (const [event, data] of Object.entries(events)) {
      client.send(event, data);
      const answer = await client.message();
      seen[event] = answer.event === 'exception' ? answer.data.code : answer.event;
    }
    return seen;
  };

  it('ask for all roles and scopes that they name, the method before the class', async () => {
    const test = await start(RulesGateway);
    const events = { plain: 0, both: 0, free: 0, write: 0 };
    const member = await admitted(test, { roles: ['member', 'admin'] });
    expect(await outcomes(member, events)).toEqual({
      plain: 'plain',
      both: 'forbidden',
      free: 'free',
      write: 'forbidden',
    });
    const all = await admitted(test, {
      roles: ['member', 'admin', 'auditor'],
      scope: 'rooms:read rooms:write',
    });
    expect(await outcomes(all, events)).toEqual({
      plain: 'plain',
      both: 'both',
      free: 'free',
      write: 'write',
    });
    const reasons = test.events
      .filter(({ event }) => event === 'authz_fail')
      .map(({ reasonCode }) => reasonCode);
    expect(reasons).toEqual(['message_roles', 'message_scopes']);
  });

  it('on the gateway decide who connects, by role and by scope', async () => {
    @WsAuth()
    @WsScopes('chat')
    @WebSocketGateway({ path: '/ws' })
    class ScopedGateway {}
    const test = await start(ScopedGateway);
    const client = await connect(test, '/ws', { Authorization: `Bearer ${test.token({ scope: 'news' })}` });
    expect((await client.response()).status).toBe(403);
    expect(test.events.at(-1)).toMatchObject({ event: 'authz_fail', reasonCode: 'gateway_scopes' });
    await admitted(test, { scope: 'news chat' });
  });

  it('ask a function that is told who asks and for what', async () => {
    const test = await start(RulesGateway);
    const client = await admitted(test, { roles: ['member'] });
    client.send('own', { owner: 'ada' });
    expect(await client.message()).toEqual({ event: 'own' });
    for (const data of [{ owner: 'bob' }, undefined, 'ada']) {
      client.send('own', data);
      expect(await client.message()).toMatchObject(refused('forbidden', 'own'));
    }
    expect(test.events.at(-1)).toMatchObject({ event: 'authz_fail', reasonCode: 'message_policy' });
  });
});

describe('policies that are providers', () => {
  @Injectable()
  class Rooms {
    readonly owners = new Map([['lobby', 'ada']]);
    async ownerOf(room: string) {
      return this.owners.get(room);
    }
  }

  @Injectable()
  class OwnsRoom implements Policy {
    readonly inputs: PolicyInput[] = [];
    constructor(@Inject(Rooms) private readonly rooms: Rooms) {}
    async allows(input: PolicyInput) {
      this.inputs.push(input);
      const { room = '' } = { ...(input.payload as { room?: string }), ...input.params };
      return (await this.rooms.ownerOf(room)) === input.principal.id;
    }
  }

  @Module({ providers: [Rooms, OwnsRoom], exports: [OwnsRoom] })
  class RoomModule {}

  @Module({ imports: [RoomModule], exports: [RoomModule] })
  class ReexportingModule {}

  function makeGateway(policy: Type<Policy>) {
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class RoomGateway {
      @WsPolicy(policy)
      @SubscribeMessage('close')
      close() {
        return { event: 'closed' };
      }
    }
    return RoomGateway;
  }

  it.each([
    ['its own module', { providers: [Rooms, OwnsRoom] }],
    ['a module that it imports', { imports: [RoomModule] }],
    ['a module that this re-exports', { imports: [ReexportingModule] }],
  ])('come from %s, and may wait', async (_, module) => {
    const test = await start(makeGateway(OwnsRoom), { module });
    const client = await admitted(test);
    client.send('close', { room: 'lobby' });
    expect(await client.message()).toEqual({ event: 'closed' });
    client.send('close', { room: 'other' });
    expect(await client.message()).toMatchObject(refused('forbidden', 'close'));
    const { inputs } = test.app.get(OwnsRoom, { strict: false });
    const [{ connection, ...input }] = inputs as [PolicyInput];
    expect(input).toMatchObject({ event: 'close', payload: { room: 'lobby' }, principal: { id: 'ada' } });
    expect(connection?.id).toMatch(/^[\w-]+$/);
  });

  it('refuse the boot where they are no provider, not exported, or of a request', async () => {
    @Module({ providers: [Rooms, OwnsRoom] })
    class HiddenModule {}
    @Injectable({ scope: Scope.REQUEST })
    class PerRequest implements Policy {
      allows() {
        return true;
      }
    }
    @Injectable()
    class NoPolicy {}
    const Room = makeGateway(OwnsRoom);
    const sentence =
      /policy OwnsRoom is no provider of the module of RoomGateway: add it to the providers there/;
    await expect(startApp({ gateways: [Room] })).rejects.toThrow(sentence);
    await expect(startApp({ gateways: [Room], module: { imports: [HiddenModule] } })).rejects.toThrow(
      sentence,
    );
    await expect(
      startApp({ gateways: [makeGateway(PerRequest)], module: { providers: [PerRequest] } }),
    ).rejects.toThrow(/policy PerRequest is request-scoped/);
    await expect(
      startApp({ gateways: [makeGateway(NoPolicy as never)], module: { providers: [NoPolicy] } }),
    ).rejects.toThrow(/policy NoPolicy has no method "allows"/);
  });

  it('mean the same on an HTTP controller, whose missing provider refuses the boot too', async () => {
    @UseGuards(WsAuthHttpGuard)
    @Controller('rooms')
    class RoomController {
      @WsPolicy(OwnsRoom)
      @Delete(':room')
      remove(@Param('room') room: string) {
        return { removed: room };
      }
    }
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class EmptyGateway {}
    const controllers = [RoomController];
    await expect(startApp({ gateways: [EmptyGateway], module: { controllers } })).rejects.toThrow(
      /@WsPolicy\(\) on RoomController.remove\(\): policy OwnsRoom is no provider/,
    );
    const test = await start(EmptyGateway, { module: { controllers, imports: [RoomModule] } });
    const remove = (room: string) =>
      fetch(`http://127.0.0.1:${test.port}/rooms/${room}?x=1`, {
        method: 'DELETE',
        headers: { authorization: `Bearer ${test.token()}` },
      });
    expect((await remove('lobby')).status).toBe(200);
    expect((await remove('other')).status).toBe(403);
    const [input] = test.app.get(OwnsRoom, { strict: false }).inputs;
    expect(input).toMatchObject({
      event: 'DELETE /rooms/lobby',
      params: { room: 'lobby' },
      connection: undefined,
    });
    expect(test.events.at(-1)).toMatchObject({
      event: 'authz_fail',
      reasonCode: 'request_policy',
      path: '/rooms/other',
    });
  });

  it('answer what they throw as what a handler throws, and go on', async () => {
    let failure: Error | undefined = new Error('canary-7f3a');
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class ThrowingGateway {
      @WsPolicy(async () => {
        if (failure) throw failure;
        return true;
      })
      @SubscribeMessage('say')
      say() {
        return { event: 'said' };
      }
    }
    const test = await start(ThrowingGateway);
    const client = await admitted(test);
    client.send('say');
    const answer = await client.message();
    expect(answer).toMatchObject(refused('internal', 'say'));
    expect(JSON.stringify(answer)).not.toContain('canary');
    failure = undefined;
    client.send('say');
    expect(await client.message()).toEqual({ event: 'said' });
  });
});

describe('what is looked at again (SE-09)', () => {
  function makeWaitingGateway() {
    const waiting = { arrived: latch(), let: latch() };
    const handled: string[] = [];
    const wait = async () => {
      waiting.arrived.open();
      await waiting.let.opened;
    };

    class SlowGuard implements CanActivate {
      async canActivate() {
        await wait();
        return true;
      }
    }
    class SlowPipe implements PipeTransform {
      async transform(value: unknown) {
        await wait();
        return value;
      }
    }
    class SlowInterceptor implements NestInterceptor {
      intercept(_: ExecutionContext, next: CallHandler) {
        return from(wait()).pipe(concatMap(() => next.handle()));
      }
    }

    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class WaitingGateway {
      static readonly waiting = waiting;
      static readonly handled = handled;
      @UseGuards(SlowGuard)
      @WsRoles('admin')
      @SubscribeMessage('guard')
      guard() {
        handled.push('guard');
        return { event: 'done' };
      }
      @WsRoles('admin')
      @WsPolicy(async () => (await wait(), true))
      @SubscribeMessage('policy')
      policy() {
        handled.push('policy');
        return { event: 'done' };
      }
      @UsePipes(SlowPipe)
      @WsRoles('admin')
      @SubscribeMessage('pipe')
      pipe(@MessageBody() data: object) {
        handled.push('pipe');
        return { event: 'done', data };
      }
      @UseInterceptors(SlowInterceptor)
      @WsRoles('admin')
      @SubscribeMessage('interceptor')
      interceptor() {
        handled.push('interceptor');
        return { event: 'done' };
      }
    }
    return WaitingGateway;
  }

  it.each(['guard', 'policy'])('a demotion while a message waits in a %s refuses it', async (event) => {
    const Gateway = makeWaitingGateway();
    const test = await start(Gateway);
    const { client, session } = await inSession(test, { roles: ['admin'] });
    client.send(event, {});
    await Gateway.waiting.arrived.opened;
    await test.sessions.setRoles({ session: session.id }, { roles: [] });
    Gateway.waiting.let.open();
    expect(await client.messageOf('exception')).toMatchObject(refused('forbidden', event));
    expect(Gateway.handled).toEqual([]);
  });

  it.each(['guard', 'policy', 'pipe', 'interceptor'])(
    'with message.asyncContext, a demotion or revocation while a message waits in a %s refuses it',
    async (event) => {
      const Gateway = makeWaitingGateway();
      const test = await start(Gateway, { options: { message: { asyncContext: true } } });
      const { client, session } = await inSession(test, { roles: ['admin'] });
      client.send(event, {});
      await Gateway.waiting.arrived.opened;
      await test.sessions.setRoles({ session: session.id }, { roles: ['guest'] });
      Gateway.waiting.let.open();
      expect(await client.messageOf('exception')).toMatchObject(refused('forbidden', event));
      const other = makeWaitingGateway();
      const second = await start(other, { options: { message: { asyncContext: true } } });
      const revoked = await inSession(second, { roles: ['admin'] });
      revoked.client.send(event, {});
      await other.waiting.arrived.opened;
      await second.sessions.revoke({ session: revoked.session.id });
      other.waiting.let.open();
      expect(await revoked.client.closed()).toMatchObject({ code: 4410 });
      expect([...Gateway.handled, ...other.handled]).toEqual([]);
    },
  );

  it.each([
    ['by itself', []],
    ['behind an interceptor', [UseInterceptors({ intercept: (_, next) => next.handle() })]],
  ])('is what a handler goes on to send: its Observable ends with its right (%s)', async (_, decorators) => {
    const news = new Subject<number>();
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class NewsGateway {
      @WsRoles('member')
      @SubscribeMessage('watch')
      watch(): Observable<object> {
        return news.pipe(map((data) => ({ event: 'news', data })));
      }
      @WsRoles('member')
      @SubscribeMessage('resign')
      async resign() {
        await test.sessions.setRoles({ session: session.id }, { roles: [] });
        return { event: 'resigned' };
      }
    }
    for (const decorate of decorators) (decorate as ClassDecorator)(NewsGateway);
    const test = await start(NewsGateway);
    const { client, session } = await inSession(test, { roles: ['member', 'guest'] });
    client.send('watch');
    await eventually(() => news.observed);
    news.next(1);
    expect(await client.message()).toEqual({ event: 'news', data: 1 });
    await test.sessions.setRoles({ session: session.id }, { roles: ['member'] });
    expect((await client.message()).event).toBe('auth.changed');
    news.next(2);
    expect(await client.message()).toEqual({ event: 'news', data: 2 });
    client.send('resign');
    const answers = [await client.message(), await client.message()].map(({ event }) => event);
    expect(answers.toSorted()).toEqual(['auth.changed', 'resigned']);
    news.next(3);
    news.next(4);
    expect(await client.message()).toMatchObject(refused('forbidden', 'watch'));
    expect(news.observed).toBe(false);
    const fails = test.events.filter(({ event }) => event === 'authz_fail');
    expect(fails).toMatchObject([{ reasonCode: 'message_roles' }]);
  });

  it('is the message, and not what its handler calls itself', async () => {
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class CallingGateway {
      @WsRoles('admin')
      @SubscribeMessage('purge')
      purge() {
        return { event: 'purged' };
      }
      @SubscribeMessage('maintain')
      maintain() {
        return this.purge();
      }
    }
    expect(new CallingGateway().purge()).toEqual({ event: 'purged' });
    const test = await start(CallingGateway, { options: { message: { asyncContext: true } } });
    const client = await admitted(test);
    client.send('maintain');
    expect(await client.message()).toEqual({ event: 'purged' });
    client.send('purge');
    expect(await client.message()).toMatchObject(refused('forbidden', 'purge'));
  });
});

describe('the boot', () => {
  function gatewayWith(onMethod: MethodDecorator[], onClass: ClassDecorator[] = [], guarded = true): Type {
    class SomeGateway {
      say() {}
    }
    const descriptor = Object.getOwnPropertyDescriptor(SomeGateway.prototype, 'say')!;
    for (const decorate of [...onMethod, SubscribeMessage('say')])
      decorate(SomeGateway.prototype, 'say', descriptor);
    Object.defineProperty(SomeGateway.prototype, 'say', descriptor);
    WebSocketGateway({ path: '/ws' })(SomeGateway);
    for (const decorate of onClass) decorate(SomeGateway);
    if (guarded) WsAuth()(SomeGateway);
    return SomeGateway;
  }

  it('is refused in strict mode where a handler has no rule (SE-10)', async () => {
    const options: Partial<WsAuthOptions> = {
      strict: true,
      hosts: ['localhost', '127.0.0.1'],
      handshake: { missingOrigin: 'refuse' },
    };
    const boot = (gateway: Type) =>
      startApp({ gateways: [gateway], options }).then(async (test) => test.close());
    const sentence =
      /SomeGateway\.say\(\) has no rule, so whoever is authenticated may call it; add @WsRoles\(\)/;
    await expect(boot(gatewayWith([]))).rejects.toThrow(sentence);
    const rules = [WsRoles('member'), WsRoles(), WsScopes('chat'), WsPolicy(() => true), WsRecentAuth('5m')];
    for (const rule of rules) {
      await expect(boot(gatewayWith([rule]))).resolves.toBeUndefined();
      await expect(boot(gatewayWith([], [rule]))).resolves.toBeUndefined();
    }
  });

  it.each([
    [
      'a time that is none',
      WsRecentAuth('five minutes'),
      /@WsRecentAuth\(\) on SomeGateway.say\(\) must be a time such as "5m"/,
    ],
    ['a time of nothing', WsRecentAuth(0), /@WsRecentAuth\(\) on SomeGateway.say\(\) must be a time/],
    [
      'a role with a blank',
      WsRoles('an admin'),
      /@WsRoles\(\) on SomeGateway.say\(\) must name printable words/,
    ],
    ['a scope that is no text', WsScopes(5 as never), /@WsScopes\(\) on SomeGateway.say\(\) must name/],
    ['no policy', WsPolicy(), /@WsPolicy\(\) on SomeGateway.say\(\) names no policy/],
    ['a policy that is not there yet', WsPolicy(undefined as never), /imported in a circle/],
  ])('is refused for %s', async (_, rule, sentence) => {
    await expect(startApp({ gateways: [gatewayWith([rule])] })).rejects.toThrow(sentence);
  });

  it.each([
    ['@WsRoles()', WsRoles('a')],
    ['@WsScopes()', WsScopes('a')],
    ['@WsPolicy()', WsPolicy(() => true)],
    ['@WsRecentAuth()', WsRecentAuth(5)],
  ])('is refused for %s on a gateway without @WsAuth()', async (name, rule) => {
    const start = (onMethod: MethodDecorator[], onClass: ClassDecorator[]) =>
      startApp({ gateways: [gatewayWith(onMethod, onClass, false)] });
    await expect(start([rule], [])).rejects.toThrow(`SomeGateway.say() has ${name} without @WsAuth()`);
    await expect(start([], [rule])).rejects.toThrow(`gateway SomeGateway has ${name} without @WsAuth()`);
  });
});

describe('a change of rights (SE-09)', () => {
  function makeHookGateway(hook?: (change: RightsChange) => unknown) {
    const changes: { id: string; change: RightsChange }[] = [];
    @WsAuth()
    @WsRoles('member')
    @WebSocketGateway({ path: '/ws' })
    class HookGateway implements OnWsRightsChanged {
      static readonly changes = changes;
      handleRightsChanged(client: object, change: RightsChange) {
        changes.push({ id: wsConnection(client).principal.id, change });
        return hook?.(change) as void;
      }
      @SubscribeMessage('say')
      say() {
        return { event: 'said' };
      }
    }
    return HookGateway;
  }

  it('is told to the client and to the gateway, once, and only where there is one', async () => {
    const Gateway = makeHookGateway();
    const test = await start(Gateway);
    const { client, session } = await inSession(test, { roles: ['member'], scopes: ['read'] });
    await test.sessions.setRoles({ user: 'ada' }, { roles: ['member', 'moderator'], scopes: [] });
    expect(Gateway.changes).toMatchObject([
      {
        id: 'ada',
        change: {
          added: { roles: ['moderator'], scopes: [] },
          removed: { roles: [], scopes: ['read'] },
          before: { roles: ['member'] },
        },
      },
    ]);
    expect(await client.message()).toEqual({
      event: 'auth.changed',
      data: { added: ['moderator'], removed: ['read'] },
    });
    await test.sessions.setRoles({ session: session.id }, { roles: ['moderator', 'member'] });
    client.send('say');
    expect(await client.message()).toEqual({ event: 'said' });
    expect(Gateway.changes).toHaveLength(1);
  });

  it('is not told to a client that does not know these frames, and is to its gateway', async () => {
    const Gateway = makeHookGateway();
    const test = await start(Gateway, { options: { credentials: ['ticket'] } });
    const { session } = await test.sessions.create({ userId: 'ada', roles: ['member'] });
    const { ticket } = await test.tickets.issue({ session: session.id });
    const client = await connect(test, `/ws?ticket=${ticket}`);
    await client.upgraded();
    await test.sessions.setRoles({ user: 'ada' }, { roles: ['member', 'guest'] });
    client.send('say');
    expect(await client.message()).toEqual({ event: 'said' });
    expect(Gateway.changes).toHaveLength(1);
  });

  it('closes 4403 who has lost what the gateway asks for, and tells the audit log', async () => {
    const Gateway = makeHookGateway();
    const test = await start(Gateway);
    const { client } = await inSession(test, { roles: ['member'] });
    await test.sessions.setRoles({ user: 'ada' }, { roles: ['guest'] });
    expect(await client.closed()).toMatchObject({ code: 4403, before: [] });
    expect(Gateway.changes).toEqual([]);
    const closed = await test.eventOf(({ outcome }) => outcome === 'closed');
    expect(closed).toMatchObject({ event: 'authz_fail', reasonCode: 'gateway_rights_lost', closeCode: 4403 });
  });

  it('does not reach who has no session: a revocation does, and a new token brings the new rights', async () => {
    const test = await start(makeHookGateway());
    const token = test.token({ roles: ['member', 'admin'], iat: Math.floor(Date.now() / 1_000) - 5 });
    const client = await connect(test, '/ws', { Authorization: `Bearer ${token}` });
    await client.upgraded();
    await client.messageOf('auth.ok');
    expect(await test.sessions.setRoles({ user: 'ada' }, { roles: ['member'] })).toBe(0);
    expect(test.connections.ofUser('ada')[0]!.principal.roles).toEqual(['member', 'admin']);
    await test.sessions.revoke({ user: 'ada' });
    expect(await client.closed()).toMatchObject({ code: 4410, before: [] });
    const again = await connect(test, '/ws', { Authorization: `Bearer ${token}` });
    expect((await again.response()).status).toBe(401);
    const iat = Math.floor(Date.now() / 1_000) + 1;
    const fresh = await admitted(test, { roles: ['member'], iat });
    fresh.send('say');
    expect(await fresh.message()).toEqual({ event: 'said' });
    expect(test.connections.ofUser('ada')[0]!.principal.roles).toEqual(['member']);
  });

  it('goes on where a gateway throws, at once or later', async () => {
    const failures = [
      () => {
        throw new Error('first');
      },
      () => Promise.reject(new Error('second')),
    ];
    for (const fail of failures) {
      const test = await start(makeHookGateway(fail));
      const { client } = await inSession(test, { roles: ['member'] });
      await test.sessions.setRoles({ user: 'ada' }, { roles: ['member', 'guest'] });
      expect((await client.message()).event).toBe('auth.changed');
      client.send('say');
      expect(await client.message()).toEqual({ event: 'said' });
      expect(test.logger.lines.join()).toMatch(/Error: (first|second)/);
    }
  });

  it('comes with a refresh too: behind its auth.ok, and with the same end for who is no member any more', async () => {
    const Gateway = makeHookGateway();
    const test = await start(Gateway);
    const exp = Math.floor(Date.now() / 1_000) + 300;
    const client = await admitted(test, { roles: ['member'], exp });
    client.send('auth.refresh', { token: test.token({ roles: ['member', 'admin'], exp: exp + 100 }) });
    expect((await client.message()).event).toBe('auth.ok');
    expect(await client.message()).toEqual({
      event: 'auth.changed',
      data: { added: ['admin'], removed: [] },
    });
    expect(Gateway.changes).toHaveLength(1);
    client.send('auth.refresh', { token: test.token({ roles: [], exp: exp + 200 }) });
    expect(await client.closed()).toMatchObject({ code: 4403 });
  });
});

describe('WsConnections.current()', () => {
  @Injectable()
  class Journal {
    readonly lines: (string | undefined)[] = [];
    constructor(@Inject(WsConnections) private readonly connections: WsConnections) {}
    note() {
      this.lines.push(this.connections.current()?.principal.id);
    }
  }

  function makeGateway() {
    @WsAuth()
    @WebSocketGateway({ path: '/ws' })
    class JournalGateway implements OnWsRightsChanged {
      constructor(@Inject(Journal) readonly journal: Journal) {}
      handleConnection() {
        this.journal.note();
      }
      handleRightsChanged() {
        this.journal.note();
      }
      @SubscribeMessage('say')
      async say() {
        await new Promise((resolve) => setImmediate(resolve));
        this.journal.note();
        return { event: 'said' };
      }
      @SubscribeMessage('ticks')
      ticks(): Observable<object> {
        return interval(1).pipe(
          take(2),
          map((tick) => (this.journal.note(), { event: 'tick', data: tick })),
        );
      }
    }
    return JournalGateway;
  }

  it('is the connection of the message, in handlers, hooks and Observables, however many run at once', async () => {
    const parts = { options: { message: { asyncContext: true } }, module: { providers: [Journal] } };
    const test = await start(makeGateway(), parts);
    const journal = test.app.get(Journal);
    const users = ['ada', 'bob', 'eve'];
    const all = await Promise.all(users.map(async (sub) => admitted(test, { sub })));
    expect(journal.lines.splice(0).toSorted()).toEqual(users);
    for (const client of all) client.send('say');
    for (const client of all) expect(await client.message()).toEqual({ event: 'said' });
    expect(journal.lines.splice(0).toSorted()).toEqual(users);
    all[1]!.send('ticks');
    for (const data of [0, 1]) expect(await all[1]!.message()).toEqual({ event: 'tick', data });
    expect(journal.lines.splice(0)).toEqual(['bob', 'bob']);
    const { client } = await inSession(test, { roles: [] });
    journal.lines.length = 0;
    await test.sessions.setRoles({ user: 'ada' }, { roles: ['guest'] });
    await client.messageOf('auth.changed');
    expect(journal.lines.splice(0)).toEqual(['ada']);
    expect(test.connections.current()).toBeUndefined();
  });

  it('says what to set where it is off', async () => {
    const test = await start(makeGateway(), { module: { providers: [Journal] } });
    expect(() => test.connections.current()).toThrow(/needs the option message.asyncContext: true/);
  });
});

describe('rules on HTTP', () => {
  @UseGuards(WsAuthHttpGuard)
  @WsRoles('member')
  @Controller('vault')
  class VaultController {
    @Get('door')
    door() {
      return { open: true };
    }
    @WsScopes('vault:read', 'vault:list')
    @Get('list')
    list() {
      return [];
    }
    @WsScopes('say"hi\\')
    @Get('quoted')
    quoted() {
      return [];
    }
    @WsRecentAuth('5m')
    @Get('gold')
    gold() {
      return { gold: 1 };
    }
  }

  @WsAuth()
  @WebSocketGateway({ path: '/ws' })
  class IdleGateway {}

  it('are those of the sockets, with the challenges of RFC 6750 and RFC 9470', async () => {
    const test = await start(IdleGateway, { module: { controllers: [VaultController] } });
    const get = (path: string, claims: Record<string, unknown>) =>
      fetch(`http://127.0.0.1:${test.port}/vault/${path}`, {
        headers: { authorization: `Bearer ${test.token(claims)}` },
      });
    const now = Math.floor(Date.now() / 1_000);
    expect((await get('door', { roles: ['member'] })).status).toBe(200);
    const forbidden = await get('door', { roles: [] });
    expect([forbidden.status, forbidden.headers.get('www-authenticate')]).toEqual([403, null]);
    const scoped = await get('list', { roles: ['member'], scope: 'vault:read' });
    expect([scoped.status, scoped.headers.get('www-authenticate')]).toEqual([
      403,
      'Bearer realm="ws", error="insufficient_scope", scope="vault:read vault:list"',
    ]);
    const quoted = await get('quoted', { roles: ['member'], scope: '' });
    expect(quoted.headers.get('www-authenticate')).toContain(String.raw`scope="say\"hi\\"`);
    const late = await get('gold', { roles: ['member'], auth_time: now - 301 });
    expect([late.status, late.headers.get('www-authenticate')]).toEqual([
      401,
      'Bearer realm="ws", error="insufficient_user_authentication", ' +
        'error_description="A more recent authentication is required", max_age="300"',
    ]);
    expect((await get('gold', { roles: ['member'], auth_time: now - 200 })).status).toBe(200);
    expect((await get('gold', { roles: ['member'] })).status).toBe(200);
    const reasons = test.events
      .filter(({ event }) => event === 'authz_fail')
      .map(({ reasonCode }) => reasonCode);
    expect(reasons).toEqual(['request_roles', 'request_scopes', 'request_scopes', 'request_auth_age']);
  });

  it('ask nobody about a session that ends or cannot be counted as used in that moment: 401, 503', async () => {
    const test = await start(IdleGateway, { module: { controllers: [VaultController] } });
    const { session } = await test.sessions.create({ userId: 'ada', roles: ['member'] });
    const get = () =>
      fetch(`http://127.0.0.1:${test.port}/vault/door`, {
        headers: { authorization: `Bearer ${test.token({ sid: session.id, roles: ['member'] })}` },
      });
    expect((await get()).status).toBe(200);
    let touch: () => Promise<(number | null)[]> = async () => [null];
    interpose(test.engine.stores.sessions, 'touch', () => () => touch());
    expect((await get()).status).toBe(401);
    touch = () => Promise.reject(new StoreUnavailable('away'));
    expect((await get()).status).toBe(503);
  });

  it('refuse the boot where no guard stands that could ask for them', async () => {
    @WsRoles('admin')
    @Controller('open')
    class OpenController {
      @Get()
      read() {}
    }
    @Controller('half')
    class HalfController {
      @WsScopes('all')
      @Get()
      read() {}
    }
    const boot = (controller: Type, before?: TestAppParts['before']) =>
      startApp({ gateways: [IdleGateway], module: { controllers: [controller] }, before }).then((test) =>
        test.close(),
      );
    await expect(boot(OpenController)).rejects.toThrow(
      /OpenController.read\(\) has @WsRoles\(\) and no guard: .* @UseGuards\(WsAuthHttpGuard\)/,
    );
    await expect(boot(HalfController)).rejects.toThrow(
      /HalfController.read\(\) has @WsScopes\(\) and no guard/,
    );
    await boot(
      OpenController,
      (app) => void app.useGlobalGuards(app.get(WsAuthHttpGuard, { strict: false })),
    );
  });
});
