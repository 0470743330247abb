// The core of a node with as many connections as it is told, and what each operation costs then.
import { makeCoreNode } from './core-node.mjs';
import { serve } from './serve.mjs';
import { sweepTicks } from './sweep-ticks.mjs';

const ENDED_WITHIN_MS = 10_000;
const node = makeCoreNode();
/** Those that stay. */
const residents = [];

serve(0, {
  fill: async ({ count }) => {
    for (let index = residents.length; index < count; index += 1)
      residents.push(await node.connect(`resident-${index}`));
    return node.size;
  },

  /** Nanoseconds of processor time for each operation; afterwards everything is as it was. */
  slice: async ({ round, count }) => {
    const users = Array.from({ length: count }, (_, index) => `visitor-${round}-${index}`);
    const visitors = [];
    const handshake = await timed(count, async () => {
      for (const user of users) visitors.push(await node.connect(user));
    });
    const picked = Array.from(
      { length: count * 10 },
      () => residents[(Math.random() * residents.length) | 0],
    );
    const message = await timed(picked.length, () => {
      for (const resident of picked)
        if (!node.mayReceive(resident)) throw new Error('a resident has been fenced');
    });
    const half = count / 2;
    const revocation = await timed(half, async () => {
      for (const user of users.slice(0, half)) await node.revoke(user);
      await ended(residents.length + half);
    });
    const goodbye = await timed(half, () => {
      for (const visitor of visitors.slice(half)) node.leave(visitor);
    });
    await ended(residents.length);
    return { handshake, message, revocation, goodbye };
  },

  sweep: (settings) => sweepTicks(settings),
});

/** Until no more than these are left: who is revoked is fenced at once, and what follows comes in turns. */
async function ended(left) {
  const end = performance.now() + ENDED_WITHIN_MS;
  while (node.size !== left) {
    if (performance.now() > end) throw new Error(`${node.size} connections are left, and not ${left}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function timed(count, work) {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1_000) / count;
}
