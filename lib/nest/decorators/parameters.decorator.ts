import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Connection, Handshake } from '../../core/connection.js';
import type { Principal } from '../../core/principal.js';
import type { Session } from '../../core/session/session.js';
import { callerOf } from '../http-caller.js';
import { wsConnection } from '../ws-connection.js';

/**
 * The principal of the connection, as of this message; in an HTTP handler behind `WsAuthHttpGuard`, that of the request.
 * With a key, that part of it: `@WsPrincipal('id') userId: string`.
 */
export const WsPrincipal = createParamDecorator<keyof Principal | undefined>((key, context) => {
  const principal = isHttp(context)
    ? callerOf(context.switchToHttp().getRequest()).principal
    : connectionOf(context).principal;
  return key === undefined ? principal : principal[key];
});

/** The session behind the connection or the request, or `undefined` for a credential without one. */
export const WsSession = createParamDecorator<undefined, Session | undefined>((_, context) => {
  return isHttp(context)
    ? callerOf(context.switchToHttp().getRequest()).session
    : connectionOf(context).session;
});

/** The handshake of the connection: path, origin, address, subprotocol; never a credential. */
export const WsHandshake = createParamDecorator<undefined, Handshake>(
  (_, context) => connectionOf(context).handshake,
);

/** The connection itself. */
export const WsConnection = createParamDecorator<undefined, Connection>((_, context) =>
  connectionOf(context),
);

function isHttp(context: ExecutionContext): boolean {
  return context.getType() === 'http';
}

function connectionOf(context: ExecutionContext): Connection {
  return wsConnection(context.switchToWs().getClient<object>());
}
