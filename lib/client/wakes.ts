import type { Host } from './host.js';

/** `slept`: the machine or the page stood still, and whatever was connected is doubtful. */
export type Wake = 'visible' | 'online' | 'slept';

const TICK_MS = 30_000;
/** Timers of a page in the background run once a minute: only a longer silence is a sleep. */
const SLEEP_MS = 120_000;

/**
 * Tells when a page is looked at again, has a network again, comes back from the back/forward cache, or wakes from a sleep,
 * which the wall clock shows by a jump.
 *
 * @returns ends the watch
 */
export function watchWakes(host: Host, onWake: (wake: Wake) => void): () => void {
  const { globals } = host;
  const watch = new AbortController();
  let last = host.now();
  let cancel = (): void => {};
  /** The jump of the clock, if there is one, says more than the event. */
  const wake = (event?: Wake): void => {
    const passed = host.now() - last;
    last = host.now();
    if (passed > SLEEP_MS) onWake('slept');
    else if (event) onWake(event);
  };
  const tick = (): void => {
    cancel = host.after(TICK_MS, tick, true);
    wake();
  };
  tick();
  globals.document?.addEventListener('visibilitychange', () => isVisible(host) && wake('visible'), watch);
  globals.addEventListener?.('online', () => wake('online'), watch);
  globals.addEventListener?.('pageshow', ({ persisted }) => persisted && wake('slept'), watch);
  return () => {
    cancel();
    watch.abort();
  };
}

/** Whether a person may look at the page. A process without a page has no other way to say that it wants the connection. */
export function isVisible(host: Host): boolean {
  return host.globals.document?.visibilityState !== 'hidden';
}
