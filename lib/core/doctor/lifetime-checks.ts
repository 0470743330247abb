import { inWords, when, type DoctorCheck } from './doctor-check.js';

const LONG_LIFE_MS = 86_400_000;
const SLOW_PING_MS = 120_000;
const SLOW_PONG_MS = 60_000;
const SLOW_REVALIDATION_MS = 600_000;
const LONG_GRACE_MS = 10_000;
/** What orchestrators commonly wait before they kill. */
const LONG_DRAIN_MS = 30_000;

/** When connections end. */
export const LIFETIME_CHECKS: readonly DoctorCheck[] = [
  {
    id: 'lifetime-long',
    severity: 'warning',
    title: 'Connections live long',
    rows: ['LT-01'],
    asvs: ['7.3.2'],
    fix: 'set lifetime.maxMs to a day or less',
    find: ({ options: { lifetime } }) =>
      when(
        lifetime.maxMs > LONG_LIFE_MS,
        `lifetime.maxMs is ${inWords(lifetime.maxMs)}: a connection goes on that long without anybody logging in again`,
      ),
  },
  {
    id: 'idle-off',
    severity: 'notice',
    title: 'Connections that say nothing stay',
    rows: ['LT-03'],
    asvs: ['7.3.1'],
    fix: 'set lifetime.idleMs, unless clients only listen',
    find: ({ options: { lifetime } }) =>
      when(
        lifetime.idleMs === false || lifetime.idleMs > 3_600_000,
        lifetime.idleMs === false
          ? 'lifetime.idleMs is false: a tab that was left open stays connected to the end of its session'
          : `lifetime.idleMs is ${inWords(Number(lifetime.idleMs))}: a tab that was left open stays connected for that long`,
      ),
  },
  {
    id: 'heartbeat-slow',
    severity: 'warning',
    title: 'Dead connections are found late',
    rows: ['LT-04'],
    asvs: ['15.2.2'],
    fix: 'set lifetime.pingIntervalMs to 120,000 and lifetime.pongTimeoutMs to 60,000 or less',
    find: ({ options: { lifetime } }) =>
      when(
        lifetime.pingIntervalMs > SLOW_PING_MS || lifetime.pongTimeoutMs > SLOW_PONG_MS,
        `lifetime.pingIntervalMs is ${inWords(lifetime.pingIntervalMs)} and lifetime.pongTimeoutMs ${inWords(lifetime.pongTimeoutMs)}: proxies cut idle links sooner, and who is gone counts against limits until then`,
      ),
  },
  {
    id: 'revalidation-slow',
    severity: 'warning',
    title: 'A lost revocation is found late',
    rows: ['LT-05', 'SE-04'],
    asvs: ['7.4.1', '8.3.2'],
    fix: 'set lifetime.revalidateMs to 600,000 or less',
    find: ({ options: { lifetime } }) =>
      when(
        lifetime.revalidateMs > SLOW_REVALIDATION_MS,
        `lifetime.revalidateMs is ${inWords(lifetime.revalidateMs)}: what was ended in the store without a word lives on for that long`,
      ),
  },
  {
    id: 'close-grace-long',
    severity: 'notice',
    title: 'Closed sockets stay open',
    rows: ['SE-02'],
    asvs: ['7.4.1'],
    fix: 'set lifetime.closeGraceMs to 10,000 or less',
    find: ({ options: { lifetime } }) =>
      when(
        lifetime.closeGraceMs > LONG_GRACE_MS,
        `lifetime.closeGraceMs is ${inWords(lifetime.closeGraceMs)}: a peer that does not answer Close keeps its socket for that long`,
      ),
  },
  {
    id: 'drain-long',
    severity: 'notice',
    title: 'A shutdown may be cut short',
    rows: ['LT-06'],
    asvs: ['16.5.3'],
    fix: 'set lifetime.drainMs to 30,000 or less, or let the orchestrator wait longer',
    find: ({ options: { lifetime } }) =>
      when(
        lifetime.drainMs > LONG_DRAIN_MS,
        `lifetime.drainMs is ${inWords(lifetime.drainMs)}: orchestrators commonly kill after 30 seconds, and then all clients come back at once`,
      ),
  },
  {
    id: 'close-codes-remapped',
    severity: 'notice',
    title: 'Close codes are translated',
    rows: ['LT-07'],
    asvs: ['16.5.3'],
    fix: 'leave closeCodes out, unless a peer or a proxy knows no codes of ours',
    find: ({ options }) =>
      when(
        options.closeCodes !== 'project',
        `closeCodes is "${options.closeCodes}": clients must read the word in the reason to know whether to come back`,
      ),
  },
];
