import type { AuditLog } from '../audit/audit-log.js';
import type { Clock } from '../clock.js';
import { missingRight } from '../authorization/authorization-rules.js';
import type { Connection, Grant, Handshake } from '../connection.js';
import { newId } from '../identifiers.js';
import type { DeadlineWheel } from '../lifetime/deadline-wheel.js';
import type { ResolvedOptions } from '../options.js';
import type { Admitted } from '../session/connection-registry.js';
import type { ConnectionService } from '../session/connection-service.js';
import type { SessionCookie } from '../session/session-cookie.js';
import type { Stores } from '../stores.js';
import { FailureLimiter } from '../throttle/failure-limiter.js';
import { PlaceCounter } from '../throttle/place-counter.js';
import type { ThrottleStore } from '../throttle/throttle-store.js';
import type { KeyObject } from 'node:crypto';
import { Admission } from './admission.js';
import { identitySwitch, toRefusal, unauthorized } from './attempt-refusals.js';
import { AttemptTimer } from './attempt-timer.js';
import { ClientAddressReader } from './client-address.js';
import {
  carriesCredential,
  stripCredentials,
  type PresentedCredential,
  type PresentedToken,
} from './credential-reader.js';
import { ConnectRate } from './connect-rate.js';
import { CredentialIntake, isSentByItself, kindOf } from './credential-intake.js';
import type { CredentialKind } from './credential-kind.js';
import {
  basisOfCookie,
  CredentialVerifier,
  userHashOfBasis,
  type VerifiedBasis,
} from './credential-verifier.js';
import type { GatewayLookup, GatewayPolicy } from './gateway-policy.js';
import { grantOf } from './grant-of.js';
import { HandshakeAttempt } from './handshake-attempt.js';
import { HandshakeRecord } from './handshake-record.js';
import { HostPolicy } from './host-policy.js';
import { mayReportOrigin, originOffence } from './origin-check.js';
import { HandshakeRefused, retryLater } from './refusal.js';
import type { TokenVerifier } from './token-verifier.js';
import { WS_AUTH_PROTOCOL } from './subprotocol.js';
import { readUpgradeRequest, type RawUpgrade, type UpgradeRequest } from './upgrade-request.js';

/** What was decided about a handshake that was not refused. */
export type HandshakeDecision =
  | { readonly kind: 'public' }
  | { readonly kind: 'accept'; readonly connection: Connection }
  | { readonly kind: 'wait' };

/** Why the node takes no handshakes, or `undefined` while it does. */
export type NodeState = 'starting' | 'draining' | undefined;

/** What the authenticator is built from. */
export interface HandshakeAuthenticatorOptions {
  readonly options: ResolvedOptions;
  readonly stores: Stores;
  /** Rates that this node counts together with others. Left out where there is one node. */
  readonly sharedRates?: ThrottleStore | undefined;
  readonly connections: ConnectionService;
  readonly cookie: SessionCookie;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly monotonic: Clock;
  readonly wheel: DeadlineWheel;
  readonly userHashKey: KeyObject;
  readonly verifier: TokenVerifier | undefined;
  /** How long an address prefix is still banned, in ms. @default nobody is */
  readonly bans?: { remaining(prefix: string): number };
  /** Called once for each time that the store goes away. */
  readonly onStoreAway?: (error: unknown) => void;
}

/**
 * Decides about handshakes. The order of the checks is written once, in {@link authenticate}: cheap before dear, and
 * nothing that costs a store or a signature before everything that does not.
 *
 * Not checked here: what the application allows a principal to do with its messages.
 */
export class HandshakeAuthenticator {
  /** Where it is told what became of handshakes. */
  readonly record: HandshakeRecord;
  readonly #options: ResolvedOptions;
  readonly #connections: ConnectionService;
  readonly #intake: CredentialIntake;
  readonly #bans: HandshakeAuthenticatorOptions['bans'];
  readonly #timer: AttemptTimer;
  readonly #credentials: CredentialVerifier;
  readonly #admission: Admission;
  readonly #addresses: ClientAddressReader;
  readonly #hosts: HostPolicy;
  readonly #connectRate: ConnectRate;
  /** Query parameters that carry a credential, besides the library's own. */
  readonly #secretParameters: ReadonlySet<string>;
  readonly #pending: PlaceCounter;
  readonly #waiting: PlaceCounter;
  #state: NodeState;

  constructor(parts: HandshakeAuthenticatorOptions) {
    const { options } = parts;
    this.#options = options;
    this.#connections = parts.connections;
    this.record = new HandshakeRecord(parts.audit, options.closeCodes);
    this.#intake = new CredentialIntake(options, parts.cookie, this.record);
    this.#bans = parts.bans;
    this.#addresses = new ClientAddressReader(options.proxy);
    this.#hosts = new HostPolicy(options.hosts);
    this.#connectRate = new ConnectRate({
      options,
      store: parts.sharedRates,
      monotonic: parts.monotonic,
      onAway: parts.onStoreAway ?? (() => {}),
    });
    this.#timer = new AttemptTimer(parts.wheel, options.handshake.verifyTimeoutMs);
    const { verifier, userHashKey } = parts;
    const { basic, clientCertificate, principalIdPattern, storeOutage } = options;
    this.#credentials = new CredentialVerifier({
      verifier,
      basic,
      clientCertificate,
      principalIdPattern,
      failures: new FailureLimiter({
        store: parts.stores.throttle,
        expectedNodes: storeOutage.expectedNodes,
        clock: parts.monotonic,
        onAway: parts.onStoreAway ?? (() => {}),
      }),
      userHashKey,
      timer: this.#timer,
      clock: parts.clock,
    });
    this.#secretParameters = new Set(
      [
        options.handshake.dangerouslyAllowTokenInUrl,
        ...options.readers.flatMap(({ parameters }) => parameters),
      ].flatMap((name) => name?.toLowerCase() ?? []),
    );
    this.#admission = new Admission({
      options,
      registry: parts.stores.connections,
      connections: parts.connections,
      connectRate: this.#connectRate,
      timer: this.#timer,
      clock: parts.clock,
    });
    this.#pending = new PlaceCounter(options.handshake.maxPending, options.handshake.maxPendingPerAddress);
    this.#waiting = new PlaceCounter(
      options.firstMessage.maxWaiting,
      options.firstMessage.maxWaitingPerAddress,
    );
  }

  /** Says that the node takes no handshakes (503), or that it does again. */
  setState(state: NodeState): void {
    this.#state = state;
  }

  /** Why it takes no handshakes, or `undefined` while it does. */
  get state(): NodeState {
    return this.#state;
  }

  /** Handshakes in progress, and sockets that wait for their first message. */
  get counts(): { readonly pending: number; readonly waiting: number } {
    return { pending: this.#pending.total, waiting: this.#waiting.total };
  }

  /**
   * The staircase. Steps up to the credential run before the first `await`, so that a caller's deadline and listeners are
   * all that a slow verifier can hold.
   *
   * @throws {HandshakeRefused} and nothing else
   */
  async authenticate(
    attempt: HandshakeAttempt,
    raw: RawUpgrade,
    lookup: GatewayLookup,
  ): Promise<HandshakeDecision> {
    try {
      this.#refuseUnlessRunning();
      this.#takePendingPlace(attempt, raw);
      const request = (attempt.request = readUpgradeRequest(raw, this.#options.handshake.maxHeaders));
      this.#checkHost(attempt, request, raw);
      const gateway = (attempt.gateway = this.#findGateway(request, lookup));
      this.#checkTransport(attempt, raw);
      this.#checkOrigin(attempt, request, gateway, raw);
      this.#checkBan(attempt);
      this.#connectRate.check(attempt);
      attempt.handshake = this.#describe(attempt, request, gateway, raw);
      if (gateway.access === 'public') return await this.#acceptPublic(attempt);
      return await this.#decideByCredential(attempt, request, gateway, raw);
    } catch (error) {
      throw toRefusal(error, attempt);
    }
  }

  /**
   * Verifies the credential of a first message, and admits: the same steps 10 to 13.
   *
   * @throws {HandshakeRefused} and nothing else
   */
  async authenticateFirstMessage(attempt: HandshakeAttempt, credential: PresentedToken): Promise<Connection> {
    try {
      attempt.hasPresented = true;
      return await this.#admitCredential(attempt, credential, 'first-message');
    } catch (error) {
      throw toRefusal(error, attempt);
    }
  }

  /**
   * Renews a live connection with a fresh credential of the same principal and, where both name one, the same session.
   *
   * @throws {HandshakeRefused} `forbidden` for another principal, `unauthorized` for a bad credential, `unavailable` when
   * nobody can tell; the caller decides what that means for the connection
   */
  async refresh(connection: Connection, gateway: GatewayPolicy, credential: PresentedToken): Promise<void> {
    const attempt = HandshakeAttempt.ofConnection(connection, gateway);
    attempt.method = `refresh ${credential.kind}`;
    attempt.hasPresented = true;
    try {
      if (!gateway.credentials.has(credential.kind))
        throw unauthorized(attempt, 'credential_kind_not_accepted');
      const verified = await this.#credentials.verify(attempt, credential);
      if (userHashOfBasis(verified.basis) !== connection.grant.userHash) throw identitySwitch();
      if (!connection.isOpen) attempt.abort('client_gone');
      const admitted = await this.#admission.admit(attempt, verified.basis, connection.id);
      if (!this.#connections.isLive(connection)) {
        attempt.abort('client_gone');
        this.#admission.giveBack(admitted);
        throw attempt.abortError();
      }
      const grant = grantOf(admitted, verified, verified.credential);
      // A connection of a session stays in it: otherwise a later logout would not find it.
      const isSameSession = !attempt.sessionId || grant.session?.id === attempt.sessionId;
      if (grant.principal.id !== connection.principal.id || !isSameSession) throw identitySwitch();
      const missing = missingRight(grant.principal, gateway);
      if (missing) throw new HandshakeRefused('forbidden', `gateway_${missing}`);
      this.#connections.renew(connection, grant, admitted.logTail, admitted.session?.remainingMs);
      this.record.succeeded(attempt, connection, 'refreshed');
    } catch (error) {
      const refusal = toRefusal(error, attempt);
      this.record.refused(attempt, refusal);
      throw refusal;
    }
  }

  /** Takes a place among the sockets that wait for their first message. */
  takeWaitingPlace(attempt: HandshakeAttempt): () => void {
    const place = this.#waiting.take(attempt.address!.prefix);
    if (place === 'node') throw new HandshakeRefused('overloaded', 'too_many_waiting', retryLater());
    if (place === 'address')
      throw new HandshakeRefused('rate_limited', 'too_many_waiting_of_address', retryLater());
    return place;
  }

  /** True when this refusal goes to a browser that can be told by a close code. */
  refusesByCloseCode(attempt: HandshakeAttempt, refusal: HandshakeRefused): boolean {
    if (!refusal.close || attempt.gateway?.refuseBrowsersWith !== 'close-code') return false;
    // A browser sends user and password of the URL only after a 401 that asks for them.
    if (attempt.gateway.credentials.has('basic')) return false;
    return attempt.isFromAllowedOrigin && attempt.request?.authorization === undefined;
  }

  #refuseUnlessRunning(): void {
    if (this.#state === 'draining') throw new HandshakeRefused('draining', 'draining', retryLater());
    if (this.#state === 'starting') throw new HandshakeRefused('unavailable', 'starting', retryLater());
  }

  #takePendingPlace(attempt: HandshakeAttempt, raw: RawUpgrade): void {
    const address = this.#addresses.read({
      remoteAddress: raw.remoteAddress,
      forwardedFor: readText(raw.headers['x-forwarded-for']),
      forwardedProto: readText(raw.headers['x-forwarded-proto']),
    });
    if (!address) throw new HandshakeRefused('unavailable', 'no_client_address');
    attempt.address = address;
    const place = this.#pending.take(address.prefix);
    if (place === 'node') throw new HandshakeRefused('overloaded', 'too_many_pending', retryLater());
    if (place === 'address')
      throw new HandshakeRefused('rate_limited', 'too_many_pending_of_address', retryLater());
    attempt.holds(place);
  }

  #checkHost(attempt: HandshakeAttempt, request: UpgradeRequest, raw: RawUpgrade): void {
    if (!this.#hosts.allows(request.host, raw.boundToLoopback)) {
      attempt.received = request.host.name;
      throw new HandshakeRefused('host_not_allowed', 'host_not_allowed');
    }
  }

  #findGateway(request: UpgradeRequest, lookup: GatewayLookup): GatewayPolicy {
    const gateway = lookup(request.path);
    if (!gateway) throw new HandshakeRefused('not_found', 'no_gateway_on_path');
    return gateway;
  }

  #checkTransport(attempt: HandshakeAttempt, raw: RawUpgrade): void {
    if (!this.#options.handshake.requireTls) return;
    if (raw.encrypted || attempt.address!.forwardedSecure) return;
    throw new HandshakeRefused('insecure_transport', 'insecure_transport');
  }

  #checkOrigin(
    attempt: HandshakeAttempt,
    request: UpgradeRequest,
    gateway: GatewayPolicy,
    raw: RawUpgrade,
  ): void {
    const offence = originOffence(request, gateway, raw, this.#options);
    attempt.isFromAllowedOrigin = request.origin !== undefined && offence === undefined;
    if (offence === undefined) return;
    const refusal = new HandshakeRefused('origin_not_allowed', offence);
    if (!mayReportOrigin(request, gateway, raw, this.#options)) throw refusal;
    this.record.reported(attempt, refusal);
  }

  #checkBan(attempt: HandshakeAttempt): void {
    const retryAfterMs = this.#bans?.remaining(attempt.address!.prefix) ?? 0;
    if (retryAfterMs > 0) throw new HandshakeRefused('rate_limited', 'banned', { retryAfterMs });
  }

  #describe(
    attempt: HandshakeAttempt,
    request: UpgradeRequest,
    gateway: GatewayPolicy,
    raw: RawUpgrade,
  ): Handshake {
    const address = attempt.address!;
    return Object.freeze({
      correlationId: attempt.correlationId,
      // The texts of the policy are those of the request, and are there once for all connections.
      path: gateway.path,
      query: stripCredentials(request.query, this.#secretParameters),
      origin: gateway.origins.find(request.origin) ?? request.origin,
      host: this.#hosts.textOf(request.host),
      address: address.ip,
      addressSource: address.source,
      secure: raw.encrypted || address.forwardedSecure,
      protocol: chooseProtocol(request.protocols, gateway.protocols),
    });
  }

  async #acceptPublic(attempt: HandshakeAttempt): Promise<HandshakeDecision> {
    attempt.method = 'public';
    await this.#timer.wait(attempt, this.#connectRate.count(attempt));
    this.record.succeeded(attempt, undefined, 'public');
    return { kind: 'public' };
  }

  async #decideByCredential(
    attempt: HandshakeAttempt,
    request: UpgradeRequest,
    gateway: GatewayPolicy,
    raw: RawUpgrade,
  ): Promise<HandshakeDecision> {
    const { credential, cookieSession } = this.#intake.read(attempt, request, gateway, raw);
    attempt.sessionId = cookieSession;
    const isAmbient = credential !== null && isSentByItself(credential, request);
    if (credential && !isAmbient) return await this.#acceptCredential(attempt, credential);
    if (cookieSession && gateway.credentials.has('cookie')) {
      const connection = await this.#admitCookie(attempt, cookieSession);
      if (connection) return { kind: 'accept', connection };
      // A session that has ended is no credential, and so no evidence against what else there is or is waited for.
      if (credential || gateway.credentials.has('first-message')) attempt.sessionId = undefined;
    }
    if (credential) return await this.#acceptCredential(attempt, credential);
    if (gateway.credentials.has('first-message')) return await this.#acceptWaiting(attempt);
    throw unauthorized(attempt, attempt.hasPresented ? 'session_unknown' : 'credential_missing');
  }

  async #acceptCredential(
    attempt: HandshakeAttempt,
    credential: PresentedCredential,
  ): Promise<HandshakeDecision> {
    const connection = await this.#admitCredential(attempt, credential, kindOf(credential));
    return { kind: 'accept', connection };
  }

  async #acceptWaiting(attempt: HandshakeAttempt): Promise<HandshakeDecision> {
    await this.#timer.wait(attempt, this.#connectRate.count(attempt));
    return { kind: 'wait' };
  }

  async #admitCredential(
    attempt: HandshakeAttempt,
    credential: PresentedCredential,
    kind: CredentialKind,
  ): Promise<Connection> {
    attempt.method = kind === 'first-message' ? `first-message ${credential.kind}` : kind;
    const verified = await this.#credentials.verify(attempt, credential);
    const admitted = await this.#admission.admit(attempt, verified.basis, newId());
    return this.#open(attempt, admitted, verified, kind);
  }

  /** @returns `null` when the cookie's session has ended, which is no credential rather than a bad one */
  async #admitCookie(attempt: HandshakeAttempt, sessionId: string): Promise<Connection | null> {
    attempt.method = 'cookie';
    const verified = basisOfCookie(sessionId);
    try {
      const admitted = await this.#admission.admit(attempt, verified.basis, newId());
      return this.#open(attempt, admitted, verified, 'cookie');
    } catch (error) {
      if (error instanceof HandshakeRefused && ['session_unknown', 'revoked'].includes(error.reason))
        return null;
      throw error;
    }
  }

  #open(
    attempt: HandshakeAttempt,
    admitted: Admitted,
    verified: VerifiedBasis,
    kind: Grant['credential'],
  ): Connection {
    const grant = grantOf(admitted, verified, kind);
    attempt.principalId = grant.principal.id;
    attempt.sessionId = grant.session?.id;
    const connection = this.#connections.open(
      admitted.connectionId,
      attempt.handshake!,
      grant,
      admitted.logTail,
      admitted.session?.remainingMs,
      attempt.gateway,
    );
    if (!connection.isOpen) throw unauthorized(attempt, connection.ending?.reason ?? 'revoked');
    const missing = missingRight(connection.principal, attempt.gateway!);
    if (missing) {
      this.#connections.withdraw(connection);
      throw new HandshakeRefused('forbidden', `gateway_${missing}`);
    }
    this.record.succeeded(attempt, connection, 'admitted');
    return connection;
  }
}

/** The subprotocol to answer with: the application's by its own preference, then ours, never one with a credential in it. */
function chooseProtocol(offered: readonly string[], spoken: readonly string[]): string {
  if (offered.length === 0) return '';
  const chosen = [...spoken, WS_AUTH_PROTOCOL].find(
    (protocol) => offered.includes(protocol) && !carriesCredential(protocol),
  );
  if (chosen === undefined) throw new HandshakeRefused('subprotocol_required', 'no_common_subprotocol');
  return chosen;
}

function readText(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(',') : header;
}
