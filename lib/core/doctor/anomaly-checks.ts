import type { ResolvedAnomalyOptions } from '../anomaly/anomaly-options.js';
import { when, type DoctorCheck } from './doctor-check.js';

/** What is done about attacks. */
export const ANOMALY_CHECKS: readonly DoctorCheck[] = [
  {
    id: 'anomalies-lock-out',
    severity: 'warning',
    title: 'Users are locked out with an attacker',
    rows: ['CR-05'],
    asvs: ['6.1.1'],
    fix: 'leave anomalies.spareLoggedIn out',
    find: ({ options: { anomalies } }) =>
      when(
        !anomalies.spareLoggedIn &&
          rulesOf(anomalies).some(({ action }) => ['ban', 'back-off'].includes(action)),
        'anomalies.spareLoggedIn is false: whoever shares an address with an attacker, as behind one router, is banned with it',
      ),
  },
  {
    id: 'anomalies-off',
    severity: 'notice',
    title: 'Nobody looks for attacks',
    rows: ['CR-05', 'LG-01'],
    asvs: ['6.3.1', '16.3.3'],
    fix: 'leave the thresholds of anomalies out; by themselves rules only tell',
    find: ({ options: { anomalies } }) =>
      when(
        rulesOf(anomalies).every(({ threshold }) => threshold === Infinity),
        'anomalies has no rule that is on: replays, guessing and shared sessions are told one by one only',
      ),
  },
];

function rulesOf(anomalies: ResolvedAnomalyOptions): readonly { threshold: number; action: string }[] {
  return Object.values(anomalies).filter(
    (rule): rule is { threshold: number; windowMs: number; action: never } =>
      typeof rule === 'object' && 'threshold' in rule,
  );
}
