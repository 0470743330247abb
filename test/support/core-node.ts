import { Redis } from 'ioredis';
import { AuditLog } from '../../lib/core/audit/audit-log.js';
import { monotonicClock, systemClock } from '../../lib/core/clock.js';
import type { Connection } from '../../lib/core/connection.js';
import { newId, newNodeId, parseTicket, userHashOf } from '../../lib/core/identifiers.js';
import { DeadlineWheel } from '../../lib/core/lifetime/deadline-wheel.js';
import { Lifetime } from '../../lib/core/lifetime/lifetime.js';
import { DEFAULT_OPTIONS } from '../../lib/core/options.js';
import type { Principal } from '../../lib/core/principal.js';
import { RevocationService } from '../../lib/core/revocation/revocation-service.js';
import { deriveSecretKeys } from '../../lib/core/secret-keys.js';
import type {
  AdmissionBasis,
  AdmissionRequest,
  AdmissionResult,
} from '../../lib/core/session/connection-registry.js';
import { ConnectionService } from '../../lib/core/session/connection-service.js';
import type { Session } from '../../lib/core/session/session.js';
import { SessionService } from '../../lib/core/session/session-service.js';
import { TicketService } from '../../lib/core/ticket/ticket-service.js';
import type { LeaseTimes } from '../../lib/redis/node-lease.js';
import { connectRedis } from '../../lib/redis/connect-redis.js';
import type { RedisClient } from '../../lib/redis/redis-client.js';
import type { RedisClients } from '../../lib/redis/redis-connection.js';
import { COMMAND_OPTIONS, REVOCATION_OPTIONS, SUBSCRIBER_OPTIONS } from '../../lib/redis/redis-options.js';
import { RedisStores } from '../../lib/redis/redis-stores.js';
import { grantOf, HANDSHAKE, record, type RecordedTransport } from './core-harness.js';

/** Where the three connections of a node go. */
export interface CoreNodeInit {
  readonly port: number;
  /** Another port for the subscriber, such as that of a relay. */
  readonly subscriberPort?: number;
  /** Another port for scripts and reads. */
  readonly commandsPort?: number;
  /** Another port for revocations. */
  readonly revocationsPort?: number;
  readonly prefix?: string;
  readonly lease?: LeaseTimes;
  /** Options of ioredis, such as a user and a password. */
  readonly redis?: object;
}

/** A connection without a socket: what would have been written to one is recorded. */
export interface FakeConnection extends RecordedTransport {
  readonly connection: Connection;
  readonly session: Session | undefined;
}

/** A node without servers: everything of core, on Redis stores, so that a thousand connections cost little. */
export class CoreNode {
  readonly node = newNodeId();
  readonly clients: RedisClients;
  readonly stores: RedisStores;
  readonly sessions: SessionService;
  readonly tickets: TicketService;
  readonly connections: ConnectionService;
  readonly revocations: RevocationService;
  /** What was reported and reached nobody. */
  readonly errors: unknown[] = [];
  readonly #wheel: DeadlineWheel;
  readonly #keys = deriveSecretKeys('k'.repeat(32));

  private constructor(clients: RedisClients, { prefix, lease }: Pick<CoreNodeInit, 'prefix' | 'lease'>) {
    const clock = systemClock;
    const { node } = this;
    this.clients = clients;
    const onError = (error: unknown): void => void this.errors.push(error);
    const userHashKey = this.#keys.userHash;
    const principalIdPattern = /^[^]+$/;
    const stores = new RedisStores({
      clients,
      node,
      clock,
      prefix,
      lease,
      rememberRevocationsMs: 3_600_000,
      onError,
    });
    const audit = new AuditLog({ clock, node, referenceKey: this.#keys.auditReference });
    const wheel = new DeadlineWheel({ now: monotonicClock, onError });
    this.stores = stores;
    this.#wheel = wheel;
    this.revocations = new RevocationService({ stores, audit, clock, userHashKey, verifier: undefined });
    this.sessions = new SessionService({
      stores,
      audit,
      revocations: this.revocations,
      userHashKey,
      principalIdPattern,
      limits: { ...DEFAULT_OPTIONS.session, maxPerUser: 10_000 },
    });
    this.tickets = new TicketService({
      stores,
      audit,
      clock,
      userHashKey,
      principalIdPattern,
      limits: DEFAULT_OPTIONS.ticket,
    });
    this.connections = new ConnectionService({
      stores,
      audit,
      clock,
      monotonic: monotonicClock,
      wheel,
      lifetime: new Lifetime({
        limits: DEFAULT_OPTIONS.lifetime,
        wheel,
        clock,
        monotonic: monotonicClock,
      }),
      closeCodes: 'project',
      sessionIdleMs: DEFAULT_OPTIONS.session.idleMs,
      extendedByMessages: true,
      onError,
    });
  }

  /** Starts a node, and waits until it can decide. */
  static async start(init: CoreNodeInit): Promise<CoreNode> {
    return CoreNode.#started(CoreNode.build(init));
  }

  /** Starts a node on what a `redis` option names: Sentinel, or a cluster. */
  static async startOn(option: object, init: Pick<CoreNodeInit, 'prefix' | 'lease'> = {}): Promise<CoreNode> {
    return CoreNode.#started(new CoreNode(await connectRedis(option), init));
  }

  static async #started(node: CoreNode): Promise<CoreNode> {
    await node.stores.start();
    node.#wheel.start();
    return node;
  }

  /** A node that has not started its stores. */
  static build(init: CoreNodeInit): CoreNode {
    const { port, commandsPort = port, subscriberPort = port, revocationsPort = port, redis } = init;
    const connect = (options: object, to: number): RedisClient => {
      const client = new Redis({
        host: '127.0.0.1',
        port: to,
        ...redis,
        ...options,
      }) as unknown as RedisClient;
      client.on('error', () => {});
      return client;
    };
    return new CoreNode(
      {
        commands: connect(COMMAND_OPTIONS, commandsPort),
        revocations: connect(REVOCATION_OPTIONS, revocationsPort),
        subscriber: connect(SUBSCRIBER_OPTIONS, subscriberPort),
      },
      init,
    );
  }

  hashOf(userId: string): string {
    return userHashOf(this.#keys.userHash, userId);
  }

  /** Asks for admission as a handshake does, unless said otherwise. */
  admit(basis: AdmissionBasis, change: Partial<AdmissionRequest> = {}): Promise<AdmissionResult> {
    return this.stores.connections.admit({
      connectionId: newId(),
      basis,
      maxPerUser: 1_000_000,
      maxPerSession: 1_000_000,
      onLimit: 'reject',
      touch: true,
      rate: undefined,
      deadline: Date.now() + 5_000,
      ...change,
    });
  }

  /** Presents a ticket. */
  admitTicket(ticket: string): Promise<AdmissionResult> {
    const presented = { ...parseTicket(ticket)!, use: 'connect' as const };
    return this.admit({
      mode: 'ticket',
      ticket: { ...presented, origin: undefined, path: undefined, sessionId: undefined },
    });
  }

  /** A live connection of a session. */
  async connect(sessionId: string, change: Partial<AdmissionRequest> = {}): Promise<FakeConnection> {
    const userHash = sessionId.slice(0, sessionId.indexOf('.'));
    return this.#open(await this.admit({ mode: 'session', sessionId, userHash }, change));
  }

  /** A live connection of a principal without a session. */
  async connectPrincipal(id: string): Promise<FakeConnection> {
    const principal: Principal = { id, roles: [], scopes: [] };
    return this.#open(
      await this.admit({ mode: 'principal', principal, userHash: this.hashOf(id), issuedAt: Date.now() }),
    );
  }

  #open(admitted: AdmissionResult): FakeConnection {
    if (admitted.outcome !== 'admitted') throw new Error(`not admitted: ${admitted.outcome}`);
    const { connectionId, session, principal, userHash, logTail } = admitted;
    const authenticatedAt = session?.authenticatedAt ?? Date.now();
    const expiresAt = Date.now() + 3_600_000;
    const grant = grantOf({ principal, userHash, session, authenticatedAt, expiresAt });
    const left = session && admitted.session!.remainingMs;
    const connection = this.connections.open(connectionId, HANDSHAKE, grant, logTail, left);
    return { connection, session, ...record(connection) };
  }

  /** The connections that have not been ended. */
  get alive(): number {
    return this.connections.local().length;
  }

  async stop(): Promise<void> {
    this.#wheel.stop();
    await this.stores.stop();
  }
}
