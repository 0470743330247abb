import type { NoticeBoard } from '../notice-board.js';
import type { ExplanationBook, RefusalExplanation } from './explanation-book.js';

const CORRELATION_ID = /^[\w-]{12}$/;
/** How long another node may take to answer. */
const WAIT_MS = 500;
/** Questions that wait for an answer at the same time. */
const MAX_ASKED = 100;

/**
 * Finds out why something was refused, on this node or another. A refusal is written nowhere but into the memory of its node,
 * so that neither a handshake nor a flood of refusals costs the store anything: the other nodes are asked when an operator
 * asks.
 */
export class ExplanationService {
  readonly #book: ExplanationBook;
  readonly #notices: NoticeBoard;
  readonly #node: string;
  readonly #asked = new Map<string, ((explanation: RefusalExplanation | null) => void)[]>();

  constructor(parts: { book: ExplanationBook; notices: NoticeBoard; node: string }) {
    this.#book = parts.book;
    this.#notices = parts.notices;
    this.#node = parts.node;
    parts.notices.follow((notice) => {
      if (notice.kind === 'explain') this.#answer(notice.id, notice.node);
      if (notice.kind === 'explained' && notice.node === this.#node)
        this.#deliver(notice.id, notice.explanation);
    });
  }

  async explain(correlationId: string): Promise<RefusalExplanation | null> {
    const own = this.#book.explain(correlationId);
    if (own || !CORRELATION_ID.test(correlationId)) return own;
    return this.#ask(correlationId);
  }

  #ask(id: string): Promise<RefusalExplanation | null> {
    if (this.#asked.size >= MAX_ASKED && !this.#asked.has(id)) return Promise.resolve(null);
    return new Promise((resolve) => {
      const waiting = this.#asked.get(id) ?? [];
      this.#asked.set(id, waiting);
      const timer = setTimeout(() => this.#deliver(id, null), WAIT_MS).unref();
      waiting.push((explanation) => {
        clearTimeout(timer);
        resolve(explanation);
      });
      void this.#notices.publish({ kind: 'explain', id, node: this.#node });
    });
  }

  #answer(id: string, node: string): void {
    const explanation = this.#book.explain(id);
    if (explanation) void this.#notices.publish({ kind: 'explained', id, node, explanation });
  }

  #deliver(id: string, explanation: RefusalExplanation | null): void {
    const waiting = this.#asked.get(id);
    this.#asked.delete(id);
    for (const resolve of waiting ?? []) resolve(explanation);
  }
}
