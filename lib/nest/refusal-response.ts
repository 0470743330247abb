import { STATUS_CODES, validateHeaderName, validateHeaderValue } from 'node:http';
import type { Duplex } from 'node:stream';
import type { HandshakeRefused } from '../core/handshake/refusal.js';

/** How long a refused socket may linger, so that the peer can read the answer. */
const LINGER_MS = 1_000;

/**
 * Writes one whole HTTP response for a refused handshake and ends the socket; after a second it is destroyed whatever the
 * peer does. Nothing else that the peer sent is looked at (requirement HS-14).
 *
 * @see RFC 9457 (problem details), RFC 9112 §9.6
 */
export function writeRefusal(socket: Duplex, refusal: HandshakeRefused, correlationId: string): void {
  if (socket.destroyed || !socket.writable) {
    socket.destroy();
    return;
  }
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
  // Unread input would turn the end into a reset, which can take the answer from the peer.
  socket.resume();
  socket.end(formatRefusal(refusal, correlationId));
}

/** The bytes of the response. */
function formatRefusal(refusal: HandshakeRefused, correlationId: string): string {
  const { status, title, refusal: code, retryAfterMs } = refusal;
  const body = JSON.stringify({ type: 'about:blank', title, status, code, correlationId });
  const headers: Record<string, string | readonly string[]> = {
    Connection: 'close',
    'Content-Type': 'application/problem+json',
    'Content-Length': String(Buffer.byteLength(body)),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...(retryAfterMs === undefined
      ? {}
      : { 'Retry-After': String(Math.max(1, Math.ceil(retryAfterMs / 1_000))) }),
    ...refusal.headers,
  };
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? title}`];
  for (const [name, value] of Object.entries(headers)) {
    for (const single of Array.isArray(value) ? (value as readonly string[]) : [value as string]) {
      validateHeaderName(name);
      validateHeaderValue(name, single);
      lines.push(`${name}: ${single}`);
    }
  }
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}
