import type { Clock } from '../clock.js';
import { StoreUnavailable } from '../errors.js';
import type { ResolvedOptions } from '../options.js';
import type {
  AdmissionBasis,
  AdmissionResult,
  Admitted,
  ConnectionRegistry,
} from '../session/connection-registry.js';
import type { ConnectionService } from '../session/connection-service.js';
import { refusalOfAdmission } from './attempt-refusals.js';
import type { AttemptTimer } from './attempt-timer.js';
import type { ConnectRate } from './connect-rate.js';
import type { HandshakeAttempt } from './handshake-attempt.js';

/** What the admission is built from. */
export interface AdmissionOptions {
  readonly options: Pick<ResolvedOptions, 'connections' | 'handshake' | 'session'>;
  readonly registry: ConnectionRegistry;
  readonly connections: ConnectionService;
  readonly connectRate: ConnectRate;
  readonly timer: AttemptTimer;
  readonly clock: Clock;
}

/** Asks the store for a place, and sees to it that none is kept which nobody waits for any more. */
export class Admission {
  readonly #options: AdmissionOptions['options'];
  readonly #registry: ConnectionRegistry;
  readonly #connections: ConnectionService;
  readonly #connectRate: ConnectRate;
  readonly #timer: AttemptTimer;
  readonly #clock: Clock;

  constructor(parts: AdmissionOptions) {
    this.#options = parts.options;
    this.#registry = parts.registry;
    this.#connections = parts.connections;
    this.#connectRate = parts.connectRate;
    this.#timer = parts.timer;
    this.#clock = parts.clock;
  }

  /**
   * Steps 12 and 13: one round trip, and none for a client that has gone.
   *
   * @throws {HandshakeRefused}
   * @throws {StoreUnavailable}
   */
  async admit(attempt: HandshakeAttempt, basis: AdmissionBasis, connectionId: string): Promise<Admitted> {
    if (attempt.isAborted) throw attempt.abortError();
    const { connections, handshake, session } = this.#options;
    const admission = this.#registry.admit({
      connectionId,
      basis,
      maxPerUser: connections.maxPerUser,
      maxPerSession: connections.maxPerSession,
      onLimit: connections.onLimit,
      touch: session.extendedBy === 'messages',
      rate: this.#connectRate.ofAdmission(attempt),
      deadline: this.#clock() + handshake.verifyTimeoutMs,
    });
    const result = await this.#raceAdmission(attempt, admission);
    if (result.outcome !== 'admitted') throw refusalOfAdmission(attempt, result);
    if (!attempt.isAborted) return result;
    this.giveBack(result);
    throw attempt.abortError();
  }

  /** A place that is given to a client that has gone is given back (requirement HS-04). */
  async #raceAdmission(
    attempt: HandshakeAttempt,
    admission: Promise<AdmissionResult>,
  ): Promise<AdmissionResult> {
    try {
      const result = await this.#timer.wait(attempt, admission);
      this.#connectRate.noteAnswer(attempt, result);
      return result;
    } catch (error) {
      if (error instanceof StoreUnavailable) this.#connectRate.noteAway(error);
      admission.then((result) => result.outcome === 'admitted' && this.giveBack(result)).catch(() => {});
      throw error;
    }
  }

  /** Gives the place back that an admission has taken. A live connection, which has asked anew, keeps it. */
  giveBack(result: Admitted): void {
    if (this.#connections.get(result.connectionId)) return;
    this.#registry.release({ id: result.connectionId, userHash: result.userHash }).catch(() => {});
  }
}
