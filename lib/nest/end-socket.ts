import type { Ending } from '../core/connection.js';
import type { GuardedSocket } from './guarded-socket.js';
import { CONNECTION_KEY } from './ws-auth.constants.js';
import type { WsAuthEngine } from './ws-auth.engine.js';

/** Ends a socket by a decision of this library: fence, audit, Close; on a public gateway too. */
export function endSocket(engine: WsAuthEngine, socket: GuardedSocket, ending: Ending): void {
  const connection = socket[CONNECTION_KEY];
  const { publicConnection } = socket;
  if (connection) engine.connections.end(connection, ending);
  else if (publicConnection) engine.publicConnections.end(publicConnection, ending);
  else socket.close(ending.close.code, ending.close.word);
}
