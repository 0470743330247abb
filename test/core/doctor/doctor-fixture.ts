import { createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import type { DoctorFacts, GatewayFacts, RedisFacts } from '../../../lib/core/doctor/doctor-facts.js';
import { resolveOptions, type WsAuthOptions } from '../../../lib/core/options.js';

const JWT = {
  publicKey: generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).publicKey,
  algorithms: ['ES256' as const],
  issuer: 'https://issuer.example.com',
  audience: 'chat',
  types: ['at+jwt'],
  requireSession: true,
};

/** Options about which there is nothing to say in production. */
export const GOOD_OPTIONS: WsAuthOptions = {
  origins: ['https://app.example.com'],
  credentials: ['ticket', 'bearer', 'first-message'],
  jwt: JWT,
  secret: createSecretKey(randomBytes(32)),
  hosts: ['app.example.com'],
  redis: 'rediss://redis.example.com',
};

/** An issuer with a test's changes. */
export function issuer(change: object): Partial<WsAuthOptions> {
  return { jwt: { ...JWT, ...change } };
}

/** An issuer that signs by a secret. */
export function secretIssuer(secret: string | Buffer): Partial<WsAuthOptions> {
  return issuer({ publicKey: undefined, secret, algorithms: ['HS256'] });
}

/** A gateway that is guarded, with one handler that has a rule. */
export function gateway(change: Partial<GatewayFacts> = {}): GatewayFacts {
  const handler = { method: 'say', hasRule: true, skipsThrottle: false, concurrency: undefined };
  return {
    name: 'ChatGateway',
    port: 0,
    path: '/ws',
    access: 'authenticated',
    credentials: new Set(['ticket']),
    concurrency: undefined,
    handlers: [handler],
    ...change,
  };
}

/** A gateway whose handler has a test's changes. */
export function handler(change: object): GatewayFacts {
  const base = gateway();
  return { ...base, handlers: [{ ...base.handlers[0]!, ...change }] };
}

/** A server that is set up as docs/redis.md says. */
export function redis(change: Partial<RedisFacts> = {}, server: object = {}): RedisFacts {
  return {
    isLoopback: false,
    isTls: true,
    hasPassword: true,
    user: 'ws-auth',
    server: { version: '7.2.0', hasAppendLog: true, maxMemoryBytes: 1_000_000_000, problems: [], ...server },
    ...change,
  };
}

/** What a test changes of a set-up about which there is nothing to say. */
export interface Change extends Partial<Omit<DoctorFacts, 'options'>> {
  options?: Partial<WsAuthOptions>;
  production?: boolean;
}

/** A set-up about which there is nothing to say, with a test's changes. */
export function facts({ options, production = true, ...change }: Change = {}): DoctorFacts {
  const proxy = { trusted: [], ...options?.proxy };
  return {
    options: resolveOptions({ ...GOOD_OPTIONS, ...options, proxy }, { production }),
    now: Date.UTC(2026, 10, 22),
    nodeEnv: production ? 'production' : 'development',
    nodeVersion: '24.4.0',
    gateways: [gateway()],
    uncovered: [],
    hasOwnCallers: false,
    isTlsServer: true,
    redis: redis(),
    ...change,
  };
}
