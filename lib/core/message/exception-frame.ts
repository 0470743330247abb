import { frame } from './envelope.js';

/** The codes that an `exception` frame can have when the library makes it. An application may send codes of its own. */
export type ExceptionCode =
  | 'bad_message'
  | 'unknown_event'
  | 'forbidden'
  | 'step_up_required'
  | 'bad_request'
  | 'unauthorized'
  | 'not_found'
  | 'conflict'
  | 'rate_limited'
  | 'try_later'
  | 'internal';

/** What an `exception` frame says. It never repeats the client's input, and says nothing of the server's insides. */
export interface ExceptionData {
  readonly code: ExceptionCode | (string & {});
  readonly message: string;
  /** The event that failed, where one is known. */
  readonly event?: string;
  /** One sentence for each field that was refused, as a validation pipe writes them. */
  readonly errors?: readonly string[];
  readonly retryAfterMs?: number;
}

/** The frame that answers a message which failed: one shape, whatever was thrown (requirement MS-06). */
export function exceptionFrame(data: ExceptionData): string {
  const { code, message, event, errors, retryAfterMs } = data;
  return frame('exception', {
    status: 'error',
    code,
    message,
    ...(event === undefined ? {} : { event }),
    ...(errors === undefined ? {} : { errors }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs: Math.ceil(retryAfterMs) }),
  });
}
