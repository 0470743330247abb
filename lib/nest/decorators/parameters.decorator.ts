import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Connection, Handshake } from '../../core/connection.js';
import type { Principal } from '../../core/principal.js';
import type { Session } from '../../core/session/session.js';
import type { Caller } from '../../core/session/caller-authenticator.js';
import { callerOf } from '../http-caller.js';
import { wsConnection } from '../ws-connection.js';

/** Finds the value of a parameter for a message. */
type ConnectionReader = (key: unknown, connection: Connection) => unknown;

/** By the factory that Nest calls in its pipeline. */
const READERS = new Map<unknown, ConnectionReader>();

/**
 * The principal of the connection, as of this message; in an HTTP handler behind `WsAuthHttpGuard`, that of the request.
 * With a key, that part of it: `@WsPrincipal('id') userId: string`.
 */
export const WsPrincipal = parameter<keyof Principal | undefined, unknown>(readPrincipal, readPrincipal);

/** The session behind the connection or the request, or `undefined` for a credential without one. */
export const WsSession = parameter<undefined, Session | undefined>(readSession, readSession);

/** The handshake of the connection: path, origin, address, subprotocol; never a credential. */
export const WsHandshake = parameter<undefined, Handshake>((_, { handshake }) => handshake);

/** The connection itself. */
export const WsConnection = parameter<undefined, Connection>((_, connection) => connection);

/** @internal what reads a parameter without Nest, where `factory` is one of ours */
export function connectionParameterOf(
  factory: unknown,
  key: unknown,
): ((client: object) => unknown) | undefined {
  const read = READERS.get(factory);
  return read && ((client) => read(key, wsConnection(client)));
}

function parameter<Key, Value>(
  ofConnection: (key: Key, connection: Connection) => Value,
  ofCaller?: (key: Key, caller: Caller) => Value,
) {
  const factory = (key: Key, context: ExecutionContext): Value => {
    if (ofCaller && context.getType() === 'http')
      return ofCaller(key, callerOf(context.switchToHttp().getRequest()));
    return ofConnection(key, wsConnection(context.switchToWs().getClient<object>()));
  };
  READERS.set(factory, ofConnection as ConnectionReader);
  return createParamDecorator<Key, Value>(factory);
}

/** Of a connection and of the caller of a request alike. */
function readPrincipal(key: keyof Principal | undefined, { principal }: Pick<Caller, 'principal'>): unknown {
  return key === undefined ? principal : principal[key];
}

function readSession(
  _: undefined,
  { session }: { readonly session: Session | undefined },
): Session | undefined {
  return session;
}
