import type { Refusal } from './client-error.js';
import type { CloseInfo, StopKind } from './close-reaction.js';
import type { RequestOptions } from './requests.js';

/**
 * `connecting`: fetching a credential, or waiting for `auth.ok`. `waiting`: until the next attempt. `asleep`: closed 4408
 * `idle_timeout`, and nobody looks; the next message, or a look at the page, wakes it. `closed`: for good.
 */
export type ClientState = 'connecting' | 'open' | 'waiting' | 'asleep' | 'closed';

/** The state of a client and what led to it. */
export interface ClientStatus {
  readonly state: ClientState;
  /** The Close that ended the last connection, where there was one. */
  readonly close?: CloseInfo;
  /** What a credential callback threw, or why no socket could be made. */
  readonly error?: unknown;
  /** Why it stopped, in `closed`. */
  readonly kind?: StopKind;
  /** How long the client waits, in `waiting`. */
  readonly retryInMs?: number;
}

/** Why a client stopped. */
export interface StopReason {
  readonly kind: StopKind;
  readonly close?: CloseInfo;
  readonly error?: unknown;
}

/** The data of `auth.ok`: the client is in. Times are the server's, in Unix milliseconds. */
export interface Admission {
  readonly connectionId: string;
  readonly sessionId?: string;
  readonly expiresAt: number;
  readonly serverTime: number;
}

/** Events of the library itself that a server may send; PROTOCOL.md has their data. */
export interface LibraryEvents {
  'auth.ok': Admission;
  'auth.required': {
    readonly timeoutMs: number;
    readonly methods: readonly string[];
    readonly reason?: string;
  };
  'auth.expiring': { readonly expiresAt: number };
  'auth.changed': { readonly added: readonly string[]; readonly removed: readonly string[] };
  exception: Refusal;
  rate: Refusal;
}

type Name<Events> = keyof Events & string;

/**
 * A connection that comes back.
 *
 * @typeParam Receives the events that the server sends, each with the type of its data. The types are a promise of the
 *   application's: the client checks that a frame is `{ event, data }`, and not what is in `data`.
 * @typeParam Sends the events that the client sends, likewise
 */
export interface Client<Receives extends object = Record<string, unknown>, Sends extends object = Receives> {
  readonly state: ClientState;
  readonly status: ClientStatus;
  /** What the last `auth.ok` said; `null` before the first. */
  readonly admission: Admission | null;
  /** Resolves when the client has stopped for good, and never rejects. */
  readonly closed: Promise<StopReason>;
  /**
   * Sends a message. That it was handed to the socket does not say that it arrived.
   *
   * @throws {ClientError} `not_open`, `queue_full`, `buffer_full` or `closed`
   */
  send<Event extends Name<Sends>>(event: Event, data?: Sends[Event]): void;
  /**
   * Sends a message and waits for its answer: the next frame with the same event, or with that of `options.answer`. Use one
   * event either for `request` or for `send`, and do not push events by which you answer.
   *
   * @throws {ClientError} rejects with `refused` for an `exception` or `rate`; `timeout`; `connection_lost`; and what `send`
   *   throws. A request is never sent twice.
   */
  request<Event extends Name<Sends>, Answer extends Name<Receives> = Event & Name<Receives>>(
    event: Event,
    data?: Sends[Event],
    options?: RequestOptions<Receives[Answer]> & { answer?: Answer },
  ): Promise<Receives[Answer]>;
  /**
   * Calls `handler` with the data of each such event, except for the answers to requests.
   *
   * @returns takes the handler away
   */
  on<Event extends Name<Receives> | keyof LibraryEvents>(
    event: Event,
    handler: (
      data: Event extends keyof LibraryEvents
        ? LibraryEvents[Event]
        : Event extends keyof Receives
          ? Receives[Event]
          : never,
    ) => void,
  ): () => void;
  /** Calls `listener` at each change of the state. @returns takes the listener away */
  onStatus(listener: (status: ClientStatus) => void): () => void;
  /** Fetches a fresh credential and sends it, such as after a login that gave more rights. A new `auth.ok` follows. */
  refresh(): void;
  /** Ends the connection, and the client, for good. */
  close(): void;
}
