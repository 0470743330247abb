import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Logger } from '@nestjs/common';
import { WsException } from '@nestjs/websockets';
import { exceptionFrame, type ExceptionData } from '../core/message/exception-frame.js';
import { MessageRefused } from './message-refused.js';

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
 * Answers whatever a handler, guard, pipe or interceptor throws with one `exception` frame, the same on Nest 11 and 12. A
 * text that the application wrote for its client is passed on; anything else is `internal`, and logged here. The client's
 * message is never repeated (requirement MS-06).
 */
@Catch()
export class WsAuthExceptionFilter implements ExceptionFilter {
  readonly #logger = new Logger('WsAuth');

  catch(exception: unknown, host: ArgumentsHost): void {
    const client = host.switchToWs().getClient<{ send?: (text: string) => void }>();
    const refusal = describeRefusal(exception);
    const pattern: unknown = host.switchToWs().getPattern();
    client.send?.(
      exceptionFrame({
        ...(refusal ?? INTERNAL),
        ...(typeof pattern === 'string' ? { event: pattern } : {}),
      }),
    );
    // Last, because what is thrown may be anything, and a logger may stumble over it.
    if (!refusal) this.#logger.error(exception);
  }
}

/** @returns `undefined` for what nobody meant the client to hear of */
function describeRefusal(exception: unknown): ExceptionData | undefined {
  if (exception instanceof MessageRefused) return { code: exception.code, message: exception.message };
  if (exception instanceof WsException) return describeWsException(exception.getError());
  if (exception instanceof HttpException && isForClients(exception.getStatus()))
    return describeHttpException(exception);
  return undefined;
}

function isForClients(status: number): boolean {
  return status < 500 || status in CODE_OF_STATUS;
}

function describeWsException(error: unknown): ExceptionData {
  if (typeof error === 'string')
    return { code: error === NEST_FORBIDDEN ? 'forbidden' : 'bad_request', message: error };
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  return {
    code: typeof code === 'string' ? code : 'bad_request',
    message: typeof message === 'string' ? message : 'refused',
  };
}

function describeHttpException(exception: HttpException): ExceptionData {
  const code = CODE_OF_STATUS[exception.getStatus()] ?? 'bad_request';
  const response = exception.getResponse();
  const messages: unknown =
    typeof response === 'object' ? (response as { message?: unknown }).message : response;
  if (!Array.isArray(messages))
    return { code, message: typeof messages === 'string' ? messages : exception.message };
  return {
    code,
    message: 'validation failed',
    errors: messages.filter((entry) => typeof entry === 'string'),
  };
}
