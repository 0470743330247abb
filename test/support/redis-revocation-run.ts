import type { CoreNode, FakeConnection } from './core-node.js';
import { answered } from './redis-server.js';

/** Between two orders, unless said otherwise. */
const PACE_MS = 20;
/** Orders that are taken before something goes wrong, and after it has. */
const SOME = 25;
/** At least so many orders in a run, and while something is wrong at most so many: some are left for what comes after. */
const FEWEST = 101;
const MOST_MEANWHILE = 150;

interface RunUser {
  readonly id: string;
  readonly sessionId: string;
  /** One on each node. */
  readonly connections: readonly FakeConnection[];
}

/** Users with a session and a connection on each of two nodes, of whom some are revoked while something goes wrong. */
export class RevocationRun {
  readonly users: readonly RunUser[];
  readonly #nodes: readonly CoreNode[];
  readonly #revoked = new Set<RunUser>();
  readonly #refused = new Set<RunUser>();
  #taken = 0;
  #takenAt = 0;
  #gapMs = 0;

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

  /** The orders that the store took at once. */
  get taken(): number {
    return this.#taken;
  }

  /** The users of whom an order was refused at first: the node that gave it keeps it, and gives it again. */
  get refused(): readonly string[] {
    return [...this.#refused].map(({ id }) => id);
  }

  /**
   * Revokes users before something happens to a master, until another has taken its place, and when both nodes are served
   * again.
   *
   * @returns what happened, in words, and how many orders were taken at the end
   */
  async throughFailover(
    harm: () => void,
    failedOver: () => Promise<void>,
  ): Promise<{ told: string; takenAfter: number }> {
    this.#takenAt = performance.now();
    await this.revokeWhile(() => this.#taken < SOME);
    harm();
    const from = performance.now();
    let failoverMs = 0;
    const failover = failedOver().finally(() => {
      failoverMs = performance.now() - from;
    });
    await Promise.all([failover, this.revokeWhile(() => failoverMs === 0 && this.revoked < MOST_MEANWHILE)]);
    await this.#served();
    const before = this.#taken;
    await this.revokeWhile(() => this.#taken < before + SOME || this.revoked < FEWEST);
    const told =
      `${this.revoked} revocations, ${this.#taken} taken at once and ${this.#refused.size} kept; ` +
      `other master after ${Math.round(failoverMs)} ms, longest gap ${Math.round(this.#gapMs)} ms`;
    return { told, takenAfter: this.#taken - before };
  }

  /** Revokes one user after another, until it is over, or until half of the users are left. */
  async revokeWhile(isOn: () => boolean, paceMs = PACE_MS): Promise<void> {
    const orders: Promise<boolean>[] = [];
    const half = this.users.slice(0, this.users.length / 2).filter((user) => !this.#revoked.has(user));
    for (const user of half) {
      if (!isOn()) break;
      orders.push(this.revoke(user));
      await new Promise((resolve) => setTimeout(resolve, paceMs));
    }
    await Promise.all(orders);
  }

  /** From one node or the other, by session or by user. @returns whether it was taken at once */
  async revoke(user: RunUser): Promise<boolean> {
    const index = this.#revoked.size;
    this.#revoked.add(user);
    const node = this.#nodes[index % this.#nodes.length]!;
    try {
      await node.revocations.revoke(index % 4 < 2 ? { session: user.sessionId } : { user: user.id });
    } catch {
      this.#refused.add(user);
      return false;
    }
    const now = performance.now();
    this.#taken += 1;
    this.#gapMs = Math.max(this.#gapMs, now - this.#takenAt);
    this.#takenAt = now;
    return true;
  }

  /** Revoked users that still have a connection on any node, or a session in the store. */
  async alive(): Promise<number> {
    const sessions = await this.#liveSessions([...this.#revoked]);
    return [...this.#revoked].filter((user) => hasConnection(user) || sessions.has(user)).length;
  }

  /** The same, when nothing goes wrong any more: asks until there is none, or the time is over. */
  async lost(withinMs = 30_000): Promise<number> {
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
    const sessions = await answered(() => this.#liveSessions(others));
    return others.filter(
      (user) => !user.connections.every(({ connection }) => connection.isOpen) || !sessions.has(user),
    ).length;
  }

  /** Resolves when every node has an answer about every user. */
  async #served(): Promise<void> {
    const ids = this.users.map(({ sessionId }) => sessionId);
    await Promise.all(this.#nodes.map((node) => answered(() => node.stores.sessions.get(ids))));
  }

  async #liveSessions(users: readonly RunUser[]): Promise<Set<RunUser>> {
    const found = await this.#nodes[0]!.stores.sessions.get(users.map(({ sessionId }) => sessionId));
    return new Set(users.filter((_, index) => found[index] !== null));
  }
}

function hasConnection({ connections }: RunUser): boolean {
  return connections.some(({ connection }) => connection.isOpen);
}
