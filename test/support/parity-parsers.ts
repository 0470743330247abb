import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import type { WebSocket } from 'ws';
import type { MessageParser } from '../../lib/nest/message-dispatcher.js';
import type { Log, ParityCase } from './parity-case.js';

/** A gateway for frames in a format of the application's own. */
function ticker(log: Log) {
  @WebSocketGateway({ path: '/ws' })
  class TickerGateway {
    @SubscribeMessage('tick')
    tick(@MessageBody() data: unknown) {
      log.push(data);
      return { event: 'tock', data };
    }
  }
  return TickerGateway;
}

/** `event:data`. */
const readColon = (data: unknown): { event: string; data: unknown } => {
  const [event = '', ...rest] = String(data).split(':');
  return { event, data: rest.join(':') };
};

/** One byte for the event, the rest is data. */
const readBinary: MessageParser = (data) => {
  const bytes = data as Buffer;
  return { event: bytes[0] === 1 ? 'tick' : 'other', data: bytes.subarray(1).toString('hex') };
};

export const PARSER_CASES: readonly ParityCase[] = [
  {
    name: 'a parser of text in a format of its own',
    gateway: ticker,
    messageParser: () => readColon,
    send: ['tick:1', 'tick:a:b', 'tick'],
    expect: [
      { event: 'tock', data: '1' },
      { event: 'tock', data: 'a:b' },
      { event: 'tock', data: '' },
    ],
  },
  {
    name: 'a parser of binary frames',
    gateway: ticker,
    messageParser: () => readBinary,
    send: [Buffer.from([1, 0xab, 0xcd]), Buffer.from([1])],
    expect: [
      { event: 'tock', data: 'abcd' },
      { event: 'tock', data: '' },
    ],
  },
  {
    name: 'what a parser is given for text and for binary frames',
    gateway: ticker,
    messageParser: (log) => (data) => {
      log.push([typeof data, Buffer.isBuffer(data)]);
      return { event: 'tick', data: String(data) };
    },
    send: ['text', Buffer.from('bytes')],
    expect: [
      { event: 'tock', data: 'text' },
      { event: 'tock', data: 'bytes' },
    ],
    log: [['string', false], ['object', true], 'text', 'bytes'],
  },
  {
    name: 'a parser that tells text from binary frames by their type',
    gateway: ticker,
    messageParser: () => (data) =>
      typeof data === 'string' ? (JSON.parse(data) as { event: string; data: unknown }) : readBinary(data),
    send: [['tick', 1], Buffer.from([1, 2]), ['tick', 2]],
    expect: [
      { event: 'tock', data: 1 },
      { event: 'tock', data: '02' },
      { event: 'tock', data: 2 },
    ],
  },
  {
    name: 'a parser that drops a frame',
    gateway: ticker,
    messageParser: () => (data) => {
      const message = readColon(data);
      return message.event === 'tick' ? message : undefined;
    },
    send: ['noise', 'tick:1', 'noise:2'],
    expect: [{ event: 'tock', data: '1' }],
  },
  {
    name: 'a parser whose message is an instance of a class',
    gateway: ticker,
    messageParser: () => {
      class Message {
        constructor(private readonly text: string) {}
        get event() {
          return this.text.split(':')[0]!;
        }
        get data() {
          return this.text.split(':')[1];
        }
      }
      return (data) => new Message(String(data));
    },
    send: ['tick:1'],
    expect: [{ event: 'tock', data: '1' }],
  },
  {
    name: 'a parser whose data is an instance of a class, and bytes',
    gateway: ticker,
    messageParser: () => () => ({ event: 'tick', data: new Map([['a', 1]]) }),
    send: ['x'],
    expect: [{ event: 'tock', data: {} }],
  },
  {
    name: 'a parser of frames with numbers for events',
    gateway: (log) => {
      @WebSocketGateway({ path: '/ws' })
      class OpcodeGateway {
        @SubscribeMessage(7)
        seven(@MessageBody() data: unknown) {
          log.push(data);
          return { event: 'seven', data };
        }
      }
      return OpcodeGateway;
    },
    messageParser: () => (data) => {
      const bytes = data as Buffer;
      return { event: bytes[0], data: bytes[1] } as unknown as { event: string; data: unknown };
    },
    send: [Buffer.from([7, 1]), Buffer.from([7, 3])],
    expect: [
      { event: 'seven', data: 1 },
      { event: 'seven', data: 3 },
    ],
  },
  {
    name: 'a parser that is set on the adapter later',
    gateway: ticker,
    lateParser: () => readColon,
    send: ['tick:1'],
    expect: [{ event: 'tock', data: '1' }],
  },
  {
    name: 'binary frames as an ArrayBuffer, because handleConnection asks for it',
    gateway: (log) => {
      @WebSocketGateway({ path: '/ws' })
      class ArrayBufferGateway {
        handleConnection(client: WebSocket) {
          client.binaryType = 'arraybuffer';
        }
        @SubscribeMessage('tick')
        tick(@MessageBody() data: unknown) {
          log.push(data);
          return { event: 'tock', data };
        }
      }
      return ArrayBufferGateway;
    },
    messageParser: (log) => (data) => {
      log.push(data instanceof ArrayBuffer);
      return { event: 'tick', data: Buffer.from(data as ArrayBuffer).toString('hex') };
    },
    send: [Buffer.from([1, 2])],
    expect: [{ event: 'tock', data: '0102' }],
    log: [true, '0102'],
  },
];
