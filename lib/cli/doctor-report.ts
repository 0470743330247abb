import type { CheckId } from '../core/doctor/check-ids.js';
import { SEVERITIES, type Finding, type Severity } from '../core/doctor/finding.js';

/** A finding of a check, or a sentence for which the boot would be refused. */
export type ReportedFinding = Omit<Finding, 'id'> & { readonly id: CheckId | 'boot-refused' };

/** What the command has found. */
export interface DoctorReport {
  readonly module: string;
  readonly production: boolean;
  readonly findings: readonly ReportedFinding[];
  readonly ignored: readonly CheckId[];
}

/** Something that would stop the boot. */
export function refusal(sentence: string): ReportedFinding {
  return {
    id: 'boot-refused',
    severity: 'error',
    title: 'The application does not boot',
    found: sentence,
    fix: 'do what the sentence says',
    rows: ['CF-01'],
    asvs: ['16.5.3'],
  };
}

/** For programs. Fields are added, and none is taken away. */
export function toJson({ module, production, findings, ignored }: DoctorReport): string {
  return `${JSON.stringify({ module, production, counts: countsOf(findings), findings, ignored }, undefined, 2)}\n`;
}

/** For people. */
export function toText({ module, production, findings, ignored }: DoctorReport): string {
  const width = Math.max(0, ...findings.map(({ id }) => id.length));
  const blocks = byId(findings).map((group) => describe(group, width));
  const counts = countsOf(findings);
  const summary = SEVERITIES.map(
    (severity) => `${counts[severity]} ${severity}${counts[severity] === 1 ? '' : 's'}`,
  );
  const left = ignored.length > 0 ? `; ignored: ${ignored.join(', ')}` : '';
  return [
    `${module}, ${production ? 'in production' : 'outside production'}`,
    ...blocks,
    `${summary.join(', ')}${left}`,
  ]
    .join('\n\n')
    .concat('\n');
}

/** What a check has found in several places is told together. */
function byId(findings: readonly ReportedFinding[]): readonly (readonly ReportedFinding[])[] {
  const groups = new Map<string, ReportedFinding[]>();
  for (const finding of findings) groups.set(finding.id, [...(groups.get(finding.id) ?? []), finding]);
  return [...groups.values()];
}

function describe(group: readonly ReportedFinding[], width: number): string {
  const { id, severity, title, fix, rows, asvs } = group[0]!;
  const indent = ' '.repeat(9);
  return [
    `${severity.toUpperCase().padEnd(9)}${id.padEnd(width)}  ${rows.join(', ')}; ASVS ${asvs.join(', ')}`,
    `${indent}${title}`,
    ...group.map(({ found }) => `${indent}found  ${found}`),
    `${indent}fix    ${fix}`,
  ].join('\n');
}

function countsOf(findings: readonly ReportedFinding[]): Record<Severity, number> {
  const count = (wanted: Severity): number => findings.filter(({ severity }) => severity === wanted).length;
  return { error: count('error'), warning: count('warning'), notice: count('notice') };
}
