import type { OptionProblems } from '../option-rules.js';
import { defaultsOf, flag, resolveGroup, type OptionSpecs, type OptionValues } from '../option-spec.js';

/** The audit log. */
export interface AuditOptions {
  /** Write one line for each event through Nest's logger. @default true */
  log?: boolean;
}

const SPECS = {
  log: flag(true),
} satisfies OptionSpecs<AuditOptions>;

/** The options with their values. */
export type ResolvedAuditOptions = OptionValues<typeof SPECS>;

export const AUDIT_DEFAULTS = defaultsOf(SPECS);

/** Validates the `audit` group. */
export function resolveAuditOptions(given: unknown, problems: OptionProblems): ResolvedAuditOptions {
  return resolveGroup('audit', SPECS, given, problems);
}
