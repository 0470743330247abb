import { listed, when, type DoctorCheck } from './doctor-check.js';
import { isGuessable, secretBytes } from './secret-strength.js';

/** The last day of each line of Node, as Unix ms. @see https://github.com/nodejs/release */
const NODE_ENDS: Readonly<Record<string, number>> = {
  20: Date.UTC(2026, 3, 30),
  22: Date.UTC(2027, 3, 30),
  24: Date.UTC(2028, 3, 30),
};
/** Lines before this one that are not in the list have ended; what becomes of later ones is not known here. */
const FIRST_UNKNOWN_LINE = 26;

/** The process, its secret and its log. */
export const PLATFORM_CHECKS: readonly DoctorCheck[] = [
  {
    id: 'secret-unset',
    severity: 'warning',
    elsewhere: 'notice',
    title: 'The secret is another one at every start',
    rows: ['LG-04'],
    asvs: ['16.2.4'],
    fix: 'set secret, from `openssl rand -base64 48`',
    find: ({ options }) =>
      when(
        options.secret === undefined,
        'secret is not set: the references in the audit log cannot be followed over a restart',
      ),
  },
  {
    id: 'secret-guessable',
    severity: 'error',
    elsewhere: 'warning',
    title: 'The secret can be guessed',
    rows: ['LG-04', 'RD-02'],
    asvs: ['11.5.1', '13.3.1'],
    fix: 'take secret from `openssl rand -base64 48`',
    find: ({ options }) =>
      when(
        options.secret !== undefined && isGuessable(options.secret),
        'secret looks made up: who guesses it finds the keys of a user in the store, and whom the references in the log stand for',
      ),
  },
  {
    id: 'secret-shared',
    severity: 'warning',
    title: 'One secret for two things',
    rows: ['LG-04', 'JW-04'],
    asvs: ['13.3.2'],
    fix: 'give secret and jwt.secret values of their own',
    find: ({ options: { secret, jwt } }) => {
      const keys = jwt.flatMap(({ key, keys: byKid }) => [...(key ? [key] : []), ...(byKid?.values() ?? [])]);
      const isShared =
        secret !== undefined &&
        keys.some((key) => key.type === 'secret' && key.export().equals(secretBytes(secret)));
      return when(isShared, 'secret is the key of a token issuer too: who is given one of them has both');
    },
  },
  {
    id: 'audit-log-off',
    severity: 'warning',
    elsewhere: 'notice',
    title: 'The audit log is off',
    rows: ['LG-01'],
    asvs: ['16.3.1', '16.3.3'],
    fix: 'leave audit.log out, or make sure that WsAuthEvents is written somewhere',
    find: ({ options }) =>
      when(!options.audit.log, 'audit.log is false: nobody learns who came in, who was refused, and why'),
  },
  {
    id: 'report-only',
    severity: 'warning',
    title: 'Rules that refuse nobody',
    rows: ['OR-01', 'TH-02', 'SE-10'],
    asvs: ['4.4.2', '2.4.1', '8.2.1'],
    fix: 'take it out of audit.reportOnly when the trial is over',
    find: ({ options }) =>
      [...new Set(options.audit.reportOnly)].map(
        (rules) => `audit.reportOnly lists "${rules}": what these rules would refuse is let in and only told`,
      ),
  },
  {
    id: 'environment-unset',
    severity: 'notice',
    title: 'Nobody said whether this is production',
    rows: ['CF-01'],
    asvs: ['13.4.2', '15.2.3'],
    fix: 'set NODE_ENV=production where it is; handshake.requireTls and cookie.secure follow it',
    find: ({ nodeEnv }) =>
      when(
        nodeEnv === undefined || nodeEnv === '',
        'NODE_ENV is not set: what protects production, such as TLS, is off',
      ),
  },
  {
    id: 'environment-unknown',
    severity: 'notice',
    title: 'An environment of another name',
    rows: ['CF-01'],
    asvs: ['13.4.2', '15.2.3'],
    fix: 'set NODE_ENV=production wherever strangers can connect',
    find: ({ nodeEnv = '' }) =>
      when(
        nodeEnv !== '' && !['production', 'development', 'test'].includes(nodeEnv),
        `NODE_ENV is ${listed([nodeEnv.slice(0, 40)])}, which is not production: TLS is not required`,
      ),
  },
  {
    id: 'node-end-of-life',
    severity: 'notice',
    title: 'This Node gets no more fixes',
    rows: ['CF-02'],
    asvs: ['15.2.1'],
    fix: 'run a Node that is maintained',
    find: ({ nodeVersion, now }) => {
      const major = nodeVersion.split('.', 1)[0]!;
      const end = NODE_ENDS[major] ?? (Number(major) < FIRST_UNKNOWN_LINE ? 0 : Infinity);
      return when(now > end, `Node ${nodeVersion} is past the end of its line: holes in it stay open`);
    },
  },
];
