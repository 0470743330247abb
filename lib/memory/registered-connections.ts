/** One registered connection of a user. */
export interface RegisteredConnection {
  readonly id: string;
  readonly sessionId: string | undefined;
  /** Unix ms. */
  readonly since: number;
}

/** The registered connections of all users. A lone one, which is the usual case, is kept without a map. */
export class RegisteredConnections {
  readonly #entries = new Map<string, RegisteredConnection | Map<string, RegisteredConnection>>();

  /** Registers a connection, or says something new of it. */
  set(userHash: string, connection: RegisteredConnection): void {
    const entry = this.#entries.get(userHash);
    if (entry instanceof Map) entry.set(connection.id, connection);
    else if (entry === undefined || entry.id === connection.id) this.#entries.set(userHash, connection);
    else {
      const both = [entry, connection].map((one) => [one.id, one] as const);
      this.#entries.set(userHash, new Map(both));
    }
  }

  delete(userHash: string, id: string): void {
    const entry = this.#entries.get(userHash);
    if (entry instanceof Map) entry.delete(id);
    const isLast = entry instanceof Map ? entry.size === 0 : entry?.id === id;
    if (isLast) this.#entries.delete(userHash);
  }

  get(userHash: string, id: string): RegisteredConnection | undefined {
    const entry = this.#entries.get(userHash);
    if (entry instanceof Map) return entry.get(id);
    return entry?.id === id ? entry : undefined;
  }

  /** Those of a user, in the order in which they came. */
  of(userHash: string): readonly RegisteredConnection[] {
    const entry = this.#entries.get(userHash);
    if (entry === undefined) return [];
    return entry instanceof Map ? [...entry.values()] : [entry];
  }

  countOf(userHash: string): number {
    const entry = this.#entries.get(userHash);
    if (entry === undefined) return 0;
    return entry instanceof Map ? entry.size : 1;
  }
}
