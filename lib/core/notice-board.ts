import type { RefusalExplanation } from './audit/explanation-book.js';

/** An address that nobody may connect from for a time. */
export interface BanNotice {
  /** An IPv4 address, or an IPv6 prefix. */
  readonly prefix: string;
  /** How long it lasts from now. */
  readonly remainingMs: number;
  /** The anomaly rule, or a word of the operator's. */
  readonly reason: string;
  /** Decided by a rule, so that it may be taken back by another node that knows better. */
  readonly isAutomatic: boolean;
}

/** What the nodes tell each other besides revocations. Any of it may be lost: nothing that is safe depends on it. */
export type Notice =
  | { readonly kind: 'ban'; readonly ban: BanNotice }
  | { readonly kind: 'lift'; readonly prefix: string }
  /** There were failures under a key: a success under it is worth telling. */
  | { readonly kind: 'suspect'; readonly key: string; readonly forMs: number }
  /** Has anybody refused something under this id? */
  | { readonly kind: 'explain'; readonly id: string; readonly node: string }
  | {
      readonly kind: 'explained';
      readonly id: string;
      /** Who has asked. */
      readonly node: string;
      readonly explanation: RefusalExplanation;
    };

/** How nodes that share a store reach each other. */
export interface NoticeBoard {
  /** Tells the other nodes, as far as they can be reached. Never rejects, and never comes back to this node. */
  publish(notice: Notice): Promise<void>;
  /** What other nodes tell, held against its form: nothing else gets here (requirement SE-05). */
  follow(listener: (notice: Notice) => void): void;
}

/** The board of a node that is alone. */
export const NO_NOTICES: NoticeBoard = { publish: async () => {}, follow: () => {} };
