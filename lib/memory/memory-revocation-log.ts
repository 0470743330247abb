import {
  SINGLE_PARTITION,
  type RevocableCredential,
  type RevocationEntry,
  type RevocationListener,
  type RevocationLog,
  type RevocationOrder,
  type RevocationReceipt,
  type RevocationResult,
} from '../core/revocation/revocation-log.js';
import type { MemoryState } from './memory-state.js';

/** What an order did to the state. */
interface Effect {
  readonly sessions: number;
  readonly cut?: number;
  readonly cutInclusive?: boolean;
}

/** The revocation log of a single node: its one listener hears of an entry before `append` resolves. */
export class MemoryRevocationLog implements RevocationLog {
  readonly #state: MemoryState;
  readonly #rememberMs: number;
  readonly #listeners: RevocationListener[] = [];
  readonly #results = new WeakMap<RevocationEntry, RevocationResult>();

  /** @param rememberMs how long a cut is remembered: at least the longest life of a session or a token */
  constructor(state: MemoryState, rememberMs: number) {
    this.#state = state;
    this.#rememberMs = rememberMs;
  }

  async append(order: RevocationOrder, reason: string): Promise<RevocationReceipt> {
    const { sessions, cut, cutInclusive = false } = this.#carryOut(order);
    const entry: RevocationEntry = Object.freeze({
      partition: SINGLE_PARTITION,
      id: this.#state.nextLogId(),
      order,
      cut,
      cutInclusive,
      reason,
    });
    const sockets = this.#listeners.reduce((sum, listener) => sum + listener(entry), 0);
    this.#results.set(entry, { sockets, nodes: 1, pending: 0 });
    return { entry, sessions };
  }

  follow(listener: RevocationListener): void {
    this.#listeners.push(listener);
  }

  partitionOf(): string {
    return SINGLE_PARTITION;
  }

  async isRevoked({ userHash, issuedAt, tokenHash }: RevocableCredential): Promise<boolean> {
    return !this.#state.isCurrent(userHash, issuedAt ?? Infinity, tokenHash);
  }

  async acknowledgements(entry: RevocationEntry): Promise<RevocationResult> {
    return this.#results.get(entry) ?? { sockets: 0, nodes: 1, pending: 0 };
  }

  #carryOut(order: RevocationOrder): Effect {
    switch (order.kind) {
      case 'session':
        return { sessions: this.#state.deleteSession(order.sessionId) ? 1 : 0 };
      case 'user':
        return this.#revokeUser(order.userHash, order.issuedBefore, order.exceptSessionId);
      case 'everyone':
        return this.#revokeEveryone(order.issuedBefore);
      case 'token':
        this.#state.revokedTokens.set(order.tokenHash, true, this.#state.clock() + order.rememberMs);
        return { sessions: 0 };
      case 'rights':
        return { sessions: this.#changeRights(order) };
      case 'rotate':
        return this.#rotate(order);
      case 'replace':
        return { sessions: 0 };
    }
  }

  #revokeUser(userHash: string, issuedBefore: number | undefined, except: string | undefined): Effect {
    const now = this.#state.clock();
    const cut = Math.min(issuedBefore ?? now, now);
    const cutInclusive = issuedBefore === undefined;
    let sessions = 0;
    for (const { id, authenticatedAt } of this.#state.sessionsOf(userHash)) {
      if (id === except) {
        if (authenticatedAt < cut) this.#state.changeSession(id, { authenticatedAt: cut });
      } else if (cutInclusive ? authenticatedAt <= cut : authenticatedAt < cut) {
        sessions += Number(this.#state.deleteSession(id));
      }
    }
    this.#state.raiseUserCut(userHash, cut, cutInclusive, this.#rememberMs);
    return { sessions, cut, cutInclusive };
  }

  /** One millisecond beyond now, so that nothing granted in this very millisecond slips through. */
  #revokeEveryone(issuedBefore: number | undefined): Effect {
    const now = this.#state.clock();
    const cut = issuedBefore === undefined ? now + 1 : Math.min(issuedBefore, now);
    this.#state.raiseEveryoneCut(cut);
    return { sessions: 0, cut };
  }

  #changeRights(order: Extract<RevocationOrder, { kind: 'rights' }>): number {
    const sessions = this.#state.sessionsOf(order.userHash);
    const concerned = sessions.filter(({ id }) => order.sessionId === undefined || id === order.sessionId);
    for (const session of concerned) {
      this.#state.changeSession(session.id, {
        ...(order.roles ? { roles: Object.freeze([...order.roles]) } : {}),
        ...(order.scopes ? { scopes: Object.freeze([...order.scopes]) } : {}),
        version: session.version + 1,
      });
    }
    return concerned.length;
  }

  #rotate(order: Extract<RevocationOrder, { kind: 'rotate' }>): Effect {
    const { userHash, sessionId, newSessionId } = order;
    const now = order.reauthenticated ? this.#state.clock() : undefined;
    const times = now === undefined ? {} : { authenticatedAt: now, authTime: now };
    if (!this.#state.changeSession(sessionId, { id: newSessionId, ...times })) return { sessions: 0 };
    const { connections } = this.#state;
    for (const connection of connections.of(userHash)) {
      if (connection.sessionId === sessionId)
        connections.set(userHash, { ...connection, sessionId: newSessionId });
    }
    return { sessions: 1, cut: now };
  }
}
