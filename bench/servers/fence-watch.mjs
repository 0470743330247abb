// Says when the connections of this process were fenced, and how late its loop was meanwhile.
import { Connection } from '../../dist/esm/core/connection.js';
import { sharedNow } from '../harness/shared-clock.mjs';
import { startSampling, stopSampling } from './loop-delay.mjs';

let fenced = [];
let times = [];

const { fence } = Connection.prototype;
Connection.prototype.fence = function (ending) {
  const isFirst = fence.call(this, ending);
  if (isFirst) {
    times.push(sharedNow());
    fenced.push(this);
  }
  return isFirst;
};

/** What a server answers that tells of its fences. */
export const FENCE_ANSWERS = {
  /** From now on, and nothing of before. */
  watchFences: () => {
    fenced = [];
    times = [];
    startSampling();
  },

  /** How many there were, and when the first and the last were. */
  fences: () => ({ count: times.length, first: times[0], last: times.at(-1), ...stopSampling() }),

  /** When each session was fenced. */
  fencesBySession: () => fenced.map(({ session }, index) => [session?.id, times[index]]),
};
