import type { Denial } from '../core/authorization/authorization-rules.js';
import type { ExceptionCode } from '../core/message/exception-frame.js';

/** A message that this library does not let through to its handler. */
export class MessageRefused extends Error {
  readonly code: ExceptionCode;

  constructor(code: ExceptionCode, message: string) {
    super(message);
    this.name = 'MessageRefused';
    this.code = code;
  }
}

/** What the client is told of a rule that does not hold: never which one, but for what it can do about it. */
export function refusalOf(denial: Denial): MessageRefused {
  if (denial === 'ended') return new MessageRefused('unauthorized', 'the connection has ended');
  if (denial === 'auth_age')
    return new MessageRefused('step_up_required', 'authenticate again, then repeat the message');
  return new MessageRefused('forbidden', 'not permitted');
}
