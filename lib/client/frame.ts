/** A message as both sides write it: Nest's envelope. */
export interface Frame {
  readonly event: string;
  readonly data: unknown;
}

/** Why something was dropped: a frame of the server's, or messages that waited for a connection. */
export type DropReason =
  /** A frame over `maxFrameBytes`. */
  | 'too_big'
  /** Binary, not JSON, no envelope, or a frame of the application before `auth.ok`. */
  | 'malformed'
  /** Queued messages of a session that the new connection does not belong to. */
  | 'other_session'
  /** Queued messages, when the client has stopped. */
  | 'closed';

/** How many bytes a text has in UTF-8. */
export function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

/**
 * Checks the size and the shape of an inbound frame. What is in `data` is not checked: that is the application's.
 */
export function readFrame(message: unknown, maxBytes: number): Frame | DropReason {
  if (typeof message !== 'string') return 'malformed';
  // A character takes at most 3 bytes: most lengths tell without counting.
  if (message.length * 3 > maxBytes && byteLength(message) > maxBytes) return 'too_big';
  try {
    const { event, data } = JSON.parse(message) as { event: unknown; data: unknown };
    if (typeof event === 'string' && event && event.length <= 128) return { event, data };
  } catch {
    // Not JSON, or null.
  }
  return 'malformed';
}

/** A frame as text. */
export function writeFrame(event: string, data: unknown): string {
  return JSON.stringify({ event, data });
}

/** The fields of a frame's data; none, when it has no fields. */
export function fieldsOf<T extends object>(data: unknown): Partial<T> {
  return typeof data === 'object' && data ? data : {};
}
