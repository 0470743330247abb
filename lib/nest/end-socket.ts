import type { Connection, Ending } from '../core/connection.js';
import type { PublicConnection } from '../core/lifetime/public-connections.js';
import { CONNECTION_KEY } from './ws-auth.constants.js';
import type { WsAuthEngine } from './ws-auth.engine.js';

/** A socket with whoever is behind it. */
export interface EndableSocket {
  readonly [CONNECTION_KEY]: Connection | undefined;
  readonly publicConnection: PublicConnection | undefined;
  close(code?: number, reason?: string): void;
}

/** Ends a socket by a decision of this library: fence, audit, Close; on a public gateway too. */
export function endSocket(engine: WsAuthEngine, socket: EndableSocket, ending: Ending): void {
  const connection = socket[CONNECTION_KEY];
  const { publicConnection } = socket;
  if (connection) engine.connections.end(connection, ending);
  else if (publicConnection) engine.publicConnections.end(publicConnection, ending);
  else socket.close(ending.close.code, ending.close.word);
}
