import type { Connection } from '../connection.js';

/** Connections by a key that several of them may share. A lone one, which is the usual case, is kept without a set. */
class SharedIndex {
  readonly #entries = new Map<string, Connection | Set<Connection>>();

  add(key: string, connection: Connection): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) this.#entries.set(key, connection);
    else if (entry instanceof Set) entry.add(connection);
    else if (entry !== connection) this.#entries.set(key, new Set([entry, connection]));
  }

  remove(key: string, connection: Connection): void {
    const entry = this.#entries.get(key);
    if (entry === connection) this.#entries.delete(key);
    else if (entry instanceof Set && entry.delete(connection) && entry.size === 0) this.#entries.delete(key);
  }

  of(key: string): Connection[] {
    const entry = this.#entries.get(key);
    if (entry === undefined) return [];
    return entry instanceof Set ? [...entry] : [entry];
  }
}

/** The connections that live on this node, found by id, user, session and token. */
export class ConnectionTable {
  readonly #byId = new Map<string, Connection>();
  readonly #byUser = new SharedIndex();
  readonly #bySession = new SharedIndex();
  readonly #byToken = new SharedIndex();

  get size(): number {
    return this.#byId.size;
  }

  add(connection: Connection): void {
    this.#byId.set(connection.id, connection);
    this.#index(connection);
  }

  /** @returns false when it was not there */
  remove(connection: Connection): boolean {
    if (!this.#byId.delete(connection.id)) return false;
    this.#unindex(connection);
    return true;
  }

  /** Changes what a connection is found by: `change` may give it another session or token, never another user. */
  update(connection: Connection, change: () => void): void {
    const isListed = this.#byId.has(connection.id);
    if (isListed) this.#unindex(connection);
    change();
    if (isListed) this.#index(connection);
  }

  get(id: string): Connection | undefined {
    return this.#byId.get(id);
  }

  all(): Connection[] {
    return [...this.each()];
  }

  /** All of them without a copy: for a walk on which none is added or removed. */
  each(): IterableIterator<Connection> {
    return this.#byId.values();
  }

  ofUser(userHash: string): Connection[] {
    return this.#byUser.of(userHash);
  }

  ofSession(sessionId: string): Connection[] {
    return this.#bySession.of(sessionId);
  }

  ofToken(tokenHash: string): Connection[] {
    return this.#byToken.of(tokenHash);
  }

  #index(connection: Connection): void {
    const { userHash, session, tokenHash } = connection.grant;
    this.#byUser.add(userHash, connection);
    if (session) this.#bySession.add(session.id, connection);
    if (tokenHash) this.#byToken.add(tokenHash, connection);
  }

  #unindex(connection: Connection): void {
    const { userHash, session, tokenHash } = connection.grant;
    this.#byUser.remove(userHash, connection);
    if (session) this.#bySession.remove(session.id, connection);
    if (tokenHash) this.#byToken.remove(tokenHash, connection);
  }
}
