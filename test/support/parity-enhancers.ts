import {
  type ArgumentsHost,
  BadRequestException,
  type CallHandler,
  type CanActivate,
  Catch,
  type ExceptionFilter,
  type ExecutionContext,
  ForbiddenException,
  Injectable,
  type NestInterceptor,
  type PipeTransform,
  SetMetadata,
  type Type,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
} from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR, APP_PIPE, Reflector } from '@nestjs/core';
import {
  BaseWsExceptionFilter,
  MessageBody,
  SubscribeMessage,
  WebSocketGateway,
  WsException,
} from '@nestjs/websockets';
import {
  catchError,
  delay,
  EMPTY,
  map,
  mergeMap,
  NEVER,
  Observable,
  of,
  tap,
  throwError,
  timeout,
  timer,
} from 'rxjs';
import type { WebSocket } from 'ws';
import { EXCEPTION, type Log, type ParityCase } from './parity-case.js';

const ECHO = { event: 'echo', data: 1 };
const pause = (ms = 5) => new Promise<void>((resolve) => setTimeout(resolve, ms));

const guard = (
  decide: (context: ExecutionContext) => ReturnType<CanActivate['canActivate']>,
): CanActivate => ({
  canActivate: decide,
});

const interceptor = (
  intercept: (context: ExecutionContext, next: CallHandler) => ReturnType<NestInterceptor['intercept']>,
): NestInterceptor => ({ intercept });

/** A gateway with an echo; decorators go on its class and on the method. */
function echoing(onMethod: MethodDecorator[], onClass: ClassDecorator[] = []) {
  return (log: Log): Type => {
    class EchoGateway {
      echo(data: unknown) {
        log.push('handled');
        return { event: 'echo', data };
      }
      free() {
        return 'free';
      }
    }
    const decorate = (name: 'echo' | 'free', decorators: MethodDecorator[]): void => {
      for (const decorator of decorators)
        decorator(EchoGateway.prototype, name, Object.getOwnPropertyDescriptor(EchoGateway.prototype, name)!);
    };
    MessageBody()(EchoGateway.prototype, 'echo', 0);
    decorate('echo', [SubscribeMessage('echo'), ...onMethod]);
    decorate('free', [SubscribeMessage('free')]);
    for (const decorator of [...onClass, WebSocketGateway({ path: '/ws' })]) decorator(EchoGateway);
    return EchoGateway;
  };
}

const guarded = (name: string, decide: Parameters<typeof guard>[0], isLetThrough: boolean): ParityCase => ({
  name: `a guard that ${name}`,
  gateway: echoing([UseGuards(guard(decide))]),
  send: [['echo', 1]],
  expect: [isLetThrough ? ECHO : EXCEPTION],
  log: isLetThrough ? ['handled'] : [],
});

@Injectable()
class RoleGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}
  canActivate(context: ExecutionContext): boolean {
    return this.reflector.getAllAndOverride('role', [context.getHandler(), context.getClass()]) !== 'nobody';
  }
}

export const GUARD_CASES: readonly ParityCase[] = [
  guarded('says yes', () => true, true),
  guarded('says no', () => false, false),
  guarded('says yes later', async () => (await pause(), true), true),
  guarded('says no later', async () => (await pause(), false), false),
  guarded('says yes by an Observable', () => of(true), true),
  guarded('says no by an Observable, later', () => timer(5).pipe(map(() => false)), false),
  guarded(
    'throws a WsException',
    () => {
      throw new WsException('no');
    },
    false,
  ),
  guarded(
    'throws an HttpException',
    () => {
      throw new ForbiddenException();
    },
    false,
  ),
  guarded(
    'is rejected',
    async () => {
      await pause();
      throw new Error('no');
    },
    false,
  ),
  {
    name: 'a guard on the class, which holds for every handler',
    gateway: echoing([], [UseGuards(guard(() => false))]),
    send: [['echo', 1], ['free']],
    expect: [EXCEPTION, EXCEPTION],
    log: [],
  },
  {
    name: 'a guard on one method, which holds for no other',
    gateway: echoing([UseGuards(guard(() => false))]),
    send: [['echo', 1], ['free']],
    expect: [EXCEPTION, 'free'],
    anyOrder: true,
  },
  {
    name: 'several guards, in their order, up to the first that says no',
    gateway: (log) => {
      const noting = (name: string, answer: boolean) =>
        guard(async () => {
          await pause(1);
          log.push(name);
          return answer;
        });
      return echoing(
        [UseGuards(noting('method 1', true), noting('method 2', false), noting('method 3', true))],
        [UseGuards(noting('class', true))],
      )(log);
    },
    send: [['echo', 1]],
    expect: [EXCEPTION],
    log: ['class', 'method 1', 'method 2'],
  },
  {
    name: 'a guard that decides by the data, message by message',
    gateway: echoing([UseGuards(guard((context) => context.switchToWs().getData() === 'open'))]),
    send: [
      ['echo', 'open'],
      ['echo', 'shut'],
      ['echo', 'open'],
    ],
    expect: [{ event: 'echo', data: 'open' }, EXCEPTION, { event: 'echo', data: 'open' }],
    anyOrder: true,
  },
  {
    name: 'a guard that leaves something on the client for the handler',
    gateway: () => {
      @WebSocketGateway({ path: '/ws' })
      class UserGateway {
        @UseGuards(
          guard((context) => {
            context.switchToWs().getClient<{ user?: string }>().user = 'ada';
            return true;
          }),
        )
        @SubscribeMessage('who')
        who(client: { user?: string }) {
          return { user: client.user };
        }
      }
      return UserGateway;
    },
    send: [['who']],
    expect: [{ user: 'ada' }],
  },
  {
    name: 'a guard with a dependency, that reads metadata',
    gateway: () => {
      @UseGuards(RoleGuard)
      @WebSocketGateway({ path: '/ws' })
      class RoleGateway {
        @SetMetadata('role', 'nobody')
        @SubscribeMessage('closed')
        closed() {
          return 'closed';
        }
        @SubscribeMessage('open')
        open() {
          return 'open';
        }
      }
      return RoleGateway;
    },
    send: [['closed'], ['open']],
    expect: [EXCEPTION, 'open'],
    anyOrder: true,
  },
  {
    name: 'what a guard sees of the message',
    gateway: (log) =>
      echoing([
        UseGuards(
          guard((context) => {
            const ws = context.switchToWs();
            log.push(context.getType(), context.getClass().name, context.getHandler().name);
            log.push(ws.getPattern(), ws.getData(), context.getArgs().slice(1));
            log.push(ws.getClient() === context.getArgByIndex(0), typeof ws.getClient<WebSocket>().send);
            return true;
          }),
        ),
      ])(log),
    send: [['echo', 1]],
    expect: [ECHO],
    log: ['ws', 'EchoGateway', 'echo', 'echo', 1, [1, 'echo', 'echo'], true, 'function', 'handled'],
  },
];

const intercepted = (
  name: string,
  intercept: Parameters<typeof interceptor>[0],
  ...expect: unknown[]
): ParityCase => ({
  name: `an interceptor that ${name}`,
  gateway: echoing([UseInterceptors(interceptor(intercept))]),
  send: [['echo', 1]],
  expect,
});

export const INTERCEPTOR_CASES: readonly ParityCase[] = [
  intercepted('does nothing', (_, next) => next.handle(), ECHO),
  intercepted(
    'maps the result',
    (_, next) => next.handle().pipe(map((result) => ({ ...result, event: 'mapped' }))),
    { event: 'mapped', data: 1 },
  ),
  intercepted('is async', async (_, next) => (await pause(), next.handle()), ECHO),
  intercepted('delays the result', (_, next) => next.handle().pipe(delay(5)), ECHO),
  intercepted('answers in place of the handler', () => of({ event: 'cached' }), { event: 'cached' }),
  intercepted('answers nothing', () => EMPTY),
  intercepted('never answers', () => NEVER),
  intercepted(
    'makes two of one',
    (_, next) => next.handle().pipe(mergeMap((one) => [one, 'two'])),
    ECHO,
    'two',
  ),
  intercepted('makes nothing of it', (_, next) => next.handle().pipe(map(() => null))),
  intercepted(
    'throws',
    () => {
      throw new WsException('no');
    },
    EXCEPTION,
  ),
  intercepted('fails', () => throwError(() => new Error('no')), EXCEPTION),
  intercepted(
    'calls the handler twice',
    (_, next) => next.handle().pipe(mergeMap(() => next.handle())),
    ECHO,
  ),
  {
    name: 'an interceptor that catches what the handler throws',
    gateway: () => {
      @WebSocketGateway({ path: '/ws' })
      class CatchingGateway {
        @UseInterceptors(
          interceptor((_, next) =>
            next.handle().pipe(catchError((error: Error) => of({ caught: error.message }))),
          ),
        )
        @SubscribeMessage('throw')
        throwing() {
          throw new Error('no');
        }
        @UseInterceptors(
          interceptor((_, next) =>
            next.handle().pipe(catchError(() => throwError(() => new WsException('another')))),
          ),
        )
        @SubscribeMessage('rethrow')
        rethrowing() {
          throw new Error('no');
        }
      }
      return CatchingGateway;
    },
    send: [['throw'], ['rethrow']],
    expect: [{ caught: 'no' }, EXCEPTION],
    anyOrder: true,
  },
  {
    name: 'an interceptor with a timeout',
    gateway: () => {
      @UseInterceptors(interceptor((_, next) => next.handle().pipe(timeout(30))))
      @WebSocketGateway({ path: '/ws' })
      class TimeoutGateway {
        @SubscribeMessage('slow')
        slow() {
          return new Promise((resolve) => setTimeout(() => resolve('too late'), 80));
        }
        @SubscribeMessage('fast')
        async fast() {
          await pause(1);
          return 'fast';
        }
      }
      return TimeoutGateway;
    },
    send: [['fast'], ['slow']],
    expect: ['fast', EXCEPTION],
  },
  {
    name: 'several interceptors, around one another',
    gateway: (log) => {
      const noting = (name: string) =>
        interceptor((_, next) => {
          log.push(`${name} before`);
          return next.handle().pipe(tap(() => log.push(`${name} after`)));
        });
      return echoing(
        [UseInterceptors(noting('method 1'), noting('method 2'))],
        [UseInterceptors(noting('class'))],
      )(log);
    },
    send: [['echo', 1]],
    expect: [ECHO],
    log: [
      'class before',
      'method 1 before',
      'method 2 before',
      'handled',
      'method 2 after',
      'method 1 after',
      'class after',
    ],
  },
  {
    name: 'an interceptor around an Observable, which sees each value',
    gateway: (log) => {
      @UseInterceptors(interceptor((_, next) => next.handle().pipe(tap((each) => log.push(each)))))
      @WebSocketGateway({ path: '/ws' })
      class StreamGateway {
        @SubscribeMessage('three')
        three() {
          return of(1, 2, 3);
        }
        @SubscribeMessage('promised')
        async promised() {
          return of('promised');
        }
      }
      return StreamGateway;
    },
    send: [['three'], ['promised']],
    expect: [1, 2, 3, 'promised'],
  },
  {
    name: 'an interceptor that is unsubscribed when the client leaves',
    gateway: (log) =>
      echoing([
        UseInterceptors(
          interceptor(
            () =>
              new Observable((subscriber) => {
                subscriber.next('first');
                return () => log.push('gone');
              }),
          ),
        ),
      ])(log),
    drive: async (client) => {
      client.send(['echo', 1]);
      await client.until(1);
      client.leave();
    },
    expect: ['first', { close: 1_000 }],
    log: ['gone'],
  },
  {
    name: 'an interceptor that waits before the handler is called',
    gateway: (log) =>
      echoing([
        UseInterceptors(
          interceptor(async (_, next) => {
            log.push('waits');
            await pause();
            log.push('calls');
            return next.handle();
          }),
        ),
      ])(log),
    send: [['echo', 1]],
    expect: [ECHO],
    log: ['waits', 'calls', 'handled'],
  },
  {
    name: 'guards, interceptors, pipes, handler and filter, in Nest’s order',
    gateway: (log) => {
      @UseGuards(guard(() => Boolean(log.push('guard'))))
      @UseInterceptors(
        interceptor((_, next) => {
          log.push('interceptor before');
          return next.handle().pipe(tap({ error: () => log.push('interceptor after') }));
        }),
      )
      @UsePipes({ transform: (value: unknown) => (log.push('pipe'), value) })
      @UseFilters({ catch: () => log.push('filter') })
      @WebSocketGateway({ path: '/ws' })
      class OrderGateway {
        @SubscribeMessage('ask')
        ask(@MessageBody() _data: unknown) {
          log.push('handler');
          throw new Error('no');
        }
      }
      return OrderGateway;
    },
    send: [['ask', 1]],
    expect: [],
    log: ['guard', 'interceptor before', 'pipe', 'handler', 'interceptor after', 'filter'],
  },
];

class Conflict extends Error {}

/** Answers what it catches with a frame of its own. */
@Catch(Conflict)
class ConflictFilter implements ExceptionFilter {
  catch(exception: Conflict, host: ArgumentsHost): void {
    const ws = host.switchToWs();
    const text = JSON.stringify({
      event: 'conflict',
      data: [exception.message, ws.getPattern(), ws.getData()],
    });
    ws.getClient<WebSocket>().send(text);
  }
}

@Catch()
class EverythingFilter implements ExceptionFilter {
  catch(_: unknown, host: ArgumentsHost): void {
    host.switchToWs().getClient<WebSocket>().send('"everything"');
  }
}

/** Makes a WsException of what Nest does not know, as its documentation shows. */
@Catch()
class TranslatingFilter extends BaseWsExceptionFilter {
  override catch(exception: unknown, host: ArgumentsHost): void {
    const text = exception instanceof Error ? `translated: ${exception.message}` : 'translated';
    // oxlint-disable-next-line promise/valid-params -- the method of a filter
    super.catch(new WsException(text), host);
  }
}

@Catch(WsException)
class RethrowingFilter implements ExceptionFilter {
  catch(exception: unknown): never {
    throw exception;
  }
}

/** A gateway that throws what a message names. */
function throwing(onMethod: MethodDecorator[], onClass: ClassDecorator[] = []) {
  const thrown: Record<string, () => unknown> = {
    conflict: () => new Conflict('taken'),
    ws: () => new WsException('no'),
    object: () => new WsException({ code: 7 }),
    bad: () => new BadRequestException(['a', 'b']),
    error: () => new Error('secret'),
    text: () => 'text',
  };
  return (): Type => {
    class ThrowingGateway {
      ask(data: string) {
        throw thrown[data]!();
      }
      stream(data: string) {
        return throwError(() => thrown[data]!());
      }
      echo() {
        return 'on';
      }
    }
    const { prototype } = ThrowingGateway;
    for (const name of ['ask', 'stream', 'echo'] as const) {
      const descriptor = Object.getOwnPropertyDescriptor(prototype, name)!;
      SubscribeMessage(name)(prototype, name, descriptor);
      if (name !== 'echo') {
        MessageBody()(prototype, name, 0);
        for (const decorator of onMethod) decorator(prototype, name, descriptor);
      }
    }
    for (const decorator of [...onClass, WebSocketGateway({ path: '/ws' })]) decorator(ThrowingGateway);
    return ThrowingGateway;
  };
}

const CONFLICT = { event: 'conflict', data: ['taken', 'ask', 'conflict'] };

export const FILTER_CASES: readonly ParityCase[] = [
  {
    name: 'no filter: everything that is thrown is answered',
    gateway: throwing([]),
    send: [
      ['ask', 'conflict'],
      ['ask', 'ws'],
      ['ask', 'object'],
      ['ask', 'bad'],
      ['ask', 'error'],
      ['ask', 'text'],
      ['stream', 'ws'],
      ['stream', 'error'],
      ['echo'],
    ],
    // A WsException made of an object is sent as it is by stock Nest, without the envelope's event being touched.
    expect: [...Array.from({ length: 8 }, () => EXCEPTION), 'on'],
    anyOrder: true,
  },
  {
    name: 'a filter on the method, for one class of errors',
    gateway: throwing([UseFilters(new ConflictFilter())]),
    send: [['ask', 'conflict'], ['ask', 'ws'], ['ask', 'error'], ['echo']],
    expect: [CONFLICT, EXCEPTION, EXCEPTION, 'on'],
    anyOrder: true,
  },
  {
    name: 'a filter on the class, for one class of errors',
    gateway: throwing([], [UseFilters(ConflictFilter)]),
    send: [
      ['ask', 'conflict'],
      ['stream', 'conflict'],
      ['ask', 'text'],
    ],
    expect: [CONFLICT, { event: 'conflict', data: ['taken', 'stream', 'conflict'] }, EXCEPTION],
    anyOrder: true,
  },
  {
    name: 'a filter on the class, for everything',
    gateway: throwing([], [UseFilters(EverythingFilter)]),
    send: [
      ['ask', 'conflict'],
      ['ask', 'ws'],
      ['ask', 'text'],
      ['stream', 'error'],
    ],
    expect: ['everything', 'everything', 'everything', 'everything'],
  },
  {
    name: 'a filter on the method that goes before the one on the class',
    gateway: throwing([UseFilters(ConflictFilter)], [UseFilters(EverythingFilter)]),
    send: [
      ['ask', 'conflict'],
      ['ask', 'ws'],
    ],
    expect: [CONFLICT, 'everything'],
    anyOrder: true,
  },
  {
    name: 'several filters in one decorator',
    gateway: throwing([UseFilters(ConflictFilter, EverythingFilter)]),
    send: [
      ['ask', 'conflict'],
      ['ask', 'ws'],
    ],
    expect: ['everything', 'everything'],
  },
  {
    name: 'a filter that extends BaseWsExceptionFilter',
    gateway: throwing([], [UseFilters(TranslatingFilter)]),
    send: [
      ['ask', 'conflict'],
      ['stream', 'error'],
    ],
    expect: [
      {
        event: 'exception',
        data: { status: 'error', message: 'translated: taken', cause: { pattern: 'ask', data: 'conflict' } },
      },
      {
        event: 'exception',
        data: { status: 'error', message: 'translated: secret', cause: { pattern: 'stream', data: 'error' } },
      },
    ],
    exactExceptions: true,
    anyOrder: true,
  },
  {
    name: 'BaseWsExceptionFilter itself',
    gateway: throwing([], [UseFilters(new BaseWsExceptionFilter({ includeCause: false }))]),
    send: [['ask', 'ws'], ['echo']],
    expect: [EXCEPTION, 'on'],
    anyOrder: true,
  },
  {
    name: 'a filter that throws: nothing is sent, and the next message is handled',
    gateway: throwing([], [UseFilters(RethrowingFilter)]),
    send: [['ask', 'ws'], ['stream', 'ws'], ['echo']],
    expect: ['on'],
  },
  {
    name: 'a filter for what guards, pipes and interceptors throw',
    gateway: () => {
      const conflict = (): never => {
        throw new Conflict('taken');
      };
      @UseFilters(ConflictFilter)
      @WebSocketGateway({ path: '/ws' })
      class EverywhereGateway {
        @UseGuards(guard(conflict))
        @SubscribeMessage('guard')
        guard() {
          return 'no';
        }
        @UsePipes({ transform: conflict })
        @SubscribeMessage('pipe')
        pipe(@MessageBody() data: unknown) {
          return { data };
        }
        @UseInterceptors(interceptor(conflict))
        @SubscribeMessage('interceptor')
        interceptor() {
          return 'no';
        }
      }
      return EverywhereGateway;
    },
    send: [['guard', 1], ['pipe', 2], ['interceptor']],
    expect: [
      { event: 'conflict', data: ['taken', 'guard', 1] },
      { event: 'conflict', data: ['taken', 'pipe', 2] },
      { event: 'conflict', data: ['taken', 'interceptor', null] },
    ],
    anyOrder: true,
  },
];

/** Notes down when it is asked, and lets `shut` messages down. */
const notingProviders = (log: Log) => [
  {
    provide: APP_GUARD,
    useValue: guard((context) => {
      log.push(`guard ${context.getType()}`);
      return context.switchToWs().getData() !== 'shut';
    }),
  },
  {
    provide: APP_INTERCEPTOR,
    useValue: interceptor((_, next) => {
      log.push('interceptor');
      return next.handle().pipe(map((result) => ({ ...result, isMapped: true })));
    }),
  },
  {
    provide: APP_PIPE,
    useValue: {
      transform(value: unknown) {
        log.push('pipe');
        if (value === 'bad') throw new BadRequestException('bad');
        return typeof value === 'string' ? value.toUpperCase() : value;
      },
    } satisfies PipeTransform,
  },
  { provide: APP_FILTER, useClass: EverythingFilter },
];

export const GLOBAL_CASES: readonly ParityCase[] = [
  {
    name: 'APP_GUARD, APP_INTERCEPTOR and APP_PIPE run for gateways, APP_FILTER does not',
    gateway: echoing([]),
    module: (log) => ({ providers: notingProviders(log) }),
    drive: async (client) => {
      for (const [index, data] of ['a', 'shut', 'bad'].entries()) {
        client.send(['echo', data]);
        await client.until(index + 1);
      }
    },
    expect: [{ event: 'echo', data: 'A', isMapped: true }, EXCEPTION, EXCEPTION],
    log: ['guard ws', 'interceptor', 'pipe', 'handled', 'guard ws', 'guard ws', 'interceptor', 'pipe'],
  },
  {
    name: 'app.useGlobalGuards(), useGlobalInterceptors(), useGlobalPipes() and useGlobalFilters()',
    gateway: echoing([]),
    before: (app, log) => {
      app.useGlobalGuards(guard((context) => Boolean(log.push(`guard ${context.getType()}`))));
      app.useGlobalInterceptors(
        interceptor((_, next) => next.handle().pipe(map((result) => ({ ...result, isMapped: true })))),
      );
      app.useGlobalPipes({
        transform(value: unknown) {
          if (value === 'bad') throw new BadRequestException('bad');
          return value;
        },
      });
      app.useGlobalFilters(new EverythingFilter());
    },
    drive: async (client) => {
      client.send(['echo', 1]);
      await client.until(1);
      client.send(['echo', 'bad']);
    },
    expect: [{ event: 'echo', data: 1, isMapped: true }, EXCEPTION],
    log: ['guard ws', 'handled', 'guard ws'],
  },
];
