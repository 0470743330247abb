import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { startGenerator, startServer } from './child.mjs';
import { startRedis } from './redis.mjs';

const SECRET = randomBytes(48).toString('base64url');
const KEYS = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  publicKeyEncoding: { format: 'pem', type: 'spki' },
  privateKeyEncoding: { format: 'pem', type: 'pkcs8' },
});
/** How many tokens go round where the same ones come again: fewer than what is remembered of them. */
const TOKENS_AGAIN = 500;

/** What clients of a variant bring with them, by the name of its `credential`. */
const TOKENS = {
  HS256: { secret: SECRET, algorithm: 'HS256' },
  'HS256 again': { secret: SECRET, algorithm: 'HS256', tokens: TOKENS_AGAIN },
  ES256: { secret: KEYS.privateKey, algorithm: 'ES256' },
  'ES256 again': { secret: KEYS.privateKey, algorithm: 'ES256', tokens: TOKENS_AGAIN },
};

/** A message that every server echoes. */
export const DATA = { id: 12_345, text: 'hello, world' };

/** The servers of some variants, a generator of load for them, and a Redis where one of them needs it. */
export class Fleet {
  /** `{ variant, name, child, port }` of each server. */
  members = [];
  generator;
  #redis;

  /** Starts all of it. @param env for every server */
  static async start(variants, env = {}) {
    const fleet = new Fleet();
    try {
      await fleet.#start(variants, env);
    } catch (error) {
      await fleet.stop();
      throw error;
    }
    return fleet;
  }

  async #start(variants, env) {
    this.generator = startGenerator();
    if (variants.some(({ needsRedis }) => needsRedis)) this.#redis = await startRedis();
    for (const variant of variants) {
      const { child, port } = await startServer(variant, { ...env, ...this.#environmentOf(variant) });
      this.members.push({ variant, name: variant.name, child, port });
    }
  }

  /** Servers share a Redis, but nothing that is in it. */
  #environmentOf({ name, needsRedis }) {
    return {
      BENCH_JWT_SECRET: SECRET,
      BENCH_JWT_PUBLIC_KEY: KEYS.publicKey,
      ...(needsRedis
        ? { BENCH_REDIS_URL: this.#redis.url, BENCH_REDIS_PREFIX: `${name.replaceAll(/[^a-z0-9]+/gi, '-')}:` }
        : {}),
    };
  }

  /** Opens connections, each of a user and an address of its own. */
  async connect(member, count, first = 0) {
    await this.generator.ask('connect', { ...(await targetOf(member, first, count)), first, count });
  }

  /** Makes what clients need to come: to be done before their time is taken. */
  async prepare(member, count) {
    await this.generator.ask('prepare', { ...(await targetOf(member, 0, count)), count });
  }

  /**
   * One message there and back, and for a server that authenticates: credentials that are wrong are refused.
   *
   * @param event one that the server handles
   * @throws when the server does not do its work
   */
  async prove(member, event) {
    const { name, variant } = member;
    const message = { server: name, event, data: DATA };
    await this.generator.ask('verify', message);
    if (variant.isOpenToAll) return;
    const target = variant.credential in TOKENS || !variant.credential ? {} : await wrongOf(member);
    const taken = await this.generator.ask('refusals', { ...tokensOf(member), ...target, ...message });
    if (taken.length > 0) throw new Error(`${name} lets in who has ${taken.join(', and who has ')}`);
  }

  async stop() {
    await this.generator?.stop();
    await Promise.all(this.members.map(({ child }) => child.stop()));
    await this.#redis?.stop();
  }
}

function tokensOf({ name, port, variant }) {
  return {
    server: name,
    port,
    dialect: variant.dialect,
    ...TOKENS[variant.credential ?? 'HS256'],
  };
}

/** Tickets and sessions are made by the server itself, and come without a secret. */
async function targetOf(member, first, count) {
  const target = tokensOf(member);
  if (target.secret !== undefined) return target;
  return { ...target, credentials: await member.child.ask('credentials', { first, count }) };
}

/** What looks like a credential of the server and is none any more. */
async function wrongOf({ child }) {
  return { wrong: await child.ask('wrongCredentials') };
}

/** The name of a handler in the middle of those that there are. */
export function eventOf(handlers) {
  return `event${String(handlers >> 1).padStart(3, '0')}`;
}
