import type { Connection } from '../core/connection.js';
import { WsAuthError } from '../core/errors.js';
import { CONNECTION_KEY } from './ws-auth.constants.js';

/**
 * The connection of a client that a gateway was given: who it acts for, its session and its handshake.
 *
 * @param client what `handleConnection`, `@ConnectedSocket()` or `server.clients` hands out
 * @throws {WsAuthError} when the client was not authenticated by this library: its gateway is public, or another adapter made it
 */
export function wsConnection(client: object): Connection {
  const connection = findConnection(client);
  if (connection) return connection;
  throw new WsAuthError(
    'handshake_refused',
    'this client has no connection of nestjs-ws-auth: is its gateway marked @WsPublic(), or made by another adapter?',
  );
}

/** @internal the connection of a client, or `undefined` for one of a public gateway */
export function findConnection(client: unknown): Connection | undefined {
  if (typeof client !== 'object' || client === null) return undefined;
  return (client as { [CONNECTION_KEY]?: Connection })[CONNECTION_KEY];
}
