/**
 * What is compared: the name in the report, without commas, the server in `servers/`, and what that is told by its environment.
 *
 * - `dialect`: how a client opens a connection and what its messages look like, by name in `load/dialects.mjs`; plain WebSocket
 *   with Nest's envelope when left out
 * - `credential`: what a client shows: a token by `HS256` when left out, or by `ES256`, each with `again` when the same ones come
 *   again; `cookie` and `ticket` are made by the server
 * - `isOpenToAll`: the server authenticates nobody
 * - `needsRedis`: the server is given a Redis
 * - `isOurs`: this library
 */
export const VARIANTS = [
  { name: 'bare ws', file: 'bare-ws.mjs', isOpenToAll: true },
  { name: 'bare ws with request', file: 'bare-ws.mjs', env: { BENCH_KEEP: 'request' }, isOpenToAll: true },
  { name: 'bare ws + cork', file: 'bare-ws.mjs', env: { BENCH_CORK: 'turn' }, isOpenToAll: true },
  { name: 'ws + jsonwebtoken', file: 'ws-jsonwebtoken.mjs' },
  {
    name: 'ws + Redis ticket',
    file: 'ws-redis-ticket.mjs',
    credential: 'ticket',
    needsRedis: true,
  },
  { name: 'stock Nest', file: 'stock-nest.mjs', isOpenToAll: true },
  {
    name: 'stock Nest + trivial guard',
    file: 'stock-nest.mjs',
    env: { BENCH_GUARD: 'trivial' },
    isOpenToAll: true,
  },
  { name: 'stock Nest + JWT guard', file: 'stock-nest.mjs', env: { BENCH_GUARD: 'jwt' } },
  {
    name: 'stock Nest + JWT guard (KeyObject)',
    file: 'stock-nest.mjs',
    env: { BENCH_GUARD: 'jwt', BENCH_KEY: 'object' },
  },
  {
    name: 'stock Nest + throttler',
    file: 'stock-nest.mjs',
    env: { BENCH_GUARD: 'throttler' },
    isOpenToAll: true,
  },
  {
    name: 'stock Nest + throttler (60 s)',
    file: 'stock-nest.mjs',
    env: { BENCH_GUARD: 'throttler', BENCH_WINDOW_MS: '60000' },
    isOpenToAll: true,
  },
  { name: 'tutorial', file: 'stock-nest.mjs', env: { BENCH_CONNECTION: 'jwt' }, dialect: 'ready' },
  {
    name: 'tutorial (KeyObject)',
    file: 'stock-nest.mjs',
    env: { BENCH_CONNECTION: 'jwt', BENCH_KEY: 'object' },
    dialect: 'ready',
  },
  { name: 'Socket.IO', file: 'socket-io-nest.mjs', dialect: 'socket.io' },
  {
    name: 'Socket.IO (KeyObject)',
    file: 'socket-io-nest.mjs',
    env: { BENCH_KEY: 'object' },
    dialect: 'socket.io',
  },
  { name: 'graphql-ws', file: 'graphql-ws.mjs', dialect: 'graphql-ws' },
  { name: 'Python websockets', file: 'python-websockets.py' },
  { name: 'guarded', file: 'guarded-nest.mjs', isOurs: true },
  {
    name: 'guarded + audit sink',
    file: 'guarded-nest.mjs',
    env: { BENCH_AUDIT: 'sink' },
    isOurs: true,
  },
  { name: 'guarded + Nest guard', file: 'guarded-nest.mjs', env: { BENCH_ENHANCER: 'guard' }, isOurs: true },
  { name: 'guarded + Nest pipe', file: 'guarded-nest.mjs', env: { BENCH_ENHANCER: 'pipe' }, isOurs: true },
  {
    name: 'guarded + Nest interceptor',
    file: 'guarded-nest.mjs',
    env: { BENCH_ENHANCER: 'interceptor' },
    isOurs: true,
  },
  { name: 'guarded + WsThrottle', file: 'guarded-nest.mjs', env: { BENCH_THROTTLE: 'on' }, isOurs: true },
  {
    name: 'guarded on Redis',
    file: 'guarded-nest.mjs',
    needsRedis: true,
    isOurs: true,
  },
  {
    name: 'guarded HS256 again',
    file: 'guarded-nest.mjs',
    env: { BENCH_JWT_CACHE: '1000' },
    credential: 'HS256 again',
    isOurs: true,
  },
  {
    name: 'guarded ES256',
    file: 'guarded-nest.mjs',
    env: { BENCH_JWT_ALGORITHM: 'ES256' },
    credential: 'ES256',
    isOurs: true,
  },
  {
    name: 'guarded ES256 without cache',
    file: 'guarded-nest.mjs',
    env: { BENCH_JWT_ALGORITHM: 'ES256', BENCH_JWT_CACHE: '0' },
    credential: 'ES256',
    isOurs: true,
  },
  {
    name: 'guarded ES256 again',
    file: 'guarded-nest.mjs',
    env: { BENCH_JWT_ALGORITHM: 'ES256' },
    credential: 'ES256 again',
    isOurs: true,
  },
  {
    name: 'guarded cookie',
    file: 'guarded-nest.mjs',
    env: { BENCH_CREDENTIAL: 'cookie' },
    credential: 'cookie',
    isOurs: true,
  },
  {
    name: 'guarded cookie on Redis',
    file: 'guarded-nest.mjs',
    env: { BENCH_CREDENTIAL: 'cookie' },
    credential: 'cookie',
    needsRedis: true,
    isOurs: true,
  },
  {
    name: 'guarded ticket',
    file: 'guarded-nest.mjs',
    env: { BENCH_CREDENTIAL: 'ticket' },
    credential: 'ticket',
    isOurs: true,
  },
  {
    name: 'guarded ticket on Redis',
    file: 'guarded-nest.mjs',
    env: { BENCH_CREDENTIAL: 'ticket' },
    credential: 'ticket',
    needsRedis: true,
    isOurs: true,
  },
  {
    name: 'guarded first message',
    file: 'guarded-nest.mjs',
    env: { BENCH_CREDENTIAL: 'first-message' },
    dialect: 'first message',
    isOurs: true,
  },
  {
    name: 'public',
    file: 'guarded-nest.mjs',
    env: { BENCH_GATEWAY: 'public' },
    isOpenToAll: true,
    isOurs: true,
  },
];

/** @throws when there is no such variant */
export function variantNamed(name) {
  const found = VARIANTS.find((variant) => variant.name === name);
  if (!found) throw new Error(`there is no variant "${name}": ${VARIANTS.map((one) => one.name).join(', ')}`);
  return found;
}

/** The variants of a measure, or those that the command line asks for. */
export function chooseVariants(names, { variants }) {
  return (variants ?? names).map(variantNamed);
}
