import {
  REFRESH_RATE,
  refusalOf,
  type MessageThrottle,
  type RateAnswer,
  type RateRefusal,
  type Sender,
} from './message-throttle.js';
import type { ThrottledMessage, ThrottleRule } from './throttle-limit.js';

/**
 * What one socket may still send. A few numbers for each socket and no timer; what counts for more than this socket lies
 * with {@link MessageThrottle}.
 */
export class MessageBudget {
  readonly #throttle: MessageThrottle;
  readonly #sender: Sender;
  readonly #userKey: string;
  // Each is the time at which that rate is whole again.
  #frames = 0;
  #bytes = 0;
  #malformed = 0;
  #violations = 0;
  #refreshes = 0;
  /** The same for the rules of this gateway that are per connection; made with the first message that has one. */
  #rules: Map<ThrottleRule, number> | undefined;
  /** Keys that are the same for every message. */
  #keys: Map<ThrottleRule, string> | undefined;

  constructor(throttle: MessageThrottle, sender: Sender) {
    this.#throttle = throttle;
    this.#sender = sender;
    this.#userKey = throttle.userKeyOf(sender);
  }

  /** Counts a frame before anybody looks into it. */
  takeFrame(bytes: number): RateRefusal | null {
    const { rates, clock, options } = this.#throttle;
    const now = clock();
    const frames = rates.frames.next(this.#frames, now, 1);
    const framesWait = rates.frames.waitMs(frames, now);
    if (framesWait > 0) return refuse('connection', options.perConnection.limit, framesWait);
    const total = rates.bytes.next(this.#bytes, now, bytes);
    // A frame larger than the burst could never pass: it takes all there is.
    const bytesWait = this.#bytes <= now ? 0 : rates.bytes.waitMs(total, now);
    if (bytesWait > 0) return refuse('connection_bytes', options.perConnectionBytes.limit, bytesWait);
    this.#frames = frames;
    this.#bytes = total;
    return null;
  }

  /** Counts a frame that cannot be refused any more. */
  chargeFrame(bytes: number): void {
    const { rates, clock } = this.#throttle;
    const now = clock();
    this.#frames = rates.frames.next(this.#frames, now, 1);
    this.#bytes = rates.bytes.next(this.#bytes, now, bytes);
  }

  /** Counts a message of this user. */
  takeOfUser(): RateAnswer {
    return this.#throttle.takeOfUser(this.#userKey);
  }

  /** Counts a frame that was no message, for this connection and its user. */
  takeMalformed(): RateRefusal | null {
    const { rates, clock, options } = this.#throttle;
    const now = clock();
    this.#throttle.chargeUser(this.#userKey);
    const next = rates.malformed.next(this.#malformed, now, 1);
    const wait = rates.malformed.waitMs(next, now);
    if (wait > 0) return refuse('malformed', options.malformed.limit, wait);
    this.#malformed = next;
    return null;
  }

  /** Counts a fresh credential of a live connection. */
  takeRefresh(): RateRefusal | null {
    const { rates, clock } = this.#throttle;
    const now = clock();
    const next = rates.refreshes.next(this.#refreshes, now, 1);
    const wait = rates.refreshes.waitMs(next, now);
    if (wait > 0) return refuse('refresh', REFRESH_RATE.limit, wait);
    this.#refreshes = next;
    return null;
  }

  /** Counts a frame that ended its connection: who comes back has it counted still. */
  chargeUser(): void {
    this.#throttle.chargeUser(this.#userKey);
  }

  /** Counts a message that was refused. @returns false when it was one too many */
  takeViolation(): boolean {
    const { rates, clock } = this.#throttle;
    const now = clock();
    const next = rates.violations.next(this.#violations, now, 1);
    if (rates.violations.waitMs(next, now) > 0) return false;
    this.#violations = next;
    return true;
  }

  /** True when no message was refused lately. */
  get isClean(): boolean {
    return this.#violations <= this.#throttle.clock();
  }

  /** Counts a message by one rule after the other, until one refuses; what those before it have counted stays counted. */
  takeByRules(rules: readonly ThrottleRule[], message: ThrottledMessage, bytes: number): RateAnswer {
    for (const [index, rule] of rules.entries()) {
      const answer =
        rule.per === 'connection'
          ? this.#takeOfConnection(rule, message, bytes)
          : this.#takeOfMany(rule, message, bytes);
      if (answer instanceof Promise) {
        const others = rules.slice(index + 1);
        return answer.then((refusal) => refusal ?? this.takeByRules(others, message, bytes));
      }
      if (answer) return answer;
    }
    return null;
  }

  #takeOfMany(rule: ThrottleRule, message: ThrottledMessage, bytes: number): RateAnswer {
    const cost = this.#throttle.costOf(rule, this.#sender, message, bytes);
    return this.#throttle.take(rule, this.#keyOf(rule, message), cost);
  }

  #keyOf(rule: ThrottleRule, message: ThrottledMessage): string {
    if (typeof rule.per === 'function' || rule.per === 'tenant')
      return this.#throttle.keyOf(rule, this.#sender, message);
    const known = this.#keys?.get(rule);
    if (known !== undefined) return known;
    const key = this.#throttle.keyOf(rule, this.#sender, message);
    this.#keys ??= new Map();
    this.#keys.set(rule, key);
    return key;
  }

  #takeOfConnection(rule: ThrottleRule, message: ThrottledMessage, bytes: number): RateRefusal | null {
    const now = this.#throttle.clock();
    const cost = this.#throttle.costOf(rule, this.#sender, message, bytes);
    const wholeAt = this.#rules?.get(rule) ?? 0;
    const next = rule.gcra.next(wholeAt, now, cost);
    const wait = rule.gcra.waitMs(next, now);
    if (wait > 0) return refusalOf(rule, rule.gcra.remaining(wholeAt, now), wait);
    this.#rules ??= new Map();
    this.#rules.set(rule, next);
    return null;
  }
}

function refuse(name: string, limit: number, retryAfterMs: number): RateRefusal {
  return { name, limit, remaining: 0, retryAfterMs };
}
