import type { AsvsItem } from './asvs.js';
import type { CheckId } from './check-ids.js';
import type { DoctorFacts } from './doctor-facts.js';
import type { Severity } from './finding.js';

/** One thing that may be unsafe or odd about a set-up. */
export interface DoctorCheck {
  readonly id: CheckId;
  readonly severity: Severity;
  /** What it is outside production; `none` where it is of no interest there. @default the same */
  readonly elsewhere?: Severity | 'none';
  readonly title: string;
  /** Rows of docs/security.md. */
  readonly rows: readonly string[];
  readonly asvs: readonly AsvsItem[];
  /** What to do, naming the option. */
  readonly fix: string;
  /** What was found, in a sentence for each. Holds no value of a secret. */
  find(facts: DoctorFacts): readonly string[];
}

/** The sentence, where it is true. */
export function when(isFound: boolean, sentence: string): readonly string[] {
  return isFound ? [sentence] : [];
}

/** A duration as one would say it. */
export function inWords(ms: number): string {
  const units = [
    [86_400_000, 'day'],
    [3_600_000, 'hour'],
    [60_000, 'minute'],
    [1_000, 'second'],
  ] as const;
  const [size, name] = units.find(([unit]) => ms >= unit) ?? [1, 'millisecond'];
  const count = Math.round((ms / size) * 10) / 10;
  return `${count} ${name}${count === 1 ? '' : 's'}`;
}

/** How many a minute a rate lets through. */
export function perMinute({ limit, windowMs }: { limit: number; windowMs: number }): number {
  return (limit / windowMs) * 60_000;
}

/** Names in a sentence. */
export function listed(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(', ');
}
