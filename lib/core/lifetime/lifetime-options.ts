import type { OptionProblems } from '../option-rules.js';
import {
  defaultsOf,
  durationMs,
  durationMsOrNever,
  resolveGroup,
  type OptionSpecs,
  type OptionValues,
} from '../option-spec.js';

/** When connections end. */
export interface LifetimeOptions {
  /** The longest life of a connection. @default 43_200_000 ms (12 hours) */
  maxMs?: number;
  /**
   * A connection without an application message for this long is closed 4408; pings and pongs do not count. `false`: never,
   * for clients that only listen.
   * @default 900_000 ms (15 minutes)
   */
  idleMs?: number | false;
  /** How often a peer is asked for a sign of life. @default 30_000 ms */
  pingIntervalMs?: number;
  /** How long it may take to give it; then the socket is cut. @default 10_000 ms */
  pongTimeoutMs?: number;
  /** How often the session or the credential behind a connection is looked up again, whatever was heard of it. @default 60_000 ms */
  revalidateMs?: number;
  /**
   * At shutdown the closes are spread over at most this time, 20 ms for each connection, so that the clients do not all come
   * back at once.
   * @default 20_000 ms
   */
  drainMs?: number;
  /** How long a peer may take to answer Close before the socket is cut. @default 2_000 ms */
  closeGraceMs?: number;
}

const SPECS = {
  maxMs: durationMs(12 * 3_600_000),
  idleMs: durationMsOrNever(15 * 60_000),
  pingIntervalMs: durationMs(30_000),
  pongTimeoutMs: durationMs(10_000),
  revalidateMs: durationMs(60_000),
  drainMs: durationMs(20_000, 600_000),
  closeGraceMs: durationMs(2_000, 30_000),
} satisfies OptionSpecs<LifetimeOptions>;

/** The options with their values. */
export type ResolvedLifetimeOptions = OptionValues<typeof SPECS>;

export const LIFETIME_DEFAULTS = defaultsOf(SPECS);

/** Validates the `lifetime` group. */
export function resolveLifetimeOptions(given: unknown, problems: OptionProblems): ResolvedLifetimeOptions {
  return resolveGroup('lifetime', SPECS, given, problems);
}
