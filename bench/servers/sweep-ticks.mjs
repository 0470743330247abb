// The sweep of a node: the wheel with the watch of each connection, by a clock that is set forward tick by tick.
import { DeadlineWheel } from '../../dist/esm/core/lifetime/deadline-wheel.js';
import { Lifetime } from '../../dist/esm/core/lifetime/lifetime.js';
import { resolveOptions } from '../../dist/esm/core/options.js';
import { percentiles } from '../harness/percentiles.mjs';
import { guardedOptions } from './guarded-options.mjs';

const TICK_MS = 50;
/** Connections come evenly over this time, and each of them is pinged in it once. */
const FILL_MS = 30_000;
const MESSAGES_PER_TICK = 1_000;

/**
 * Milliseconds of a tick with so many connections, of which 20,000 a second send a message. A ping is noted and written
 * nowhere; its answer comes before the next tick.
 */
export function sweepTicks({ connections, ticks }) {
  let now = 1_000_000;
  const clock = () => 1_700_000_000_000 + now;
  const wheel = new DeadlineWheel({ now: () => now, tickMs: TICK_MS });
  const { lifetime: limits } = resolveOptions({ ...guardedOptions(), lifetime: {} }, { production: false });
  const lifetime = new Lifetime({ limits, wheel, clock, monotonic: () => now });
  const counts = { pings: 0, revalidations: 0, ended: 0 };
  let unanswered = [];
  const owner = {
    applyDue: (socket, due) => {
      if (due === 'revalidate') counts.revalidations += 1;
      else if (due !== 'expiring') counts.ended += 1;
    },
  };
  const sockets = [];
  const add = () => {
    const socket = {
      isOpen: true,
      openedAt: clock(),
      lastMessageAfterMs: 0,
      transport: {
        isReadingPaused: false,
        ping: (payload) => {
          counts.pings += 1;
          unanswered.push({ socket, payload });
        },
      },
    };
    socket.watch = lifetime.watch(socket, owner);
    socket.watch.allowUntil(clock() + 3_600_000);
    sockets.push(socket);
  };
  const tick = () => {
    now += TICK_MS;
    const begin = performance.now();
    wheel.sweep();
    const ms = performance.now() - begin;
    for (const { socket, payload } of unanswered) socket.watch.pong(payload);
    unanswered = [];
    for (let count = 0; count < MESSAGES_PER_TICK; count += 1) {
      const socket = sockets[(Math.random() * sockets.length) | 0];
      socket.lastMessageAfterMs = clock() - socket.openedAt;
    }
    return ms;
  };
  const perTick = Math.ceil((connections * TICK_MS) / FILL_MS);
  while (sockets.length < connections) {
    for (let count = 0; count < perTick && sockets.length < connections; count += 1) add();
    tick();
  }
  Object.assign(counts, { pings: 0, revalidations: 0, ended: 0 });
  const tickMs = percentiles(Array.from({ length: ticks }, tick));
  if (counts.ended > 0) throw new Error(`${counts.ended} connections were ended by the sweep`);
  return { connections, ticks, tickMs, ...counts };
}
