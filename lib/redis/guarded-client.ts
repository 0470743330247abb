import type { BreakerState } from '../core/stores.js';
import type { CircuitBreaker } from './circuit-breaker.js';
import type { RedisClient } from './redis-client.js';

/** Told how long the store took, and whether it has answered at all. */
export type AnswerListener = (ms: number, isAnswer: boolean) => void;

/** What scripts and reads are sent through. */
export type CommandClient = Pick<RedisClient, 'call'>;

/**
 * A client behind circuit breakers, one for each partition: in a cluster, users whose master is away do not shut out the
 * others. An answer that is an error of ours or of the data is an answer: the server is there.
 */
export class GuardedClient implements CommandClient {
  readonly #client: RedisClient;
  readonly #makeBreaker: () => CircuitBreaker;
  readonly #isPartitioned: boolean;
  readonly #breakers = new Map<string, CircuitBreaker>();
  readonly #onAnswer: AnswerListener;

  /**
   * @param isPartitioned when the partitions are on different servers
   * @param onAnswer called for each call that was sent
   */
  constructor(
    client: RedisClient,
    makeBreaker: () => CircuitBreaker,
    isPartitioned: boolean,
    onAnswer: AnswerListener = () => {},
  ) {
    this.#client = client;
    this.#makeBreaker = makeBreaker;
    this.#isPartitioned = isPartitioned;
    this.#onAnswer = onAnswer;
  }

  /** Open when any of them is, since some users are then shut out. */
  get state(): BreakerState {
    const states = [...this.#breakers.values()].map(({ state }) => state);
    return states.find((state) => state === 'open') ?? states.find((state) => state === 'trying') ?? 'closed';
  }

  async call(command: string, ...args: (string | number)[]): Promise<unknown> {
    const breaker = this.#breakerFor(args);
    if (!breaker.allows()) throw new Error('the store is away (breaker open)');
    const sentAt = performance.now();
    try {
      const reply = await this.#client.call(command, ...args);
      breaker.succeeded();
      this.#onAnswer(performance.now() - sentAt, true);
      return reply;
    } catch (error) {
      const isOk = isAnswer(error);
      if (isOk) breaker.succeeded();
      else breaker.failed();
      this.#onAnswer(performance.now() - sentAt, isOk);
      throw error;
    }
  }

  #breakerFor(args: readonly (string | number)[]): CircuitBreaker {
    const name = this.#isPartitioned ? partitionIn(args) : '';
    const known = this.#breakers.get(name);
    if (known) return known;
    const breaker = this.#makeBreaker();
    this.#breakers.set(name, breaker);
    return breaker;
  }
}

/** The hash tag of the first key: it stands first, or, of a script, behind its text and the number of keys. */
function partitionIn(args: readonly (string | number)[]): string {
  const key = typeof args[1] === 'number' ? args[2] : args[0];
  return /\{([0-9a-f]{1,2})\}/.exec(String(key ?? ''))?.[1] ?? '';
}

/** Errors that a healthy server sends; those of a server that is loading, demoted or without its cluster are not. */
function isAnswer(error: unknown): boolean {
  if (!(error instanceof Error) || error.name !== 'ReplyError') return false;
  return !/^(READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS)/.test(error.message);
}
