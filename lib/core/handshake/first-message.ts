import { CLOSE, type CloseCode } from '../close-code.js';
import type { Connection } from '../connection.js';
import type { Deadline, DeadlineWheel } from '../lifetime/deadline-wheel.js';
import { frame } from '../message/envelope.js';
import type { FirstMessageOptions } from './first-message-options.js';
import { isReservedFrame, readAuthFrame } from './auth-frame.js';
import type { PresentedToken } from './credential-reader.js';
import { HandshakeRefused } from './refusal.js';

/** A frame as it came off the wire. */
export interface InboundFrame {
  readonly data: Buffer;
  readonly isBinary: boolean;
}

/** The socket of a gate. */
export interface FirstMessageSocket {
  send(text: string): void;
  /** Stops reading, until {@link open} reads on; frames that were read already still come. */
  pause(): void;
  /** Ends the socket with a Close, and tells why. */
  refuse(close: CloseCode, reason: string, retryAfterMs?: number): void;
  /** The gate has opened: show the connection to the application, then the held frames, in order. Does not throw. */
  open(connection: Connection, held: readonly InboundFrame[]): void;
  /** The connection was admitted for a socket that is no longer there. */
  withdraw(connection: Connection): void;
}

type State = 'waiting' | 'verifying' | 'over';

/**
 * Holds a socket between 101 and its authentication (protocol §3). It answers to one frame with one credential, within a
 * deadline that nothing restarts; what arrives while that is verified is held, in order and within bounds.
 */
export class FirstMessageGate {
  readonly #options: Required<FirstMessageOptions>;
  readonly #socket: FirstMessageSocket;
  readonly #authenticate: (credential: PresentedToken) => Promise<Connection>;
  readonly #acceptedKinds: readonly string[];
  readonly #wheel: DeadlineWheel;
  #deadline: Deadline | undefined;
  readonly #held: InboundFrame[] = [];
  #heldBytes = 0;
  #state: State = 'waiting';

  constructor(parts: {
    options: Required<FirstMessageOptions>;
    /** The kinds of credential that a first message may carry. */
    acceptedKinds: readonly ('ticket' | 'bearer')[];
    socket: FirstMessageSocket;
    wheel: DeadlineWheel;
    authenticate: (credential: PresentedToken) => Promise<Connection>;
  }) {
    this.#options = parts.options;
    this.#socket = parts.socket;
    this.#authenticate = parts.authenticate;
    this.#acceptedKinds = parts.acceptedKinds;
    this.#wheel = parts.wheel;
  }

  /** Asks for the credential, and starts the deadline. */
  start(): void {
    const { timeoutMs } = this.#options;
    this.#deadline = this.#wheel.schedule(timeoutMs, () => this.#refuse(CLOSE.authTimeout, 'auth_timeout'));
    this.#socket.send(frame('auth.required', { timeoutMs, methods: this.#acceptedKinds }));
  }

  get isOver(): boolean {
    return this.#state === 'over';
  }

  /** The frames that wait for the verification to end. */
  get heldFrames(): number {
    return this.#held.length;
  }

  /** A frame arrived. */
  receive(inbound: InboundFrame): void {
    if (this.#state === 'waiting') this.#readFirst(inbound);
    else if (this.#state === 'verifying') this.#hold(inbound);
  }

  /** The socket is gone, or was taken away: nothing more is done with it. */
  abandon(): void {
    this.#finish();
  }

  #readFirst(inbound: InboundFrame): void {
    if (inbound.isBinary) return this.#refuse(CLOSE.unsupported, 'binary_before_auth');
    if (inbound.data.length > this.#options.maxBytes) return this.#refuse(CLOSE.tooBig, 'auth_frame_too_big');
    const auth = readAuthFrame(inbound.data.toString('utf8'));
    if (auth.kind === 'malformed') return this.#refuse(CLOSE.badMessage, 'auth_frame_malformed');
    if (auth.kind === 'other_event') return this.#refuse(CLOSE.unauthorized, 'message_before_auth');
    if (auth.kind === 'unusable') return this.#refuse(CLOSE.unauthorized, 'credential_unusable');
    if (!this.#acceptedKinds.includes(auth.credential.kind)) {
      return this.#refuse(CLOSE.unauthorized, 'credential_kind_not_accepted');
    }
    this.#state = 'verifying';
    this.#socket.pause();
    void this.#verify(auth.credential);
  }

  async #verify(credential: PresentedToken): Promise<void> {
    let connection: Connection;
    try {
      connection = await this.#authenticate(credential);
    } catch (error) {
      if (error instanceof HandshakeRefused) this.#refuse(closeOf(error), error.reason, error.retryAfterMs);
      else this.#refuse(CLOSE.error, 'verifier_failed');
      return;
    }
    if (this.isOver) return this.#socket.withdraw(connection);
    this.#finish();
    this.#socket.open(connection, this.#held.splice(0));
  }

  #hold(inbound: InboundFrame): void {
    if (!inbound.isBinary && isReservedFrame(inbound.data.toString('utf8'))) {
      return this.#refuse(CLOSE.badMessage, 'second_auth_frame');
    }
    this.#heldBytes += inbound.data.length;
    if (this.#held.length >= this.#options.maxHeldFrames || this.#heldBytes > this.#options.maxHeldBytes) {
      return this.#refuse(CLOSE.badMessage, 'too_much_before_auth');
    }
    this.#held.push(inbound);
  }

  #refuse(close: CloseCode, reason: string, retryAfterMs?: number): void {
    if (this.#state === 'over') return;
    this.#finish();
    this.#held.length = 0;
    this.#socket.refuse(close, reason, retryAfterMs);
  }

  #finish(): void {
    this.#state = 'over';
    this.#wheel.cancel(this.#deadline);
  }
}

/** A refusal that is HTTP for everybody before 101 has no close code of its own: here the socket is open already. */
function closeOf(refusal: HandshakeRefused): CloseCode {
  if (refusal.close) return refusal.close;
  if (refusal.refusal === 'rate_limited') return CLOSE.rateLimited;
  if (refusal.refusal === 'draining') return CLOSE.restart;
  return refusal.status === 503 ? CLOSE.tryLater : CLOSE.unauthorized;
}
