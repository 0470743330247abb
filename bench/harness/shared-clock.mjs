const TRIES = 50;

/** By how much this process's own clock is behind the one that all processes of a machine share. Neither ever jumps. */
const OFFSET_MS = readOffset();

/** Milliseconds on a clock that all processes of a machine share, as `performance.now()` is not. */
export function sharedNow() {
  return performance.now() + OFFSET_MS;
}

/** Reads one clock between two looks at the other, until nothing has come between. */
function readOffset() {
  let closest = Infinity;
  let offset = 0;
  for (let tries = 0; tries < TRIES; tries += 1) {
    const before = performance.now();
    const shared = Number(process.hrtime.bigint()) / 1e6;
    const after = performance.now();
    if (after - before >= closest) continue;
    closest = after - before;
    offset = shared - (before + after) / 2;
  }
  return offset;
}
