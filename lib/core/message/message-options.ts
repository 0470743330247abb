import type { OptionProblems } from '../option-rules.js';
import {
  count,
  countOrInfinity,
  durationMs,
  flag,
  group,
  oneOf,
  defaultsOf,
  resolveGroup,
  type OptionSpecs,
  type OptionValues,
} from '../option-spec.js';

/** Inbound messages. */
export interface MessageOptions {
  /** @default 65_536 bytes */
  maxPayloadBytes?: number;
  /** Frames of one message; beyond it 1008. @default 64 */
  maxFragments?: number;
  /** Chunks of one message that wait to be put together; beyond it 1008. @default 1_024 */
  maxBufferedChunks?: number;
  /** The time in which a message that has begun must be complete; beyond it 1008. @default 10_000 ms */
  fragmentTimeoutMs?: number;
  /** Pings and pongs in a second; beyond it 1008. @default 10 */
  maxControlFramesPerSecond?: number;
  /**
   * permessage-deflate, without context takeover. Off, because it costs memory and processor time, and tells who can choose
   * a part of a message and see its length what else is in it (CRIME, BREACH).
   * @default false
   */
  compression?: boolean;
  /** How deep objects and lists may lie in one another; beyond it 4400. Not looked at where a parser of the application's own reads. @default 32 */
  maxDepth?: number;
  /** Keys and items of one message, all in all; beyond it 4400. Not looked at where a parser of the application's own reads. @default 10_000 */
  maxNodes?: number;
  /**
   * Messages of one connection that are handled at the same time. 1 keeps them in order: the next one is begun when the
   * handler's promise has settled, or its Observable is subscribed. `Infinity` is what Nest does by itself.
   * @default 1
   */
  concurrency?: number;
  /** Messages of one connection that wait for their turn; beyond it reading pauses, and goes on at half. @default 32 */
  maxQueued?: number;
  /**
   * Keeps the connection at hand for whatever a message calls, as `WsConnections.current()`, and looks at fence and rights
   * once more right before a handler begins, whatever pipes and interceptors have waited for. On Node 20 and 22 every
   * promise of the process costs a little more with it; from Node 24 on hardly.
   * @default false
   */
  asyncContext?: boolean;
  /** Messages that wait until their user has authenticated again, as `@WsRecentAuth()` asks. */
  stepUp?: {
    /** How long each may wait. @default 120_000 ms */
    timeoutMs?: number;
    /** How many of one connection may wait. @default 8 */
    maxParked?: number;
    /** How large they may be together. @default 65_536 bytes */
    maxParkedBytes?: number;
  };
  /** What waits in this process to be sent to one connection. */
  outbound?: {
    /** From here on messages are dropped or coalesced, as `whenSlow` says. @default 262_144 bytes */
    highWaterBytes?: number;
    /** The connection is cut. @default 1_048_576 bytes */
    maxBytes?: number;
    /**
     * `drop`: what is sent above the high water is lost, and counted. `coalesce`: the newest message of each event is kept and
     * sent when the peer has caught up.
     * @default 'drop'
     */
    whenSlow?: 'drop' | 'coalesce';
  };
}

const SPECS = {
  maxPayloadBytes: count(65_536, 256, 2 ** 30),
  maxFragments: count(64),
  maxBufferedChunks: count(1_024),
  fragmentTimeoutMs: durationMs(10_000),
  maxControlFramesPerSecond: count(10),
  compression: flag(false),
  maxDepth: count(32),
  maxNodes: count(10_000),
  concurrency: countOrInfinity(1),
  maxQueued: count(32, 2),
  asyncContext: flag(false),
  stepUp: group({
    timeoutMs: durationMs(120_000),
    maxParked: count(8),
    maxParkedBytes: count(65_536),
  }),
  outbound: group({
    highWaterBytes: count(262_144),
    maxBytes: count(1_048_576),
    whenSlow: oneOf(['drop', 'coalesce'], 'drop'),
  }),
} satisfies OptionSpecs<MessageOptions>;

/** The options with their values. */
export type ResolvedMessageOptions = OptionValues<typeof SPECS>;

export const MESSAGE_DEFAULTS = defaultsOf(SPECS);

/** Validates the `message` group. */
export function resolveMessageOptions(given: unknown, problems: OptionProblems): ResolvedMessageOptions {
  return resolveGroup('message', SPECS, given, problems);
}
