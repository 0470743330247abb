import {
  Catch,
  UnprocessableEntityException,
  UseFilters,
  UsePipes,
  ValidationPipe,
  type Type,
} from '@nestjs/common';
import { Type as Nested } from 'class-transformer';
import { IsInt, IsString, MinLength, ValidateNested } from 'class-validator';
import { MessageBody, SubscribeMessage, WebSocketGateway, WsException } from '@nestjs/websockets';
import { afterEach, describe, expect, it } from 'vitest';
import { type ExceptionData, WsAuth, WsAuthExceptionFilter } from '../../lib/index.js';
import { startApp, type TestApp } from '../support/app.js';
import { RawClient } from '../support/raw-client.js';

/** What no frame may repeat. */
const CANARY = 'canary-7f3a';

class Part {
  @IsInt()
  size!: number;
}

class Note {
  @IsString({ message: 'title must be a text, not $value' })
  @MinLength(3)
  title!: string;

  @ValidateNested({ each: true })
  @Nested(() => Part)
  parts: Part[] = [];
}

const open: TestApp[] = [];
const clients: RawClient[] = [];

async function connect(gateway: Type): Promise<RawClient> {
  const test = await startApp({ gateways: [gateway] });
  open.push(test);
  const client = await RawClient.open(test.port, { headers: { Authorization: `Bearer ${test.token()}` } });
  clients.push(client);
  await client.upgraded();
  await client.messageOf('auth.ok');
  return client;
}

function gatewayWith(pipe: ValidationPipe): Type {
  @WsAuth()
  @WebSocketGateway({ path: '/ws' })
  class NoteGateway {
    @UsePipes(pipe)
    @SubscribeMessage('note')
    note(@MessageBody() note: Note) {
      return { event: 'noted', data: note.title };
    }
  }
  // What the compiler writes for a handler with types, and the one of these tests does not.
  Reflect.defineMetadata('design:paramtypes', [Note], NoteGateway.prototype, 'note');
  return NoteGateway;
}

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const test of open.splice(0)) await test.discard();
});

describe('MS-06: what ValidationPipe refuses', () => {
  const flags = { whitelist: true, forbidNonWhitelisted: true, transform: true };

  it.each([
    ['as it is', new ValidationPipe(flags)],
    ['with another status', new ValidationPipe({ ...flags, errorHttpStatusCode: 422 })],
    [
      'with a factory of WsException',
      new ValidationPipe({ ...flags, exceptionFactory: (errors) => new WsException(errors) }),
    ],
    [
      'with a factory of an HttpException of the raw errors',
      new ValidationPipe({
        ...flags,
        exceptionFactory: (errors) => new UnprocessableEntityException(errors),
      }),
    ],
  ])('is told field by field, and repeats nothing: %s', async (_, pipe) => {
    const client = await connect(gatewayWith(pipe));
    client.send('note', { title: 'ab', parts: [{ size: 1 }, { size: 'no number' }] });
    const { data } = await client.message();
    expect(data).toEqual({
      status: 'error',
      code: 'bad_request',
      message: 'validation failed',
      event: 'note',
      errors: [
        'title must be longer than or equal to 3 characters',
        'parts.1.size must be an integer number',
      ],
    });
    client.send('note', { title: [CANARY], [CANARY]: 1, parts: [{ size: 1, [CANARY]: CANARY }] });
    const echo = await client.message();
    expect(JSON.stringify(echo)).not.toContain(CANARY);
    expect(echo.data.code).toBe('bad_request');
    expect(echo.data.errors).toContain('a property should not exist');
    client.send('note', { title: 'fine' });
    expect(await client.message()).toEqual({ event: 'noted', data: 'fine' });
  });
});

describe('WsAuthExceptionFilter', () => {
  class RoomFull extends Error {}

  @Catch()
  class ChatExceptionFilter extends WsAuthExceptionFilter {
    protected override describe(exception: unknown, payload: unknown): ExceptionData | undefined {
      if (exception instanceof RoomFull)
        return { code: 'room_full', message: 'the room is full', retryAfterMs: 10 };
      return super.describe(exception, payload);
    }
  }

  @WsAuth()
  @UseFilters(ChatExceptionFilter)
  @WebSocketGateway({ path: '/ws' })
  class RoomGateway {
    @SubscribeMessage('join')
    join() {
      throw new RoomFull();
    }
    @SubscribeMessage('leave')
    leave() {
      throw new WsException('not inside');
    }
    @SubscribeMessage('break')
    break() {
      throw new Error(CANARY);
    }
  }

  it('can be extended by errors of the application, and answers all others as before', async () => {
    const client = await connect(RoomGateway);
    const answers: Record<string, unknown> = {};
    for (const event of ['join', 'leave', 'break']) {
      client.send(event);
      answers[event] = (await client.message()).data;
    }
    expect(answers).toEqual({
      join: {
        status: 'error',
        code: 'room_full',
        message: 'the room is full',
        event: 'join',
        retryAfterMs: 10,
      },
      leave: { status: 'error', code: 'bad_request', message: 'not inside', event: 'leave' },
      break: { status: 'error', code: 'internal', message: 'internal error', event: 'break' },
    });
  });
});
