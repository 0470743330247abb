import { ORIGIN } from '../load/credentials.mjs';

/** How many sessions are made at once: a store that is far away is kept busy, and not flooded. */
const AT_ONCE = 100;

/** Answers of this library's servers: sessions and tickets for clients, made before their time is taken. */
export function issuer(kind, sessions, tickets) {
  const known = [];

  /** The session of a user. It stays, as that of somebody who comes again. */
  const sessionOf = async (index) => {
    known[index] ??= await sessions.create({ userId: `user-${index}`, roles: ['member'] });
    return known[index];
  };
  const makers = {
    cookie: async (index) => cookieOf((await sessionOf(index)).token),
    ticket: async (index) => {
      const { session } = await sessionOf(index);
      const { ticket } = await tickets.issue({ session: session.id, origin: ORIGIN, path: '/ws' });
      return { query: `?ticket=${ticket}` };
    },
  };
  return {
    credentials: async ({ first, count }) => {
      const made = [];
      for (let index = 0; index < count; index += AT_ONCE) {
        const batch = Array.from({ length: Math.min(AT_ONCE, count - index) }, (_, at) =>
          makers[kind](first + index + at),
        );
        made.push(...(await Promise.all(batch)));
      }
      return made;
    },
    wrongCredentials: async () => {
      const { session, token } = await sessions.create({ userId: 'mallory' });
      const { ticket } = await tickets.issue({ session: session.id, origin: ORIGIN, path: '/ws' });
      await sessions.revoke({ session: session.id });
      const ofEnded = { cookie: cookieOf(token), ticket: { query: `?ticket=${ticket}` } };
      return { nothing: {}, 'a credential of a session that was revoked': ofEnded[kind] };
    },
  };
}

/** The name that the cookie has on loopback. */
function cookieOf(token) {
  return { headers: [`Cookie: __Host-sid=${token}`] };
}
