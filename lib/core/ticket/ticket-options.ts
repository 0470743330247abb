import type { OptionProblems } from '../option-rules.js';
import {
  count,
  defaultsOf,
  durationMs,
  flag,
  resolveGroup,
  type OptionSpecs,
  type OptionValues,
} from '../option-spec.js';

/** The longest life that a ticket may be given (requirement TK-03). */
export const MAX_TICKET_TTL_MS = 60_000;

/** One-time tickets. */
export interface TicketOptions {
  /** How long an unused ticket is good. At most 60,000 ms. @default 30_000 ms */
  ttlMs?: number;
  /** Unused tickets of one session; a further one pushes out the oldest. @default 20 */
  maxOutstanding?: number;
  /** Tickets issued for one session in a minute. @default 60 */
  maxPerMinute?: number;
  /** A ticket issued on a request that carried the session cookie must arrive with that cookie. @default false */
  requiresCookie?: boolean;
}

const SPECS = {
  ttlMs: durationMs(30_000, MAX_TICKET_TTL_MS),
  maxOutstanding: count(20, 1, 1_000),
  maxPerMinute: count(60),
  requiresCookie: flag(false),
} satisfies OptionSpecs<TicketOptions>;

/** The options with their values. */
export type ResolvedTicketOptions = OptionValues<typeof SPECS>;

export const TICKET_DEFAULTS = defaultsOf(SPECS);

/** Validates the `ticket` group. */
export function resolveTicketOptions(given: unknown, problems: OptionProblems): ResolvedTicketOptions {
  return resolveGroup('ticket', SPECS, given, problems);
}
