// Counts every timer of a process, from its start. `process.getActiveResourcesInfo()` leaves out those that do not keep the
// process alive, and those are what a library has. The count costs time and memory: figures of both are taken without it.
import { createHook } from 'node:async_hooks';

const timers = new Set();
createHook({
  init: (id, type) => {
    if (type === 'Timeout') timers.add(id);
  },
  destroy: (id) => {
    timers.delete(id);
  },
}).enable();
globalThis.countTimers = () => timers.size;
