import type { AuditLog } from '../audit/audit-log.js';
import { eventOfClose, eventOfRefusal } from '../audit/event-of-refusal.js';
import type { Clock } from '../clock.js';
import { closeCodeIn } from '../close-code.js';
import type { Connection, Grant, Handshake } from '../connection.js';
import { StoreUnavailable, TokenRejected } from '../errors.js';
import {
  newId,
  parseTicket,
  sessionIdOf,
  tokenHashOf,
  userHashOf,
  userHashOfSession,
} from '../identifiers.js';
import type { DeadlineWheel } from '../lifetime/deadline-wheel.js';
import type { ResolvedOptions } from '../options.js';
import { hasRoles, narrowPrincipal, type Narrowing } from '../principal.js';
import type { AdmissionBasis, AdmissionResult, Admitted } from '../session/connection-registry.js';
import type { ConnectionService } from '../session/connection-service.js';
import type { SessionCookie } from '../session/session-cookie.js';
import type { Stores } from '../stores.js';
import { PlaceCounter } from '../throttle/place-counter.js';
import type { PresentedTicket } from '../ticket/ticket-store.js';
import type { KeyObject } from 'node:crypto';
import { ClientAddressReader, isLoopbackIp } from './client-address.js';
import {
  bearerChallenge,
  carriesCredential,
  isAmbientBasic,
  readCredential,
  stripCredentials,
  WS_AUTH_PROTOCOL,
  type PresentedCredential,
} from './credential-reader.js';
import { ConnectRate } from './connect-rate.js';
import type { GatewayLookup, GatewayPolicy } from './gateway-policy.js';
import { HandshakeAttempt } from './handshake-attempt.js';
import { HostPolicy, isLoopbackHost } from './host-policy.js';
import { HandshakeRefused, retryLater } from './refusal.js';
import type { TokenVerifier, VerifiedToken } from './token-verifier.js';
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
  readonly connections: ConnectionService;
  readonly cookie: SessionCookie;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly monotonic: Clock;
  readonly wheel: DeadlineWheel;
  readonly userHashKey: KeyObject;
  readonly verifier: TokenVerifier | undefined;
  /** Called once for each time that the store goes away. */
  readonly onStoreAway?: (error: unknown) => void;
}

interface VerifiedBasis {
  readonly basis: AdmissionBasis;
  readonly credential: 'ticket' | 'bearer' | 'cookie';
  readonly token?: VerifiedToken;
}

/**
 * Decides about handshakes. The order of the checks is written once, in {@link authenticate}: cheap before dear, and
 * nothing that costs a store or a signature before everything that does not.
 *
 * Not checked here: what the application allows a principal to do with its messages.
 */
export class HandshakeAuthenticator {
  readonly #options: ResolvedOptions;
  readonly #stores: Stores;
  readonly #connections: ConnectionService;
  readonly #cookie: SessionCookie;
  readonly #audit: AuditLog;
  readonly #clock: Clock;
  readonly #wheel: DeadlineWheel;
  readonly #userHashKey: KeyObject;
  readonly #verifier: TokenVerifier | undefined;
  readonly #addresses: ClientAddressReader;
  readonly #hosts: HostPolicy;
  readonly #connectRate: ConnectRate;
  readonly #pending: PlaceCounter;
  readonly #waiting: PlaceCounter;
  #state: NodeState;

  constructor(parts: HandshakeAuthenticatorOptions) {
    const { options } = parts;
    this.#options = options;
    this.#stores = parts.stores;
    this.#connections = parts.connections;
    this.#cookie = parts.cookie;
    this.#audit = parts.audit;
    this.#clock = parts.clock;
    this.#wheel = parts.wheel;
    this.#userHashKey = parts.userHashKey;
    this.#verifier = parts.verifier;
    this.#addresses = new ClientAddressReader(options.proxy);
    this.#hosts = new HostPolicy(options.hosts);
    this.#connectRate = new ConnectRate({
      options,
      store: parts.stores.throttle,
      monotonic: parts.monotonic,
      onAway: parts.onStoreAway ?? (() => {}),
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
      this.#checkHost(request, raw);
      const gateway = (attempt.gateway = this.#findGateway(request, lookup));
      this.#checkTransport(attempt, raw);
      this.#checkOrigin(attempt, request, gateway);
      this.#connectRate.check(attempt);
      attempt.handshake = this.#describe(attempt, request, gateway, raw);
      if (gateway.access === 'public') return await this.#acceptPublic(attempt);
      return await this.#decideByCredential(attempt, request, gateway, raw);
    } catch (error) {
      throw this.#toRefusal(error);
    }
  }

  /**
   * Verifies the credential of a first message, and admits: the same steps 10 to 13.
   *
   * @throws {HandshakeRefused} and nothing else
   */
  async authenticateFirstMessage(
    attempt: HandshakeAttempt,
    credential: PresentedCredential,
  ): Promise<Connection> {
    try {
      attempt.hasPresented = true;
      return await this.#admitCredential(attempt, credential, 'first-message');
    } catch (error) {
      throw this.#toRefusal(error);
    }
  }

  /**
   * Renews a live connection with a fresh credential of the same principal and, where both name one, the same session.
   *
   * @throws {HandshakeRefused} `forbidden` for another principal, `unauthorized` for a bad credential, `unavailable` when
   * nobody can tell; the caller decides what that means for the connection
   */
  async refresh(
    connection: Connection,
    gateway: GatewayPolicy,
    credential: PresentedCredential,
  ): Promise<void> {
    const attempt = HandshakeAttempt.ofConnection(connection, gateway);
    attempt.method = `refresh ${credential.kind}`;
    attempt.hasPresented = true;
    try {
      if (!gateway.credentials.has(credential.kind))
        throw unauthorized(attempt, 'credential_kind_not_accepted');
      const verified = await this.#verify(attempt, credential);
      if (userHashOfBasis(verified.basis) !== connection.grant.userHash) throw identitySwitch();
      if (!connection.isOpen) attempt.abort('client_gone');
      const admitted = await this.#admit(attempt, verified, connection.id);
      if (!connection.isOpen) {
        attempt.abort('client_gone');
        this.#giveBack(admitted);
        throw attempt.abortError();
      }
      const grant = this.#grantOf(admitted, verified, verified.credential);
      // A connection of a session stays in it: otherwise a later logout would not find it.
      const isSameSession = !attempt.sessionId || grant.session?.id === attempt.sessionId;
      if (grant.principal.id !== connection.principal.id || !isSameSession) throw identitySwitch();
      if (!hasRoles(grant.principal, gateway.roles)) throw new HandshakeRefused('forbidden', 'gateway_roles');
      this.#connections.renew(connection, grant, admitted.logTail, admitted.session?.remainingMs);
      this.#auditSuccess(attempt, connection, 'refreshed');
    } catch (error) {
      const refusal = this.#toRefusal(error);
      this.auditRefusal(attempt, refusal);
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
    return attempt.isFromAllowedOrigin && attempt.request?.authorization === undefined;
  }

  /**
   * Tells the audit log of a refusal.
   *
   * @param closeCode the code of the project's table, for a browser that is told by a close code
   */
  auditRefusal(attempt: HandshakeAttempt, refusal: HandshakeRefused, closeCode?: number): void {
    this.#audit.record({
      ...attempt.facts,
      event: eventOfRefusal(refusal.refusal, refusal.reason),
      outcome: 'refused',
      reasonCode: refusal.reason,
      ...(closeCode === undefined ? { status: refusal.status } : { closeCode: this.#closeCodeOf(closeCode) }),
    });
  }

  /**
   * Tells the audit log of a socket that was closed before it authenticated.
   *
   * @param closeCode the code of the project's table
   */
  auditClose(attempt: HandshakeAttempt, closeCode: number, reason: string): void {
    this.#audit.record({
      ...attempt.facts,
      event: eventOfClose(closeCode, reason),
      outcome: 'refused',
      reasonCode: reason,
      closeCode: this.#closeCodeOf(closeCode),
    });
  }

  /** As it goes over the wire. */
  #closeCodeOf(code: number): number {
    return closeCodeIn(this.#options.closeCodes, code);
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

  #checkHost(request: UpgradeRequest, raw: RawUpgrade): void {
    if (!this.#hosts.allows(request.host, raw.boundToLoopback)) {
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

  /** RFC 6455 §10.2; a missing Origin is no browser's, and an empty one is nobody's. */
  #checkOrigin(attempt: HandshakeAttempt, request: UpgradeRequest, gateway: GatewayPolicy): void {
    const { origin } = request;
    if (origin !== undefined) {
      if (!gateway.origins.allows(origin))
        throw new HandshakeRefused('origin_not_allowed', 'origin_not_allowed');
      attempt.isFromAllowedOrigin = true;
      return;
    }
    if (gateway.missingOrigin === 'refuse')
      throw new HandshakeRefused('origin_not_allowed', 'origin_missing');
    if (request.cookie !== undefined)
      throw new HandshakeRefused('origin_not_allowed', 'origin_missing_beside_cookie');
    if (gateway.access === 'public' || gateway.credentials.has('first-message')) return;
    if (request.authorization !== undefined || offersTicket(request)) return;
    throw new HandshakeRefused('origin_not_allowed', 'origin_missing');
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
      path: request.path,
      query: stripCredentials(request.query),
      origin: request.origin,
      host: request.host.port === undefined ? request.host.name : `${request.host.name}:${request.host.port}`,
      address: address.ip,
      addressSource: address.source,
      secure: raw.encrypted || address.forwardedSecure,
      protocol: chooseProtocol(request.protocols, gateway.protocols),
    });
  }

  async #acceptPublic(attempt: HandshakeAttempt): Promise<HandshakeDecision> {
    attempt.method = 'public';
    await this.#inTime(attempt, this.#connectRate.count(attempt));
    this.#auditSuccess(attempt, undefined, 'public');
    return { kind: 'public' };
  }

  async #decideByCredential(
    attempt: HandshakeAttempt,
    request: UpgradeRequest,
    gateway: GatewayPolicy,
    raw: RawUpgrade,
  ): Promise<HandshakeDecision> {
    const credential = this.#readExplicitCredential(attempt, request, gateway);
    const cookieSession = this.#readCookieSession(attempt, request, raw);
    attempt.sessionId = cookieSession;
    if (credential)
      return {
        kind: 'accept',
        connection: await this.#admitCredential(attempt, credential, credential.kind),
      };
    if (cookieSession && gateway.credentials.has('cookie')) {
      const connection = await this.#admitCookie(attempt, cookieSession);
      if (connection) return { kind: 'accept', connection };
      // A session that has ended is no credential, and so no evidence against the one that is waited for.
      if (gateway.credentials.has('first-message')) attempt.sessionId = undefined;
    }
    if (gateway.credentials.has('first-message')) return this.#acceptWaiting(attempt);
    throw unauthorized(attempt, attempt.hasPresented ? 'session_unknown' : 'credential_missing');
  }

  async #acceptWaiting(attempt: HandshakeAttempt): Promise<HandshakeDecision> {
    await this.#inTime(attempt, this.#connectRate.count(attempt));
    return { kind: 'wait' };
  }

  #readExplicitCredential(
    attempt: HandshakeAttempt,
    request: UpgradeRequest,
    gateway: GatewayPolicy,
  ): PresentedCredential | null {
    const credential = readCredential(request);
    if (isAmbientBasic(request)) this.#auditIgnored(attempt, 'ambient_basic_ignored');
    if (!credential) return null;
    attempt.method = credential.kind;
    attempt.hasPresented = true;
    if (!gateway.credentials.has(credential.kind))
      throw unauthorized(attempt, 'credential_kind_not_accepted');
    return credential;
  }

  /** The session that the cookie names by its form; whether it lives, the store will say. */
  #readCookieSession(
    attempt: HandshakeAttempt,
    request: UpgradeRequest,
    raw: RawUpgrade,
  ): string | undefined {
    const reading = this.#cookie.read(request.cookie, {
      secure: raw.encrypted || attempt.address!.forwardedSecure,
      loopback: isLoopbackIp(attempt.address!.ip) && isLoopbackHost(request.host),
    });
    if (reading.kind === 'duplicate')
      throw new HandshakeRefused('multiple_credentials', 'cookie_tossing_suspected');
    if (reading.kind === 'absent') return undefined;
    const sessionId = sessionIdOf(reading.value);
    if (sessionId === null) return undefined;
    attempt.hasPresented ||= attempt.gateway!.credentials.has('cookie');
    return sessionId;
  }

  async #admitCredential(
    attempt: HandshakeAttempt,
    credential: PresentedCredential,
    kind: 'ticket' | 'bearer' | 'first-message',
  ): Promise<Connection> {
    attempt.method = kind === 'first-message' ? `first-message ${credential.kind}` : kind;
    const verified = await this.#verify(attempt, credential);
    const admitted = await this.#admit(attempt, verified, newId());
    return this.#open(attempt, admitted, verified, kind);
  }

  /** @returns `null` when the cookie's session has ended, which is no credential rather than a bad one */
  async #admitCookie(attempt: HandshakeAttempt, sessionId: string): Promise<Connection | null> {
    attempt.method = 'cookie';
    const basis: AdmissionBasis = { mode: 'session', sessionId, userHash: userHashOfSession(sessionId) };
    const verified: VerifiedBasis = { basis, credential: 'cookie' };
    try {
      const admitted = await this.#admit(attempt, verified, newId());
      return this.#open(attempt, admitted, verified, 'cookie');
    } catch (error) {
      if (error instanceof HandshakeRefused && ['session_unknown', 'revoked'].includes(error.reason))
        return null;
      throw error;
    }
  }

  async #verify(attempt: HandshakeAttempt, credential: PresentedCredential): Promise<VerifiedBasis> {
    if (credential.kind === 'bearer') return this.#verifyBearer(attempt, credential.value);
    return {
      basis: { mode: 'ticket', ticket: this.#readTicket(attempt, credential.value) },
      credential: 'ticket',
    };
  }

  #readTicket(attempt: HandshakeAttempt, value: string): PresentedTicket {
    const key = parseTicket(value);
    if (!key) throw unauthorized(attempt, 'ticket_malformed');
    attempt.ticketHash = key.hash;
    return {
      ...key,
      use: 'connect',
      origin: attempt.handshake!.origin,
      path: attempt.gateway!.path,
      sessionId: attempt.sessionId,
    };
  }

  async #verifyBearer(attempt: HandshakeAttempt, value: string): Promise<VerifiedBasis> {
    if (!this.#verifier) throw unauthorized(attempt, 'credential_kind_not_accepted');
    const verification = this.#verifier.verify(value, attempt.signal);
    const token = verification instanceof Promise ? await this.#inTime(attempt, verification) : verification;
    attempt.principalId = token.principal.id;
    const userHash = userHashOf(this.#userHashKey, token.principal.id);
    const cookieSession = attempt.sessionId;
    const isOtherUser = cookieSession !== undefined && userHashOfSession(cookieSession) !== userHash;
    const isOtherSession =
      cookieSession !== undefined && token.sessionId !== undefined && cookieSession !== token.sessionId;
    if (isOtherUser || isOtherSession) {
      throw attempt.isRefresh ? identitySwitch() : unauthorized(attempt, 'credential_conflict');
    }
    const tokenHash = token.tokenId === undefined ? undefined : tokenHashOf(token.issuer, token.tokenId);
    if (token.sessionId === undefined) {
      const { principal, issuedAt } = token;
      return {
        basis: { mode: 'principal', principal, userHash, issuedAt, tokenHash },
        credential: 'bearer',
        token,
      };
    }
    if (userHashOfSession(token.sessionId) !== userHash)
      throw unauthorized(attempt, 'session_of_another_user');
    return {
      basis: { mode: 'session', sessionId: token.sessionId, userHash, tokenHash },
      credential: 'bearer',
      token,
    };
  }

  /** Steps 12 and 13: one round trip, and none for a client that has gone. */
  async #admit(attempt: HandshakeAttempt, verified: VerifiedBasis, connectionId: string): Promise<Admitted> {
    if (attempt.signal.aborted) throw attempt.abortError();
    const { connections, handshake, session } = this.#options;
    const admission = this.#stores.connections.admit({
      connectionId,
      basis: verified.basis,
      maxPerUser: connections.maxPerUser,
      maxPerSession: connections.maxPerSession,
      onLimit: connections.onLimit,
      touch: session.extendedBy === 'messages',
      rate: this.#connectRate.ofAdmission(attempt),
      deadline: this.#clock() + handshake.verifyTimeoutMs,
    });
    const result = await this.#raceAdmission(attempt, admission);
    if (result.outcome !== 'admitted') throw refusalOf(attempt, result);
    if (!attempt.signal.aborted) return result;
    this.#giveBack(result);
    throw attempt.abortError();
  }

  /** Waits for a verifier or a store, and not for longer than `handshake.verifyTimeoutMs`. */
  async #inTime<T>(attempt: HandshakeAttempt, work: Promise<T>): Promise<T> {
    const deadline = this.#wheel.schedule(this.#options.handshake.verifyTimeoutMs, () =>
      attempt.abort('timeout'),
    );
    try {
      return await attempt.race(work);
    } finally {
      this.#wheel.cancel(deadline);
    }
  }

  /** A place that is given to a client that has gone is given back (requirement HS-04). */
  async #raceAdmission(
    attempt: HandshakeAttempt,
    admission: Promise<AdmissionResult>,
  ): Promise<AdmissionResult> {
    try {
      const result = await this.#inTime(attempt, admission);
      this.#connectRate.noteAnswer(attempt, result);
      return result;
    } catch (error) {
      if (error instanceof StoreUnavailable) this.#connectRate.noteAway(error);
      admission.then((result) => result.outcome === 'admitted' && this.#giveBack(result)).catch(() => {});
      throw error;
    }
  }

  #giveBack(result: Admitted): void {
    if (this.#connections.get(result.connectionId)) return;
    this.#stores.connections.release({ id: result.connectionId, userHash: result.userHash }).catch(() => {});
  }

  #open(
    attempt: HandshakeAttempt,
    admitted: Admitted,
    verified: VerifiedBasis,
    kind: Grant['credential'],
  ): Connection {
    const grant = this.#grantOf(admitted, verified, kind);
    attempt.principalId = grant.principal.id;
    attempt.sessionId = grant.session?.id;
    const connection = this.#connections.open(
      admitted.connectionId,
      attempt.handshake!,
      grant,
      admitted.logTail,
      admitted.session?.remainingMs,
    );
    if (!connection.isOpen) throw unauthorized(attempt, connection.ending?.reason ?? 'revoked');
    if (!hasRoles(connection.principal, attempt.gateway!.roles)) {
      this.#connections.withdraw(connection);
      throw new HandshakeRefused('forbidden', 'gateway_roles');
    }
    this.#auditSuccess(attempt, connection, 'admitted');
    return connection;
  }

  #grantOf(admitted: Admitted, verified: VerifiedBasis, credential: Grant['credential']): Grant {
    const { session, ticket, userHash } = admitted;
    const { token } = verified;
    const narrowing: Narrowing | undefined = ticket ? ticket.narrowing : token?.narrowing;
    const ends = [session?.absoluteEndsAt, token?.expiresAt, ticket?.token?.expiresAt];
    const { basis } = verified;
    return {
      principal: narrowPrincipal(admitted.principal, narrowing),
      userHash,
      credential,
      session,
      narrowing,
      tokenHash: basis.mode === 'ticket' ? ticket?.token?.hash : basis.tokenHash,
      authenticatedAt: session?.authenticatedAt ?? ticket?.authenticatedAt ?? token?.issuedAt ?? 0,
      expiresAt: Math.min(...ends.filter((end) => end !== undefined)),
    };
  }

  #auditIgnored(attempt: HandshakeAttempt, reasonCode: string): void {
    this.#audit.record({ ...attempt.facts, event: 'authn_login_fail', outcome: 'refused', reasonCode });
  }

  #auditSuccess(attempt: HandshakeAttempt, connection: Connection | undefined, reasonCode: string): void {
    this.#audit.record({
      ...attempt.facts,
      event: 'authn_login_success',
      outcome: 'success',
      reasonCode,
      connectionId: connection?.id,
      principal: connection?.principal.id,
      sessionId: connection?.session?.id,
    });
  }

  /** The one place in which what a step threw becomes a refusal. What is not understood is "cannot tell", never "yes". */
  #toRefusal(error: unknown): HandshakeRefused {
    if (error instanceof HandshakeRefused) return error;
    if (error instanceof TokenRejected) {
      return new HandshakeRefused('unauthorized', `token_${error.reason}`, {
        headers: { 'WWW-Authenticate': bearerChallenge(true) },
      });
    }
    const reason = error instanceof StoreUnavailable ? 'store_unavailable' : 'verifier_failed';
    return new HandshakeRefused('unavailable', reason, { ...retryLater(), cause: error });
  }
}

/** The refusal for what the store answered; all that concerns the credential look alike to the client. */
function refusalOf(attempt: HandshakeAttempt, result: Exclude<AdmissionResult, Admitted>): HandshakeRefused {
  switch (result.outcome) {
    case 'ticket_unknown':
      return unauthorized(attempt, result.replayed ? 'ticket_replayed' : 'ticket_unknown');
    case 'ticket_mismatch':
      return unauthorized(attempt, `ticket_mismatch_${result.binding}`);
    case 'session_unknown':
    case 'revoked':
      return unauthorized(attempt, result.outcome);
    case 'limit':
      return new HandshakeRefused('too_many_connections', `limit_of_${result.of}`, retryLater());
    case 'rate':
      return new HandshakeRefused('rate_limited', 'connect_rate', { retryAfterMs: result.retryAfterMs });
    case 'late':
      return new HandshakeRefused('unavailable', 'store_too_late', retryLater());
  }
}

function identitySwitch(): HandshakeRefused {
  return new HandshakeRefused('forbidden', 'identity_switch');
}

function userHashOfBasis(basis: AdmissionBasis): string {
  return basis.mode === 'ticket' ? basis.ticket.userHash : basis.userHash;
}

function unauthorized(attempt: HandshakeAttempt, reason: string): HandshakeRefused {
  return new HandshakeRefused('unauthorized', reason, {
    headers: { 'WWW-Authenticate': bearerChallenge(attempt.hasPresented) },
  });
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

function offersTicket(request: UpgradeRequest): boolean {
  return (
    /(?:^|&)ticket=/.test(request.query) ||
    request.protocols.some((protocol) => protocol.startsWith('ticket.ws-auth.'))
  );
}

function readText(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(',') : header;
}
