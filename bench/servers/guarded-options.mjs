import { AUDIENCE, ISSUER, ORIGIN } from '../load/credentials.mjs';

/** Where the load does not get. */
export const UNREACHED = 1_000_000_000;

const unreached = { limit: UNREACHED, windowMs: 60_000, burst: UNREACHED };

const {
  BENCH_AUDIT = 'log',
  BENCH_CREDENTIAL = 'bearer',
  BENCH_JWT_ALGORITHM = 'HS256',
  BENCH_JWT_CACHE,
  BENCH_JWT_PUBLIC_KEY,
  BENCH_JWT_SECRET,
  BENCH_PINGS,
  BENCH_REDIS_PREFIX,
  BENCH_REDIS_URL,
} = process.env;

/** In place of Nest's logger, which formats and writes each line by itself: lines in batches, and where they go is not measured. */
const discard = { name: 'discard', write: (events) => void events.map((event) => JSON.stringify(event)) };

/** What a gateway lists. The first message carries a token. */
const CREDENTIALS = {
  bearer: ['bearer'],
  cookie: ['cookie'],
  ticket: ['ticket'],
  'first-message': ['first-message', 'bearer'],
};

/** Every check is on, and none says no: limits are raised to where the load does not get, never switched off. */
export function guardedOptions() {
  return {
    origins: [ORIGIN],
    credentials: CREDENTIALS[BENCH_CREDENTIAL],
    jwt: jwtOptions(),
    secret: BENCH_JWT_SECRET,
    ...(BENCH_AUDIT === 'sink' ? { audit: { log: false, sinks: [discard] } } : {}),
    ...(BENCH_REDIS_URL ? { redis: BENCH_REDIS_URL, redisPrefix: BENCH_REDIS_PREFIX } : {}),
    handshake: { connectRate: unreached, maxPending: 100_000, maxPendingPerAddress: 100_000 },
    firstMessage: { maxWaiting: 100_000, maxWaitingPerAddress: 100_000 },
    connections: { maxPerUser: 1_000, maxPerSession: 1_000 },
    ticket: { maxPerMinute: UNREACHED, maxOutstanding: 1_000 },
    throttle: {
      perConnection: unreached,
      perConnectionBytes: unreached,
      perUser: unreached,
      malformed: unreached,
      violations: unreached,
    },
    // The generator counts bytes and would take a ping for a part of a reply.
    lifetime: BENCH_PINGS === 'default' ? {} : { pingIntervalMs: 3_600_000 },
  };
}

function jwtOptions() {
  const key =
    BENCH_JWT_ALGORITHM === 'ES256' ? { publicKey: BENCH_JWT_PUBLIC_KEY } : { secret: BENCH_JWT_SECRET };
  return {
    ...key,
    algorithms: [BENCH_JWT_ALGORITHM],
    issuer: ISSUER,
    audience: AUDIENCE,
    ...(BENCH_JWT_CACHE === undefined ? {} : { cacheSize: Number(BENCH_JWT_CACHE) }),
  };
}
