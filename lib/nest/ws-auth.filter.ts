import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Logger } from '@nestjs/common';
import { WsException } from '@nestjs/websockets';
import { exceptionFrame, type ExceptionData } from '../core/message/exception-frame.js';
import { MessageRefused } from './message-refused.js';
import { isFieldErrors, validationSentences } from './validation-sentences.js';

const CODE_OF_STATUS: Readonly<Record<number, ExceptionData['code']>> = {
  400: 'bad_request',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  409: 'conflict',
  429: 'rate_limited',
  503: 'try_later',
};

const INTERNAL: ExceptionData = { code: 'internal', message: 'internal error' };

/** What Nest throws when a guard says no. */
const NEST_FORBIDDEN = 'Forbidden resource';

/**
 * Answers whatever a handler, guard, pipe, policy or interceptor throws with one `exception` frame, the same on Nest 11
 * and 12. A text that the application wrote for its client is passed on; anything else is `internal`, and logged here. The
 * client's message is never repeated (requirement MS-06).
 *
 * It is on every `@WsAuth()` gateway, behind the filters of the application. To know errors of your own, extend it:
 *
 * ```ts
 * @Catch()
 * export class ChatExceptionFilter extends WsAuthExceptionFilter {
 *   protected override describe(exception: unknown, payload: unknown): ExceptionData | undefined {
 *     if (exception instanceof RoomFull) return { code: 'room_full', message: 'the room is full' };
 *     return super.describe(exception, payload);
 *   }
 * }
 * ```
 */
@Catch()
export class WsAuthExceptionFilter implements ExceptionFilter {
  readonly #logger = new Logger('WsAuth');

  catch(exception: unknown, host: ArgumentsHost): void {
    const ws = host.switchToWs();
    this.answer(exception, ws.getClient<object>(), ws.getData(), ws.getPattern());
  }

  /** @internal */
  answer(
    exception: unknown,
    client: { send?: (text: string) => void },
    data: unknown,
    pattern: unknown,
  ): void {
    const described = this.#tryDescribe(exception, data);
    client.send?.(
      exceptionFrame({
        ...(described ?? INTERNAL),
        ...(typeof pattern === 'string' ? { event: pattern } : {}),
      }),
    );
    // Last, because what is thrown may be anything, and a logger may stumble over it.
    if (!described) this.#logger.error(exception);
  }

  /** What is thrown may be anything: one that cannot even be looked at is internal. */
  #tryDescribe(exception: unknown, payload: unknown): ExceptionData | undefined {
    try {
      return this.describe(exception, payload);
    } catch (error) {
      this.#logger.error(error);
      return undefined;
    }
  }

  /**
   * What the client is told of an exception. What it returns is sent as it is.
   *
   * @param payload what the client has sent, so that nothing repeats it
   * @returns `undefined` for what nobody meant the client to hear of: it is `internal`, and logged
   */
  protected describe(exception: unknown, payload: unknown): ExceptionData | undefined {
    if (exception instanceof MessageRefused) return { code: exception.code, message: exception.message };
    if (exception instanceof WsException) return describeWsException(exception.getError(), payload);
    if (exception instanceof HttpException && isForClients(exception.getStatus()))
      return describeHttpException(exception, payload);
    return undefined;
  }
}

function isForClients(status: number): boolean {
  return status < 500 || status in CODE_OF_STATUS;
}

function describeWsException(error: unknown, payload: unknown): ExceptionData {
  if (typeof error === 'string')
    return { code: error === NEST_FORBIDDEN ? 'forbidden' : 'bad_request', message: error };
  if (isFieldErrors(error)) return describeFields('bad_request', error, payload);
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  return {
    code: typeof code === 'string' ? code : 'bad_request',
    message: typeof message === 'string' ? message : 'refused',
  };
}

function describeHttpException(exception: HttpException, payload: unknown): ExceptionData {
  const code = CODE_OF_STATUS[exception.getStatus()] ?? 'bad_request';
  const response = exception.getResponse();
  if (isFieldErrors(response)) return describeFields(code, response, payload);
  const messages: unknown =
    typeof response === 'object' ? (response as { message?: unknown } | null)?.message : response;
  if (Array.isArray(messages)) return describeFields(code, messages, payload);
  return { code, message: typeof messages === 'string' ? messages : exception.message };
}

function describeFields(
  code: ExceptionData['code'],
  found: readonly unknown[],
  payload: unknown,
): ExceptionData {
  return { code, message: 'validation failed', errors: validationSentences(found, payload) };
}
