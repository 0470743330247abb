import type { ClientErrorCode } from './client-error.js';
import { byteLength } from './frame.js';

/** A message that waits for a connection. */
export interface Outgoing {
  readonly text: string;
  /** Called when the message is handed to a socket. */
  readonly onSent?: () => void;
  /** Called when it never will be. */
  readonly onDropped?: (why: ClientErrorCode) => void;
}

/** Messages that wait for a connection, in order. */
export interface OutgoingQueue {
  /** @returns false when all together would have more than `maxBytes` */
  add(message: Outgoing, maxBytes: number): boolean;
  /** Takes one out. */
  delete(message: Outgoing): void;
  /** Takes everything out, oldest first, and what is added meanwhile. @returns whether there was anything */
  drain(take: (message: Outgoing) => void): boolean;
}

/** An empty queue. */
export function outgoingQueue(): OutgoingQueue {
  const waiting = new Set<Outgoing>();
  let bytes = 0;
  const remove = (message: Outgoing): void => {
    if (waiting.delete(message)) bytes -= byteLength(message.text);
  };
  return {
    add(message, maxBytes) {
      const more = byteLength(message.text);
      if (bytes + more > maxBytes) return false;
      bytes += more;
      waiting.add(message);
      return true;
    },
    delete: remove,
    drain(take) {
      const hadAny = waiting.size > 0;
      for (const message of waiting) {
        remove(message);
        take(message);
      }
      return hadAny;
    },
  };
}
