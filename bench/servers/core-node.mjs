// The core of a node without sockets: what decides and what it remembers, on memory stores, in one process. So it can have more
// connections than there are descriptors.
import { AuditLog } from '../../dist/esm/core/audit/audit-log.js';
import { monotonicClock, systemClock } from '../../dist/esm/core/clock.js';
import { HandshakeAttempt } from '../../dist/esm/core/handshake/handshake-attempt.js';
import { HandshakeAuthenticator } from '../../dist/esm/core/handshake/handshake-authenticator.js';
import { OriginPolicy } from '../../dist/esm/core/handshake/origin-policy.js';
import { DeadlineWheel } from '../../dist/esm/core/lifetime/deadline-wheel.js';
import { Lifetime } from '../../dist/esm/core/lifetime/lifetime.js';
import { resolveOptions } from '../../dist/esm/core/options.js';
import { RevocationService } from '../../dist/esm/core/revocation/revocation-service.js';
import { deriveSecretKeys } from '../../dist/esm/core/secret-keys.js';
import { ConnectionService } from '../../dist/esm/core/session/connection-service.js';
import { SessionCookie } from '../../dist/esm/core/session/session-cookie.js';
import { MemoryStores } from '../../dist/esm/memory/memory-stores.js';
import { ISSUER, ORIGIN } from '../load/credentials.mjs';
import { guardedOptions } from './guarded-options.mjs';

const NODE = 'bench-node';
const TRANSPORT = {
  isReadingPaused: false,
  ping: () => {},
  send: () => {},
  close: () => {},
  terminate: () => {},
};
const POLICY = {
  path: '/ws',
  access: 'authenticated',
  origins: new OriginPolicy([ORIGIN]),
  missingOrigin: 'explicit',
  credentials: new Set(['bearer']),
  protocols: [],
  refuseBrowsersWith: 'http-status',
  roles: [],
  scopes: [],
};

/** Every token is the id of its user: no cryptography, so that only what can grow is measured. */
const VERIFIER = {
  verify: (token) => ({
    principal: Object.freeze({ id: token, roles: [], scopes: [] }),
    issuedAt: Date.now(),
    expiresAt: Date.now() + 3_600_000,
    issuer: ISSUER,
  }),
};

/** Handshakes, messages, revocations and goodbyes, without a network. */
export function makeCoreNode() {
  const clock = systemClock;
  const monotonic = monotonicClock;
  const onError = (error) => {
    throw error;
  };
  const options = resolveOptions(guardedOptions(), { production: false });
  const keys = deriveSecretKeys(process.env.BENCH_JWT_SECRET);
  const userHashKey = keys.userHash;
  const wheel = new DeadlineWheel({ now: monotonic, onError });
  const stores = new MemoryStores({ node: NODE, rememberRevocationsMs: 24 * 3_600_000, clock });
  const audit = new AuditLog({ clock, node: NODE, referenceKey: keys.auditReference });
  const lifetime = new Lifetime({ limits: options.lifetime, wheel, clock, monotonic });
  const connections = new ConnectionService({
    stores,
    audit,
    clock,
    monotonic,
    wheel,
    lifetime,
    closeCodes: options.closeCodes,
    sessionIdleMs: options.session.idleMs,
    extendedByMessages: true,
    onError,
  });
  const revocations = new RevocationService({ stores, audit, clock, userHashKey, verifier: VERIFIER });
  const authenticator = new HandshakeAuthenticator({
    options,
    stores,
    connections,
    cookie: new SessionCookie(options.cookie),
    audit,
    clock,
    monotonic,
    wheel,
    userHashKey,
    verifier: VERIFIER,
  });
  wheel.start();

  return {
    connect: async (user) => {
      const attempt = new HandshakeAttempt();
      const decision = await authenticator.authenticate(attempt, upgradeOf(user), () => POLICY);
      attempt.release();
      if (decision.kind !== 'accept') throw new Error(`a handshake was answered with ${decision.kind}`);
      decision.connection.attach(TRANSPORT);
      return decision.connection;
    },
    mayReceive: (connection) => connections.mayReceive(connection),
    revoke: (user) => revocations.revoke({ user }),
    leave: (connection) => connections.closed(connection, 1000),
    get size() {
      return connections.size;
    },
  };
}

function upgradeOf(user) {
  const headers = {
    host: 'localhost',
    upgrade: 'websocket',
    connection: 'Upgrade',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    origin: ORIGIN,
    authorization: `Bearer ${user}`,
  };
  return {
    method: 'GET',
    url: '/ws',
    httpVersionMajor: 1,
    httpVersionMinor: 1,
    headers,
    rawHeaders: Object.entries(headers).flat(),
    remoteAddress: '127.0.0.1',
    boundToLoopback: true,
    encrypted: false,
    certificate: undefined,
  };
}
