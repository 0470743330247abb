import { inWords, when, type DoctorCheck } from './doctor-check.js';

/** NIST SP 800-63B-4 §2.2.3: at AAL2 a session should end after an hour of inactivity, and after a day. */
const LONG_IDLE_MS = 3_600_000;
const LONG_LIFE_MS = 86_400_000;
const MANY_SESSIONS = 1_000;
const MANY_CONNECTIONS = 500;
const MANY_CONNECTIONS_OF_SESSION = 200;

/** How long sessions last, and how many there may be. */
export const SESSION_CHECKS: readonly DoctorCheck[] = [
  {
    id: 'session-idle-long',
    severity: 'warning',
    title: 'Unused sessions live long',
    rows: ['SE-08'],
    asvs: ['7.1.1', '7.3.1'],
    fix: 'set session.idleMs to an hour or less, or write down why it is more',
    find: ({ options: { session } }) =>
      when(
        session.idleMs > LONG_IDLE_MS,
        `session.idleMs is ${inWords(session.idleMs)}: whoever finds the machine is logged in for that long`,
      ),
  },
  {
    id: 'session-absolute-long',
    severity: 'warning',
    title: 'Sessions live long',
    rows: ['SE-08'],
    asvs: ['7.1.1', '7.3.2'],
    fix: 'set session.absoluteMs to a day or less, or write down why it is more',
    find: ({ options: { session } }) =>
      when(
        session.absoluteMs > LONG_LIFE_MS,
        `session.absoluteMs is ${inWords(session.absoluteMs)}: a stolen session that is kept in use is good for that long`,
      ),
  },
  {
    id: 'sessions-many',
    severity: 'notice',
    title: 'A user may have many sessions',
    rows: ['SE-07'],
    asvs: ['7.1.2'],
    fix: 'lower session.maxPerUser',
    find: ({ options: { session } }) =>
      when(
        session.maxPerUser > MANY_SESSIONS,
        `session.maxPerUser is ${session.maxPerUser}: nobody looks through such a list for the one that is a thief's`,
      ),
  },
  {
    id: 'connections-many',
    severity: 'warning',
    title: 'A user may have many connections',
    rows: ['SE-07'],
    asvs: ['2.4.1', '7.1.2'],
    fix: 'lower connections.maxPerUser and connections.maxPerSession',
    find: ({ options: { connections } }) =>
      when(
        connections.maxPerUser > MANY_CONNECTIONS || connections.maxPerSession > MANY_CONNECTIONS_OF_SESSION,
        `connections.maxPerUser is ${connections.maxPerUser} and connections.maxPerSession ${connections.maxPerSession}: one account can fill a node`,
      ),
  },
  {
    id: 'connections-replace',
    severity: 'notice',
    title: 'A newer connection pushes out an older one',
    rows: ['SE-07'],
    asvs: ['7.1.2'],
    fix: 'leave connections.onLimit out, unless losing a connection is better than not getting one',
    find: ({ options: { connections } }) =>
      when(
        connections.onLimit === 'replace-oldest',
        'connections.onLimit is "replace-oldest": who has stolen a session can push its owner off',
      ),
  },
];
