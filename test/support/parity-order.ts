import type { Type } from '@nestjs/common';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { concat, of } from 'rxjs';
import type { Log, ParityCase } from './parity-case.js';

/** Handlers that wait until a message lets them go on. */
export function latched(log: Log): Type {
  const waiting = new Map<string, () => void>();
  let running = 0;
  let most = 0;
  @WebSocketGateway({ path: '/ws' })
  class LatchedGateway {
    @SubscribeMessage('wait')
    async wait(@MessageBody() name: string) {
      running += 1;
      most = Math.max(most, running);
      log.push(`begins ${name}`);
      await new Promise<void>((resolve) => waiting.set(name, resolve));
      running -= 1;
      return { event: 'waited', data: name };
    }
    @SubscribeMessage('release')
    release(@MessageBody() name: string) {
      log.push(`releases ${name}`);
      waiting.get(name)?.();
      return { event: 'released', data: name };
    }
    @SubscribeMessage('most')
    most() {
      return { most };
    }
  }
  return LatchedGateway;
}

/** What only holds with `message.concurrency: Infinity`: with 1, the default, messages are handled one after another. */
export const CONCURRENT_CASES: readonly ParityCase[] = [
  {
    name: 'a handler that waits for a later message',
    gateway: latched,
    drive: async (client) => {
      client.send(['wait', 'a'], ['release', 'a']);
      await client.until(2);
    },
    expect: [
      { event: 'released', data: 'a' },
      { event: 'waited', data: 'a' },
    ],
    log: ['begins a', 'releases a'],
    anyOrder: true,
    isConcurrent: true,
  },
  {
    name: 'replies in the order in which handlers end',
    gateway: latched,
    drive: async (client) => {
      client.send(['wait', 'a'], ['wait', 'b'], ['wait', 'c']);
      for (const [index, name] of ['c', 'a', 'b'].entries()) {
        await client.settled();
        client.send(['release', name]);
        await client.until((index + 1) * 2);
      }
      client.send(['most']);
    },
    expect: [
      { event: 'released', data: 'a' },
      { event: 'released', data: 'b' },
      { event: 'released', data: 'c' },
      { event: 'waited', data: 'a' },
      { event: 'waited', data: 'b' },
      { event: 'waited', data: 'c' },
      { most: 3 },
    ],
    anyOrder: true,
    log: ['begins a', 'begins b', 'begins c', 'releases c', 'releases a', 'releases b'],
    isConcurrent: true,
  },
  {
    name: 'slow and fast handlers',
    gateway: () => {
      @WebSocketGateway({ path: '/ws' })
      class SlowGateway {
        @SubscribeMessage('after')
        async after(@MessageBody() ms: number) {
          if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
          return ms;
        }
      }
      return SlowGateway;
    },
    send: [
      ['after', 120],
      ['after', 60],
      ['after', 0],
      ['after', 20],
    ],
    expect: [0, 20, 60, 120],
    isConcurrent: true,
  },
  {
    name: 'a hundred messages at a time',
    gateway: (log) => {
      let running = 0;
      let letGo = (): void => {};
      const gone = new Promise<void>((resolve) => (letGo = resolve));
      @WebSocketGateway({ path: '/ws' })
      class CrowdGateway {
        @SubscribeMessage('join')
        async join(@MessageBody() n: number) {
          running += 1;
          if (running === 100) {
            log.push('all are here');
            letGo();
          }
          await gone;
          return n;
        }
      }
      return CrowdGateway;
    },
    send: Array.from({ length: 100 }, (_, n) => ['join', n] as const),
    expect: Array.from({ length: 100 }, (_, n) => n),
    anyOrder: true,
    log: ['all are here'],
    isConcurrent: true,
  },
  {
    name: 'an async Observable and later messages',
    gateway: latchedStream,
    send: [['stream'], ['push', 1], ['push', 2], ['stop']],
    expect: ['first', { pushed: 1 }, { pushed: 2 }, 'stopped', 'last'],
    anyOrder: true,
    isConcurrent: true,
  },
  {
    name: 'messages of two clients',
    gateway: latched,
    drive: async (client, { connect, log }) => {
      const other = await connect();
      client.send(['wait', 'a']);
      await client.settled();
      other.send(['release', 'a']);
      await other.until(1);
      log.push(other.received);
    },
    expect: [{ event: 'waited', data: 'a' }],
    log: ['begins a', 'releases a', [{ event: 'released', data: 'a' }]],
  },
];

function latchedStream(): Type {
  let stop = (): void => {};
  const stopped = new Promise<string>((resolve) => (stop = () => resolve('last')));
  @WebSocketGateway({ path: '/ws' })
  class StreamGateway {
    @SubscribeMessage('stream')
    stream() {
      return concat(of('first'), stopped);
    }
    @SubscribeMessage('push')
    push(@MessageBody() n: number) {
      return { pushed: n };
    }
    @SubscribeMessage('stop')
    stop() {
      stop();
      return 'stopped';
    }
  }
  return StreamGateway;
}

/** What comes in the order of the messages in stock Nest, because its handlers do not wait, and so with ours. */
export const ORDERED_CASES: readonly ParityCase[] = [
  {
    name: 'sixty messages in one write, answered at once',
    gateway: () => {
      @WebSocketGateway({ path: '/ws' })
      class FastGateway {
        @SubscribeMessage('echo')
        echo(@MessageBody() data: unknown) {
          return { event: 'echo', data };
        }
      }
      return FastGateway;
    },
    send: Array.from({ length: 60 }, (_, data) => ['echo', data] as const),
    expect: Array.from({ length: 60 }, (_, data) => ({ event: 'echo', data })),
  },
  {
    name: 'sixty messages in one write, answered by promises of one length',
    gateway: () => {
      @WebSocketGateway({ path: '/ws' })
      class SteadyGateway {
        @SubscribeMessage('echo')
        async echo(@MessageBody() data: unknown) {
          await new Promise((resolve) => setImmediate(resolve));
          return { event: 'echo', data };
        }
      }
      return SteadyGateway;
    },
    send: Array.from({ length: 60 }, (_, data) => ['echo', data] as const),
    expect: Array.from({ length: 60 }, (_, data) => ({ event: 'echo', data })),
  },
  {
    name: 'values of Observables that emit at once',
    gateway: () => {
      @WebSocketGateway({ path: '/ws' })
      class BurstGateway {
        @SubscribeMessage('burst')
        burst(@MessageBody() n: number) {
          return of([n, 1], [n, 2], [n, 3]);
        }
      }
      return BurstGateway;
    },
    send: [
      ['burst', 1],
      ['burst', 2],
    ],
    expect: [
      [1, 1],
      [1, 2],
      [1, 3],
      [2, 1],
      [2, 2],
      [2, 3],
    ],
  },
];
