import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { MessageRefused } from './message-refused.js';
import { findConnection } from './ws-connection.js';

/**
 * Looks once more whether the connection is open, after the guards: one of them may have waited, and what was revoked
 * meanwhile must not reach the handler (requirement SE-02).
 */
@Injectable()
export class WsAuthInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const connection = findConnection(context.switchToWs().getClient());
    if (!connection?.isOpen) throw new MessageRefused('unauthorized', 'the connection has ended');
    return next.handle();
  }
}
