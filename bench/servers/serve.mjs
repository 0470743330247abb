// What every server under measurement answers to the process that measures it.
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { performance, PerformanceObserver } from 'node:perf_hooks';
import { writeHeapSnapshot } from 'node:v8';

let gcMs = 0;
let profiler;

const ANSWERS = {
  usage: () => ({ cpu: process.cpuUsage(), gcMs, busyMs: performance.eventLoopUtilization().active }),
  memory: async () => {
    await collectGarbage();
    const { heapUsed, rss, external } = process.memoryUsage();
    return { heapUsed, rss, external };
  },
  collect: () => globalThis.gc(),
  snapshot: ({ file }) => void writeHeapSnapshot(file),
  timers: () => ({
    referenced: process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length,
    all: globalThis.countTimers?.() ?? null,
  }),
  loop: () => performance.eventLoopUtilization(),
  startProfile: async () => {
    profiler = new Session();
    profiler.connect();
    await profiler.post('Profiler.enable');
    await profiler.post('Profiler.setSamplingInterval', { interval: 200 });
    await profiler.post('Profiler.start');
  },
  stopProfile: async ({ file }) => {
    const { profile } = await profiler.post('Profiler.stop');
    profiler.disconnect();
    writeFileSync(file, JSON.stringify(profile));
  },
};

/**
 * Tells the parent where the server listens, and answers its questions until it lets go.
 *
 * @param answers what this server can be asked besides
 */
export function serve(port, answers = {}) {
  const all = { ...ANSWERS, ...answers };
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) gcMs += duration;
  }).observe({ entryTypes: ['gc'] });
  process.on('message', async ({ id, ask, ...details }) => {
    try {
      process.send({ id, answer: (await all[ask](details)) ?? null });
    } catch (error) {
      process.send({ id, error: error.message });
    }
  });
  process.on('disconnect', () => process.exit());
  process.send({ port });
}

/** Twice, with turns of the loop between: what the first run frees may hold on to something else. */
async function collectGarbage() {
  for (let run = 0; run < 3; run += 1) {
    globalThis.gc();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
