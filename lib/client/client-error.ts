/** Why a message or a request failed, or a credential cannot be sent. */
export type ClientErrorCode =
  /** There is no connection now, and no room in a queue. */
  | 'not_open'
  /** The queue, or the line of requests, is full. */
  | 'queue_full'
  /** The socket has more than `maxBufferedBytes` to send. */
  | 'buffer_full'
  /** No answer in time. The server may have handled the message all the same. */
  | 'timeout'
  /** The connection ended before the answer. The server may have handled the message all the same. */
  | 'connection_lost'
  /** The server answered with `exception` or `rate`, which is in `answer`. */
  | 'refused'
  /** The message waited for a connection, and the next one belongs to another session. */
  | 'other_session'
  /** The client has stopped. */
  | 'closed'
  /** A callback gave what is no ticket or no token. */
  | 'bad_credential';

/** What the client throws and rejects with. */
export class ClientError extends Error {
  override readonly name = 'ClientError';

  constructor(
    readonly code: ClientErrorCode,
    /** What the server said, when it refused. */
    readonly answer?: Refusal,
  ) {
    super(answer?.message ?? code);
  }
}

/** The data of an `exception` or `rate` frame (PROTOCOL.md). */
export interface Refusal {
  /** Stable; `undefined` in a `rate` notice. */
  readonly code?: string;
  readonly message?: string;
  /** The event that was refused. */
  readonly event?: string;
  readonly errors?: readonly string[];
  /** The limit that refused it, in a `rate` notice. */
  readonly name?: string;
  readonly limit?: number;
  readonly remaining?: number;
  readonly retryAfterMs?: number;
}
