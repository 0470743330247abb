import type { Connection } from '../connection.js';
import type { RevocableCredential, RevocationLog } from '../revocation/revocation-log.js';
import type { DeadlineWheel } from './deadline-wheel.js';

/** How many answers are awaited at a time: what comes beyond them waits, and the store is never flooded. */
const ASKED_AT_ONCE = 64;

/** How soon a store that failed is asked again. */
const RETRY_MS = 1_000;

/** What of a connection only the revocation log knows; `undefined` where its session says it all. */
export function credentialToCheck({ grant }: Connection): RevocableCredential | undefined {
  const { userHash, session, tokenHash, authenticatedAt } = grant;
  if (session && !tokenHash) return undefined;
  return { userHash, issuedAt: session ? undefined : authenticatedAt, tokenHash };
}

/**
 * Asks the store whether credentials without a session, and tokens, have been revoked: what would have been heard of, had
 * the message arrived (requirement LT-05). A store that fails ends nobody, and is asked again.
 */
export class Revalidation {
  readonly #revocations: Pick<RevocationLog, 'isRevoked'>;
  readonly #wheel: DeadlineWheel;
  readonly #onRevoked: (connection: Connection) => void;
  readonly #onError: (error: unknown) => void;
  readonly #waiting = new Set<Connection>();
  #isAsking = false;

  constructor(parts: {
    revocations: Pick<RevocationLog, 'isRevoked'>;
    wheel: DeadlineWheel;
    onRevoked: (connection: Connection) => void;
    onError: (error: unknown) => void;
  }) {
    this.#revocations = parts.revocations;
    this.#wheel = parts.wheel;
    this.#onRevoked = parts.onRevoked;
    this.#onError = parts.onError;
  }

  /** Has a connection checked; those of one turn are asked about together. */
  add(connection: Connection): void {
    this.#waiting.add(connection);
    if (!this.#isAsking) this.#goOn();
  }

  /** Checks all of these, a bounded number at a time. @throws what the store threw: some may not have been checked */
  async checkAll(connections: readonly Connection[]): Promise<void> {
    for (let index = 0; index < connections.length; index += ASKED_AT_ONCE) {
      const batch = connections.slice(index, index + ASKED_AT_ONCE);
      await Promise.all(batch.map((connection) => this.#ask(connection)));
    }
  }

  #goOn(): void {
    this.#isAsking = this.#waiting.size > 0;
    // Not a microtask: a store that answers at once would be asked about thousands in one turn of the loop.
    if (this.#isAsking) setImmediate(() => void this.#askNext());
  }

  async #askNext(): Promise<void> {
    const failures: unknown[] = [];
    const answers = this.#takeBatch().map((connection) =>
      this.#ask(connection).catch((error: unknown) => {
        failures.push(error);
        this.#waiting.add(connection);
      }),
    );
    await Promise.all(answers);
    if (failures.length === 0) return this.#goOn();
    this.#onError(failures[0]);
    this.#wheel.schedule(RETRY_MS, () => this.#goOn());
  }

  #takeBatch(): Connection[] {
    const batch: Connection[] = [];
    for (const connection of this.#waiting) {
      this.#waiting.delete(connection);
      batch.push(connection);
      if (batch.length === ASKED_AT_ONCE) break;
    }
    return batch;
  }

  async #ask(connection: Connection): Promise<void> {
    const { grant, isOpen } = connection;
    const credential = credentialToCheck(connection);
    if (!credential || !isOpen) return;
    if (!(await this.#revocations.isRevoked(credential))) return;
    // Refreshed while the answer was on its way: it is about a credential that the connection has no more.
    if (connection.grant === grant) this.#onRevoked(connection);
    else this.add(connection);
  }
}
