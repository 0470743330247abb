import { ANOMALY_CHECKS } from './anomaly-checks.js';
import { CREDENTIAL_CHECKS } from './credential-checks.js';
import type { CheckId } from './check-ids.js';
import type { DoctorCheck } from './doctor-check.js';
import type { DoctorFacts } from './doctor-facts.js';
import { SEVERITIES, type Finding } from './finding.js';
import { GATEWAY_CHECKS } from './gateway-checks.js';
import { HANDSHAKE_CHECKS } from './handshake-checks.js';
import { LIFETIME_CHECKS } from './lifetime-checks.js';
import { MESSAGE_CHECKS } from './message-checks.js';
import { ORIGIN_CHECKS } from './origin-checks.js';
import { PLATFORM_CHECKS } from './platform-checks.js';
import { PROXY_CHECKS } from './proxy-checks.js';
import { SESSION_CHECKS } from './session-checks.js';
import { STORE_CHECKS } from './store-checks.js';
import { TOKEN_CHECKS } from './token-checks.js';

/** Every check, in the order of docs/doctor.md. */
export const DOCTOR_CHECKS: readonly DoctorCheck[] = [
  ...ORIGIN_CHECKS,
  ...HANDSHAKE_CHECKS,
  ...PROXY_CHECKS,
  ...CREDENTIAL_CHECKS,
  ...TOKEN_CHECKS,
  ...SESSION_CHECKS,
  ...LIFETIME_CHECKS,
  ...MESSAGE_CHECKS,
  ...GATEWAY_CHECKS,
  ...STORE_CHECKS,
  ...ANOMALY_CHECKS,
  ...PLATFORM_CHECKS,
];

/** What came of an examination. */
export interface Diagnosis {
  /** The worst first, and those of a kind in the order of the checks. */
  readonly findings: readonly Finding[];
  /** Checks that found something which `doctor.ignore` says is meant. */
  readonly ignored: readonly CheckId[];
}

/** Looks for everything that is unsafe or odd about a set-up. Asks nobody, and changes nothing. */
export function examine(facts: DoctorFacts): Diagnosis {
  const found = DOCTOR_CHECKS.flatMap((check) => findingsOf(check, facts));
  const isIgnored = ({ id }: Finding): boolean => facts.options.doctor.ignore.includes(id);
  const findings = found.filter((finding) => !isIgnored(finding));
  findings.sort((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity));
  return { findings, ignored: [...new Set(found.filter(isIgnored).map(({ id }) => id))] };
}

function findingsOf(check: DoctorCheck, facts: DoctorFacts): Finding[] {
  const severity = facts.options.production ? check.severity : (check.elsewhere ?? check.severity);
  if (severity === 'none') return [];
  const { id, title, fix, rows, asvs } = check;
  return check.find(facts).map((found) => ({ id, severity, title, found, fix, rows, asvs }));
}
