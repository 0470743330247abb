import { ClientError, type Refusal } from './client-error.js';
import { fieldsOf, writeFrame, type Frame } from './frame.js';
import type { Host } from './host.js';
import type { Outgoing } from './outgoing-queue.js';

/** How an answer is told from other frames, and how long it may take. */
export interface RequestOptions<Data = unknown> {
  /** The event of the answer. @default the event of the request */
  answer?: string;
  /**
   * Picks the answer by its data, for answers that carry an id. Without it one request at a time is under way for each event
   * of an answer, and the others wait for their turn.
   */
  match?: (data: Data) => boolean;
  /** How long the answer may take, the wait for a turn included. @default 10_000 ms */
  timeoutMs?: number;
}

interface Pending {
  readonly event: string;
  readonly answer: string;
  readonly match: ((data: unknown) => boolean) | undefined;
  readonly message: Outgoing;
  /** `false` while it waits for a connection; `undefined` while it waits for its turn. */
  isSent?: boolean;
  readonly succeed: (data: unknown) => void;
  readonly fail: (error: unknown) => void;
}

const MAX_PENDING = 100;

/**
 * Requests and their answers. Nest's envelope has no ids, and answers come in the order of the messages: so an answer
 * belongs to the one request that is under way for its event. A request that timed out keeps its place until its answer
 * comes or the connection ends, so that no answer is ever taken for another's.
 */
export interface Requests {
  /** @returns the data of the answer; rejects with a {@link ClientError} */
  ask(event: string, data: unknown, options: RequestOptions): Promise<unknown>;
  /** @returns whether the frame settled a request */
  take(frame: Frame): boolean;
  /** The connection, or the client, has ended: whoever was asked there will not answer here. */
  end(code: 'connection_lost' | 'closed'): void;
}

/**
 * Requests that nobody has made yet.
 *
 * @param transmit throws a {@link ClientError} when the message can neither be sent nor wait
 * @param withdraw takes a message back that waits for a connection
 */
export function trackRequests(
  host: Host,
  transmit: (message: Outgoing) => void,
  withdraw: (message: Outgoing) => void,
): Requests {
  const all = new Set<Pending>();
  const sentOnes = (): Pending[] => [...all].filter(({ isSent }) => isSent);

  const hand = (pending: Pending): void => {
    pending.isSent = false;
    try {
      transmit(pending.message);
    } catch (error) {
      pending.fail(error);
    }
  };
  /** Sends the next request whose answers have this event, when its turn has come. */
  const next = (answer: string): void => {
    const first = [...all].find((pending) => pending.answer === answer && !pending.match);
    if (first && first.isSent === undefined) hand(first);
  };
  /** A matcher that throws fails its request, and nobody else. */
  const isAnswer = ({ match, fail }: Pending, data: unknown): boolean => {
    try {
      return !match || match(data);
    } catch (error) {
      fail(error);
      return false;
    }
  };
  /** A refusal says which event it is about: clear when one request of it is under way, and a guess when there are more. */
  const refusedBy = ({ event, data }: Frame): Pending | undefined => {
    if (event !== 'exception' && event !== 'rate') return undefined;
    const refused = sentOnes().filter((pending) => pending.event === fieldsOf<Refusal>(data).event);
    return refused.length === 1 ? refused[0] : undefined;
  };

  return {
    ask: (event, data, { answer = event, match, timeoutMs = 10_000 }) =>
      new Promise((resolve, reject) => {
        if (all.size >= MAX_PENDING) throw new ClientError('queue_full');
        const leave = (): void => {
          cancel();
          all.delete(pending);
          next(answer);
        };
        const pending: Pending = {
          event,
          answer,
          match,
          message: {
            text: writeFrame(event, data),
            onSent: () => {
              pending.isSent = true;
            },
            onDropped: (code) => pending.fail(new ClientError(code)),
          },
          succeed: (data) => {
            resolve(data);
            leave();
          },
          fail: (error) => {
            reject(error);
            leave();
          },
        };
        const cancel = host.after(timeoutMs, () => {
          const error = new ClientError('timeout');
          withdraw(pending.message);
          if (pending.isSent && !match) reject(error);
          else pending.fail(error);
        });
        all.add(pending);
        if (match) hand(pending);
        else next(answer);
      }),
    take(frame) {
      const { event, data } = frame;
      const answered = sentOnes().find((pending) => pending.answer === event && isAnswer(pending, data));
      if (answered) answered.succeed(data);
      const refused = answered ? undefined : refusedBy(frame);
      refused?.fail(new ClientError('refused', fieldsOf(data)));
      return (answered ?? refused) !== undefined;
    },
    end(code) {
      for (const pending of code === 'closed' ? all : sentOnes()) pending.fail(new ClientError(code));
    },
  };
}
