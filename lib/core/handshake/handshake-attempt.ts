import type { AuditRecord } from '../audit/audit-event.js';
import { newId } from '../identifiers.js';
import type { Connection, Handshake } from '../connection.js';
import type { HandshakeTrace } from '../metrics/handshake-trace.js';
import type { ClientAddress } from './client-address.js';
import type { GatewayPolicy } from './gateway-policy.js';
import { HandshakeRefused, retryLater } from './refusal.js';
import type { UpgradeRequest } from './upgrade-request.js';

/** Why an attempt was given up before it was decided. */
export type AbortReason = 'client_gone' | 'timeout' | 'shutdown';

type AttemptFacts = Pick<
  AuditRecord,
  | 'correlationId'
  | 'ip'
  | 'ipSource'
  | 'origin'
  | 'path'
  | 'method'
  | 'principal'
  | 'sessionId'
  | 'ticketHash'
  | 'claim'
  | 'received'
>;

/**
 * One handshake on its way up the staircase: what each step has found out, for the steps after it, for the refusal and
 * for the audit log. It ends once: decided, or aborted.
 */
export class HandshakeAttempt {
  readonly correlationId = newId();
  /** The trace that it is part of, where traces are recorded. */
  trace: HandshakeTrace | undefined;
  address: ClientAddress | undefined;
  /** Under which its address counts connects. */
  connectKey: string | undefined;
  /** True once the store has been asked to count it. */
  isConnectCounted = false;
  request: UpgradeRequest | undefined;
  gateway: GatewayPolicy | undefined;
  handshake: Handshake | undefined;
  /** The kind of credential that was presented, once that is known. */
  method: string | undefined;
  /** Who it claims to be and has proved, once that is known. */
  principalId: string | undefined;
  sessionId: string | undefined;
  ticketHash: string | undefined;
  /** Who a credential that can be guessed claims to be of. */
  claim: string | undefined;
  /** What was compared and did not fit, where the facts do not say it; for the operator. */
  received: string | undefined;
  /** True once the Origin is known to be an allowed one: a browser on it may be told by a close code. */
  isFromAllowedOrigin = false;
  /** True for a fresh credential of a live connection, which may not become somebody else's. */
  isRefresh = false;
  /** True once a credential was found: a 401 then says `invalid_token`. */
  hasPresented = false;
  /** Made when somebody asks for the signal: most handshakes are decided by then. */
  #controller: AbortController | undefined;
  #abortReason: AbortReason | undefined;
  readonly #releases: (() => void)[] = [];
  #rejectAborted: ((error: unknown) => void) | undefined;

  /** An attempt to renew a live connection: its handshake stands, only the credential is new. */
  static ofConnection(connection: Connection, gateway: GatewayPolicy): HandshakeAttempt {
    const attempt = new HandshakeAttempt();
    attempt.gateway = gateway;
    attempt.handshake = connection.handshake;
    attempt.sessionId = connection.session?.id;
    attempt.isRefresh = true;
    return attempt;
  }

  get signal(): AbortSignal {
    if (this.#controller) return this.#controller.signal;
    this.#controller = new AbortController();
    if (this.isAborted) this.#controller.abort(this.#abortReason);
    return this.#controller.signal;
  }

  get abortReason(): AbortReason | undefined {
    return this.#abortReason;
  }

  get isAborted(): boolean {
    return this.#abortReason !== undefined;
  }

  /** Gives the attempt up. What is under way hears of it through the signal; {@link race} rejects at once. */
  abort(reason: AbortReason): void {
    if (this.isAborted) return;
    this.#abortReason = reason;
    this.#controller?.abort(reason);
    this.#rejectAborted?.(this.abortError());
  }

  /** Waits for `work`, or for the abort. */
  race<T>(work: Promise<T>): Promise<T> {
    if (this.isAborted) {
      work.catch(() => {});
      return Promise.reject(this.abortError());
    }
    return new Promise<T>((resolve, reject) => {
      this.#rejectAborted = reject;
      work.then(resolve, reject);
    });
  }

  /** What the audit log is told of the attempt, as far as it got. */
  get facts(): AttemptFacts {
    const { handshake, request, address } = this;
    return {
      correlationId: this.correlationId,
      ip: handshake?.address ?? address?.ip,
      ipSource: handshake?.addressSource ?? address?.source,
      origin: handshake?.origin ?? request?.origin,
      path: handshake?.path ?? request?.path,
      method: this.method,
      principal: this.principalId,
      sessionId: this.sessionId,
      ticketHash: this.ticketHash,
      claim: this.claim,
      received: this.received,
    };
  }

  /** The refusal of an attempt that was given up. */
  abortError(): HandshakeRefused {
    const reason = this.abortReason ?? 'timeout';
    return new HandshakeRefused(reason === 'shutdown' ? 'draining' : 'unavailable', reason, retryLater());
  }

  /** Something to give back when the attempt is over. */
  holds(release: () => void): void {
    this.#releases.push(release);
  }

  /** Gives back what was held. Harmless when called again. */
  release(): void {
    for (const release of this.#releases.splice(0)) release();
  }
}
