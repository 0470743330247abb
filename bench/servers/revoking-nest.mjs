// This library with everything on, asked to create and to revoke. In memory, or with BENCH_REDIS_URL in that Redis.
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { WsAuth, WsAuthAdapter, WsAuthModule, WsSessionService, WsTicketService } from 'nestjs-ws-auth';
import { ORIGIN } from '../load/credentials.mjs';
import { sharedNow } from '../harness/shared-clock.mjs';
import { makeEchoGateway } from './echo-gateway.mjs';
import { FENCE_ANSWERS } from './fence-watch.mjs';
import { guardedOptions } from './guarded-options.mjs';
import { serve } from './serve.mjs';

const CREATING_AT_ONCE = 32;
const MOST_TRIES = 10;
const RETRY_MS = 1_000;

class RevokingModule {}
const app = await NestFactory.create({
  module: RevokingModule,
  imports: [WsAuthModule.forRoot({ ...guardedOptions(), credentials: ['bearer', 'cookie', 'ticket'] })],
  providers: [makeEchoGateway(WsAuth())],
});
app.useWebSocketAdapter(new WsAuthAdapter(app));
await app.listen(0, '127.0.0.1');
const sessions = app.get(WsSessionService);
const tickets = app.get(WsTicketService);
/** The tokens of all sessions that were created and not picked. */
const known = [];

serve(app.getHttpServer().address().port, {
  ...FENCE_ANSWERS,

  /** Creates so many users with so many sessions each. The sessions go by `{ id, token }` where they are wanted. */
  createSessions: async ({ users, perUser = 1, name = 'user', isKept = false }) => {
    const inits = Array.from({ length: users * perUser }, (_, index) => ({
      userId: `${name}-${Math.floor(index / perUser)}`,
      roles: ['member'],
    }));
    const created = await inSlices(inits, async (init) => {
      const { session, token } = await patiently(() => sessions.create(init));
      return { id: session.id, token };
    });
    if (!isKept) return created;
    for (const session of created) known.push(session);
  },

  /** Takes so many of the kept sessions, from all over the store. */
  pickSessions: ({ count }) =>
    Array.from({ length: count }, () => {
      const index = Math.floor(Math.random() * known.length);
      const picked = known[index];
      known[index] = known.at(-1);
      known.pop();
      return picked;
    }),

  issueTickets: ({ sessions: ids }) =>
    inSlices(ids, async (session) => (await tickets.issue({ session, origin: ORIGIN, path: '/ws' })).ticket),

  touch: ({ sessions: ids }) => inSlices(ids, (id) => sessions.touch(id)),

  /** Revokes at once, and answers when all nodes have complied. */
  revoke: async ({ selector }) => {
    const startedAt = sharedNow();
    const { sockets, nodes, pending } = await sessions.revoke(selector);
    return { startedAt, answeredAt: sharedNow(), sockets, nodes, pending };
  },

  /** Revokes one session after the other, whether the one before has been answered or not. */
  revokeEach: async ({ sessions: ids, everyMs }) => {
    const revocations = [];
    for (const id of ids) {
      const startedAt = sharedNow();
      revocations.push(
        sessions.revoke({ session: id }).then(({ sockets, nodes, pending }) => {
          return { session: id, startedAt, answeredAt: sharedNow(), sockets, nodes, pending };
        }),
      );
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
    return Promise.all(revocations);
  },

  /** Revokes sessions as fast as they are answered, so many at a time. @returns the milliseconds that it took */
  revokeAll: async ({ sessions: ids, atOnce = 8 }) => {
    const begin = performance.now();
    await inSlices(ids, (session) => sessions.revoke({ session }), atOnce);
    return performance.now() - begin;
  },
});

/** What is there before a measure begins may take its time: a machine that does other things makes the store slow. */
async function patiently(work) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (error.code !== 'store_unavailable' || tries === MOST_TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

async function inSlices(items, work, atOnce = CREATING_AT_ONCE) {
  const results = [];
  for (let start = 0; start < items.length; start += atOnce)
    results.push(...(await Promise.all(items.slice(start, start + atOnce).map(work))));
  return results;
}
