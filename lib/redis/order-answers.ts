import type { RevocationResult } from '../core/revocation/revocation-log.js';

/** How long answers are kept that nobody asks for. */
const REMEMBER_MS = 10_000;

/** An order of this node, and what came back. */
interface Order {
  /** Sockets of this node that were hit before the store was asked. */
  readonly fenced: number;
  /** Who must answer; not known before the store has replied. */
  asked: ReadonlySet<string> | undefined;
  /** Sockets by who answered. */
  readonly answers: Map<string, number>;
  readonly done: Promise<void>;
  readonly resolve: () => void;
}

/**
 * Collects what the nodes answer to the orders of this one. Orders go by their nonce, which is known before they are given:
 * a node may well answer sooner than the store does.
 */
export class OrderAnswers {
  readonly #orders = new Map<string, Order>();

  /** An order is about to be given. @param fenced sockets of this node that it has hit already */
  open(nonce: string, fenced = 0): void {
    let resolve = (): void => {};
    const done = new Promise<void>((settle) => {
      resolve = settle;
    });
    this.#orders.set(nonce, { fenced, asked: undefined, answers: new Map(), done, resolve });
    setTimeout(() => this.#orders.delete(nonce), REMEMBER_MS).unref();
  }

  /** The order was carried out, and these will answer: a node, or a node for each `node/partition`. */
  expect(nonce: string, asked: ReadonlySet<string>): void {
    const order = this.#orders.get(nonce);
    if (!order) return;
    order.asked = asked;
    settleWhenAnswered(order);
  }

  /** A node has answered. */
  note(nonce: string, answerer: string, sockets: number): void {
    const order = this.#orders.get(nonce);
    if (!order) return;
    order.answers.set(answerer, sockets);
    settleWhenAnswered(order);
  }

  /** What was answered, waiting at most so long for the slowest. */
  async collect(nonce: string, waitMs: number): Promise<RevocationResult> {
    const order = this.#orders.get(nonce);
    if (!order) return { sockets: 0, nodes: 0, pending: 0 };
    const timer = setTimeout(order.resolve, waitMs);
    await order.done;
    clearTimeout(timer);
    this.#orders.delete(nonce);
    const asked = [...(order.asked ?? [])];
    const sockets = asked.reduce((sum, answerer) => sum + (order.answers.get(answerer) ?? 0), order.fenced);
    const all = new Set(asked.map(nodeOf));
    const pending = new Set(asked.filter((answerer) => !order.answers.has(answerer)).map(nodeOf));
    return { sockets, nodes: all.size - pending.size, pending: pending.size };
  }
}

function nodeOf(answerer: string): string {
  return answerer.split('/', 1)[0]!;
}

function settleWhenAnswered({ asked, answers, resolve }: Order): void {
  if (asked && [...asked].every((answerer) => answers.has(answerer))) resolve();
}
