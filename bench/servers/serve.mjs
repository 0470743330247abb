// What every server under measurement answers to the process that measures it.
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { performance, PerformanceObserver } from 'node:perf_hooks';
import { writeHeapSnapshot } from 'node:v8';
import { answerParent } from '../harness/answering.mjs';

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
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) gcMs += duration;
  }).observe({ entryTypes: ['gc'] });
  answerParent({ ...ANSWERS, ...answers });
  process.send({ port });
}

/** Several times, with turns of the loop between: what is freed may have held on to something else. */
async function collectGarbage() {
  for (let run = 0; run < 3; run += 1) {
    globalThis.gc();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
