import type { CoreNode, FakeConnection } from './core-node.js';

interface RunUser {
  readonly id: string;
  readonly sessionId: string;
  /** One on each node. */
  readonly connections: readonly FakeConnection[];
}

/** What was revoked, and what came of it. */
export interface RunResult {
  /** Taken by the store at once. */
  readonly taken: number;
  /** Refused with an error: the node that gave the order keeps it and gives it again. */
  readonly kept: number;
  /** The longest stretch in which none was taken. */
  readonly gapMs: number;
}

/** Users with a session and a connection on each of two nodes, of whom some are revoked while something goes wrong. */
export class RevocationRun {
  readonly users: readonly RunUser[];
  readonly #nodes: readonly CoreNode[];
  readonly #revoked = new Set<RunUser>();
  readonly #refused = new Set<RunUser>();

  private constructor(nodes: readonly CoreNode[], users: readonly RunUser[]) {
    this.#nodes = nodes;
    this.users = users;
  }

  static async prepare(nodes: readonly CoreNode[], count: number, name = 'user'): Promise<RevocationRun> {
    const users = [];
    for (let index = 0; index < count; index += 1) {
      const id = `${name}-${index}`;
      const { session } = await nodes[0]!.sessions.create({ userId: id });
      const connections = await Promise.all(nodes.map((node) => node.connect(session.id)));
      users.push({ id, sessionId: session.id, connections });
    }
    return new RevocationRun(nodes, users);
  }

  get revoked(): number {
    return this.#revoked.size;
  }

  /** The users of whom an order was refused at first. */
  get refused(): readonly string[] {
    return [...this.#refused].map(({ id }) => id);
  }

  /** Revokes one user after another, every `paceMs`, until `until` or until half of the users are left. */
  async revokeWhile(isOn: () => boolean, paceMs: number): Promise<RunResult> {
    let taken = 0;
    let takenAt = performance.now();
    let gapMs = 0;
    const orders: Promise<void>[] = [];
    const half = this.users.slice(0, this.users.length / 2).filter((user) => !this.#revoked.has(user));
    const before = this.#refused.size;
    for (const user of half) {
      if (!isOn()) break;
      orders.push(
        this.revoke(user).then((isTaken) => {
          if (!isTaken) return;
          taken += 1;
          gapMs = Math.max(gapMs, performance.now() - takenAt);
          takenAt = performance.now();
        }),
      );
      await new Promise((resolve) => setTimeout(resolve, paceMs));
    }
    await Promise.all(orders);
    return { taken, kept: this.#refused.size - before, gapMs: Math.round(gapMs) };
  }

  /** From one node or the other, by session or by user. @returns whether it was taken at once */
  async revoke(user: RunUser): Promise<boolean> {
    const index = this.#revoked.size;
    this.#revoked.add(user);
    const node = this.#nodes[index % this.#nodes.length]!;
    try {
      await node.revocations.revoke(index % 4 < 2 ? { session: user.sessionId } : { user: user.id });
      return true;
    } catch {
      this.#refused.add(user);
      return false;
    }
  }

  /** Revoked users that still have a connection on any node, or a session in the store. */
  async alive(): Promise<number> {
    const sessions = await this.#liveSessions([...this.#revoked]);
    return [...this.#revoked].filter((user) => hasConnection(user) || sessions.has(user)).length;
  }

  /** The same, when nothing goes wrong any more: asks until there is none, or the time is over. */
  async lost(withinMs: number): Promise<number> {
    const end = performance.now() + withinMs;
    for (;;) {
      const alive = await this.alive().catch(() => this.#revoked.size);
      if (alive === 0 || performance.now() > end) return alive;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Users that nobody revoked and that lost a connection or their session. */
  async harmed(): Promise<number> {
    const others = this.users.filter((user) => !this.#revoked.has(user));
    const sessions = await this.#liveSessions(others);
    return others.filter(
      (user) => !user.connections.every(({ connection }) => connection.isOpen) || !sessions.has(user),
    ).length;
  }

  async #liveSessions(users: readonly RunUser[]): Promise<Set<RunUser>> {
    const found = await this.#nodes[0]!.stores.sessions.get(users.map(({ sessionId }) => sessionId));
    return new Set(users.filter((_, index) => found[index] !== null));
  }
}

function hasConnection({ connections }: RunUser): boolean {
  return connections.some(({ connection }) => connection.isOpen);
}
