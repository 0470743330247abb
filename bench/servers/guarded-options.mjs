import { AUDIENCE, ISSUER, ORIGIN } from '../load/credentials.mjs';

const UNREACHED = 1_000_000_000;
const unreached = { limit: UNREACHED, windowMs: 60_000, burst: UNREACHED };

/** Every check is on, and none says no: limits are raised to where the load does not get, never switched off. */
export function guardedOptions() {
  return {
    origins: [ORIGIN],
    credentials: ['bearer'],
    jwt: { secret: process.env.BENCH_JWT_SECRET, algorithms: ['HS256'], issuer: ISSUER, audience: AUDIENCE },
    handshake: { connectRate: unreached, maxPending: 100_000, maxPendingPerAddress: 100_000 },
    connections: { maxPerUser: 1_000, maxPerSession: 1_000 },
    throttle: {
      perConnection: unreached,
      perConnectionBytes: unreached,
      perUser: unreached,
      malformed: unreached,
      violations: unreached,
    },
    // The generator counts bytes and would take a ping for a part of a reply.
    lifetime: process.env.BENCH_PINGS === 'default' ? {} : { pingIntervalMs: 3_600_000 },
  };
}
