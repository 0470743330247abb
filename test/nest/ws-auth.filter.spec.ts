import 'reflect-metadata';
import {
  type ArgumentsHost,
  BadRequestException,
  ForbiddenException,
  HttpException,
  Logger,
  ServiceUnavailableException,
} from '@nestjs/common';
import { WsException } from '@nestjs/websockets';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WsAuthExceptionFilter } from '../../lib/nest/ws-auth.filter.js';
import { MemoryLogger } from '../support/app.js';

/** What no frame may repeat. */
const CANARY = 'canary-7f3a';

const INTERNAL = { status: 'error', code: 'internal', message: 'internal error', event: 'say' };

/** What the client is sent for something that was thrown, and what else was thrown on the way. */
function answerTo(thrown: unknown, payload: unknown = { text: CANARY }): { data: unknown; failed: boolean } {
  const sent: string[] = [];
  const ws = {
    getClient: () => ({ send: (text: string) => sent.push(text) }),
    getData: () => payload,
    getPattern: () => 'say',
  };
  const host = { switchToWs: () => ws } as unknown as ArgumentsHost;
  let failed = false;
  try {
    new WsAuthExceptionFilter().catch(thrown, host);
  } catch {
    failed = true;
  }
  expect(sent).toHaveLength(1);
  const { event, data } = JSON.parse(sent[0]!) as { event: string; data: unknown };
  expect(event).toBe('exception');
  expect(sent[0]).not.toContain(CANARY);
  return { data, failed };
}

function fails(): never {
  throw new Error(CANARY);
}

/** Throws when it is read, and not when it is made. */
class UnreadableException extends WsException {
  readonly #error: () => object;
  constructor(error: () => object) {
    super('unreadable');
    this.#error = error;
  }
  override getError(): object {
    return this.#error();
  }
}

const circular: Record<string, unknown> = { message: { text: CANARY } };
circular.self = circular;

describe('WsAuthExceptionFilter (MS-06)', () => {
  beforeEach(() => Logger.overrideLogger(new MemoryLogger()));
  afterEach(() => Logger.overrideLogger(['log', 'error', 'warn']));

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['a text', CANARY],
    ['a number', 5],
    ['a promise', Promise.resolve(CANARY)],
    ['an object', { message: CANARY, code: 'mine' }],
    ['an Error with a cause', new Error(CANARY, { cause: { payload: CANARY } })],
    ['a Proxy that answers nothing', new Proxy({}, { get: fails, getPrototypeOf: fails, has: fails })],
    ['an object that is no text', { toString: fails, [Symbol.toPrimitive]: fails }],
    ['an object without prototype', Object.create(null)],
    ['a getter that throws', Object.defineProperty(new Error('x'), 'message', { get: fails })],
    [
      'a WsException whose error cannot be read',
      new UnreadableException(() => Object.defineProperty({}, 'message', { get: fails })),
    ],
    [
      'a WsException of a Proxy',
      new UnreadableException(() => new Proxy({}, { get: fails, has: fails, ownKeys: fails })),
    ],
    ['an HttpException without status', new HttpException(CANARY, undefined as never)],
    ['an HttpException of the server', new HttpException(CANARY, 500)],
    ['a gateway timeout', new HttpException({ message: CANARY }, 504)],
  ])('is internal for %s, and the client is told all the same', (_, thrown) => {
    expect(answerTo(thrown).data).toEqual(INTERNAL);
  });

  it.each<[string, unknown, object]>([
    ['a WsException', new WsException('full'), { code: 'bad_request', message: 'full' }],
    [
      'a WsException with a code and more',
      new WsException({ code: 'room_full', message: 'full', payload: CANARY, cause: circular }),
      { code: 'room_full', message: 'full' },
    ],
    ['a circular WsException', new WsException(circular), { code: 'bad_request', message: 'refused' }],
    ['a WsException of nothing', new WsException(null as never), { code: 'bad_request', message: 'refused' }],
    ['an HttpException', new ForbiddenException('no'), { code: 'forbidden', message: 'no' }],
    [
      'an HttpException with an object',
      new BadRequestException({ message: 'no', input: CANARY, error: CANARY }),
      { code: 'bad_request', message: 'no' },
    ],
    [
      'an HttpException whose message is an object',
      new BadRequestException(circular),
      { code: 'bad_request', message: 'Bad Request Exception' },
    ],
    [
      'an HttpException of nothing',
      new HttpException(null as never, 400),
      { code: 'bad_request', message: 'Http Exception' },
    ],
    [
      'a service that is away',
      new ServiceUnavailableException('later', { cause: CANARY }),
      { code: 'try_later', message: 'later' },
    ],
  ])('tells what an application meant its client to hear: %s', (_, thrown, told) => {
    expect(answerTo(thrown)).toEqual({ data: { status: 'error', event: 'say', ...told }, failed: false });
  });
});
