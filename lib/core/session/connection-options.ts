import type { OptionProblems } from '../option-rules.js';
import {
  count,
  defaultsOf,
  oneOf,
  resolveGroup,
  type OptionSpecs,
  type OptionValues,
} from '../option-spec.js';

/** How many connections may live at once. */
export interface ConnectionOptions {
  /** @default 20 */
  maxPerSession?: number;
  /** @default 50 */
  maxPerUser?: number;
  /** What happens beyond a limit. With `replace-oldest` a thief can push the owner off, so it is not the default. @default 'reject' */
  onLimit?: 'reject' | 'replace-oldest';
}

const SPECS = {
  maxPerSession: count(20),
  maxPerUser: count(50),
  onLimit: oneOf(['reject', 'replace-oldest'], 'reject'),
} satisfies OptionSpecs<ConnectionOptions>;

/** The options with their values. */
export type ResolvedConnectionOptions = OptionValues<typeof SPECS>;

export const CONNECTION_DEFAULTS = defaultsOf(SPECS);

/** Validates the `connections` group. */
export function resolveConnectionOptions(
  given: unknown,
  problems: OptionProblems,
): ResolvedConnectionOptions {
  return resolveGroup('connections', SPECS, given, problems);
}
