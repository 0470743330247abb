import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { MessageRefused } from './message-refused.js';
import { findConnection } from './ws-connection.js';

/**
 * The last guard of every handler of a `@WsAuth()` gateway. It looks once more whether the connection is open: a guard
 * before it may have waited, and what was revoked meanwhile must not reach the handler (requirement SE-02).
 *
 * Not checked: what an interceptor or a pipe behind it waits for.
 */
@Injectable()
export class WsAuthFenceGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const connection = findConnection(context.switchToWs().getClient());
    // Without a connection it is a handler that a gateway of another kind inherits.
    if (connection?.isOpen === false) throw new MessageRefused('unauthorized', 'the connection has ended');
    return true;
  }
}
