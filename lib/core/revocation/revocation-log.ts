/** What is to be revoked or changed, in one atomic step. */
export type RevocationOrder =
  | { readonly kind: 'session'; readonly sessionId: string; readonly userHash: string }
  /** All sessions and credentials of a user from before `issuedBefore` (left out: until now), but one. */
  | {
      readonly kind: 'user';
      readonly userHash: string;
      readonly issuedBefore: number | undefined;
      readonly exceptSessionId: string | undefined;
    }
  | { readonly kind: 'everyone'; readonly issuedBefore: number | undefined }
  | {
      readonly kind: 'token';
      readonly tokenHash: string;
      readonly userHash: string;
      readonly rememberMs: number;
    }
  /** New roles or scopes for one session, or for all sessions of a user. */
  | {
      readonly kind: 'rights';
      readonly userHash: string;
      readonly sessionId: string | undefined;
      readonly roles: readonly string[] | undefined;
      readonly scopes: readonly string[] | undefined;
    }
  /** The session goes on under a new token; its connections move with it. */
  | {
      readonly kind: 'rotate';
      readonly userHash: string;
      readonly sessionId: string;
      readonly newSessionId: string;
      /** The user has just authenticated again: the cut of the entry says when. */
      readonly reauthenticated?: boolean;
    }
  /** One connection must make room for a newer one. */
  | {
      readonly kind: 'replace';
      readonly userHash: string;
      readonly node: string;
      readonly connectionId: string;
    };

/** The partition of a store that has one log. */
export const SINGLE_PARTITION = '0';

/** In the place of a partition: an order that stands in no log yet, and concerns the connections that are there. */
export const UNLOGGED = '';

/** An order as every node receives it: with its place in the log, and with the cut that the store resolved. */
export interface RevocationEntry {
  /** Which log it is in. A revocation of everyone stands in each, and there it concerns the users of that partition. */
  readonly partition: string;
  /** Ordered within the partition: later entries compare greater with {@link isLaterEntry}. */
  readonly id: string;
  readonly order: RevocationOrder;
  /**
   * Unix ms: credentials from before it are dead. Of `user` and `everyone` orders; of `rights` the time until which
   * sessions were created that it concerns; of `rotate` the time of the new authentication, where there was one.
   */
  readonly cut: number | undefined;
  /** Credentials of the very millisecond of the cut are dead too. */
  readonly cutInclusive: boolean;
  /** Why, for the audit log: a word of the caller's. */
  readonly reason: string;
}

/** What came of an order. */
export interface RevocationReceipt {
  readonly entry: RevocationEntry;
  /** Sessions that were deleted or changed. For `rotate`, 0 means that there was none. */
  readonly sessions: number;
}

/** How many sockets complied, on how many nodes, and how many nodes have not answered yet. */
export interface RevocationResult {
  readonly sockets: number;
  readonly nodes: number;
  readonly pending: number;
}

/** What of a credential a revocation can hit. */
export interface RevocableCredential {
  readonly userHash: string;
  /** Unix ms; left out for a credential whose session says the same. */
  readonly issuedAt: number | undefined;
  readonly tokenHash: string | undefined;
}

/** Applies an entry on this node, fence first, and answers how many sockets it hit. */
export type RevocationListener = (entry: RevocationEntry) => number;

/**
 * The log of revocations that all nodes follow. State, log and message change in one step, so that they cannot disagree,
 * and a node that missed the message finds the entry in the log.
 */
export interface RevocationLog {
  /**
   * Carries an order out. The listener of this node has run before this resolves.
   *
   * @throws {StoreUnavailable} when the store did not say that it was carried out, or, for everyone, not in every
   * partition. A revocation is in force on this node all the same, and is given again until the store has it. A change of
   * rights and a rotation have been tried again for a moment, and were carried out as a whole or not at all
   */
  append(order: RevocationOrder, reason: string): Promise<RevocationReceipt>;
  /**
   * Every entry, once, and those of a partition in order.
   *
   * @param onDivergence called when entries may be lost for good: everything local must be held against the store;
   * called again where it rejects
   * @param fence called with an order of this node before the store is asked, so that a store that hangs delays nothing
   * here: as an entry of the partition {@link UNLOGGED}, or, for everyone, as one of each partition. What it hits is part
   * of the answer, and the entry itself, when it comes, does not hit it again
   */
  follow(
    listener: RevocationListener,
    onDivergence?: () => void | Promise<void>,
    fence?: RevocationListener,
  ): void;
  /** The log in which the entries about a user stand, by user hash. */
  partitionOf(userHash: string): string;
  /** True when a credential without session, or a token, was overtaken by a revocation of it, of its user or of everyone. */
  isRevoked(credential: RevocableCredential): Promise<boolean>;
  /** What the nodes answered to an entry, waiting at most so long for the slowest. */
  acknowledgements(entry: RevocationEntry, waitMs: number): Promise<RevocationResult>;
}

/** Compares the places of two entries of one partition: `<milliseconds>-<sequence>`, as in a Redis stream. */
export function isLaterEntry(id: string, than: string): boolean {
  const dash = id.indexOf('-');
  const otherDash = than.indexOf('-');
  // Numbers without leading zeros: the longer one is the greater one, and those of one length compare as texts.
  if (dash !== otherDash) return dash > otherDash;
  const isSameTime = id.startsWith(than.slice(0, otherDash + 1));
  if (isSameTime && id.length !== than.length) return id.length > than.length;
  return id > than;
}
