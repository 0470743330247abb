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
  delete(message: Outgoing): void;
  /** Takes everything out, oldest first. */
  takeAll(): Outgoing[];
}

/** An empty queue. */
export function outgoingQueue(): OutgoingQueue {
  let waiting: Outgoing[] = [];
  return {
    add(message, maxBytes) {
      const all = [...waiting, message];
      if (byteLength(all.map(({ text }) => text).join('')) > maxBytes) return false;
      waiting = all;
      return true;
    },
    delete(message) {
      waiting = waiting.filter((other) => other !== message);
    },
    takeAll: () => waiting.splice(0),
  };
}
