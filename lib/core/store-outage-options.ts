import type { OptionProblems } from './option-rules.js';
import {
  count,
  defaultsOf,
  durationMs,
  resolveGroup,
  type OptionSpecs,
  type OptionValues,
} from './option-spec.js';

/** What happens to live connections while the store cannot be asked. */
export interface StoreOutageOptions {
  /** How long they live on without news of revocations; then they are closed 1013. @default 60_000 ms */
  graceMs?: number;
  /**
   * How many nodes share what is counted for all of them (connects, messages, failed guesses): while the store is away each
   * node holds its part of it.
   * @default 2
   */
  expectedNodes?: number;
}

const SPECS = {
  graceMs: durationMs(60_000),
  expectedNodes: count(2),
} satisfies OptionSpecs<StoreOutageOptions>;

/** The options with their values. */
export type ResolvedStoreOutageOptions = OptionValues<typeof SPECS>;

export const STORE_OUTAGE_DEFAULTS = defaultsOf(SPECS);

/** Validates the `storeOutage` group. */
export function resolveStoreOutageOptions(
  given: unknown,
  problems: OptionProblems,
): ResolvedStoreOutageOptions {
  return resolveGroup('storeOutage', SPECS, given, problems);
}
