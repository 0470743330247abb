// Says when the connections of this process were fenced, and how late its loop was meanwhile.
import { Connection } from '../../dist/esm/core/connection.js';
import { sharedNow } from '../harness/shared-clock.mjs';
import { startSampling, stopSampling } from './loop-delay.mjs';

/** In the order in which they were fenced. */
let fenced = [];
/** `{ upTo, at }`: so many were fenced by then. */
let stamps = [];
let stamped = 0;

const { fence, writeClose } = Connection.prototype;
Connection.prototype.fence = function (ending) {
  const isFirst = fence.call(this, ending);
  if (isFirst) fenced.push(this);
  return isFirst;
};

/**
 * To read the clock takes longer than to fence. So it is read once for all that are fenced together: when the first of them
 * is told. That is later than any of their fences.
 */
Connection.prototype.writeClose = function (code, reason) {
  if (stamped < fenced.length) {
    stamped = fenced.length;
    stamps.push({ upTo: stamped, at: sharedNow() });
  }
  writeClose.call(this, code, reason);
};

/** What a server answers that tells of its fences. */
export const FENCE_ANSWERS = {
  /** From now on, and nothing of before. */
  watchFences: () => {
    fenced = [];
    stamps = [];
    stamped = 0;
    startSampling();
  },

  /** How many there were, and when the last was. */
  fences: () => ({ count: stamped, last: stamps.at(-1)?.at, ...stopSampling() }),

  /** When each session was fenced. */
  fencesBySession: () => {
    let next = 0;
    return stamps.flatMap(({ upTo, at }) => {
      const together = fenced.slice(next, upTo).map(({ session }) => [session?.id, at]);
      next = upTo;
      return together;
    });
  },
};
