import { SetMetadata } from '@nestjs/common';
import { WS_AUTH_CONCURRENCY } from '../ws-auth.constants.js';

/**
 * How many messages of one connection are handled at the same time, in place of `message.concurrency`. On a gateway, for
 * all its messages together. On a handler, for those of its event alone: they are in order with one another, and neither
 * wait for other events nor hold them up. `Infinity` is what Nest does by itself.
 *
 * @throws {WsAuthOptionsError} at boot, when it is neither a whole number of at least 1 nor `Infinity`
 */
export function WsConcurrency(count: number): MethodDecorator & ClassDecorator {
  return SetMetadata(WS_AUTH_CONCURRENCY, count) as MethodDecorator & ClassDecorator;
}
