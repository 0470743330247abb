const TICK_MS = 10;

/**
 * Measures how long something took of which this process was awake: the time that it stood still, on a machine with more
 * to do, is nobody's wait.
 */
export async function awakeMs(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  let last = began;
  let stoodStill = 0;
  const look = (): void => {
    const now = performance.now();
    stoodStill += Math.max(0, now - last - 2 * TICK_MS);
    last = now;
  };
  const ticks = setInterval(look, TICK_MS);
  await work();
  clearInterval(ticks);
  look();
  return performance.now() - began - stoodStill;
}
