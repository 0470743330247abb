import type { BanNotice } from '../notice-board.js';

/**
 * What the nodes count and know together about attacks. All of it ends by itself, and nothing that is safe depends on it:
 * a node without its store counts for itself.
 */
export interface AnomalyStore {
  /**
   * Counts one more under a key.
   *
   * @returns how many there are since the first of the window
   * @throws {StoreUnavailable}
   */
  count(key: string, windowMs: number): Promise<number>;

  /**
   * Adds members to the set of a key, of at most so many.
   *
   * @returns how many were there, and how many are
   * @throws {StoreUnavailable}
   */
  addMembers(
    key: string,
    members: readonly string[],
    windowMs: number,
    maximum: number,
  ): Promise<{ before: number; after: number }>;

  /**
   * Keeps a ban and tells the other nodes. One that ends later stays, and so does one by an operator.
   *
   * @returns false when it is not kept: a better one is, or there are too many by operators. One by a rule makes room
   * @throws {StoreUnavailable}
   */
  ban(ban: BanNotice): Promise<boolean>;

  /**
   * Takes a ban back and tells the other nodes.
   *
   * @param only `isAutomatic`: a ban by an operator stays
   * @returns false when there was none
   * @throws {StoreUnavailable}
   */
  lift(prefix: string, only?: { isAutomatic: true }): Promise<boolean>;

  /** Every ban, with what is left of it. @throws {StoreUnavailable} */
  bans(): Promise<readonly BanNotice[]>;
}

/** Bans that are kept at the same time. */
export const MAX_BANS = 10_000;

/** The longest ban. */
export const MAX_BAN_MS = 30 * 86_400_000;

/** True when a ban stays as it is, whatever this new one says. */
export function outlasts(known: BanNotice, ban: BanNotice): boolean {
  if (known.isAutomatic !== ban.isAutomatic) return ban.isAutomatic;
  return ban.isAutomatic && known.remainingMs >= ban.remainingMs;
}
