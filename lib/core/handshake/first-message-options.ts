import type { OptionProblems } from '../option-rules.js';
import {
  count,
  defaultsOf,
  durationMs,
  resolveGroup,
  type OptionSpecs,
  type OptionValues,
} from '../option-spec.js';

/** Authentication by the first message. */
export interface FirstMessageOptions {
  /** The time from 101 to a finished authentication; nothing restarts it. @default 5_000 ms */
  timeoutMs?: number;
  /** The size of the auth frame. @default 8_192 bytes */
  maxBytes?: number;
  /** Frames that may arrive while verification runs. @default 256 */
  maxHeldFrames?: number;
  /** Bytes that may arrive while verification runs. @default 262_144 bytes */
  maxHeldBytes?: number;
  /** Sockets on this node that have not authenticated yet; beyond it 503. @default 1_000 */
  maxWaiting?: number;
  /** Sockets of one address prefix that have not authenticated yet; beyond it 429. @default 20 */
  maxWaitingPerAddress?: number;
}

const SPECS = {
  timeoutMs: durationMs(5_000, 120_000),
  maxBytes: count(8_192, 256),
  maxHeldFrames: count(256, 0),
  maxHeldBytes: count(262_144, 0),
  maxWaiting: count(1_000),
  maxWaitingPerAddress: count(20),
} satisfies OptionSpecs<FirstMessageOptions>;

/** The options with their values. */
export type ResolvedFirstMessageOptions = OptionValues<typeof SPECS>;

export const FIRST_MESSAGE_DEFAULTS = defaultsOf(SPECS);

/** Validates the `firstMessage` group. */
export function resolveFirstMessageOptions(
  given: unknown,
  problems: OptionProblems,
): ResolvedFirstMessageOptions {
  return resolveGroup('firstMessage', SPECS, given, problems);
}
