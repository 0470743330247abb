import type { IncomingMessage } from 'node:http';
import {
  type ArgumentsHost,
  Inject,
  Injectable,
  type NestInterceptor,
  Scope,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
} from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import {
  ConnectedSocket,
  MessageBody,
  SubscribeMessage,
  WebSocketGateway,
  WebSocketServer,
} from '@nestjs/websockets';
import type { Server, WebSocket } from 'ws';
import { eventually } from './eventually.js';
import { EXCEPTION, type ParityCase } from './parity-case.js';

/** Connecting, leaving, and what a gateway may do with its clients and its server. */
export const LIFECYCLE_CASES: readonly ParityCase[] = [
  {
    name: 'afterInit, handleConnection and handleDisconnect are called once, with their arguments',
    gateway: (log) => {
      @WebSocketGateway({ path: '/ws' })
      class HooksGateway {
        @WebSocketServer() server!: Server;
        afterInit(server: Server) {
          log.push(['init', server === this.server, typeof server.clients.size]);
        }
        handleConnection(client: WebSocket, request: IncomingMessage, ...rest: unknown[]) {
          const { method, url } = request;
          log.push(['connect', client.readyState, method, url, request.headers.host, rest]);
          log.push(this.server.clients.has(client));
        }
        handleDisconnect(client: WebSocket, ...rest: unknown[]) {
          log.push(['disconnect', client.readyState, rest, this.server.clients.has(client)]);
        }
        @SubscribeMessage('ask')
        ask() {
          return 'answer';
        }
      }
      return HooksGateway;
    },
    path: '/ws?room=1',
    drive: async (client, { log }) => {
      client.send(['ask']);
      await client.until(1);
      client.leave(4_321, 'bye');
      await eventually(() => log.length === 4);
    },
    expect: ['answer', { close: 4_321 }],
  },
  {
    name: 'handleDisconnect of a client that hangs up',
    gateway: (log) => {
      @WebSocketGateway({ path: '/ws' })
      class HooksGateway {
        handleDisconnect(_client: WebSocket, code: unknown) {
          log.push(code);
        }
      }
      return HooksGateway;
    },
    drive: async (client, { log }) => {
      client.destroy();
      await eventually(() => log.length === 1);
    },
    expect: [{ end: true }],
    log: [1_006],
  },
  {
    name: 'what handleConnection sends comes first',
    gateway: () => {
      @WebSocketGateway({ path: '/ws' })
      class GreetingGateway {
        handleConnection(client: WebSocket) {
          client.send('"welcome"');
        }
        @SubscribeMessage('ask')
        ask() {
          return 'answer';
        }
      }
      return GreetingGateway;
    },
    send: [['ask']],
    expect: ['welcome', 'answer'],
  },
  {
    name: 'messages that come while handleConnection waits are handled',
    gateway: (log) => {
      let finish = (): void => {};
      const finished = new Promise<void>((resolve) => (finish = resolve));
      @WebSocketGateway({ path: '/ws' })
      class WaitingGateway {
        async handleConnection() {
          log.push('begins');
          await finished;
          log.push('ends');
        }
        @SubscribeMessage('ask')
        ask() {
          log.push('asked');
          finish();
          return 'answer';
        }
      }
      return WaitingGateway;
    },
    send: [['ask']],
    expect: ['answer'],
    log: ['begins', 'asked', 'ends'],
  },
  {
    name: 'handleConnection that closes its client',
    gateway: (log) => {
      @WebSocketGateway({ path: '/ws' })
      class ClosingGateway {
        handleConnection(client: WebSocket) {
          client.close(4_000, 'full');
        }
        @SubscribeMessage('ask')
        ask() {
          log.push('asked');
          return 'answer';
        }
      }
      return ClosingGateway;
    },
    send: [],
    expect: [{ close: 4_000 }],
    log: [],
  },
  {
    name: 'what a gateway keeps on the client',
    gateway: () => {
      @WebSocketGateway({ path: '/ws' })
      class KeepingGateway {
        handleConnection(client: { count?: number }) {
          client.count = 0;
        }
        @SubscribeMessage('count')
        count(@ConnectedSocket() client: { count: number }) {
          client.count += 1;
          return client.count;
        }
      }
      return KeepingGateway;
    },
    send: [['count'], ['count']],
    expect: [1, 2],
  },
  {
    name: 'listeners that handleConnection puts on the client',
    gateway: (log) => {
      @WebSocketGateway({ path: '/ws' })
      class ListeningGateway {
        handleConnection(client: WebSocket) {
          client.on('message', (data: Buffer, isBinary: boolean) =>
            log.push(['message', data.toString('utf8'), isBinary]),
          );
          client.once('close', (code: number, reason: Buffer) =>
            log.push(['close', code, reason.toString('utf8')]),
          );
        }
        @SubscribeMessage('ask')
        ask() {
          return 'answer';
        }
      }
      return ListeningGateway;
    },
    drive: async (client, { log }) => {
      client.send(['ask', 1]);
      await client.until(1);
      client.leave(4_000, 'bye');
      await eventually(() => log.length === 2);
    },
    expect: ['answer', { close: 4_000 }],
    log: [
      ['message', '{"event":"ask","data":1}', false],
      ['close', 4_000, 'bye'],
    ],
  },
  {
    name: 'addEventListener, and a listener that is taken off again',
    gateway: (log) => {
      @WebSocketGateway({ path: '/ws' })
      class ListeningGateway {
        handleConnection(client: WebSocket) {
          client.addEventListener('message', ({ data, type }) => log.push([type, data]));
          const once = (data: Buffer): void => {
            log.push(data.toString('utf8').length);
            client.off('message', once);
          };
          client.on('message', once);
        }
        @SubscribeMessage('ask')
        ask() {
          return 'answer';
        }
      }
      return ListeningGateway;
    },
    send: [['ask'], ['ask', 1]],
    expect: ['answer', 'answer'],
  },
  {
    name: 'a broadcast over server.clients',
    gateway: () => {
      @WebSocketGateway({ path: '/ws' })
      class BroadcastingGateway {
        @WebSocketServer() server!: Server;
        @SubscribeMessage('all')
        all(@MessageBody() data: unknown) {
          const text = JSON.stringify({ event: 'all', data, of: this.server.clients.size });
          for (const client of this.server.clients) client.send(text);
        }
      }
      return BroadcastingGateway;
    },
    drive: async (client, { connect, log }) => {
      const others = await Promise.all([connect(), connect()]);
      for (const other of others) await other.settled();
      client.send(['all', 1]);
      for (const other of others) {
        await other.until(1);
        log.push(other.received);
      }
    },
    expect: [{ event: 'all', data: 1, of: 3 }],
    log: [[{ event: 'all', data: 1, of: 3 }], [{ event: 'all', data: 1, of: 3 }]],
  },
  {
    name: 'a message to another client, kept in a map',
    gateway: () => {
      const clients = new Map<string, WebSocket>();
      @WebSocketGateway({ path: '/ws' })
      class RoutingGateway {
        @SubscribeMessage('name')
        name(@MessageBody() name: string, @ConnectedSocket() client: WebSocket) {
          clients.set(name, client);
          return { event: 'named', data: name };
        }
        @SubscribeMessage('to')
        to(@MessageBody() [name, text]: [string, string]) {
          clients.get(name)?.send(JSON.stringify({ event: 'from', data: text }));
        }
      }
      return RoutingGateway;
    },
    drive: async (client, { connect, log }) => {
      const other = await connect();
      other.send(['name', 'b']);
      await other.until(1);
      client.send(['to', ['b', 'hello']], ['name', 'a']);
      await other.until(2);
      log.push(other.received);
    },
    expect: [{ event: 'named', data: 'a' }],
    log: [
      [
        { event: 'named', data: 'b' },
        { event: 'from', data: 'hello' },
      ],
    ],
  },
  {
    name: 'clients of different paths',
    gateway: () => {
      const onPath = (path: string) => {
        @WebSocketGateway({ path })
        class PathGateway {
          @WebSocketServer() server!: Server;
          @SubscribeMessage('where')
          where() {
            return { path, clients: this.server.clients.size };
          }
        }
        return PathGateway;
      };
      return [onPath('/ws'), onPath('/ws/deeper'), onPath('other')];
    },
    drive: async (client, { connect, log }) => {
      for (const path of ['/ws/deeper', '/other?x=1']) {
        const other = await connect(path);
        other.send(['where']);
        await other.until(1);
        log.push(other.received);
      }
      client.send(['where']);
    },
    expect: [{ path: '/ws', clients: 1 }],
    log: [[{ path: '/ws/deeper', clients: 1 }], [{ path: 'other', clients: 1 }]],
  },
  {
    name: 'a gateway without a path',
    gateway: () => {
      @WebSocketGateway()
      class RootGateway {
        @SubscribeMessage('ask')
        ask() {
          return 'root';
        }
      }
      return RootGateway;
    },
    path: '/',
    send: [['ask']],
    expect: ['root'],
  },
];

/** How handlers are found: inheritance, several gateways, names. */
export const DECLARATION_CASES: readonly ParityCase[] = [
  {
    name: 'handlers of a base class, inherited, overridden and extended',
    gateway: (log) => {
      class BaseGateway {
        handleConnection() {
          log.push('connected');
        }
        @SubscribeMessage('inherited')
        inherited(@MessageBody() data: unknown) {
          return { from: 'base', data, name: this.constructor.name };
        }
        @SubscribeMessage('overridden')
        overridden() {
          return 'base';
        }
        @SubscribeMessage('redeclared')
        redeclared() {
          return 'base';
        }
        @SubscribeMessage('super')
        callsSuper(@MessageBody() data: unknown) {
          return { base: data };
        }
      }
      @WebSocketGateway({ path: '/ws' })
      class DerivedGateway extends BaseGateway {
        override overridden() {
          return 'derived';
        }
        @SubscribeMessage('redeclared')
        override redeclared() {
          return 'derived';
        }
        @SubscribeMessage('super')
        override callsSuper(@MessageBody() data: unknown) {
          return { ...super.callsSuper(data), derived: true };
        }
        @SubscribeMessage('own')
        own() {
          return 'own';
        }
      }
      return DerivedGateway;
    },
    send: [['inherited', 1], ['redeclared'], ['super', 2], ['own']],
    expect: [{ from: 'base', data: 1, name: 'DerivedGateway' }, 'derived', { base: 2, derived: true }, 'own'],
    log: ['connected'],
  },
  {
    name: 'guards of a base class',
    gateway: () => {
      @UseGuards({ canActivate: () => false })
      class BaseGateway {
        @SubscribeMessage('ask')
        ask() {
          return 'answer';
        }
      }
      @WebSocketGateway({ path: '/ws' })
      class DerivedGateway extends BaseGateway {}
      return DerivedGateway;
    },
    send: [['ask']],
    expect: [EXCEPTION],
  },
  {
    name: 'interceptors, pipes and filters of a base class, and those of the class itself',
    gateway: (log) => {
      const noting = (name: string): NestInterceptor => ({
        intercept(_, next) {
          log.push(name);
          return next.handle();
        },
      });
      @UseInterceptors(noting('base'))
      @UsePipes({ transform: (value: unknown) => [value] })
      @UseFilters({
        catch: (_: unknown, host: ArgumentsHost) =>
          host.switchToWs().getClient<WebSocket>().send('"filtered"'),
      })
      class BaseGateway {
        @SubscribeMessage('ask')
        ask(@MessageBody() data: unknown) {
          return { data };
        }
        @SubscribeMessage('throw')
        throwing() {
          throw new Error('no');
        }
      }
      @UseInterceptors(noting('derived'))
      @WebSocketGateway({ path: '/ws' })
      class DerivedGateway extends BaseGateway {}
      return DerivedGateway;
    },
    drive: async (client) => {
      client.send(['ask', 1]);
      await client.until(1);
      client.send(['throw']);
    },
    expect: [{ data: [1] }, 'filtered'],
    log: ['base', 'derived', 'base', 'derived'],
  },
  {
    name: 'hooks that are properties of the instance',
    gateway: (log) => {
      @WebSocketGateway({ path: '/ws' })
      class PropertyGateway {
        handleConnection = (client: WebSocket) => {
          log.push('connected');
          client.send('"welcome"');
        };
        @SubscribeMessage('ask')
        ask() {
          return 'answer';
        }
      }
      return PropertyGateway;
    },
    send: [['ask']],
    expect: ['welcome', 'answer'],
    log: ['connected'],
  },
  {
    name: 'two methods that handle one event: the last one does',
    gateway: () => {
      @WebSocketGateway({ path: '/ws' })
      class TwiceGateway {
        @SubscribeMessage('ask')
        first() {
          return 'first';
        }
        @SubscribeMessage('ask')
        second() {
          return 'second';
        }
      }
      return TwiceGateway;
    },
    send: [['ask']],
    expect: ['second'],
  },
  {
    name: 'a method with two events: the upper decorator counts',
    gateway: () => {
      @WebSocketGateway({ path: '/ws' })
      class TwoNamesGateway {
        @SubscribeMessage('upper')
        @SubscribeMessage('lower')
        ask() {
          return 'answer';
        }
      }
      return TwoNamesGateway;
    },
    send: [['upper']],
    expect: ['answer'],
  },
  {
    name: 'several gateways on one path that handle the same event',
    gateway: (log) => {
      const make = (name: string) => {
        @WebSocketGateway({ path: '/ws' })
        class SharedGateway {
          handleConnection() {
            log.push(`${name} connected`);
          }
          handleDisconnect() {
            log.push(`${name} disconnected`);
          }
          @SubscribeMessage('ask')
          ask(@MessageBody() data: unknown) {
            return { name, data };
          }
          @SubscribeMessage(`only ${name}`)
          only() {
            return `only ${name}`;
          }
        }
        return SharedGateway;
      };
      return [make('a'), make('b')];
    },
    drive: async (client, { log }) => {
      client.send(['ask', 1], ['only a'], ['only b']);
      await client.until(4);
      client.leave();
      await eventually(() => log.length === 4);
      log.sort();
    },
    expect: [{ name: 'a', data: 1 }, { name: 'b', data: 1 }, 'only a', 'only b', { close: 1_000 }],
    anyOrder: true,
    log: ['a connected', 'a disconnected', 'b connected', 'b disconnected'],
  },
  {
    name: 'several gateways on one path, one of which throws',
    gateway: () => {
      const make = (answer: () => unknown) => {
        @WebSocketGateway({ path: '/ws' })
        class SharedGateway {
          @SubscribeMessage('ask')
          ask() {
            return answer();
          }
        }
        return SharedGateway;
      };
      return [
        make(() => {
          throw new Error('no');
        }),
        make(() => 'answer'),
        make(() => undefined),
      ];
    },
    send: [['ask']],
    expect: [EXCEPTION, 'answer'],
    anyOrder: true,
  },
  {
    name: 'data that one gateway of a path changes is not seen by the other',
    gateway: () => {
      const make = () => {
        @WebSocketGateway({ path: '/ws' })
        class ChangingGateway {
          @SubscribeMessage('add')
          add(@MessageBody() data: { n: number }) {
            data.n += 1;
            return { n: data.n };
          }
        }
        return ChangingGateway;
      };
      return [make(), make()];
    },
    send: [['add', { n: 1 }]],
    expect: [{ n: 2 }, { n: 2 }],
  },
  {
    name: 'names of events that objects know, too',
    gateway: () => {
      @WebSocketGateway({ path: '/ws' })
      class NamesGateway {
        @SubscribeMessage('__proto__')
        proto(@MessageBody() data: unknown) {
          return { event: '__proto__', data };
        }
        @SubscribeMessage('constructor')
        ctor(@MessageBody() data: unknown) {
          return { event: 'constructor', data };
        }
        @SubscribeMessage('toString')
        text(@MessageBody() data: unknown) {
          return { event: 'toString', data };
        }
        @SubscribeMessage('hasOwnProperty')
        own(@MessageBody() data: unknown) {
          return { event: 'hasOwnProperty', data };
        }
        @SubscribeMessage('message')
        message(@MessageBody() data: unknown) {
          return { event: 'message', data };
        }
        @SubscribeMessage('close')
        close(@MessageBody() data: unknown) {
          return { event: 'close', data };
        }
        @SubscribeMessage('żółw 🐢')
        turtle(@MessageBody() data: unknown) {
          return { event: 'żółw 🐢', data };
        }
        @SubscribeMessage('x'.repeat(128))
        long(@MessageBody() data: unknown) {
          return { event: 'long', data };
        }
        @SubscribeMessage(' ')
        space(@MessageBody() data: unknown) {
          return { event: 'space', data };
        }
        @SubscribeMessage('author')
        author(@MessageBody() data: unknown) {
          return { event: 'author', data };
        }
      }
      return NamesGateway;
    },
    send: [
      ['__proto__', 1],
      ['constructor', 2],
      ['toString', 3],
      ['hasOwnProperty', 4],
      ['message', 5],
      ['close', 6],
      ['żółw 🐢', 7],
      ['x'.repeat(128), 8],
      [' ', 9],
      ['author', 10],
    ],
    expect: [
      { event: '__proto__', data: 1 },
      { event: 'constructor', data: 2 },
      { event: 'toString', data: 3 },
      { event: 'hasOwnProperty', data: 4 },
      { event: 'message', data: 5 },
      { event: 'close', data: 6 },
      { event: 'żółw 🐢', data: 7 },
      { event: 'long', data: 8 },
      { event: 'space', data: 9 },
      { event: 'author', data: 10 },
    ],
  },
];

@Injectable({ scope: Scope.REQUEST })
class PerClient {
  count = 0;
  constructor(@Inject(REQUEST) readonly client: object) {}
}

/** Gateways and providers that are made anew for each client: Nest 12 and later. */
export const SCOPE_CASES: readonly ParityCase[] = [
  {
    name: 'a gateway of request scope: one instance for a client',
    gateway: (log) => {
      let made = 0;
      @WebSocketGateway({ path: '/ws' })
      @Injectable({ scope: Scope.REQUEST })
      class ScopedGateway {
        readonly number = ++made;
        count = 0;
        constructor(@Inject(REQUEST) readonly request: object) {}
        handleConnection(client: object) {
          log.push(['connected', this.request === client]);
        }
        @SubscribeMessage('count')
        counting(@ConnectedSocket() client: object) {
          this.count += 1;
          return { count: this.count, isMine: this.request === client };
        }
      }
      return ScopedGateway;
    },
    drive: async (client, { connect, log }) => {
      client.send(['count'], ['count']);
      await client.until(2);
      const other = await connect();
      other.send(['count']);
      await other.until(1);
      log.push(other.received);
    },
    expect: [
      { count: 1, isMine: true },
      { count: 2, isMine: true },
    ],
    log: [['connected', true], ['connected', true], [{ count: 1, isMine: true }]],
  },
  {
    name: 'a gateway that depends on a provider of request scope',
    gateway: () => {
      @WebSocketGateway({ path: '/ws' })
      class DependingGateway {
        constructor(private readonly own: PerClient) {}
        @SubscribeMessage('count')
        count(@ConnectedSocket() client: object) {
          this.own.count += 1;
          return { count: this.own.count, isMine: this.own.client === client };
        }
      }
      return DependingGateway;
    },
    module: () => ({ providers: [PerClient] }),
    drive: async (client, { connect, log }) => {
      client.send(['count'], ['count']);
      await client.until(2);
      const other = await connect();
      other.send(['count']);
      await other.until(1);
      log.push(other.received);
    },
    expect: [
      { count: 1, isMine: true },
      { count: 2, isMine: true },
    ],
    log: [[{ count: 1, isMine: true }]],
  },
  {
    name: 'a provider of request scope that cannot be made',
    gateway: () => {
      @WebSocketGateway({ path: '/ws' })
      class BrokenGateway {
        constructor(@Inject('broken') readonly broken: unknown) {}
        // Without them Nest leaves the rejection to the process.
        handleConnection() {}
        handleDisconnect() {}
        @SubscribeMessage('ask')
        ask() {
          return 'answer';
        }
      }
      return BrokenGateway;
    },
    module: () => ({
      providers: [
        {
          provide: 'broken',
          scope: Scope.REQUEST,
          useFactory: () => {
            throw new Error('no');
          },
        },
      ],
    }),
    send: [['ask'], ['ask']],
    expect: [EXCEPTION, EXCEPTION, EXCEPTION],
  },
];
