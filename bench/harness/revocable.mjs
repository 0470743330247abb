import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { wrongTokens } from '../load/credentials.mjs';
import { startLoad, startServer } from './child.mjs';

export const SECRET = randomBytes(48).toString('base64url');
const CLOSE_REVOKED = 4410;
/** With a token in a header by its status; with none, as browsers come, by a Close that they can read. */
const REFUSALS = ['401', 'Close 4401'];
/** So old are the tokens of those who are revoked together, and so old is "before" then: a bystander's is newer. */
export const VICTIM_AGE_SECONDS = 60;
export const CUT_AGE_SECONDS = 30;
const MESSAGE = JSON.stringify({ event: 'event000', data: { id: 12_345, text: 'hello, world' } });
/** What the echo servers of the bench are sent, and answer. */
export const ECHO = { message: MESSAGE, reply: MESSAGE };

/** A server that can be asked to revoke, on its own memory or on a Redis where one is given. */
export function startRevoking({ file = 'revoking-nest.mjs', redis, prefix = 'ws:' }) {
  const store = redis ? { BENCH_REDIS_URL: redis.url, BENCH_REDIS_PREFIX: prefix } : {};
  return startServer({ file, env: { BENCH_JWT_SECRET: SECRET, ...store } });
}

/** Starts processes that make steady load, uses them, and stops them. */
export async function withLoads(count, use) {
  const loads = Array.from({ length: count }, () => startLoad('steady-load.mjs'));
  try {
    return await use(...loads);
  } finally {
    await Promise.all(loads.map((load) => load.stop()));
  }
}

/** The credential of a client with this session. */
export function cookieOf({ token }) {
  return { headers: [`Cookie: __Host-sid=${token}`] };
}

/** Opens connections that echo, and proves that the server answers them and refuses a bad credential. */
export async function openEchoing(load, { port, group, name = 'bystander', count }) {
  for (const [what, token] of Object.entries(wrongTokens(SECRET, 'HS256'))) {
    const answer = await load.ask('refusalOf', { port, credential: { token } });
    if (!REFUSALS.includes(answer)) throw new Error(`${what} was answered with: ${answer}`);
  }
  await load.ask('open', { group, port, bearers: { secret: SECRET, name, count } });
  await load.ask('verify', { group, ...ECHO });
}

/** Waits until what a start or many handshakes have left to do is done. */
export async function settle(ms = 200) {
  await sleep(ms);
}

/** Closes that came for another reason end the run. */
export function checkCloses(closes) {
  const other = closes.find((close) => close && close.code !== CLOSE_REVOKED);
  if (other) throw new Error(`a revoked socket was closed with ${other.code}`);
}
