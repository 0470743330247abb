import { monotonicClock } from '../clock.js';

/** How much of the window each connection adds, until the window is full. */
const WINDOW_PER_CONNECTION_MS = 20;
const TURN_MS = 10;

/** Something that a draining node closes. */
export interface Drainable {
  /** False when it has gone, or is going, by itself. */
  readonly isOpen: boolean;
  close(): void;
}

/** The time over which a node with so many connections closes them. */
export function drainWindowMs(connections: number, longestMs: number): number {
  return Math.min(longestMs, connections * WINDOW_PER_CONNECTION_MS);
}

/**
 * Closes everything, evenly spread over the window, so that the clients do not come back all at once (requirement LT-07).
 * What has gone meanwhile takes no time. Never rejects: one that cannot be closed keeps no other from being closed.
 *
 * @returns when the last was closed
 */
export function spreadCloses(
  drainables: readonly Drainable[],
  windowMs: number,
  onError: (error: unknown) => void,
): Promise<void> {
  return new Promise((resolve) => {
    const startedAt = monotonicClock();
    let next = 0;
    let closed = 0;
    const closeNext = (): void => {
      closed += 1;
      try {
        drainables[next]!.close();
      } catch (error) {
        onError(error);
      }
    };
    const turn = (): void => {
      const elapsedMs = monotonicClock() - startedAt;
      const due = elapsedMs >= windowMs ? Infinity : 1 + (elapsedMs / windowMs) * drainables.length;
      for (; next < drainables.length; next += 1) {
        if (!drainables[next]!.isOpen) continue;
        if (closed + 1 > due) {
          setTimeout(turn, TURN_MS);
          return;
        }
        closeNext();
      }
      resolve();
    };
    turn();
  });
}
