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
