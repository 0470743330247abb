import type { AuthorizationRules } from '../core/authorization/authorization-rules.js';
import { denialOf } from '../core/authorization/authorize.js';
import type { Connection } from '../core/connection.js';
import { frame } from '../core/message/envelope.js';
import { exceptionFrame } from '../core/message/exception-frame.js';
import { ParkedMessages } from '../core/message/parked-messages.js';
import type { QueuedMessage } from './queued-message.js';
import { refuseMessage } from './refuse-message.js';
import type { WsAuthEngine } from './ws-auth.engine.js';

/** Rules that a message of an event is parked by: what of them can be told without waiting. */
export type StepUpRules = Omit<AuthorizationRules, 'policies'>;

/** A message that came too long after its user has authenticated. */
interface LateMessage extends QueuedMessage {
  readonly rules: readonly StepUpRules[];
}

/**
 * Lets the messages of one socket that ask for a recent authentication wait until there is one: out of the line, so that
 * those behind them go on. Who cannot prove anew in time is answered that the message was not handled.
 */
export class StepUp {
  readonly #engine: WsAuthEngine;
  readonly #connection: Connection;
  readonly #send: (text: string) => void;
  readonly #parked: ParkedMessages<LateMessage>;

  constructor(engine: WsAuthEngine, connection: Connection, send: (text: string) => void) {
    this.#engine = engine;
    this.#connection = connection;
    this.#send = send;
    this.#parked = new ParkedMessages({
      wheel: engine.wheel,
      now: engine.monotonic,
      limits: engine.options.message.stepUp,
      onTimeout: (message) => this.#refuse(message),
    });
  }

  /**
   * Takes a message whose user must authenticate again first. Not one that its rights stop anyhow: the guards say so.
   *
   * @returns false when it can be handled now
   */
  take(message: QueuedMessage, rules: readonly StepUpRules[]): boolean {
    if (!this.#isLate(rules)) return false;
    const late = { ...message, rules };
    if (message.wasParked || !this.#canStepUp || !this.#parked.park(late)) this.#refuse(message);
    else this.#ask(late);
    return true;
  }

  /** The user has authenticated: what that is enough for waits no longer. */
  takeReady(): QueuedMessage[] {
    return this.#parked
      .take(({ rules }) => !this.#isLate(rules))
      .map(({ event, data, bytes, handler, refused }) => ({
        event,
        data,
        bytes,
        handler,
        refused,
        wasParked: true,
      }));
  }

  clear(): void {
    this.#parked.clear();
  }

  /** With several rules, as of gateways on one path, none that stops the message anyhow may ask for a step-up. */
  #isLate(rules: readonly StepUpRules[]): boolean {
    const denials = rules.map((each) =>
      denialOf({ ...each, policies: [] }, this.#connection, this.#engine.clock),
    );
    return (
      denials.includes('auth_age') && denials.every((denial) => denial === undefined || denial === 'auth_age')
    );
  }

  /** A client that does not know `auth.required` is not asked, and neither is one that has no way to answer. */
  get #canStepUp(): boolean {
    const { hearsNotices, session } = this.#connection;
    return hearsNotices && (this.#methods.length > 0 || session !== undefined);
  }

  get #methods(): string[] {
    const { credentials } = this.#connection.terms;
    return ['bearer', 'ticket'].filter((kind) => credentials.has(kind));
  }

  #ask({ event, rules }: LateMessage): void {
    this.#send(
      frame('auth.required', {
        reason: 'step_up',
        ...(typeof event === 'string' ? { event } : {}),
        maxAgeMs: Math.min(...rules.map(({ maxAuthAgeMs }) => maxAuthAgeMs)),
        timeoutMs: this.#engine.options.message.stepUp.timeoutMs,
        methods: this.#methods,
      }),
    );
  }

  #refuse({ event, refused }: QueuedMessage): void {
    const { code, message } = refuseMessage(this.#engine, this.#connection, 'auth_age');
    this.#send(exceptionFrame({ code, message, ...(typeof event === 'string' ? { event } : {}) }));
    refused?.();
  }
}
