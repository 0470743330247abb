import {
  type ArgumentMetadata,
  BadRequestException,
  createParamDecorator,
  DefaultValuePipe,
  type ExecutionContext,
  Injectable,
  ParseBoolPipe,
  ParseIntPipe,
  type PipeTransform,
  UsePipes,
} from '@nestjs/common';
import {
  Ack,
  ConnectedSocket,
  MessageBody,
  SubscribeMessage,
  WebSocketGateway,
  WsException,
} from '@nestjs/websockets';
import { EXCEPTION, type Log, type ParityCase } from './parity-case.js';

/** The shape in which Nest's ValidationPipe refuses. */
class TextPipe implements PipeTransform {
  transform(value: { text?: unknown }) {
    if (typeof value?.text === 'string') return value;
    throw new BadRequestException(['text must be a string', 'text should not be empty']);
  }
}

class DoublePipe implements PipeTransform {
  transform = (value: number) => value * 2;
}

class LatePipe implements PipeTransform {
  async transform(value: string) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return `${value} late`;
  }
}

class RefusingPipe implements PipeTransform {
  transform(): never {
    throw new WsException({ event: 'refused', why: 'pipe' });
  }
}

class Room {
  constructor(readonly name: string) {}
}

class RoomPipe implements PipeTransform {
  transform = (value: string) => new Room(value);
}

@Injectable()
class Suffix {
  readonly text = '!';
}

@Injectable()
class SuffixPipe implements PipeTransform {
  constructor(private readonly suffix: Suffix) {}
  transform = (value: string) => `${value}${this.suffix.text}`;
}

class SplitPipe implements PipeTransform {
  transform(value: unknown) {
    if (typeof value !== 'string') throw new BadRequestException('ids must be a text');
    return value.split(',');
  }
}

/** What a pipe is told of its argument. */
const metadataPipe = (log: Log): PipeTransform => ({
  transform(value: unknown, { type, data, metatype }: ArgumentMetadata) {
    log.push([type, data, metatype?.name]);
    return value;
  },
});

const Upper = createParamDecorator((key: string | undefined, context: ExecutionContext) => {
  const data = context.switchToWs().getData<Record<string, string>>();
  return key === undefined ? data : data[key]?.toUpperCase();
});

const Throwing = createParamDecorator(() => {
  throw new WsException('no');
});

const Late = createParamDecorator(async () => 'late');

/** Where a handler gets its arguments from. */
export const PARAMETER_CASES: readonly ParityCase[] = [
  {
    name: '@MessageBody() of every kind of data',
    gateway: () => {
      @WebSocketGateway({ path: '/ws' })
      class BodyGateway {
        @SubscribeMessage('type')
        type(@MessageBody() data: unknown) {
          return [typeof data, data];
        }
      }
      return BodyGateway;
    },
    send: [
      ['type', { a: { b: [1] } }],
      ['type', [1]],
      ['type', 'text'],
      ['type', ''],
      ['type', 0],
      ['type', -1.5e300],
      ['type', false],
      ['type', null],
      ['type'],
      '{"event":"type","data":{},"id":1}',
      ' {"data":"spaces" , "event":"\\u0074ype"}\n',
    ],
    expect: [
      ['object', { a: { b: [1] } }],
      ['object', [1]],
      ['string', 'text'],
      ['string', ''],
      ['number', 0],
      ['number', -1.5e300],
      ['boolean', false],
      ['object', null],
      ['undefined', null],
      ['object', {}],
      ['string', 'spaces'],
    ],
  },
  {
    name: '@MessageBody(key)',
    gateway: () => {
      @WebSocketGateway({ path: '/ws' })
      class KeyGateway {
        @SubscribeMessage('key')
        key(@MessageBody('id') id: unknown, @MessageBody('name') name: unknown) {
          return { id, name, kinds: [typeof id, typeof name] };
        }
        @SubscribeMessage('length')
        length(@MessageBody('length') length: unknown) {
          return { length };
        }
      }
      return KeyGateway;
    },
    send: [
      ['key', { id: 1, name: 'a', other: 2 }],
      ['key', {}],
      ['key', null],
      ['key'],
      ['key', 7],
      ['length', 'four'],
      ['length', [1, 2]],
    ],
    expect: [
      { id: 1, name: 'a', kinds: ['number', 'string'] },
      { kinds: ['undefined', 'undefined'] },
      { kinds: ['undefined', 'undefined'] },
      { kinds: ['undefined', 'undefined'] },
      { kinds: ['undefined', 'undefined'] },
      { length: 4 },
      { length: 2 },
    ],
  },
  {
    name: '@MessageBody(key) with pipes of Nest',
    gateway: () => {
      @WebSocketGateway({ path: '/ws' })
      class PipeGateway {
        @SubscribeMessage('int')
        int(@MessageBody('id', ParseIntPipe) id: number) {
          return { id };
        }
        @SubscribeMessage('default')
        fallback(@MessageBody('page', new DefaultValuePipe('3'), ParseIntPipe) page: number) {
          return { page };
        }
        @SubscribeMessage('bool')
        bool(@MessageBody('on', ParseBoolPipe) on: boolean) {
          return { on };
        }
        @SubscribeMessage('whole')
        whole(@MessageBody(ParseIntPipe) whole: number) {
          return { whole };
        }
      }
      return PipeGateway;
    },
    send: [
      ['int', { id: '12' }],
      ['int', { id: 'x' }],
      ['int', {}],
      ['int'],
      ['default', {}],
      ['default', { page: '9' }],
      ['bool', { on: 'true' }],
      ['bool', { on: 'maybe' }],
      ['whole', '7'],
      ['whole', {}],
    ],
    expect: [
      { id: 12 },
      EXCEPTION,
      EXCEPTION,
      EXCEPTION,
      { page: 3 },
      { page: 9 },
      { on: true },
      EXCEPTION,
      { whole: 7 },
      EXCEPTION,
    ],
    anyOrder: true,
  },
  {
    name: 'several pipes, in their order, one of them async',
    gateway: () => {
      @WebSocketGateway({ path: '/ws' })
      class PipesGateway {
        @SubscribeMessage('twice')
        twice(@MessageBody('n', new DoublePipe(), DoublePipe) n: number) {
          return { n };
        }
        @SubscribeMessage('late')
        late(@MessageBody(LatePipe) text: string, @MessageBody() plain: string) {
          return { text, plain };
        }
      }
      return PipesGateway;
    },
    send: [
      ['twice', { n: 5 }],
      ['late', 'a'],
    ],
    expect: [{ n: 20 }, { text: 'a late', plain: 'a' }],
  },
  {
    name: 'pipes on the class, the method and the parameter, in their order',
    gateway: (log) => {
      const noting = (name: string): PipeTransform => ({
        transform(value: unknown) {
          log.push(name);
          return value;
        },
      });
      @UsePipes(noting('class'))
      @WebSocketGateway({ path: '/ws' })
      class OrderedGateway {
        @UsePipes(noting('method'))
        @SubscribeMessage('ask')
        ask(@MessageBody(noting('parameter')) data: unknown) {
          return { data };
        }
        @SubscribeMessage('plain')
        plain(@MessageBody() data: unknown) {
          return { data };
        }
      }
      return OrderedGateway;
    },
    send: [['ask', 1]],
    expect: [{ data: 1 }],
    log: ['class', 'method', 'parameter'],
  },
  {
    name: 'a pipe that validates, in the way of ValidationPipe',
    gateway: () => {
      @UsePipes(new TextPipe())
      @WebSocketGateway({ path: '/ws' })
      class ValidatingGateway {
        @SubscribeMessage('say')
        say(@MessageBody() body: { text: string }) {
          return { event: 'said', data: body.text };
        }
      }
      return ValidatingGateway;
    },
    send: [['say', { text: 'hello' }], ['say', { text: 1 }], ['say', { text: 'again' }], ['say']],
    expect: [{ event: 'said', data: 'hello' }, EXCEPTION, { event: 'said', data: 'again' }, EXCEPTION],
    anyOrder: true,
  },
  {
    name: 'a pipe that refuses with an object',
    gateway: () => {
      @WebSocketGateway({ path: '/ws' })
      class RefusingGateway {
        @SubscribeMessage('ask')
        ask(@MessageBody(RefusingPipe) data: unknown) {
          return { data };
        }
      }
      return RefusingGateway;
    },
    send: [['ask', 1]],
    expect: [EXCEPTION],
  },
  {
    name: 'a pipe that makes an instance of a class, and one with a dependency',
    gateway: () => {
      @WebSocketGateway({ path: '/ws' })
      class InstanceGateway {
        @SubscribeMessage('room')
        room(@MessageBody('room', RoomPipe) room: Room) {
          return { isRoom: room instanceof Room, room };
        }
        @SubscribeMessage('suffix')
        suffix(@MessageBody(SuffixPipe) text: string) {
          return { text };
        }
      }
      return InstanceGateway;
    },
    module: () => ({ providers: [Suffix, SuffixPipe] }),
    send: [
      ['room', { room: 'blue' }],
      ['suffix', 'a'],
    ],
    expect: [{ isRoom: true, room: { name: 'blue' } }, { text: 'a!' }],
  },
  {
    name: 'what a pipe is told of its argument',
    gateway: (log) => {
      @UsePipes(metadataPipe(log))
      @WebSocketGateway({ path: '/ws' })
      class MetadataGateway {
        @SubscribeMessage('ask')
        ask(
          @MessageBody() body: Room,
          @MessageBody('name') name: string,
          @ConnectedSocket() _client: object,
          @Upper('name') upper: string,
        ) {
          return { body, name, upper };
        }
      }
      return MetadataGateway;
    },
    send: [['ask', { name: 'a' }]],
    expect: [{ body: { name: 'a' }, name: 'a', upper: 'A' }],
  },
  {
    name: '@ConnectedSocket() is the client of handleConnection',
    gateway: () => {
      const known = new Set<object>();
      @WebSocketGateway({ path: '/ws' })
      class SocketGateway {
        handleConnection(client: object) {
          known.add(client);
        }
        @SubscribeMessage('known')
        known(@ConnectedSocket() client: object, @MessageBody() data: unknown) {
          return { isKnown: known.has(client), data };
        }
        @SubscribeMessage('alone')
        alone(@ConnectedSocket() client: object) {
          return { isKnown: known.has(client) };
        }
      }
      return SocketGateway;
    },
    send: [
      ['known', 1],
      ['alone', 2],
    ],
    expect: [{ isKnown: true, data: 1 }, { isKnown: true }],
  },
  {
    name: 'plain positional arguments',
    gateway: () => {
      const known = new Set<unknown>();
      @WebSocketGateway({ path: '/ws' })
      class PositionalGateway {
        handleConnection(client: object) {
          known.add(client);
        }
        @SubscribeMessage('plain')
        plain(client: object, data: unknown) {
          return { isKnown: known.has(client), data };
        }
        @SubscribeMessage('rest')
        rest(...args: unknown[]) {
          const [client, ...others] = args;
          return { isKnown: known.has(client), others };
        }
        @SubscribeMessage('none')
        none() {
          return 'none';
        }
      }
      return PositionalGateway;
    },
    send: [
      ['plain', { a: 1 }],
      ['rest', 'data'],
      ['none', 1],
    ],
    expect: [{ isKnown: true, data: { a: 1 } }, { isKnown: true, others: ['data', null] }, 'none'],
  },
  {
    name: 'positional arguments that a parameter decorator takes away',
    gateway: () => {
      @WebSocketGateway({ path: '/ws' })
      class MixedGateway {
        @SubscribeMessage('mixed')
        mixed(client: object, data: unknown, @MessageBody() body: unknown) {
          return { kinds: [typeof client, typeof data], body };
        }
      }
      return MixedGateway;
    },
    send: [['mixed', 1]],
    expect: [{ kinds: ['undefined', 'undefined'], body: 1 }],
  },
  {
    name: '@Ack(), of which ws knows nothing: the result is sent',
    gateway: () => {
      @WebSocketGateway({ path: '/ws' })
      class AckGateway {
        @SubscribeMessage('ask')
        ask(@MessageBody() data: unknown, @Ack() ack: unknown) {
          return { data, ack: typeof ack };
        }
      }
      return AckGateway;
    },
    send: [['ask', 1]],
    expect: [{ data: 1, ack: 'undefined' }],
  },
  {
    name: 'parameter decorators of the application, with data, pipes, and a promise',
    gateway: () => {
      @WebSocketGateway({ path: '/ws' })
      class CustomGateway {
        @SubscribeMessage('upper')
        upper(@Upper('name') name: string, @Upper() all: object) {
          return { name, all };
        }
        @SubscribeMessage('piped')
        piped(@Upper('n', ParseIntPipe) n: number) {
          return { n };
        }
        @SubscribeMessage('late')
        late(@Late() late: string) {
          return { late };
        }
        @SubscribeMessage('throwing')
        throwing(@Throwing() value: unknown) {
          return { value };
        }
      }
      return CustomGateway;
    },
    send: [
      ['upper', { name: 'a' }],
      ['piped', { n: '5' }],
      ['piped', { n: 'x' }],
      ['late'],
      ['throwing'],
      ['upper'],
    ],
    expect: [{ name: 'A', all: { name: 'a' } }, { n: 5 }, EXCEPTION, { late: 'late' }, EXCEPTION, EXCEPTION],
    anyOrder: true,
  },
  {
    name: 'what a parameter decorator sees of the message',
    gateway: (log) => {
      const Context = createParamDecorator((_: undefined, context: ExecutionContext) => {
        const ws = context.switchToWs();
        log.push(
          context.getType(),
          context.getClass().name,
          context.getHandler().name,
          ws.getPattern(),
          ws.getData(),
          context.getArgs().length,
          context.getArgByIndex(0) === ws.getClient(),
          context.getArgByIndex(2),
          context.getArgByIndex(3),
        );
        return ws.getPattern();
      });
      @WebSocketGateway({ path: '/ws' })
      class ContextGateway {
        @SubscribeMessage('where')
        where(@Context() pattern: string) {
          return { pattern };
        }
      }
      return ContextGateway;
    },
    send: [['where', { a: 1 }]],
    expect: [{ pattern: 'where' }],
  },
  {
    name: 'a list that a pipe reads from text',
    gateway: () => {
      @WebSocketGateway({ path: '/ws' })
      class ListGateway {
        @SubscribeMessage('list')
        list(@MessageBody('ids', new SplitPipe()) ids: string[]) {
          return { ids };
        }
      }
      return ListGateway;
    },
    send: [
      ['list', { ids: 'a,b' }],
      ['list', { ids: 1 }],
    ],
    expect: [{ ids: ['a', 'b'] }, EXCEPTION],
    anyOrder: true,
  },
  {
    name: 'data that a handler changes is not seen by the next message',
    gateway: () => {
      @WebSocketGateway({ path: '/ws' })
      class ChangingGateway {
        @SubscribeMessage('change')
        change(@MessageBody() data: { n: number }) {
          data.n += 1;
          return data;
        }
      }
      return ChangingGateway;
    },
    send: [
      ['change', { n: 1 }],
      ['change', { n: 1 }],
    ],
    expect: [{ n: 2 }, { n: 2 }],
  },
  {
    name: 'a handler that uses its instance, its private parts and its dependencies',
    gateway: () => {
      @WebSocketGateway({ path: '/ws' })
      class InstanceGateway {
        #count = 0;
        constructor(private readonly suffix: Suffix) {}
        @SubscribeMessage('count')
        count() {
          this.#count += 1;
          return { count: this.#count, suffix: this.suffix.text };
        }
      }
      return InstanceGateway;
    },
    module: () => ({ providers: [Suffix] }),
    send: [['count'], ['count']],
    expect: [
      { count: 1, suffix: '!' },
      { count: 2, suffix: '!' },
    ],
  },
];
