import type { AsvsItem } from './asvs.js';
import type { CheckId } from './check-ids.js';

/**
 * `error`: somebody can be harmed by it as it stands. `warning`: a protection is weaker than it could be, or the set-up
 * cannot be what is meant. `notice`: worth knowing, and right for some.
 */
export type Severity = 'error' | 'warning' | 'notice';

/** From the worst to the least. */
export const SEVERITIES: readonly Severity[] = ['error', 'warning', 'notice'];

/** Something that a check has found in a set-up. No field holds the value of a secret. */
export interface Finding {
  readonly id: CheckId;
  readonly severity: Severity;
  readonly title: string;
  /** What was found, and what comes of it. */
  readonly found: string;
  /** What to do, naming the option. */
  readonly fix: string;
  /** Rows of docs/security.md. */
  readonly rows: readonly string[];
  /** Items of the OWASP ASVS 5.0. */
  readonly asvs: readonly AsvsItem[];
}

/**
 * True for what stops the boot where the options are `strict`: errors and warnings, and handlers of which nobody said who
 * may call them (requirement SE-10).
 */
export function isRefusedWhenStrict({ severity, id }: { severity: Severity; id: string }): boolean {
  return severity !== 'notice' || id === ('handler-without-rule' satisfies CheckId);
}

/** A finding on one line, for a log. */
export function describeFinding({ found, fix, id, rows }: Finding): string {
  return `${found}; ${fix} (doctor: ${id}, ${rows.join(', ')})`;
}
