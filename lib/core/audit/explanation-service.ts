import type { NoticeBoard } from '../notice-board.js';
import type { ExplanationBook, RefusalExplanation } from './explanation-book.js';

const CORRELATION_ID = /^[\w-]{12}$/;
/** How long another node may take to answer. */
const WAIT_MS = 500;
/** Questions that wait for an answer at the same time. */
const MAX_ASKED = 100;

interface Question {
  readonly answer: Promise<RefusalExplanation | null>;
  readonly resolve: (explanation: RefusalExplanation | null) => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * Finds out why something was refused, on this node or another. A refusal is written nowhere but into the memory of its node,
 * so that neither a handshake nor a flood of refusals costs the store anything: the other nodes are asked when an operator
 * asks.
 */
export class ExplanationService {
  readonly #book: ExplanationBook;
  readonly #notices: NoticeBoard;
  readonly #node: string;
  readonly #asked = new Map<string, Question>();

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

  /** All who ask for one id at the same time wait for one answer. */
  #ask(id: string): Promise<RefusalExplanation | null> {
    const known = this.#asked.get(id);
    if (known) return known.answer;
    if (this.#asked.size >= MAX_ASKED) return Promise.resolve(null);
    let resolve!: Question['resolve'];
    const answer = new Promise<RefusalExplanation | null>((settle) => (resolve = settle));
    const timer = setTimeout(() => this.#deliver(id, null), WAIT_MS).unref();
    this.#asked.set(id, { answer, resolve, timer });
    void this.#notices.publish({ kind: 'explain', id, node: this.#node });
    return answer;
  }

  #answer(id: string, node: string): void {
    const explanation = this.#book.explain(id);
    if (explanation) void this.#notices.publish({ kind: 'explained', id, node, explanation });
  }

  #deliver(id: string, explanation: RefusalExplanation | null): void {
    const question = this.#asked.get(id);
    if (!question) return;
    this.#asked.delete(id);
    clearTimeout(question.timer);
    question.resolve(explanation);
  }
}
