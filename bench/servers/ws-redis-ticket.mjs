// ws and one-time tickets by hand: GETDEL spends the ticket, HMGET reads its session. No limits, no revocation, no registry.
import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { serveAuthenticated } from './ws-before-upgrade.mjs';

const TICKET_SECONDS = 60;
const SESSION_SECONDS = 1_800;
const prefix = process.env.BENCH_REDIS_PREFIX;
const redis = new Redis(process.env.BENCH_REDIS_URL);

serveAuthenticated(
  async ({ url }) => {
    const ticket = new URLSearchParams(url.split('?')[1]).get('ticket');
    const session = await redis.getdel(`${prefix}ticket:${ticket}`);
    if (!session) return undefined;
    const [user, roles] = await redis.hmget(`${prefix}session:${session}`, 'user', 'roles');
    return user && { user, roles };
  },
  {
    credentials: async ({ first, count }) => {
      const tickets = Array.from({ length: count }, () => randomBytes(32).toString('base64url'));
      const batch = redis.pipeline();
      for (const [index, ticket] of tickets.entries()) {
        const session = `session-${first + index}`;
        batch.hset(`${prefix}session:${session}`, { user: `user-${first + index}`, roles: 'member' });
        batch.expire(`${prefix}session:${session}`, SESSION_SECONDS);
        batch.set(`${prefix}ticket:${ticket}`, session, 'EX', TICKET_SECONDS);
      }
      await batch.exec();
      return tickets.map((ticket) => ({ query: `?ticket=${ticket}` }));
    },
    wrongCredentials: () => ({
      nothing: {},
      'an unknown ticket': { query: `?ticket=${randomBytes(32).toString('base64url')}` },
    }),
  },
);
