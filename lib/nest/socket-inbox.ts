import { CLOSE } from '../core/close-code.js';
import { addressPrefix } from '../core/handshake/client-address.js';
import { frame } from '../core/message/envelope.js';
import { exceptionFrame } from '../core/message/exception-frame.js';
import type { Deadline } from '../core/lifetime/deadline-wheel.js';
import { MessageLine, type LineOwner } from '../core/message/message-line.js';
import { MessageBudget } from '../core/throttle/message-budget.js';
import type { RateAnswer, RateRefusal } from '../core/throttle/message-throttle.js';
import { endSocket, type EndableSocket } from './end-socket.js';
import type { PathRules } from './message-rules.js';
import type { QueuedMessage } from './queued-message.js';
import { StepUp } from './step-up.js';
import { CONNECTION_KEY } from './ws-auth.constants.js';
import type { WsAuthEngine } from './ws-auth.engine.js';

/** The socket of an inbox. */
export interface InboxSocket extends EndableSocket {
  send(text: string): void;
  pause(): void;
  resume(): void;
  readonly isCongested: boolean;
  readonly isEndedHere: boolean;
  whenDrained(callback: () => void): void;
  releaseHeldClose(): void;
}

/** What the inboxes of one path have in common. */
export interface InboxContext<Socket extends InboxSocket> {
  readonly engine: WsAuthEngine;
  readonly rules: PathRules;
  /** Calls the handlers of a message. Does not reject. */
  readonly run: (socket: Socket, message: QueuedMessage) => Promise<void> | void;
}

/**
 * Between the frames of one socket and its handlers: what it may still send, what waits for its turn, and what happens to
 * who sends too much. Made with the first frame, so that a silent connection costs nothing.
 */
export class SocketInbox<Socket extends InboxSocket = InboxSocket> implements LineOwner<QueuedMessage> {
  readonly #context: InboxContext<Socket>;
  readonly #socket: Socket;
  readonly #budget: MessageBudget;
  readonly #line: MessageLine<QueuedMessage>;
  /** Lines of handlers with a concurrency of their own, by event. */
  #ownLines: Map<unknown, MessageLine<QueuedMessage>> | undefined;
  #fullLines = 0;
  /** The size of the frame that came last. */
  lastFrameBytes = 0;
  #stepUp: StepUp | undefined;
  #farewell: Deadline | undefined;

  constructor(context: InboxContext<Socket>, socket: Socket) {
    const { engine, rules } = context;
    this.#context = context;
    this.#socket = socket;
    const connection = socket[CONNECTION_KEY];
    const { address } = (connection ?? socket.publicConnection!).handshake;
    const prefix = addressPrefix(address, engine.options.proxy.ipv6Prefix);
    this.#budget = new MessageBudget(engine.throttle, { connection, address: prefix });
    this.#line = this.#newLine(rules.concurrency);
  }

  /** Counts a frame before anybody looks into it. @returns false when it was refused */
  admitFrame(bytes: number): boolean {
    this.lastFrameBytes = bytes;
    const refusal = this.#budget.takeFrame(bytes);
    if (!refusal || this.#reports(refusal)) return true;
    this.#refuse(refusal);
    return false;
  }

  /** Counts a frame that was taken before it could be counted: it is let through, and those after it wait for it. */
  chargeFrame(bytes: number): void {
    this.lastFrameBytes = bytes;
    this.#budget.chargeFrame(bytes);
  }

  /** Answers what is no message, or one that nobody handles; charges it, and gives its sender up after too many. */
  refuseMalformed(code: 'bad_message' | 'unknown_event', message: string, event?: string): void {
    const refusal = this.#budget.takeMalformed();
    if (refusal) return this.#refuse(refusal);
    this.#audit('input_validation_fail', code);
    this.#socket.send(exceptionFrame({ code, message, event }));
  }

  /** Counts a frame that ends its connection. */
  charge(): void {
    this.#budget.chargeUser();
  }

  /** Counts a fresh credential: each costs a signature and a question to the store. @returns false when it was refused */
  admitRefresh(): boolean {
    this.#budget.chargeUser();
    const refusal = this.#budget.takeRefresh();
    if (refusal) this.#refuse(refusal, 'auth.refresh');
    return !refusal;
  }

  /** Lets a message wait for its turn. */
  push(message: QueuedMessage): void {
    this.#lineOf(message.event).push(message);
  }

  /** How many messages wait for their turn. */
  get queued(): number {
    let queued = this.#line.queued;
    for (const line of this.#ownLines?.values() ?? []) queued += line.queued;
    return queued;
  }

  /** The client has left: its leaving is told when what waits has had its turn, or this time is over. */
  holdUntilDrained(atMostMs: number): void {
    this.#farewell = this.#context.engine.wheel.schedule(atMostMs, () => {
      this.clear();
      this.#socket.releaseHeldClose();
    });
  }

  /** Lets go of everything that waits. */
  clear(): void {
    this.#context.engine.wheel.cancel(this.#farewell);
    this.#line.clear();
    for (const line of this.#ownLines?.values() ?? []) line.clear();
    this.#stepUp?.clear();
  }

  /** The user has authenticated again: what has waited for that takes its place in the line. */
  resumeParked(): void {
    if (this.isFenced) return;
    for (const message of this.#stepUp?.takeReady() ?? []) this.push(message);
  }

  get isFenced(): boolean {
    if (this.#socket.isEndedHere) return true;
    return (this.#socket[CONNECTION_KEY] ?? this.#socket.publicConnection)?.isOpen === false;
  }

  handle(message: QueuedMessage): Promise<void> | void {
    if (this.isFenced) return;
    const answer = message.wasParked ? null : this.#admit(message);
    if (answer instanceof Promise) return this.#handleLater(message, answer);
    if (answer && !this.#reports(answer)) return this.#refuseMessage(answer, message);
    if (this.#context.rules.hasStepUp && this.#park(message)) return;
    return this.#context.run(this.#socket, message);
  }

  pauseReading(): void {
    this.#fullLines += 1;
    this.#socket.pause();
  }

  resumeReading(): void {
    this.#fullLines -= 1;
    if (this.#fullLines === 0) this.#socket.resume();
  }

  get isCongested(): boolean {
    return this.#socket.isCongested;
  }

  whenClear(goOn: () => void): void {
    this.#socket.whenDrained(goOn);
  }

  lineDrained(): void {
    if (this.queued > 0) return;
    this.#context.engine.wheel.cancel(this.#farewell);
    this.#socket.releaseHeldClose();
  }

  #admit(message: QueuedMessage): RateAnswer {
    const rules = this.#context.rules.byEvent.get(message.event)?.throttle;
    const answer = this.#budget.takeOfUser();
    if (!rules || rules.length === 0) return answer;
    if (answer instanceof Promise)
      return answer.then((refusal) => refusal ?? this.#budget.takeByRules(rules, message, message.bytes));
    return answer ?? this.#budget.takeByRules(rules, message, message.bytes);
  }

  /** @returns true when the message waits for its user, or was refused */
  #park(message: QueuedMessage): boolean {
    const rules = this.#context.rules.byEvent.get(message.event)?.stepUp;
    const connection = this.#socket[CONNECTION_KEY];
    if (!connection || !rules || rules.length === 0) return false;
    this.#stepUp ??= new StepUp(this.#context.engine, connection, (text) => this.#socket.send(text));
    return this.#stepUp.take(message, rules);
  }

  async #handleLater(message: QueuedMessage, answer: Promise<RateRefusal | null>): Promise<void> {
    try {
      const refusal = await answer;
      if (this.isFenced) return;
      if (refusal && !this.#reports(refusal)) return this.#refuseMessage(refusal, message);
      if (this.#context.rules.hasStepUp && this.#park(message)) return;
      await this.#context.run(this.#socket, message);
    } catch (error) {
      this.#context.engine.reportError(error);
    }
  }

  #refuseMessage(refusal: RateRefusal, message: QueuedMessage): void {
    message.refused?.();
    this.#refuse(refusal, message.event);
  }

  /** Tells the client to slow down, and after too many times ends the connection. */
  #refuse(refusal: RateRefusal, event?: unknown): void {
    const { engine } = this.#context;
    engine.metrics.noteThrottled(refusal.name);
    if (this.#budget.isClean) this.#audit('excess_rate_limit_exceeded', `message_rate:${refusal.name}`);
    if (!this.#budget.takeViolation()) {
      const ending = { close: CLOSE.rateLimited, reason: 'rate_limited', retryAfterMs: refusal.retryAfterMs };
      endSocket(engine, this.#socket, ending);
      return;
    }
    this.#socket.send(frame('rate', { event: typeof event === 'string' ? event : undefined, ...refusal }));
  }

  /** Tells of a message that is over a limit, and lets it pass, where limits are on trial. */
  #reports({ name }: RateRefusal): boolean {
    const { engine } = this.#context;
    if (!engine.options.audit.reportOnly.includes('throttle')) return false;
    engine.metrics.noteThrottled(name);
    this.#audit('excess_rate_limit_exceeded', `message_rate:${name}`, 'reported');
    return true;
  }

  #audit(
    event: 'input_validation_fail' | 'excess_rate_limit_exceeded',
    reasonCode: string,
    outcome: 'refused' | 'reported' = 'refused',
  ): void {
    this.#context.engine.audit.record({
      ...(this.#socket[CONNECTION_KEY] ?? this.#socket.publicConnection)?.facts,
      event,
      outcome,
      reasonCode,
    });
  }

  #lineOf(event: unknown): MessageLine<QueuedMessage> {
    const concurrency = this.#context.rules.byEvent.get(event)?.concurrency;
    if (concurrency === undefined) return this.#line;
    let line = this.#ownLines?.get(event);
    if (line) return line;
    line = this.#newLine(concurrency);
    this.#ownLines ??= new Map();
    this.#ownLines.set(event, line);
    return line;
  }

  #newLine(concurrency: number): MessageLine<QueuedMessage> {
    const { maxQueued } = this.#context.engine.options.message;
    return new MessageLine(this, { concurrency, maxQueued });
  }
}
