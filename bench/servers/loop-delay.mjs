// The longest time for which the loop of this process came to nothing else: a timer that is due every millisecond, and by how
// much it was late.
const TICK_MS = 1;
let worstMs = 0;
let sampler;

export function startSampling() {
  clearInterval(sampler);
  worstMs = 0;
  let last = performance.now();
  sampler = setInterval(() => {
    const now = performance.now();
    worstMs = Math.max(worstMs, now - last - TICK_MS);
    last = now;
  }, TICK_MS);
}

export function stopSampling() {
  clearInterval(sampler);
  return { loopDelayMs: worstMs };
}
