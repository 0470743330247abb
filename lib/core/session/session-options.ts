import type { OptionProblems } from '../option-rules.js';
import {
  count,
  defaultsOf,
  durationMs,
  oneOf,
  resolveGroup,
  type OptionSpecs,
  type OptionValues,
} from '../option-spec.js';

/** Server-side sessions. */
export interface SessionOptions {
  /** A session ends after this long without use. @default 1_800_000 ms (30 minutes) */
  idleMs?: number;
  /** A session ends this long after it began, whatever happens. @default 43_200_000 ms (12 hours) */
  absoluteMs?: number;
  /** What counts as use: application messages and HTTP requests, or HTTP requests alone. @default 'messages' */
  extendedBy?: 'messages' | 'http';
  /** Sessions of one user. @default 100 */
  maxPerUser?: number;
}

const SPECS = {
  idleMs: durationMs(30 * 60_000),
  absoluteMs: durationMs(12 * 3_600_000),
  extendedBy: oneOf(['messages', 'http'], 'messages'),
  maxPerUser: count(100, 1, 10_000),
} satisfies OptionSpecs<SessionOptions>;

/** The options with their values. */
export type ResolvedSessionOptions = OptionValues<typeof SPECS>;

export const SESSION_DEFAULTS = defaultsOf(SPECS);

/** Validates the `session` group. */
export function resolveSessionOptions(given: unknown, problems: OptionProblems): ResolvedSessionOptions {
  return resolveGroup('session', SPECS, given, problems);
}
