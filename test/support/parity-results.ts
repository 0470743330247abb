import type { Type } from '@nestjs/common';
import {
  ConnectedSocket,
  MessageBody,
  SubscribeMessage,
  WebSocketGateway,
  WsException,
} from '@nestjs/websockets';
import {
  concat,
  concatMap,
  delay,
  EMPTY,
  finalize,
  from,
  interval,
  map,
  NEVER,
  Observable,
  of,
  range,
  ReplaySubject,
  Subject,
  throwError,
  timer,
} from 'rxjs';
import type { WebSocket } from 'ws';
import { eventually } from './eventually.js';
import { EXCEPTION, type Log, type ParityCase } from './parity-case.js';

/** A gateway whose handler of `ask` gives back what a case wants to see sent, and whose `echo` shows that it goes on. */
export function answering(answer: (data: any, log: Log, client: WebSocket) => unknown) {
  return (log: Log): Type => {
    @WebSocketGateway({ path: '/ws' })
    class AnsweringGateway {
      @SubscribeMessage('ask')
      ask(@MessageBody() data: unknown, @ConnectedSocket() client: WebSocket) {
        return answer(data, log, client);
      }

      @SubscribeMessage('echo')
      echo(@MessageBody() data: unknown) {
        return { event: 'echo', data };
      }
    }
    return AnsweringGateway;
  };
}

const ECHO = { event: 'echo', data: 'on' };
const after = <T>(value: T, ms = 5): Promise<T> =>
  new Promise((resolve) => setTimeout(() => resolve(value), ms));

/** A value that is returned, and the frame that carries it. */
const value = (name: string, returned: unknown, ...expect: unknown[]): ParityCase => ({
  name: `a handler that returns ${name}`,
  gateway: answering(() => returned),
  send: [
    ['ask', 1],
    ['echo', 'on'],
  ],
  expect: [...expect, ECHO],
  anyOrder: true,
});

/** What a handler may return, and what is sent for it. */
export const RESULT_CASES: readonly ParityCase[] = [
  value('{ event, data }', { event: 'answer', data: [1, 2] }, { event: 'answer', data: [1, 2] }),
  value('more than { event, data }', { event: 'a', data: 1, id: 7 }, { event: 'a', data: 1, id: 7 }),
  value('an object without event', { a: 1 }, { a: 1 }),
  value('a string', 'text', 'text'),
  value('an empty string', '', ''),
  value('a number', 42, 42),
  value('zero', 0, 0),
  value('false', false, false),
  value('a list', [1, 'two', null], [1, 'two', null]),
  value('an empty list', [], []),
  value('NaN', Number.NaN, null),
  value('a date', new Date(0), '1970-01-01T00:00:00.000Z'),
  value('what has toJSON()', { toJSON: () => ({ event: 'json' }) }, { event: 'json' }),
  value('bytes', Buffer.from('ab'), { type: 'Buffer', data: [97, 98] }),
  value('an object with undefined in it', { event: 'a', data: undefined }, { event: 'a' }),
  value('text outside ASCII', 'żółw 🐢 \u2028 \u0000', 'żółw 🐢 \u2028 \u0000'),
  value('a long text', 'x'.repeat(70_000), 'x'.repeat(70_000)),
  value('undefined', undefined),
  value('null', null),
  value('a promise', Promise.resolve({ event: 'a' }), { event: 'a' }),
  value('a promise of undefined', Promise.resolve(undefined)),
  value('a promise of null', Promise.resolve(null)),
  value('a promise of zero', Promise.resolve(0), 0),
  value('a promise of a promise', Promise.resolve(Promise.resolve(1)), 1),
  // oxlint-disable-next-line unicorn/no-thenable -- that is the case
  value('a thenable', { then: (resolve: (value: unknown) => void) => resolve('then') }, 'then'),
  value('an iterator', [1, 2].values(), {}),
  {
    name: 'a handler that is an async function and waits',
    gateway: answering(async (data) => ({ event: 'late', data: await after(data) })),
    send: [['ask', 1]],
    expect: [{ event: 'late', data: 1 }],
  },
  {
    name: 'a handler that throws a WsException',
    gateway: answering(() => {
      throw new WsException('no');
    }),
    send: [
      ['ask', 1],
      ['echo', 'on'],
    ],
    expect: [EXCEPTION, ECHO],
  },
  {
    name: 'a handler that throws an Error',
    gateway: answering(() => {
      throw new Error('no');
    }),
    send: [
      ['ask', 1],
      ['echo', 'on'],
    ],
    expect: [EXCEPTION, ECHO],
  },
  {
    name: 'a handler that throws what is no Error',
    gateway: answering((data) => {
      throw data;
    }),
    send: [['ask', 'text'], ['ask', null], ['ask'], ['echo', 'on']],
    expect: [EXCEPTION, EXCEPTION, EXCEPTION, ECHO],
  },
  {
    name: 'a handler whose promise is rejected at once and later',
    gateway: answering(async (ms) => {
      if (ms > 0) await after(0, ms);
      throw new WsException('no');
    }),
    send: [
      ['ask', 0],
      ['ask', 5],
    ],
    expect: [EXCEPTION, EXCEPTION],
  },
  {
    name: 'a handler that sends by itself and returns nothing',
    gateway: answering((data, _log, client) => {
      client.send(JSON.stringify({ event: 'own', data }));
      client.send(Buffer.from([1, 2]));
    }),
    send: [['ask', 1]],
    expect: [{ event: 'own', data: 1 }, { binary: '0102' }],
  },
  {
    name: 'a handler that sends by itself, returns, and sends later',
    gateway: answering((data, _log, client) => {
      client.send('"before"');
      setTimeout(() => client.send('"after"'), 20);
      return { event: 'answer', data };
    }),
    send: [['ask', 1]],
    expect: ['before', { event: 'answer', data: 1 }, 'after'],
  },
  {
    name: 'a handler that closes its client, and returns',
    gateway: answering((_data, _log, client) => {
      client.send('"bye"');
      client.close(4_001, 'enough');
      return 'too late';
    }),
    send: [['ask', 1]],
    expect: ['bye', { close: 4_001 }],
  },
  {
    name: 'a handler that cuts its client, and returns',
    gateway: answering((_data, _log, client) => {
      client.terminate();
      return 'too late';
    }),
    send: [['ask', 1]],
    expect: [{ end: true }],
  },
];

const observable = (name: string, make: () => Observable<unknown>, ...expect: unknown[]): ParityCase => ({
  name: `an Observable ${name}`,
  gateway: answering(() => make()),
  send: [['ask', 1]],
  expect,
});

/** Observables: everything that they emit, in their order, for as long as the client is there. */
export const OBSERVABLE_CASES: readonly ParityCase[] = [
  observable('of one value', () => of({ event: 'a' }), { event: 'a' }),
  observable('of several values', () => of(1, 2, 3), 1, 2, 3),
  observable('of a hundred values', () => range(0, 100), ...Array.from({ length: 100 }, (_, index) => index)),
  observable('of values, null and undefined', () => of(null, 1, undefined, 0, '', false), 1, 0, '', false),
  observable('that emits later', () => timer(5).pipe(map(() => 'late')), 'late'),
  observable('that emits now and later', () => concat(of(1), of(2).pipe(delay(5)), of(3)), 1, 2, 3),
  observable('made from a promise', () => from(after('late')), 'late'),
  observable('of promises', () => of(1, 2).pipe(concatMap((n) => after(n * 10))), 10, 20),
  observable('that emits a promise', () => of(Promise.resolve(1)), {}),
  observable('that fails at once', () => throwError(() => new WsException('no')), EXCEPTION),
  observable('that fails with an Error', () => throwError(() => new Error('no')), EXCEPTION),
  observable(
    'that emits and fails',
    () =>
      concat(
        of(1),
        throwError(() => new WsException('no')),
      ),
    1,
    EXCEPTION,
  ),
  observable(
    'that emits and fails later',
    () =>
      concat(
        of(1).pipe(delay(5)),
        throwError(() => new Error('no')),
      ),
    1,
    EXCEPTION,
  ),
  observable(
    'whose projection throws',
    () =>
      of(1, 2).pipe(
        map((n) => {
          if (n === 2) throw new WsException('no');
          return n;
        }),
      ),
    1,
    EXCEPTION,
  ),
  {
    name: 'an Observable that completes without a value, and one that never does',
    gateway: answering((which) => (which === 'never' ? NEVER : EMPTY)),
    send: [
      ['ask', 'empty'],
      ['ask', 'never'],
      ['echo', 'on'],
    ],
    expect: [ECHO],
  },
  {
    name: 'a promise of an Observable',
    gateway: answering(async () => {
      await after(0);
      return of(1, 2);
    }),
    send: [['ask', 1]],
    expect: [1, 2],
  },
  {
    name: 'an Observable that is subscribed once',
    gateway: answering(
      (_data, log) =>
        new Observable((subscriber) => {
          log.push('subscribed');
          subscriber.next(1);
          subscriber.complete();
          return () => log.push('gone');
        }),
    ),
    send: [['ask', 1]],
    expect: [1],
    log: ['subscribed', 'gone'],
  },
  {
    name: 'an Observable that replays what came before',
    gateway: answering(() => {
      const replay = new ReplaySubject<number>();
      replay.next(1);
      replay.next(2);
      return replay;
    }),
    send: [['ask', 1]],
    expect: [1, 2],
  },
  {
    name: 'an Observable that goes on while other messages are handled',
    gateway: () => {
      const feed = new Subject<unknown>();
      @WebSocketGateway({ path: '/ws' })
      class FeedGateway {
        @SubscribeMessage('follow')
        follow(@MessageBody() as: string) {
          return feed.pipe(map((data) => ({ event: as, data })));
        }
        @SubscribeMessage('publish')
        publish(@MessageBody() data: unknown) {
          feed.next(data);
          return { event: 'published' };
        }
        @SubscribeMessage('end')
        end() {
          feed.complete();
        }
      }
      return FeedGateway;
    },
    drive: async (client) => {
      client.send(['follow', 'a'], ['follow', 'b']);
      await client.settled();
      client.send(['publish', 1], ['publish', 2], ['end'], ['publish', 3]);
    },
    expect: [
      { event: 'a', data: 1 },
      { event: 'b', data: 1 },
      { event: 'published' },
      { event: 'a', data: 2 },
      { event: 'b', data: 2 },
      { event: 'published' },
      { event: 'published' },
    ],
    anyOrder: true,
  },
  {
    name: 'an Observable without an end, whose client says goodbye',
    gateway: answering((_data, log) =>
      interval(2).pipe(
        map(() => 'tick'),
        finalize(() => log.push('gone')),
      ),
    ),
    drive: async (client, { log }) => {
      client.send(['ask', 1]);
      await client.until(3);
      client.leave();
      await eventually(() => log.length > 0);
      client.received.splice(3, client.received.length - 4);
    },
    expect: ['tick', 'tick', 'tick', { close: 1_000 }],
    log: ['gone'],
  },
  {
    name: 'an Observable without an end, whose client hangs up',
    gateway: answering((_data, log) =>
      interval(2).pipe(
        map(() => 'tick'),
        finalize(() => log.push('gone')),
      ),
    ),
    drive: async (client, { log }) => {
      client.send(['ask', 1], ['ask', 2]);
      await client.until(2);
      client.destroy();
      await eventually(() => log.length > 1);
      client.received.length = 0;
      client.received.push({ end: true });
    },
    expect: [{ end: true }],
    log: ['gone', 'gone'],
  },
  {
    name: 'a handler whose client leaves before it returns an Observable',
    gateway: answering(async (_data, log, client) => {
      client.close();
      await after(0, 20);
      log.push('returned');
      return of('too late').pipe(finalize(() => log.push('gone')));
    }),
    drive: async (client, { log }) => {
      client.send(['ask', 1]);
      await client.until(1);
      client.leave();
      await eventually(() => log.includes('returned'));
    },
    expect: [{ close: 1_005 }],
    log: ['returned'],
  },
];
