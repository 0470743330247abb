import {
  createServer,
  type IncomingMessage,
  type Server as HttpServer,
  type ServerResponse,
} from 'node:http';
import { HandshakeRefused } from '../core/handshake/refusal.js';
import { writeRefusal } from './refusal-response.js';

/** A server for a gateway with a port of its own. It speaks nothing but handshakes. */
export function createPortServer(headersTimeoutMs: number): HttpServer {
  return createServer(
    {
      headersTimeout: headersTimeoutMs,
      requestTimeout: headersTimeoutMs * 1.5,
      connectionsCheckingInterval: Math.max(100, headersTimeoutMs / 2),
    },
    answerPlainRequest,
  );
}

/** Cuts who is connected and has asked for nothing yet: nobody may hold up an application that shuts down. */
export function closePortServer(server: HttpServer): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

function answerPlainRequest(_request: IncomingMessage, response: ServerResponse): void {
  const refusal = new HandshakeRefused('upgrade_required', 'plain_request', {
    headers: { Upgrade: 'websocket', 'Sec-WebSocket-Version': '13' },
  });
  if (response.socket) writeRefusal(response.socket, refusal, 'none');
}
