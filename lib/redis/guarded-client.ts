import type { CircuitBreaker } from './circuit-breaker.js';
import type { RedisClient } from './redis-client.js';

/** What scripts and reads are sent through. */
export type CommandClient = Pick<RedisClient, 'call'>;

/** A client behind a circuit breaker. An answer that is an error of ours or of the data is an answer: the server is there. */
export class GuardedClient implements CommandClient {
  readonly #client: RedisClient;
  readonly #breaker: CircuitBreaker;

  constructor(client: RedisClient, breaker: CircuitBreaker) {
    this.#client = client;
    this.#breaker = breaker;
  }

  async call(command: string, ...args: (string | number)[]): Promise<unknown> {
    if (!this.#breaker.allows()) throw new Error('the store is away (breaker open)');
    try {
      const reply = await this.#client.call(command, ...args);
      this.#breaker.succeeded();
      return reply;
    } catch (error) {
      if (isAnswer(error)) this.#breaker.succeeded();
      else this.#breaker.failed();
      throw error;
    }
  }
}

/** Errors that a healthy server sends; those of a server that is loading, demoted or without its cluster are not. */
function isAnswer(error: unknown): boolean {
  if (!(error instanceof Error) || error.name !== 'ReplyError') return false;
  return !/^(READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS)/.test(error.message);
}
